"""From the observations of a set of attesters to slots, price and records: one result for all who hold the set.

Everything here reads the snapshot of the epoch: registry, stake and committee after the last block before its start.
A class without rounds is liveness-only: its nodes are never asked for an answer and proven by being up.
Source: docs/protocol.md §7, "End of epoch"; §8, "Who".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from keepers.protocol.counters import Leaf
from keepers.protocol.epochs import SLOTS
from keepers.protocol.nodes import Status
from keepers.protocol.records import FULL_MASK, Record

CAP_DIVISOR = 20  # a provider counts for at most 5 % of the total weight, so a correlated outage takes four
SHARE_DIVISOR = 5  # from 20 % of the weight in the dark on, a slot is indeterminate
MAX_PER_EPOCH = 3
MAX_PER_PERIOD = 24
PASSED, FAILED = 1 << 12, 1 << 13  # of an observation's bits
MISSED_FROM = 6  # slots in which an Active node was up when its missing answer counts as missed (x)
SUSPECT = (Status.PENDING, Status.JAILED, Status.FAULTED)  # owe an answer whenever a GPU of theirs is free


def faults(n: int) -> int:
    """f of a committee of n seats: (n - 1) // 3."""
    return (n - 1) // 3


def quorum(n: int) -> int:
    """q of a committee of n seats: (n + f) // 2 + 1, so that two quorums share an honest seat."""
    return (n + faults(n)) // 2 + 1


def least_observations(n: int) -> int:
    """Observations that a set needs: 2f + 1."""
    return 2 * faults(n) + 1


def leader(epoch: int, view: int, n: int) -> int:
    """Seat that leads the view: (e + v) mod n."""
    return (epoch + view) % n


@dataclass(frozen=True)
class Body:
    """What one attester saw: 16 bits a node (12 slots seen @0, passed @12, failed @13), its clock's offset (ms)."""

    bits: tuple[int, ...]
    clock_offset_ms: int = 0

    def encode(self) -> bytes:
        """2 bytes a node, big-endian, then the clock offset in 4 bytes, signed. Its keccak is what the seat signs."""
        return b"".join(b.to_bytes(2, "big") for b in self.bits) + self.clock_offset_ms.to_bytes(4, "big", signed=True)

    @staticmethod
    def length(count: int) -> int:
        """Bytes of the body of an epoch with `count` nodes."""
        return 2 * count + 4

    @classmethod
    def decode(cls, data: bytes, count: int) -> Body:
        """Reads the body of an epoch with `count` nodes. Raises ValueError for another length."""
        if len(data) != cls.length(count):
            raise ValueError(f"a body for {count} nodes has {cls.length(count)} bytes, not {len(data)}")
        bits = tuple(int.from_bytes(data[2 * i : 2 * i + 2], "big") for i in range(count))
        return cls(bits, int.from_bytes(data[-4:], "big", signed=True))


@dataclass(frozen=True)
class Observation:
    """One seat's signed observation: seat number, 16 bits a node by index, price in 12 decimals (USD a token)."""

    seat: int
    bits: Sequence[int]
    price: int


@dataclass(frozen=True)
class SnapshotNode:
    """A node at the snapshot: provider, first epoch, whether it was Active, whether it was retired; its whole status,
    whether it is opted in, and whether its class has rounds to be asked for."""

    provider: int
    first: int
    active: bool
    retired: bool = False
    status: Status = Status.NONE
    opted_in: bool = False
    challenged_class: bool = False


@dataclass(frozen=True)
class Merged:
    """The merged epoch: slots not attested by node index (12 bits), indeterminate slots, price, records ascending."""

    masks: tuple[int, ...]
    indet: int
    price: int
    records: tuple[Record, ...]


def lower_median(values: Sequence[int]) -> int:
    """The median; of an even number the lower of the middle two. Raises ValueError for nothing."""
    if not values:
        raise ValueError("no value to take a median of")
    return sorted(values)[(len(values) - 1) // 2]


def slots_up(observations: Sequence[Observation], index: int, n: int) -> int:
    """Slots of node `index` that at least f + 1 observations saw, 12 bits."""
    need = faults(n) + 1
    words = [o.bits[index] for o in observations]
    up = 0
    for k in range(SLOTS):
        if sum(w >> k & 1 for w in words) >= need:
            up |= 1 << k
    return up


def indeterminate_slots(
    masks: Sequence[int],
    nodes: Sequence[SnapshotNode],
    weights: Mapping[int, int],
    dark_before: Callable[[int], bool],
    used_in_period: int,
) -> int:
    """Slots in which too much independent stake was down at once to blame anyone, as a 12-bit mask.

    `weights[p]` = min(stake units, stake at the snapshot) of provider p in 1e-9 USD, shared by its Active nodes.
    A slot counts iff Σ over providers of min(weight down, total / 20) ≥ total / 5, where the total is the weight of the
    Active nodes that were not dark at the end of the epoch before. The earliest 3 slots, none beyond 24 a period.
    """
    members: dict[int, list[int]] = {}
    shared: dict[int, int] = {}
    for i, node in enumerate(nodes):
        if node.active and not node.retired:
            shared[node.provider] = shared.get(node.provider, 0) + 1
            if not dark_before(i):
                members.setdefault(node.provider, []).append(i)
    each = {p: weights.get(p, 0) // shared[p] for p in members}
    total = sum(each[p] * len(m) for p, m in members.items())
    room = min(MAX_PER_EPOCH, max(0, MAX_PER_PERIOD - used_in_period))
    indet = 0
    if total == 0:
        return 0
    for k in range(SLOTS):
        if room == 0:
            break
        lost = 0  # in units of 1 / CAP_DIVISOR, so that the cap is exact
        for p, indices in members.items():
            down = sum(masks[i] >> k & 1 for i in indices) * each[p]
            lost += min(CAP_DIVISOR * down, total)
        if lost * SHARE_DIVISOR >= total * CAP_DIVISOR:
            indet |= 1 << k
            room -= 1
    return indet


def unproven_bit(mask: int) -> int:
    """u of a node of a liveness-only class, for which "challenged" and "proven" always hold: 1 iff wholly dark."""
    return int(mask == FULL_MASK)


def owes(node: SnapshotNode, leaf: Leaf, free: int, drawn: bool) -> bool:
    """Whether a node owes an answer in a challenged epoch. `leaf`: after the epoch before; `free`: its GPUs that were
    free at the seed; `drawn`: the lot fell on it. A draw that was dodged is owed until it is passed: the leaf has u."""
    if not node.challenged_class or node.retired or free < 1:
        return False
    return node.opted_in or node.status in SUSPECT or bool(leaf.u) or drawn


def outcome(
    node: SnapshotNode, leaf: Leaf, mask: int, *, challenged: bool, free: int, drawn: bool, passed: bool
) -> tuple[int, int]:
    """(u, x) of a node with this `mask` of slots not attested, as protocol.md §7 lists them."""
    if not node.challenged_class:
        return unproven_bit(mask), 0
    predicted = leaf.prediction[1]
    if not challenged:
        return (1 if mask == FULL_MASK else predicted), 0
    owed = owes(node, leaf, free, drawn)
    up = SLOTS - mask.bit_count()
    x = int(owed and not passed and node.active and up >= MISSED_FROM)
    if mask == FULL_MASK:
        return 1, x
    if owed:
        return int(not passed), x
    proves_always = node.opted_in or node.status in (Status.JAILED, Status.FAULTED)
    return (1 if free < 1 and proves_always else predicted), 0


def has_passed(observations: Sequence[Observation], index: int, n: int) -> bool:
    """Whether at least f + 1 observations say that node `index` passed."""
    return sum(bool(o.bits[index] & PASSED) for o in observations) > faults(n)


def merge(
    observations: Sequence[Observation],
    *,
    n: int,
    epoch: int,
    nodes: Sequence[SnapshotNode],
    leaf_of: Callable[[int], Leaf],
    weights: Mapping[int, int],
    used_in_period: int,
    check_ins: Mapping[int, int] | None = None,
    challenged: bool = False,
    free: Mapping[int, int] | None = None,
    drawn: Callable[[int], bool] | None = None,
) -> Merged:
    """Merges a set of observations of one epoch by a committee of `n` seats.

    `nodes` are all indices of the snapshot, `leaf_of` the leaves after the epoch before, `used_in_period` the
    indeterminate slots of this period so far, `check_ins` the slots (12 bits a node) in which its key checked in on
    chain: there it was up, whatever was observed. A node retired at the snapshot, or one that starts later, gets no
    record. `challenged`: the epoch is; then `free` are the GPUs of each node that were free at the seed (none where a
    node is missing) and `drawn` tells on which the lot fell.
    Raises ValueError for too few observations, a seat twice, bits of another number of nodes, or a challenged epoch
    without `free` and `drawn` while a node of a class with rounds is there.
    """
    if len(observations) < least_observations(n):
        raise ValueError(f"{len(observations)} observations; a committee of {n} needs {least_observations(n)}")
    if len({o.seat for o in observations}) != len(observations):
        raise ValueError("a seat stands in the set twice")
    for o in observations:
        if len(o.bits) != len(nodes):
            raise ValueError(f"seat {o.seat} observed {len(o.bits)} nodes; the snapshot has {len(nodes)}")
    counted = [not node.retired and node.first <= epoch for node in nodes]
    if challenged and (free is None or drawn is None) and any(node.challenged_class for node in nodes):
        raise ValueError("a challenged epoch needs the GPUs that were free at its seed and whom the lot fell on")
    came, at_seed = check_ins or {}, free or {}
    masks = tuple(
        FULL_MASK & ~(slots_up(observations, i, n) | came.get(i, 0)) if counted[i] else 0 for i in range(len(nodes))
    )
    indet = indeterminate_slots(masks, nodes, weights, lambda i: leaf_of(i).dark, used_in_period)
    records = []
    for i in range(len(nodes)):
        if not counted[i]:
            continue
        node, leaf, mask = nodes[i], leaf_of(i), masks[i]
        asked = challenged and node.challenged_class
        u, x = outcome(
            node, leaf, mask,
            challenged=challenged,
            free=at_seed.get(i, 0),
            drawn=asked and drawn is not None and drawn(i),
            passed=asked and has_passed(observations, i, n),
        )  # fmt: skip
        if (mask, u) != leaf.prediction or x:
            records.append(Record(i, x, u, mask))
    return Merged(masks, indet, lower_median([o.price for o in observations]), tuple(records))
