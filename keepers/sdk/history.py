"""What happened: who ended a lease and on which report, the proofs behind a bill, what a provider's leases earned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from keepers.chain.attestations import Attestations
from keepers.chain.ports import Event, Reader
from keepers.protocol.counters import Header, Leaf, down_seconds, fault_seconds
from keepers.protocol.epochs import RING, Calendar
from keepers.protocol.errors import HearthError
from keepers.protocol.leases import Terms
from keepers.protocol.units import BPS
from keepers.sdk.types import LeaseView

WINDOW_S = 30 * 86_400  # seconds over which a node's uptime is shown


@dataclass(frozen=True)
class Ending:
    """Who stopped a lease, in which transaction; and the report that the last word about it rests on.

    `report_epoch` is 0 where nothing was proven (yet); `signers` of `seats` signed that report.
    """

    by: str
    tx: str
    block: int
    report_epoch: int = 0
    report_tx: str = ""
    signers: int = 0
    seats: int = 0


@dataclass(frozen=True)
class ReportProof:
    """A node's leaf in an epoch's tree, as the escrow was shown it: keccak(root ‖ header) is the hub's ring word."""

    epoch: int
    header: int
    leaf: int
    siblings: tuple[bytes, ...]
    root: bytes


@dataclass(frozen=True)
class Earned:
    """One settlement of a provider's lease: attested seconds, and credits without the settler's bounty."""

    at: int
    lease: int
    node: int
    gpus: int
    seconds: int
    credits_wei: int
    bounty_wei: int


@dataclass(frozen=True)
class Share:
    """Attested share of a node's time, in 1/10,000, over `over_s` seconds that are reported and usable."""

    bps: int
    over_s: int


def proofs_of(node: int, epochs: Iterable[int], reports: Attestations) -> tuple[ReportProof, ...]:
    """A proof for each epoch that the reports still reach; the others are left out."""
    found = []
    for epoch in sorted({epoch for epoch in epochs if epoch}):
        try:
            proof = reports.proof(node, epoch)
            found.append(ReportProof(epoch, proof.header, proof.leaf, proof.siblings, reports.report(epoch).root))
        except HearthError:
            continue  # out of the ring: the chain itself can no longer prove it
    return tuple(found)


def dark_epoch(view: LeaseView, limit: int, reports: Attestations, calendar: Calendar, usable: int) -> int:
    """First epoch whose report shows more than `limit` seconds of fault in the lease, as `stop_dark` asks; 0 = none."""
    start = view.terms.start
    first = calendar.epoch(start)

    def fault(epoch: int, moment: int) -> int:
        leaf = Leaf.unpack(reports.leaf(view.terms.node, epoch))
        return fault_seconds(reports.header(epoch), leaf, moment - calendar.start(epoch), calendar.slot)

    try:
        before = fault(first, start)
        for epoch in range(first, usable + 1):
            if calendar.start(epoch) >= view.until_at:
                break
            if fault(epoch, min(view.until_at, calendar.end(epoch))) > before + limit:
                return epoch
    except HearthError:
        pass  # out of the ring: nobody can show it any more
    return 0


def ending_of(lease: int, events: Sequence[Event], reader: Reader, first_block: int, shown: int = 0) -> Ending | None:
    """From a lease's events; None while it runs. `shown` is the epoch whose report is the reason, where there is one.

    Otherwise the report is that of the last settlement.
    """
    stopped = [e for e in events if e.name == "Stopped" and e["id"] == lease]
    if not stopped:
        return None
    last = stopped[-1]  # a later one, by a proof of darkness, replaces the reason of the first
    ended = Ending(str(last["by"]).lower(), "0x" + last.tx_hash.hex(), last.block_number)
    proven = [e for e in events if e["id"] == lease and e.name in ("Settled", "Finished") and e["epoch"]]
    if not proven and not shown:
        return ended
    epoch, block = (shown, last.block_number) if shown else (int(proven[-1]["epoch"]), proven[-1].block_number)
    reports = reader.events(first_block, block, "AttestationHub", ("Report",))
    report = next((e for e in reversed(reports) if int(e["epoch"]) == epoch), None)
    if report is None:
        return ended
    tx = "0x" + report.tx_hash.hex()
    return replace(ended, report_epoch=epoch, report_tx=tx, signers=int(report["who"]).bit_count())


def earned_of(
    provider: int, since: int, opened: Iterable[Event], settled: Iterable[Event], times: dict[int, int]
) -> tuple[Earned, ...]:
    """Settlements of a provider's leases from `since` (unix seconds) on, in order; `times` by block number."""
    leases = {int(e["id"]): (n, Terms.unpack(e["terms"])) for n, e in enumerate(opened, 1) if e["provider"] == provider}
    so_far: dict[int, int] = {}
    rows = []
    for event in settled:
        lease = int(event["id"])
        if lease not in leases:
            continue
        seconds = int(event["seconds"]) - so_far.get(lease, 0)
        so_far[lease] = int(event["seconds"])
        at = times[event.block_number]
        if at < since:
            continue
        number, terms = leases[lease]
        bounty = int(event["bounty"])
        rows.append(Earned(at, number, terms.node, terms.gpus, seconds, int(event["credits"]) - bounty, bounty))
    return tuple(rows)


def share_of(node: int, first: int, reports: Attestations, calendar: Calendar, usable: int) -> Share | None:
    """What was attested of a node over the last WINDOW_S that are usable; None where there is nothing yet.

    D at the end of the window less D at its start (docs/protocol.md §7), `first` is the node's first epoch.
    """
    length = calendar.epoch_seconds
    begin = max(first - 1, usable - WINDOW_S // length, usable - RING + 1, 0)
    if usable <= begin:
        return None

    def down(epoch: int) -> int:
        header, leaf = (reports.header(epoch), reports.leaf(node, epoch)) if epoch else (Header(), 0)
        return down_seconds(header, Leaf.unpack(leaf), length, calendar.slot)

    whole = (usable - begin) * length
    try:
        return Share((whole - (down(usable) - down(begin))) * BPS // whole, whole)
    except HearthError:
        return None
