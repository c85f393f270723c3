"""Bad answers to the compute challenge: whoever holds one judges it, proves it, and is paid for it.

Source: docs/protocol.md §8, "Refutation".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from keepers.chain.contracts import ComputeChallenge
from keepers.chain.ports import BlockRef, Event
from keepers.protocol.errors import HearthError
from keepers.protocol.messages import Domain
from keepers.sdk.base import Base, Progress
from keepers.sdk.session import Step
from keepers.wire.codec import Decoder, ShownRow
from keepers.wire.committee import Committees
from keepers.wire.false_answers import next_first, page_path, read_page
from keepers.wire.proof_file import SCHEMA, decode_proof, proof_data
from keepers.wire.refuting import Judge, Judged, Proof, Stake, Standing, code_of
from keepers.wire.routing import Refused

MAX_BYTES = 8 << 20  # of a file of bad answers: thirty rows of the largest class
MAX_PAGES = 8  # of a seat
_ROWS, _ROW = Decoder(list[ShownRow]), Decoder(ShownRow)
Bad = ShownRow | Proof
Fetch = Callable[[str], bytes]


@dataclass(frozen=True)
class Refuted:
    """A node that is faulted for an answer: by whom, in which block, and what was paid to the finder (wei)."""

    node: int
    epoch: int
    finder: str
    block: int
    reward_wei: int
    tx: str = ""


class Challenges(Base):
    """What anybody may do about answers that are false."""

    @property
    def court(self) -> ComputeChallenge:
        """The contract that judges."""
        return ComputeChallenge(self.reader)

    @property
    def challenge_domain(self) -> Domain:
        """Where an answer's signature counts. Raises H1004 where the record has no ComputeChallenge."""
        record = self.deployment.contracts.get("ComputeChallenge")
        if record is None:
            raise HearthError(
                "H1004", "this network has no ComputeChallenge: no answer can be refuted", next=("hearth network show",)
            )
        return Domain(self.deployment.chain_id, record.address)

    def _judge(self) -> Judge:
        return Judge(self.reader, self.calendar, self.challenge_domain)

    # ---- reading

    def read_bad(self, text: bytes) -> tuple[Bad, ...]:
        """The bad answers of a file: a row with its signed answer, a list of such, or a proof. Raises H1006."""
        body = text.strip()
        if body.startswith(b"{"):
            return (decode_proof(body, self.challenge_domain),)
        try:
            found = [_ROW(body)] if _is_row(body) else _ROWS(body)
        except Refused as error:
            raise HearthError(
                "H1006",
                "the file holds no bad answer",
                why=(str(error), f"it is a row with its signed answer, a list of such, or a {SCHEMA}"),
                next=("docs/operators/watcher.md",),
            ) from None
        return tuple(found)

    def shown_by_seats(self, epoch: int, node: int | None, fetch: Fetch) -> tuple[ShownRow, ...]:
        """What the seats of an epoch show as false, each row once. A seat that does not answer is passed over.

        Raises H2007 where none of them answers.
        """
        follower = Committees(
            self.reader, self.deployment.first_block, {a.address: a.url for a in self.deployment.attesters}
        )
        follower.refresh(self.head())
        committee = follower.of_epoch(epoch)
        endpoints = [e for e in committee.endpoints if e.url] if committee is not None else []
        found: dict[tuple[int, bytes, int, int, int], ShownRow] = {}
        answered = 0
        for endpoint in endpoints:
            base = endpoint.url.rstrip("/")
            try:
                for row in _rows_of(lambda path, base=base: fetch(base + path), epoch, node):  # type: ignore[misc]
                    place = row.opened.place
                    found[row.answer.node, row.answer.root, place.gpu, place.round, place.row] = row
            except (HearthError, Refused):
                continue
            answered += 1
        if not answered:
            raise HearthError(
                "H2007", f"no seat of epoch {epoch} answers", why=(f"{len(endpoints)} were asked",),
                next=("hearth seat list",),
            )  # fmt: skip
        return tuple(found.values())

    # ---- judging

    def judge(self, bad: Sequence[Bad]) -> tuple[Judged, ...]:
        """The verdict of each, at one block."""
        judge, at = self._judge(), self.head()
        rows = [one for one in bad if isinstance(one, ShownRow)]
        judged = iter(judge.rows(rows, at))
        return tuple(next(judged) if isinstance(one, ShownRow) else judge.proof(one, at) for one in bad)

    def at_stake(self, judged: Judged, at: BlockRef | None = None) -> Stake:
        """What the node's provider loses, and at least the finder's part of it."""
        return self._judge().stake(judged.facts, at or self.head()) if judged.facts.node is not None else Stake()

    def proof_document(self, judged: Judged) -> dict[str, object]:
        """A proof as JSON data, with the call that shows it."""
        assert judged.proof is not None
        to, data = self.deployment.codec().encode(judged.proof.call(self.court))
        return {
            **proof_data(judged.proof, self.challenge_domain),
            "says": f"node {judged.answer.node}, epoch {judged.answer.epoch}: {judged.why}",
            "to": to,
            "calldata": "0x" + data.hex(),
        }

    # ---- acting

    def refuted(self, bad: Sequence[Bad]) -> tuple[Refuted, ...]:
        """What this key has refuted already of the answers of `bad`, oldest first."""
        wanted = {(one.answer.node, one.answer.epoch) for one in bad}
        events = self.reader.events(self.deployment.first_block, self.head().number, "ComputeChallenge", ("Refuted",))
        return tuple(
            Refuted(node, epoch, self.address, event.block_number, self._paid(event), "0x" + event.tx_hash.hex())
            for event in events
            if str(event["finder"]).lower() == self.address
            and (node := int(event["node"]), epoch := int(event["epoch"])) in wanted
        )

    def refute(self, judged: Judged, progress: Progress | None = None) -> Refuted:
        """Fault the node: committed first, shown in a later block. Committed before: goes on from there.

        Raises the code of the contract's words where it would refuse, before any gas is spent.
        """
        proof = judged.proof
        if proof is None:
            raise refusal((judged,))
        commitment = proof.commitment(self.address, self.challenge_domain)
        committed = self.court.committed_at(commitment, at=self.head())
        steps = [] if committed else [Step("commit", self.court.commit(commitment))]
        action = f"challenge-refute-{commitment.hex()}"
        done = self.session.run(action, [*steps, Step("refute", proof.call(self.court), later=True)], progress)[-1]
        answer = judged.answer
        for event in self.reader.events(done.block, done.block, "ComputeChallenge", ("Refuted",)):
            if int(event["node"]) == answer.node and str(event["finder"]).lower() == self.address:
                return Refuted(answer.node, answer.epoch, self.address, done.block, self._paid(event), done.tx)
        raise HearthError(
            "H2006",
            f"the refutation stands in block {done.block}, and its event is not there",
            next=("hearth challenge show FILE",),
        )

    def _paid(self, refuted: Event) -> int:
        """Wei that the pool gave this key for a refutation: the next event of that kind in the same transaction."""
        for event in self.reader.events(refuted.block_number, refuted.block_number, "StakingPool", ("Slashed",)):
            if event.tx_hash == refuted.tx_hash and event.index > refuted.index:
                return int(event["reward"]) * 10**9
        return 0


def _rows_of(get: Fetch, epoch: int, node: int | None) -> Iterator[ShownRow]:
    """What one seat shows as false of an epoch, or of a node of it."""
    first = node or 0
    for _ in range(MAX_PAGES if node is None else 1):
        rows = read_page(get(page_path(epoch, first)), epoch, first)
        yield from (row for row in rows if node in (None, row.answer.node))
        if not rows:
            return
        first = next_first(rows)


def _is_row(body: bytes) -> bool:
    """Whether a JSON text is one row, [[…], […]], and no list of rows, [] or [[[…], […]], …]."""
    brackets = bytes(body[:64]).translate(None, b" \t\r\n")
    return brackets.startswith(b"[[") and not brackets.startswith(b"[[[")


def choose(judged: Sequence[Judged]) -> Judged:
    """What is cheapest to refute. Raises the error of why nothing is."""
    false = [one for one in judged if one.standing is Standing.FALSE]
    if not false:
        raise refusal(judged)
    return min(false, key=lambda one: (one.gas, one.answer.epoch, one.answer.node))


def choose_all(judged: Sequence[Judged]) -> tuple[Judged, ...]:
    """What is cheapest to refute of each node, the nearest deadline first: one fault covers all that a node answered
    before. Raises the error of why nothing is."""
    choose(judged)
    nodes = {one.answer.node for one in judged if one.standing is Standing.FALSE}
    chosen = [choose([one for one in judged if one.answer.node == node]) for node in sorted(nodes)]
    return tuple(sorted(chosen, key=lambda one: (one.facts.deadline, one.answer.node)))


def refusal(judged: Sequence[Judged]) -> HearthError:
    """Why none of these can be refuted."""
    if not judged:
        return HearthError("H1006", "there is no answer to refute", why=("the list is empty",))
    code = code_of(judged[0].standing)
    why = tuple(dict.fromkeys(one.why for one in judged))
    return HearthError(
        code, f"nothing can be refuted: {judged[0].standing.value}", why=why[:4],
        next=("hearth challenge show FILE",),
    )  # fmt: skip


__all__ = ["Bad", "Challenges", "Refuted", "choose", "choose_all", "refusal"]
