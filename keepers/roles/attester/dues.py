"""Who may owe an answer in an epoch, from chain facts alone: every honest seat that sees the same chain finds the same.

Source: protocol.md §8, "Who". Where a period has no seed for its B nobody can answer, so nobody is asked.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from keepers.chain.challenges import Challenges, Size
from keepers.chain.ports import BlockRef
from keepers.protocol.challenge import Work
from keepers.roles.attester.observe import Snapshot
from keepers.roles.attester.view import Due

KEEP = 8  # epochs whose free GPUs are remembered


@dataclass(frozen=True)
class Stage:
    """The challenge of the present epoch: snapshot, who may owe, and the size of each class."""

    snapshot: Snapshot
    due: Due
    sizes: Mapping[int, Size]

    def work_of(self, node: int) -> Work | None:
        """What a node is asked to compute; None for one without a free GPU or of a class without rounds."""
        word, free = self.snapshot.words[node], self.due.free.get(node, 0)
        size, drawn = self.sizes[word.class_id], self.due.drawn
        if free < 1 or not size.challenged:
            return None
        return Work(node, drawn.epoch, drawn.seed, drawn.seed_b, word.class_id, size.n, size.rounds, free)


class Dues:
    """Remembers an epoch's free GPUs for as long as its seeds and snapshot stand: another block before the seed would
    have brought another seed. Thread-safe."""

    def __init__(self, challenges: Challenges) -> None:
        self._challenges = challenges
        self._lock = threading.Lock()
        self._known: dict[int, tuple[bytes, bytes, Due | None]] = {}  # epoch -> head, snapshot's block, what is due

    def of(self, snapshot: Snapshot, at: BlockRef) -> Due | None:
        """As seen from block `at`; None where the epoch is not challenged or no class of it has rounds."""
        if not any(node.challenged_class for node in snapshot.nodes):
            return None
        epoch, block = snapshot.epoch, snapshot.block.hash
        with self._lock:
            head, stood, due = self._known.get(epoch, (b"", b"", None))
            if (head, stood) == (at.hash, block):
                return due
            drawn = self._challenges.of(epoch, at)
            if drawn is None:
                due = None
            elif due is None or due.drawn != drawn or stood != block:
                asked = {i: snapshot.words[i] for i, node in enumerate(snapshot.nodes) if node.challenged_class}
                free = self._challenges.free(asked, drawn.seed_time, at)
                due = Due(drawn, self._challenges.rate(at), free)
            self._known[epoch] = (at.hash, block, due)
            for old in sorted(self._known)[:-KEEP]:
                del self._known[old]
            return due
