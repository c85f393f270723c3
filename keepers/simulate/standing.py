"""NodeStanding in memory: proven leaves become node status. Source: docs/protocol.md §4; contracts/consensus."""

from __future__ import annotations

from keepers.protocol import counters
from keepers.protocol.counters import Header, Leaf, mask_of
from keepers.protocol.epochs import Calendar
from keepers.protocol.nodes import JAIL_SPAN, JAIL_STALE, Status, deserves_jail
from keepers.protocol.units import M32
from keepers.simulate.hub import Hub, proven_root
from keepers.simulate.registry import Registry
from keepers.simulate.state import Context, Event, Journal, require


class NodeStanding:
    """Activates, jails and unjails nodes by leaf proofs."""

    def __init__(
        self, journal: Journal, context: Context, calendar: Calendar, hub: Hub, registry: Registry, address: int
    ) -> None:
        self._journal = journal
        self._context = context
        self._calendar = calendar
        self._hub = hub
        self._registry = registry
        self.address = address

    def activate(self, node: int, header: int, leaf: int, proof: list[bytes], *, sender: int) -> None:
        """A Pending node that was up in every slot of an epoch since its first becomes Active."""
        word = self._registry.nodes[node]
        require(word.status == Status.PENDING, "standing: not pending")
        e = header & M32
        require(e >= word.first, "standing: before its first")
        self._prove_up(node, header, leaf, proof)
        self._set_active(node)
        self._log("Activated", node, e, sender)

    def jail(
        self,
        node: int,
        header_a: int,
        leaf_a: int,
        proof_a: list[bytes],
        header_b: int,
        leaf_b: int,
        proof_b: list[bytes],
        *,
        sender: int,
    ) -> None:
        """An Active node with too much fault in (a, b] is Jailed."""
        word = self._registry.nodes[node]
        require(word.status == Status.ACTIVE, "standing: not active")
        a, b = header_a & M32, header_b & M32
        require(a >= word.clean, "standing: before it was clean")
        require(a < b <= a + JAIL_SPAN, "standing: span")
        later = self._hub.usable_at(b + JAIL_STALE + 1)
        require(later == 0 or self._context.now < later, "standing: stale")
        fault_a, missed_a = self._account(a, header_a, node, leaf_a, proof_a)
        fault_b, missed_b = self._account(b, header_b, node, leaf_b, proof_b)
        require(fault_b >= fault_a)
        missed = missed_b - missed_a
        bad = deserves_jail(fault_b - fault_a, missed, self._calendar.slot)
        require(bad or missed >= 0)
        require(bad, "standing: no fault")
        self._registry.set_status(node, Status.JAILED, b, word.clean, sender=self.address)
        self._log("JailedBy", node, a, b, sender)

    def unjail(self, node: int, header: int, leaf: int, proof: list[bytes], *, sender: int) -> None:
        """A Jailed or Faulted node that was up again after its day becomes Active."""
        word = self._registry.nodes[node]
        require(word.status in (Status.JAILED, Status.FAULTED), "standing: not jailed")
        e = header & M32
        require(e > word.since + JAIL_SPAN, "standing: too early")
        self._prove_up(node, header, leaf, proof)
        self._set_active(node)
        self._log("Unjailed", node, e, sender)

    def read_leaf(
        self, e: int, header: int, node: int, leaf: int, proof: list[bytes], t: int
    ) -> tuple[int, int, int, int]:
        """D and F in seconds, U and missed challenges through second t of a usable epoch."""
        w, _ = self._hub.usable(e)
        require(counters.ring_word(proven_root(node, leaf, proof), header) == w, "standing: proof")
        first = self._calendar.start(e)
        require(first <= t <= self._calendar.end(e), "standing: time")
        h, v, slot = Header.unpack(header), Leaf.unpack(leaf), self._calendar.slot
        return (
            counters.down_seconds(h, v, t - first, slot),
            counters.fault_seconds(h, v, t - first, slot),
            counters.unproven(h, v),
            v.missed,
        )

    def _set_active(self, node: int) -> None:
        now = self._calendar.epoch(self._context.now)
        self._registry.set_status(node, Status.ACTIVE, now, now, sender=self.address)

    def _account(self, e: int, header: int, node: int, leaf: int, proof: list[bytes]) -> tuple[int, int]:
        _, fault, _, missed = self.read_leaf(e, header, node, leaf, proof, self._calendar.end(e))
        return fault, missed

    def _prove_up(self, node: int, header: int, leaf: int, proof: list[bytes]) -> None:
        self._account(header & M32, header, node, leaf, proof)
        h, v = Header.unpack(header), Leaf.unpack(leaf)
        require(node < h.count, "standing: not counted yet")
        require(mask_of(h, v) == 0, "standing: not up")
        row = self._registry.classes[self._registry.nodes[node].class_id]
        if row is not None and row.rounds != 0:
            require(h.challenged and not v.u, "standing: not proven")

    def _log(self, name: str, *values: int) -> None:
        self._journal.events.append(Event("NodeStanding", name, values))
