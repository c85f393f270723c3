"""ComputeChallenge in memory: wrong answers fall by one entry. Source: docs/protocol.md, "ComputeChallenge"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keepers.protocol import challenge
from keepers.protocol.challenge import Place, Work
from keepers.protocol.epochs import Calendar
from keepers.protocol.hashing import ZERO32, keccak
from keepers.protocol.messages import Answer, Domain, address_text
from keepers.protocol.nodes import Status
from keepers.protocol.units import M16, M32, M40
from keepers.simulate.hub import Hub
from keepers.simulate.pool import Pool
from keepers.simulate.registry import HardwareClass, Registry
from keepers.simulate.state import Context, Event, Journal, Store, require

REPEAT = 30  # PERIODs in which a second fault asks for twice the units


class Challenge:
    """Takes refutations of answers, and remembers whom they felled."""

    def __init__(
        self,
        journal: Journal,
        context: Context,
        calendar: Calendar,
        hub: Hub,
        registry: Registry,
        pool: Pool,
        address: int,
        answer_window: int,
        rate: int,
    ) -> None:
        self._journal = journal
        self._context = context
        self._calendar = calendar
        self._hub = hub
        self._registry = registry
        self._pool = pool
        self.address = address
        self.answer_window = answer_window
        self.rate = rate
        self.committed: Store[bytes, int] = Store(journal, 0)
        self.faults: Store[int, int] = Store(journal, 0)

    @property
    def domain(self) -> Domain:
        """Where answers are signed."""
        return Domain(self._context.chain_id, address_text(self.address))

    # ---- finder
    def commit(self, commitment: bytes, *, sender: int) -> None:
        """Claims a refutation before it is shown."""
        require(self.committed[commitment] == 0, "challenge: committed already")
        self.committed[commitment] = self._context.now
        self._log("Committed", commitment)

    def refute(
        self,
        node: int,
        epoch: int,
        root: bytes,
        sig: bytes,
        gpu: int,
        round: int,
        row: int,
        col: int,
        chunk: bytes,
        path: Sequence[bytes],
        previous: bytes,
        list_path: Sequence[bytes],
        *,
        sender: int,
    ) -> None:
        """Shows one wrong entry of a signed answer: the node is Faulted, its provider slashed."""
        # what the calldata cannot hold
        require(len(sig) <= 65 and len(chunk) <= challenge.CHUNK_BYTES and len(path) <= 25 and len(list_path) <= 64)
        now = self._context.now
        seed, seed_b, drawn = self._drawn(epoch)
        require(drawn, "challenge: no seed")
        require(now <= self._calendar.end(epoch) + self.answer_window, "challenge: window closed")
        last = self.faults[node]
        require(epoch > last & M32, "challenge: same fault")

        digest = Answer(node, epoch, seed, seed_b, root).digest(self.domain)
        claim = challenge.commitment(sender, digest, Place(gpu, round, row), col)
        require(0 < self.committed[claim] < now, "challenge: not committed")
        require(len(sig) == 65, "challenge: signature length")
        signer = self._context.recover(digest, sig)
        require(signer != 0, "challenge: signature")
        require(signer == self._registry.key_of(node, epoch), "challenge: not the node's key")

        found = self._registry.nodes[node]
        require(found.status != Status.NONE, "challenge: no such node")
        row_of_class = self._registry.classes[found.class_id]
        assert row_of_class is not None
        self._check_place(row_of_class, found.gpus, gpu, round, row, col)
        n, rounds = row_of_class.n, row_of_class.rounds
        require(len(chunk) == challenge.CHUNK_BYTES, "challenge: chunk length")
        require(len(path) == challenge.chunk_depth(n), "challenge: path length")
        require(round != 0 or previous == ZERO32, "challenge: previous in round 0")
        c_root = challenge.climb(keccak(chunk), (row * n + col) // challenge.CHUNK, path)
        index = gpu * rounds + round
        require(list_root(previous, c_root, index, round != 0, list_path) == root, "challenge: not of this root")
        said = challenge.entry_of(chunk, col % challenge.CHUNK)
        a = challenge.line_key(challenge.key_a(seed, node, gpu, round, previous), row)
        b = challenge.line_key(challenge.key_b(seed_b, found.class_id), col)
        correct = challenge.dot(a, b, n)
        require(said != correct, "challenge: element is right")

        units = row_of_class.min_stake * found.gpus
        if last != 0 and now <= (last >> 32 & M40) + REPEAT * self._calendar.period_seconds:
            units *= 2
        count = min((last >> 72) + 1, M16)
        self.faults[node] = count << 72 | now << 32 | self._calendar.epoch(now)
        place = gpu << 96 | round << 64 | row << 32 | col
        self._log("Refuted", node, epoch, sender, place, said, correct, units)
        self._registry.fault(node, sender=self.address)
        self._pool.slash(found.provider, units, sender, sender=self.address)

    # ---- views
    def committed_at(self, commitment: bytes) -> int:
        """Second of a commitment, 0 = never."""
        return self.committed[commitment]

    def fault_of(self, node: int) -> int:
        """epoch 32 @0 | time 40 @32 | faults so far 16 @72; 0 = never refuted."""
        return self.faults[node]

    def is_challenged(self, e: int, node: int) -> bool:
        """Whether the lot of epoch e falls on the node; False where there is no seed (any more)."""
        seed, at = self._hub.seed(e)
        return at != 0 and challenge.is_drawn(seed, node, self.rate)

    def seeds(self, e: int) -> tuple[int, int]:
        """Seed and seed_B of an epoch; zeros where one of them is not there (any more)."""
        seed, seed_b, drawn = self._drawn(e)
        return (seed, seed_b) if drawn else (0, 0)

    def work(self, node: int, epoch: int) -> Work:
        """What the contract judges answers of a node and epoch by: all its GPUs. No view of the bytecode; for those who
        make answers. Raises ValueError for a node of a class without a challenge."""
        found = self._registry.nodes[node]
        row = self._registry.classes[found.class_id]
        n, rounds = (row.n, row.rounds) if row is not None else (0, 0)
        return Work(node, epoch, *self.seeds(epoch), found.class_id, n, rounds, found.gpus)

    # ---- internal
    def _drawn(self, e: int) -> tuple[int, int, bool]:
        seed, at = self._hub.seed(e)
        first = challenge.first_seeded(e, self._calendar.epochs_per_period)
        if first == e or at == 0:
            return seed, seed, at != 0
        seed_b, at = self._hub.seed(first)
        return seed, seed_b, at != 0

    @staticmethod
    def _check_place(row: HardwareClass, gpus: int, gpu: int, round: int, at: int, col: int) -> None:
        require(row.rounds != 0, "challenge: liveness-only class")
        require(gpu < gpus, "challenge: no such GPU")
        require(round < row.rounds, "challenge: no such round")
        require(at < row.n, "challenge: no such row")
        require(col < row.n, "challenge: no such column")

    def _log(self, name: str, *values: Any) -> None:
        self._journal.events.append(Event("ComputeChallenge", name, values))


def list_root(previous: bytes, root: bytes, index: int, paired: bool, path: Sequence[bytes]) -> bytes:
    """The list root of a path, with the words of contracts/modules/matrix.vy for one that is too short. It differs from
    `challenge.list_root_of` in these refusals alone."""
    if paired:
        require(len(path) >= 2 * ((index & -index).bit_length() - 1), "challenge: list path is short")
    left, right = challenge.list_leaf(previous), challenge.list_leaf(root)
    try:
        return challenge.climb_pair(left, right, index, path) if paired else challenge.climb(right, index, path)
    except ValueError:
        require(False, "challenge: list path")
        raise


__all__ = ["Challenge"]
