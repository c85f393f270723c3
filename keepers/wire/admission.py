"""Who may write a heartbeat: the node's own key, in its slot's arrival window, over a block that was head lately.

Identity is recovered from the signature and compared with the key of the epoch; nothing is read from a header
(protocol.md §7, Heartbeat). What costs nothing comes before the recovery, what asks the chain after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from keepers.protocol.epochs import Calendar
from keepers.wire.codec import Beat
from keepers.wire.signatures import BadSignature, recover

COUNTED, REPEAT = "counted", "repeat"
EARLY, UNKNOWN_HEAD, SKEWED = "early", "unknown-head", "not-observing"  # come again
LATE, STALE_HEAD, UNKNOWN_NODE, WRONG_KEY, BAD = "late", "stale-head", "unknown-node", "wrong-key", "bad-signature"
ACKNOWLEDGED = frozenset((COUNTED, REPEAT))
TRANSIENT = frozenset((EARLY, UNKNOWN_HEAD, SKEWED))


@dataclass(frozen=True)
class Window:
    """Allowances of a deployment, in seconds: a heartbeat may arrive `early` before its slot and `late` after it,
    over a block that was head not before `head` seconds before the slot."""

    early: float
    late: float
    head: float


class Heads(Protocol):
    """What this process saw of the chain."""

    def last_head_at(self, number: int, block_hash: bytes) -> float | None:
        """The last time at which that block was head here, None if it never was."""
        ...


class HeartbeatAdmission:
    """Judges heartbeats. `key_of(node, epoch)` gives the node's key at the snapshot of the epoch, None where
    it has none, "" while that snapshot cannot be read; `digest`
    the EIP-712 digest of a beat; `seen(node, epoch, slot)` whether it is counted already (this memory is the replay
    protection: it lasts longer than any window)."""

    def __init__(
        self,
        calendar: Calendar,
        window: Window,
        digest: Callable[[Beat], bytes],
        key_of: Callable[[int, int], str | None],
        heads: Heads,
        seen: Callable[[int, int, int], bool],
    ) -> None:
        self._calendar = calendar
        self._window = window
        self._digest = digest
        self._key_of = key_of
        self._heads = heads
        self._seen = seen

    def admit_many(self, beats: Sequence[Beat], now: float) -> list[str]:
        """A word for each. `now`: this attester's clock, in network time."""
        slots: dict[tuple[int, int], float | str] = {}
        heads: dict[tuple[int, bytes], float | None] = {}
        return [self._admit(beat, now, slots, heads) for beat in beats]

    def admit(self, beat: Beat, now: float) -> str:
        """One of the words above."""
        return self._admit(beat, now, {}, {})

    def _in_time(self, epoch: int, slot: int, now: float) -> float | str:
        """Start of the slot, or the word with which a beat for it is refused now."""
        start = self._calendar.slot_start(epoch, slot)
        if now < start - self._window.early:
            return EARLY
        return LATE if now > start + self._calendar.slot + self._window.late else float(start)

    def _admit(
        self,
        beat: Beat,
        now: float,
        slots: dict[tuple[int, int], float | str],
        heads: dict[tuple[int, bytes], float | None],
    ) -> str:
        """`slots` and `heads` remember what was found out for others of the same batch."""
        place = (beat.epoch, beat.slot)
        start = slots.get(place)
        if start is None:
            start = slots[place] = self._in_time(beat.epoch, beat.slot, now)
        if isinstance(start, str):
            return start
        key = self._key_of(beat.node, beat.epoch)
        if key is None:
            return UNKNOWN_NODE
        if not key:
            return SKEWED
        try:
            signer = recover(self._digest(beat), beat.signature)
        except BadSignature:
            return BAD
        if signer != key:
            return WRONG_KEY
        # only the node's own key may make us look a block up
        block = (beat.number, beat.block)
        if block not in heads:
            heads[block] = self._heads.last_head_at(beat.number, beat.block)
        last = heads[block]
        if last is None:
            return UNKNOWN_HEAD
        if last < start - self._window.head:
            return STALE_HEAD
        # asked last: a stranger's copy of a counted beat must not be told apart from a wrong one by a fast answer
        return REPEAT if self._seen(beat.node, beat.epoch, beat.slot) else COUNTED
