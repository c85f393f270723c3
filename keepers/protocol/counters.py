"""The deviation leaf and the header: what one word says about a node through any moment.

Layouts and formulas: docs/protocol.md §7; the same arithmetic in contracts/modules/uptime_leaf.vy.
`m` is the ordinal of an epoch among those that were not void: epoch - V.
"""

from __future__ import annotations

from dataclasses import dataclass

from keepers.protocol.hashing import keccak, word
from keepers.protocol.records import DARK, FULL_MASK, Record
from keepers.protocol.units import M32, field, fits


class RecordRefused(ValueError):
    """A record that the rules do not allow; a report that contains one can be refuted."""


@dataclass(frozen=True)
class Header:
    """Header of an epoch: V void, Q challenged epochs, I indeterminate slots so far; count of nodes; indet mask."""

    epoch: int = 0
    void_epochs: int = 0
    challenged_epochs: int = 0
    indeterminate: int = 0
    count: int = 0
    indet: int = 0
    void: bool = False
    challenged: bool = False

    @property
    def ordinal(self) -> int:
        """m: the epoch's number among those that were not void."""
        return self.epoch - self.void_epochs

    def pack(self) -> int:
        """The header word. Raises ValueError where a field does not fit."""
        return (
            fits("epoch", self.epoch, 32)
            | fits("void epochs", self.void_epochs, 32) << 32
            | fits("challenged epochs", self.challenged_epochs, 32) << 64
            | fits("indeterminate slots", self.indeterminate, 32) << 96
            | fits("count", self.count, 24) << 128
            | fits("indet", self.indet, 12) << 160
            | int(self.void) << 172
            | int(self.challenged) << 173
        )

    @classmethod
    def unpack(cls, value: int) -> Header:
        """Reads a header word; bits above 173 and the spare ones are ignored."""
        return cls(
            epoch=value & M32,
            void_epochs=field(value, 32, 32),
            challenged_epochs=field(value, 64, 32),
            indeterminate=field(value, 96, 32),
            count=field(value, 128, 24),
            indet=field(value, 160, 12),
            void=bool(value >> 172 & 1),
            challenged=bool(value >> 173 & 1),
        )

    def reported(self, *, count: int, indet: int = 0, challenged: bool = False) -> Header:
        """The header after a report of the next epoch with that many nodes, indeterminate slots and seed state."""
        if count < self.count:
            raise ValueError(f"count falls from {self.count} to {count}; nodes are never removed")
        return Header(
            epoch=self.epoch + 1,
            void_epochs=self.void_epochs,
            challenged_epochs=self.challenged_epochs + int(challenged),
            indeterminate=self.indeterminate + indet.bit_count(),
            count=count,
            indet=indet,
            challenged=challenged,
        )

    def voided(self) -> Header:
        """The header after the next epoch was declared void: V grows, nothing else counts."""
        return Header(
            epoch=self.epoch + 1,
            void_epochs=self.void_epochs + 1,
            challenged_epochs=self.challenged_epochs,
            indeterminate=self.indeterminate,
            count=self.count,
            void=True,
        )

    def ring_word(self, root: bytes) -> bytes:
        """w of the epoch: keccak256(root ‖ header)."""
        return ring_word(root, self.pack())


@dataclass(frozen=True)
class Leaf:
    """What a node's word says through the end of epoch ordinal `last`. All zero = live and proven from its first."""

    mask: int = 0
    u: int = 0
    last: int = 0
    down: int = 0
    fault: int = 0
    unproven: int = 0
    indeterminate: int = 0
    challenged: int = 0
    missed: int = 0

    @property
    def dark(self) -> bool:
        """The node's last slot was not attested: it is taken as down until a record says otherwise."""
        return bool(self.mask & DARK)

    @property
    def prediction(self) -> tuple[int, int]:
        """(mask, u) of the next epoch if no record is written."""
        return (FULL_MASK, 1) if self.dark else (0, self.u)

    def pack(self) -> int:
        """The leaf word; 0 is the empty leaf. Raises ValueError where a field does not fit."""
        return (
            fits("mask", self.mask, 12)
            | fits("u", self.u, 1) << 12
            | fits("last", self.last, 32) << 32
            | fits("down", self.down, 32) << 64
            | fits("fault", self.fault, 32) << 96
            | fits("unproven", self.unproven, 32) << 128
            | fits("I", self.indeterminate, 32) << 160
            | fits("Q", self.challenged, 32) << 192
            | fits("missed", self.missed, 32) << 224
        )

    @classmethod
    def unpack(cls, value: int) -> Leaf:
        """Reads a leaf word."""
        return cls(
            mask=value & FULL_MASK,
            u=value >> 12 & 1,
            last=field(value, 32, 32),
            down=field(value, 64, 32),
            fault=field(value, 96, 32),
            unproven=field(value, 128, 32),
            indeterminate=field(value, 160, 32),
            challenged=field(value, 192, 32),
            missed=field(value, 224, 32),
        )


EMPTY = Leaf()
GENESIS_HEADER = Header()


def ring_word(root: bytes, header: int) -> bytes:
    """w[e] = keccak256(root ‖ header word)."""
    return keccak(root + word(header))


def apply(leaf: Leaf, record: Record, before: Header, header: Header) -> Leaf:
    """The leaf after `record` of the epoch of `header`; `before` is the header of the epoch before it.

    Raises RecordRefused if the node already has a record of this epoch or the index is not below the count.
    """
    m = header.ordinal
    if record.index >= header.count:
        raise RecordRefused(f"record of node {record.index}, but the report counts {header.count} nodes")
    if leaf.last >= m:
        raise RecordRefused(f"node {record.index} already has a record of this epoch")
    down, fault, unproven = leaf.down, leaf.fault, leaf.unproven
    if leaf.dark:
        gap = 12 * (m - 1 - leaf.last)
        down += gap
        fault += gap - (before.indeterminate - leaf.indeterminate)
    if leaf.dark or leaf.u:
        unproven += before.challenged_epochs - leaf.challenged
    return Leaf(
        mask=record.mask,
        u=record.u,
        last=m,
        down=down + record.mask.bit_count(),
        fault=fault + (record.mask & ~header.indet).bit_count(),
        unproven=unproven + (record.u if header.challenged else 0),
        indeterminate=header.indeterminate,
        challenged=header.challenged_epochs,
        missed=leaf.missed + record.x,
    )


def mask_of(header: Header, leaf: Leaf) -> int:
    """M(e): slots of the header's epoch in which the node was not attested."""
    if header.void:
        return FULL_MASK
    if leaf.last == header.ordinal:
        return leaf.mask
    return FULL_MASK if leaf.dark else 0


def seconds_after(mask: int, offset: int, slot: int) -> int:
    """Seconds of the mask's slots that lie at or after `offset` seconds (0 … 12·slot) from the start of the epoch."""
    k, inside = divmod(offset, slot)
    return (mask >> k).bit_count() * slot - (mask >> k & 1) * inside


def down_seconds(header: Header, leaf: Leaf, offset: int, slot: int) -> int:
    """D at start(e) + offset: seconds before it in which the node was not attested, void epochs included."""
    slots = leaf.down + 12 * header.void_epochs
    if leaf.dark:
        slots += 12 * (header.ordinal - leaf.last)
    return slots * slot - seconds_after(mask_of(header, leaf), offset, slot)


def fault_seconds(header: Header, leaf: Leaf, offset: int, slot: int) -> int:
    """F at start(e) + offset: those seconds of D that were neither void nor indeterminate."""
    slots = leaf.fault
    if leaf.dark:
        slots += 12 * (header.ordinal - leaf.last) - (header.indeterminate - leaf.indeterminate)
    mask = 0 if header.void else mask_of(header, leaf) & ~header.indet
    return slots * slot - seconds_after(mask, offset, slot)


def unproven(header: Header, leaf: Leaf) -> int:
    """U: challenged epochs that were not proven, or wholly dark, through the header's epoch."""
    if leaf.dark or leaf.u:
        return leaf.unproven + header.challenged_epochs - leaf.challenged
    return leaf.unproven


def proven(header_a: Header, leaf_a: Leaf, header_b: Header, leaf_b: Leaf) -> int:
    """Proven challenged epochs in (a, b]."""
    challenged = header_b.challenged_epochs - header_a.challenged_epochs
    return challenged - (unproven(header_b, leaf_b) - unproven(header_a, leaf_a))
