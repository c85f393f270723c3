"""Does a node still owe a draw that it dodged? Its leaf says so, and seats serve leaves with proofs.

Nobody is believed: a proof leads to the word that the hub keeps of the report, or it is passed over. Where no seat
gives one that holds, the answer is None and the node computes: that costs electricity, silence could cost an epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keepers.chain.ports import BlockRef
from keepers.protocol.counters import Header, Leaf
from keepers.protocol.errors import HearthError
from keepers.protocol.merkle import root_from_proof
from keepers.runtime.role import Context
from keepers.wire.attester_client import AttesterClient, Declined, Unreachable
from keepers.wire.codec import ShownLeaf

ASKED_SEATS = 3  # for one node: with a third of them lying or gone, one in 27 nodes computes for nothing


class Leaves:
    """Asks the seats of an epoch; of `at` is the hub's word of the report before it."""

    def __init__(self, context: Context, epoch: int, seats: Sequence[AttesterClient], at: BlockRef) -> None:
        self._context, self._epoch, self._seats, self._at = context, epoch - 1, seats, at
        self._word: bytes | None = None
        self._silent: set[int] = set()
        self.later = False  # a seat has not followed to the report yet: it may know in a moment

    def unproven(self, node: int) -> bool | None:
        """Whether a draw of before is still owed; None where it cannot be known."""
        if self._epoch < 1:
            return None
        count = len(self._seats)
        # a node's own first seat, so that a network of nodes asks all of them alike
        for place in [(node + step) % count for step in range(count)][:ASKED_SEATS]:
            if place in self._silent:
                continue
            try:
                shown = self._seats[place].leaf(self._epoch, node)
            except Unreachable as error:
                self.later = self.later or isinstance(error, Declined)
                self._silent.add(place)
                continue
            if self._holds(shown, node):
                leaf = Leaf.unpack(int.from_bytes(shown.leaf, "big"))
                return bool(leaf.u or leaf.dark)
        return None

    def _holds(self, shown: ShownLeaf, node: int) -> bool:
        path, rest = divmod(len(shown.path), 32)
        if rest or (shown.epoch, shown.node) != (self._epoch, node):
            return False
        if self._word is None:
            self._word = self._context.suite.hub.ring_word(self._epoch, at=self._at)
        try:
            header = Header.unpack(int.from_bytes(shown.header, "big"))
            siblings = [shown.path[32 * i : 32 * i + 32] for i in range(path)]
            root = root_from_proof(node, int.from_bytes(shown.leaf, "big"), siblings)
        except (ValueError, HearthError):
            return False
        return header.epoch == self._epoch and header.ring_word(root) == self._word


Asked = Callable[[int], bool | None]

__all__ = ["Asked", "Leaves"]
