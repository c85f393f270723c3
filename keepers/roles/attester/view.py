"""A view of an epoch: what its leader proposes and how anybody recomputes it. One set gives one digest.

Source: protocol.md §7, End of epoch, steps 3-5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from keepers.chain.challenges import Drawn
from keepers.protocol.challenge import is_drawn
from keepers.protocol.epochs import Calendar
from keepers.protocol.merge import Body, Observation, merge
from keepers.protocol.messages import Domain, Report, VoidReport
from keepers.protocol.report import BuiltReport, build, is_challenged, view_number, void_report
from keepers.protocol.uptime_tree import UptimeTree
from keepers.roles.attester.decide import REPORT, VOID
from keepers.roles.attester.exchange import Exchange, Held, sealed
from keepers.roles.attester.observe import Snapshot
from keepers.wire.codec import ObsBody, Proposal, SignedObs
from keepers.wire.routing import Refused
from keepers.wire.signatures import DigestSigner


@dataclass(frozen=True)
class Due:
    """Who may owe an answer in a challenged epoch: the seeds, when they were drawn, RATE in bps, the GPUs of each node
    that were free then."""

    drawn: Drawn
    rate: int
    free: Mapping[int, int]

    def falls_on(self, node: int) -> bool:
        """Whether the lot falls on a node."""
        return is_drawn(self.drawn.seed, node, self.rate)


@dataclass(frozen=True)
class Ground:
    """What a report builds on: the tree after the epoch before, indeterminate slots of the period so far, the time of
    the epoch's seed (0 = none), the committee's generation that signs, how often a report of the epoch was cancelled,
    who checked in on chain in it (slots by node), and who may owe an answer (None: nobody is asked for one)."""

    tree: UptimeTree
    used_in_period: int
    seed_time: int
    generation: int
    cancels: int = 0
    check_ins: Mapping[int, int] = field(default_factory=dict)
    due: Due | None = None


@dataclass(frozen=True)
class Built:
    """A digest and what it stands for: a report, or (`report` None) a void report through `last`; `message` is what is
    signed."""

    epoch: int
    view: int
    kind: int
    digest: bytes
    message: Report | VoidReport
    report: BuiltReport | None
    last: int
    previous_root: bytes
    previous_header: int
    exceptions: int = 0  # records of a report: nodes whose prediction did not hold
    cancels: int = 0

    @property
    def words(self) -> bytes:
        """The message as it is shown beside a signature."""
        return self.message.words()

    @property
    def signed_view(self) -> int:
        """The view as it is signed."""
        return view_number(self.cancels, self.view)


def build_report(
    ground: Ground, snapshot: Snapshot, calendar: Calendar, domain: Domain, observations: Sequence[Held], view: int
) -> Built:
    """The report of a set of whole observations. Raises ValueError (or Refused) for a set that gives none."""
    epoch, n = snapshot.epoch, snapshot.committee.n
    given = [
        Observation(held.signed.seat, Body.decode(held.body, len(snapshot.nodes)).bits, held.signed.price)
        for held in observations
    ]
    tree = UptimeTree.at(ground.tree.snapshot())
    if tree.header.epoch != epoch - 1:
        raise ValueError(f"the tree stands at epoch {tree.header.epoch}, not {epoch - 1}")
    root, header = tree.root, tree.header.pack()
    merged = merge(
        given,
        n=n,
        epoch=epoch,
        nodes=snapshot.nodes,
        leaf_of=tree.leaf,
        weights=snapshot.weights,
        used_in_period=ground.used_in_period,
        check_ins=ground.check_ins,
        challenged=ground.due is not None,
        free=ground.due.free if ground.due else None,
        drawn=ground.due.falls_on if ground.due else None,
    )
    challenged = is_challenged(ground.seed_time, calendar.start(epoch), calendar.epoch_seconds)
    signed = view_number(ground.cancels, view)
    report = build(tree, merged, count=len(snapshot.nodes), view=signed, challenged=challenged)
    message = report.message(ground.generation)
    digest = message.digest(domain)
    return Built(epoch, view, REPORT, digest, message, report, epoch, root, header, len(merged.records), ground.cancels)


def build_void(ground: Ground, domain: Domain, last: int, view: int) -> Built:
    """The void report of the epochs after the tree's last through `last`."""
    tree = ground.tree
    message = void_report(tree, last, view_number(ground.cancels, view), ground.generation)
    digest = message.digest(domain)
    epoch, header = tree.header.epoch + 1, tree.header.pack()
    return Built(epoch, view, VOID, digest, message, None, last, tree.root, header, cancels=ground.cancels)


def choose(held: Mapping[int, Held]) -> list[Held]:
    """The leader's set: all that it holds, by seat."""
    return [held[seat] for seat in sorted(held)]


def gather(exchange: Exchange, proposal: Proposal) -> list[Held] | None:
    """The whole observations of a proposal's set; None where a body is not at hand or a signature does not hold.

    An observation that is new to us is kept first, so that its body can still come.
    """
    found: list[Held] = []
    seats: set[int] = set()
    for signed in proposal.observations:
        if signed.seat in seats:
            return None
        seats.add(signed.seat)
        held = exchange.find(signed)
        if held is None or not held.whole:
            try:
                exchange.take_observation(ObsBody(signed, b""))
            except Refused:
                return None
            return None
        found.append(held)
    return found


def as_proposal(
    built: Built, observations: Sequence[Held], seat: int, signature: bytes, key: DigestSigner, domain: Domain
) -> Proposal:
    """What the leader sends. `signature`: 64 bytes, its own on the digest; `key` seals the set."""
    signed: list[SignedObs] = [held.signed for held in observations]
    open_one = Proposal(
        built.kind, built.epoch, built.last, built.signed_view, signed, built.digest, seat, signature, built.words,
        bytes(65),
    )  # fmt: skip
    return msgspec.structs.replace(open_one, seal=key.sign_digest(sealed(open_one).digest(domain)))
