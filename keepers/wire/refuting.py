"""Judging a bad answer to the compute challenge, by whoever holds an opened row of a signed answer.

What is cheapest is looked at first: the signature, numbers of the chain, the hashes, then the entries. A verdict is
that of `ComputeChallenge.refute` at one block; a proof can be stored, sent and judged again without the whole row.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from keepers.chain.contracts import ComputeChallenge, NodeRegistry, StakingPool
from keepers.chain.ports import BlockRef, Call, Reader
from keepers.protocol import challenge
from keepers.protocol.challenge import Opening, Place, Refutation, Work
from keepers.protocol.epochs import Calendar
from keepers.protocol.hashing import ZERO32
from keepers.protocol.messages import Answer, Domain
from keepers.protocol.nodes import Node
from keepers.protocol.reverts import REVERTS
from keepers.protocol.stake import FAULT_PERIODS, Own, Unbonding, required, slash_cut
from keepers.protocol.units import M32
from keepers.wire.codec import ShownRow, SignedAnswer
from keepers.wire.signatures import BadSignature, recover

if TYPE_CHECKING:
    from keepers.protocol.freivalds import Vector

GWEI = 10**9
MAX_LIST_PATH = 64  # hashes that the contract takes
MAX_VECTORS = 8  # of classes and PERIODs, kept by a judge
COMMIT_GAS = 50_000
# measured (bench/gas.py refute.element_*, tests/e2e/test_challenge.py), for a finder who holds no tokens yet: with the
# slash; for each of the n columns; for each hash
REFUTE_GAS, COLUMN_GAS, HASH_GAS = 140_000, 5, 1_100


class Standing(StrEnum):
    """What can be said of a bad answer, in words."""

    FALSE = "can be refuted"
    HONEST = "not false: every entry of the row is right"
    MALFORMED = "malformed"
    OTHER_KEY = "not signed by the node's key"
    OTHER_SEEDS = "answers other seeds"
    NO_SEED = "the epoch has no seed"
    NO_NODE = "no such node"
    NO_WORK = "the node's class owes no answers"
    CLOSED = "the window is closed"
    SAME_FAULT = "the node's last fault covers this epoch"


_REVERT = {
    Standing.HONEST: "challenge: element is right",
    Standing.OTHER_KEY: "challenge: not the node's key",
    Standing.OTHER_SEEDS: "challenge: not the node's key",
    Standing.NO_SEED: "challenge: no seed",
    Standing.NO_NODE: "challenge: no such node",
    Standing.NO_WORK: "challenge: liveness-only class",
    Standing.CLOSED: "challenge: window closed",
    Standing.SAME_FAULT: "challenge: same fault",
}


def code_of(standing: Standing) -> str:
    """The code with which a refutation is refused: that of the contract's own words, H1006 for a malformed one."""
    return REVERTS[_REVERT[standing]][0] if standing in _REVERT else "H1006"


@dataclass(frozen=True)
class Proof:
    """A signed answer with the arguments that refute it."""

    answer: SignedAnswer
    shown: Refutation

    def digest(self, domain: Domain) -> bytes:
        """What the node signed."""
        return digest_of(self.answer, domain)

    def commitment(self, finder: str, domain: Domain) -> bytes:
        """What `ComputeChallenge.commit` is given a block or more before."""
        return challenge.commitment(int(finder, 16), self.digest(domain), self.shown.place, self.shown.col)

    def call(self, contract: ComputeChallenge) -> Call:
        """The call that refutes."""
        a, s = self.answer, self.shown
        return contract.refute(
            a.node, a.epoch, a.root, a.signature, s.place.gpu, s.place.round, s.place.row, s.col, s.chunk,
            list(s.path), s.previous, list(s.list_path),
        )  # fmt: skip

    def gas(self, n: int) -> int:
        """About what commitment and refutation take. n: of the class."""
        hashes = len(self.shown.path) + len(self.shown.list_path)
        return COMMIT_GAS + REFUTE_GAS + COLUMN_GAS * n + HASH_GAS * hashes


def digest_of(answer: SignedAnswer, domain: Domain) -> bytes:
    """What the node signed, in the domain of the ComputeChallenge."""
    return Answer(answer.node, answer.epoch, answer.seed, answer.seed_b, answer.root).digest(domain)


@dataclass(frozen=True)
class Facts:
    """What one block says of a node and an epoch. `key`: of the node in the epoch, lower case; seeds 0, 0: none;
    `units` of the class a GPU (1e-9 USD); `fault`: epoch of the last one, 0 = none; `deadline`: last second."""

    node: Node | None
    key: str = ""
    seeds: tuple[int, int] = (0, 0)
    units: int = 0
    n: int = 0
    rounds: int = 0
    fault: int = 0
    deadline: int = 0
    now: int = 0

    def work(self, answer: SignedAnswer) -> Work:
        """What the answer is to, over all GPUs of the node: how many chains it owed stands in no contract."""
        assert self.node is not None
        a = answer
        return Work(a.node, a.epoch, a.seed, a.seed_b, self.node.class_id, self.n, self.rounds, self.node.gpus)

    def slash_units(self, calendar: Calendar) -> int:
        """Units that a refutation asks of the pool: twice the class's within 30 PERIODs of the last fault."""
        assert self.node is not None
        covered = self.fault + FAULT_PERIODS * calendar.epochs_per_period
        again = self.fault != 0 and calendar.epoch(self.now) <= covered
        return self.units * self.node.gpus * (2 if again else 1)


@dataclass(frozen=True)
class Stake:
    """What a refutation takes: wei that the provider loses, and of it, at least, the finder's. Zeros: nothing."""

    loss_wei: int = 0
    reward_wei: int = 0


@dataclass(frozen=True)
class Judged:
    """A bad answer and what can be said of it. `proof`, `committed` and `correct` (entries) where it can be refuted."""

    answer: SignedAnswer
    place: Place
    standing: Standing
    why: str
    facts: Facts
    proof: Proof | None = None
    committed: int = -1
    correct: int = -1

    @property
    def gas(self) -> int:
        """About what it takes to refute; 0 where it cannot be."""
        return 0 if self.proof is None else self.proof.gas(self.facts.n)


@dataclass
class Judge:
    """Judges rows and proofs over a reader. The vectors of the quick check are secret and kept."""

    reader: Reader
    calendar: Calendar
    domain: Domain
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _vectors: dict[tuple[bytes, int], tuple[Vector, Vector]] = field(default_factory=dict, repr=False)

    # ---- the chain

    def facts(self, node: int, epoch: int, at: BlockRef) -> Facts:
        """What block `at` says of a node and an epoch."""
        registry, contract = NodeRegistry(self.reader), ComputeChallenge(self.reader)
        word, count = self.reader.read_many([registry.view("node", node), registry.view("count")], at)
        if node >= int(count) or not word:
            return Facts(None, now=at.timestamp)
        found = Node.unpack(int(word))
        key, seeds, fault, window, row = self.reader.read_many(
            [
                registry.view("key_of", node, epoch),
                contract.view("seeds", epoch),
                contract.view("fault_of", node),
                contract.view("ANSWER_WINDOW"),
                registry.view("class_word", found.class_id),
            ],
            at,
        )
        return Facts(
            found, str(key).lower(), (int(seeds[0]), int(seeds[1])), int(row) >> 192, int(row) >> 96 & M32,
            int(row) >> 64 & M32, int(fault), self.calendar.end(epoch) + int(window), at.timestamp,
        )  # fmt: skip

    def stake(self, facts: Facts, at: BlockRef) -> Stake:
        """What a refutation takes from the provider as block `at` has it."""
        assert facts.node is not None
        pool, provider = StakingPool(self.reader), facts.node.provider
        names = ("own", "unbonding", "ceiling")
        own, unbonding, ceiling, price = self.reader.read_many(
            [*(pool.view(name, provider) for name in names), pool.view("stake_price")], at
        )
        units = min(facts.slash_units(self.calendar), int(ceiling))
        tickets = Unbonding.unpack(int(unbonding))
        # how many tickets are damages, of which a finder gets nothing, no view tells: none is counted on
        cut = slash_cut(
            required(units, int(price)), Own.unpack(int(own)).assets, tickets, claims=tickets.shares, finder=True
        )
        return Stake(cut.total * GWEI, cut.reward * GWEI)

    # ---- judging

    def rows(self, shown: Sequence[ShownRow], at: BlockRef) -> list[Judged]:
        """Every row's verdict. A single one is compared entry by entry at once; of several the quick check is first."""
        known: dict[tuple[int, int], Facts] = {}
        return [self.row(one, at, len(shown) > 1, known) for one in shown]

    def row(
        self, shown: ShownRow, at: BlockRef, quick: bool = True, known: dict[tuple[int, int], Facts] | None = None
    ) -> Judged:
        """A row's verdict. `quick`: a product with a secret vector first, which many rows of a PERIOD share; `known`:
        facts of that block, by node and epoch."""
        answer, opened = shown.answer, shown.opened
        place = Place(opened.place.gpu, opened.place.round, opened.place.row)

        def say(standing: Standing, why: str, facts: Facts) -> Judged:
            return Judged(answer, place, standing, why, facts)

        # the signature costs nothing but time: whoever signed nothing makes us ask the chain nothing
        signer = self._signer(answer)
        if not signer:
            return say(Standing.OTHER_KEY, "the signature is none", Facts(None))
        key = (answer.node, answer.epoch)
        facts = (known or {}).get(key) or self.facts(*key, at)
        if known is not None:
            known[key] = facts
        refused = self._refused(answer, signer, facts)
        if refused is not None:
            return say(*refused, facts)
        if (opened.node, opened.epoch, opened.root) != (answer.node, answer.epoch, answer.root):
            return say(Standing.MALFORMED, "the opened row is of another answer", facts)
        work = facts.work(answer)
        try:
            opening = Opening(place, opened.row, _hashes(opened.path), opened.previous, _hashes(opened.list_path))
            if _root_of(opening, work) != answer.root:
                return say(Standing.MALFORMED, "the opening does not lead to the signed root", facts)
        except ValueError as error:
            return say(Standing.MALFORMED, str(error), facts)
        col = self._wrong(opening, work, quick)
        if col is None:
            return say(Standing.HONEST, "every entry of the row is what it should be", facts)
        return self._false(Proof(answer, challenge.refutation(opening, col)), facts)

    def proof(self, proof: Proof, at: BlockRef) -> Judged:
        """A proof's verdict."""
        answer, place = proof.answer, proof.shown.place
        signer = self._signer(answer)
        if not signer:
            return Judged(answer, place, Standing.OTHER_KEY, "the signature is none", Facts(None))
        facts = self.facts(answer.node, answer.epoch, at)
        refused = self._refused(answer, signer, facts)
        return Judged(answer, place, *refused, facts) if refused is not None else self._false(proof, facts)

    def _false(self, proof: Proof, facts: Facts) -> Judged:
        """As the contract would judge the entry."""
        answer, place = proof.answer, proof.shown.place
        assert facts.node is not None
        try:
            if place.gpu >= facts.node.gpus:
                raise ValueError(f"the node has {facts.node.gpus} GPUs, there is no GPU {place.gpu}")
            if len(proof.shown.list_path) > MAX_LIST_PATH:
                raise ValueError(f"a list path has at most {MAX_LIST_PATH} hashes")
            said, right = challenge.verdict(facts.work(answer), answer.root, proof.shown)
        except ValueError as error:
            return Judged(answer, place, Standing.MALFORMED, str(error), facts)
        if said == right:
            return Judged(answer, place, Standing.HONEST, f"the entry is {said}, as it should be", facts)
        why = f"column {proof.shown.col} of the row says {said:,}, the product is {right:,}"
        return Judged(answer, place, Standing.FALSE, why, facts, proof, said, right)

    def _signer(self, answer: SignedAnswer) -> str:
        try:
            return recover(digest_of(answer, self.domain), answer.signature)
        except BadSignature:
            return ""

    def _refused(self, answer: SignedAnswer, signer: str, facts: Facts) -> tuple[Standing, str] | None:
        """Why no entry of the answer could be refuted, as far as numbers and signature tell."""
        if facts.node is None:
            return Standing.NO_NODE, f"the registry has no node {answer.node}"
        if facts.key != signer:
            return Standing.OTHER_KEY, f"signed by {signer}; the node's key in epoch {answer.epoch} is {facts.key}"
        if not facts.rounds:
            return Standing.NO_WORK, f"class {facts.node.class_id} is a liveness-only class"
        if not any(facts.seeds):
            return Standing.NO_SEED, f"epoch {answer.epoch} has no seed, or none any more"
        if facts.seeds != (answer.seed, answer.seed_b):
            return Standing.OTHER_SEEDS, (
                f"it answers seeds {answer.seed} and {answer.seed_b}; the chain drew {facts.seeds[0]} and"
                f" {facts.seeds[1]}: no lie"
            )
        if facts.now > facts.deadline:
            return Standing.CLOSED, f"it could be refuted until {facts.now - facts.deadline} s ago"
        if answer.epoch <= facts.fault:
            return Standing.SAME_FAULT, f"the node was faulted in epoch {facts.fault} already"
        return None

    # ---- the entries

    def _wrong(self, opening: Opening, work: Work, quick: bool) -> int | None:
        """A wrong column of a row; None where all are right."""
        from keepers.protocol import freivalds
        from keepers.protocol.entries import rows_a

        place, n = opening.place, work.n
        key_a = challenge.key_a(work.seed, work.node, place.gpu, place.round, opening.previous)
        key_b = challenge.key_b(work.seed_b, work.class_id)
        a = rows_a(key_a, [place.row], n)[0]
        if quick and freivalds.row_holds(opening.row, a, *self._vector(key_b, n)):
            return None
        columns = freivalds.wrong_columns(opening.row, a, key_b, n)
        return columns[0] if columns else None

    def _vector(self, key_b: bytes, n: int) -> tuple[Vector, Vector]:
        from keepers.protocol import freivalds

        known = self._vectors.get((key_b, n))
        if known is None:
            r = freivalds.draw(self.secret + key_b, n)
            known = r, freivalds.product(key_b, n, r)
            while len(self._vectors) >= MAX_VECTORS:
                del self._vectors[next(iter(self._vectors))]
            self._vectors[key_b, n] = known
        return known


def _hashes(data: bytes) -> tuple[bytes, ...]:
    if len(data) % 32:
        raise ValueError("a path is hashes of 32 bytes")
    return tuple(data[at : at + 32] for at in range(0, len(data), 32))


def _root_of(opening: Opening, work: Work) -> bytes:
    """The list root of an opening as the contract climbs to it, whatever number of chains the list is of. Raises
    ValueError, naming what is malformed."""
    place, n = opening.place, work.n
    if not (place.gpu < work.gpus and place.round < work.rounds and place.row < n):
        raise ValueError(f"GPU {place.gpu}, round {place.round}, row {place.row}: no such place in this work")
    if len(opening.row) != n * challenge.ENTRY_BYTES:
        raise ValueError(f"a row has {n * challenge.ENTRY_BYTES} bytes, not {len(opening.row)}")
    depth = challenge.chunk_depth(n) - challenge.row_depth(n)
    if len(opening.path) != depth:
        raise ValueError(f"a row's path has {depth} hashes, not {len(opening.path)}")
    if place.round == 0 and opening.previous != ZERO32:
        raise ValueError("round 0 has no root before it")
    root = challenge.climb(challenge.row_levels(opening.row)[-1][0], place.row, opening.path)
    return challenge.list_root_of(root, place, work.rounds, opening.previous, opening.list_path)
