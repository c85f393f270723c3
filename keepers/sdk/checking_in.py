"""A node's check-in on chain: what a heartbeat gives, where no committee hears one. Source: docs/protocol.md §7."""

from __future__ import annotations

from keepers.chain.fees import quote
from keepers.protocol.errors import HearthError
from keepers.protocol.nodes import CHECK_IN_GAS, Status
from keepers.sdk.base import Base, Progress
from keepers.sdk.session import Step
from keepers.sdk.types import CheckedIn


class CheckingIn(Base):
    """The verb of a node's own key."""

    def check_in_plan(self, node: int, tip: int) -> CheckedIn:
        """What a check-in now would be for, and cost at most (wei; `tip` a gas). `tx` is empty: nothing was sent.

        Raises H1104 (exit 4) for another key than the node's of this epoch, H2452 for a retired node, H2013 for a key
        without the gas money; a slot that was checked in already costs nothing.
        """
        at, me = self.head(), self.address.lower()
        word = self.reads.node(node, at)
        epoch, slot = self.calendar.slot_of(max(at.timestamp, self.calendar.genesis))
        hub, registry = self.suite.hub, self.suite.registry
        key, slots = self.reader.read_many(
            [registry.view("key_of", node, epoch), hub.view("check_ins", epoch, node)], at
        )
        if epoch < word.first:
            raise HearthError(
                "H2451",
                f"node {node} counts from epoch {word.first} on, this is epoch {epoch}",
                next=("wait for it: nothing is lost before",),
            )
        if str(key).lower() != me:
            raise HearthError(
                "H1104",
                f"in epoch {epoch} node {node} checks in with {key}, this key is {me}",
                why=("a rotated key counts from the epoch after the rotation",),
                next=("hearth node check-in takes the key from [agent] of the config, or from --key FILE",),
            )
        if word.status is Status.RETIRED and word.since < epoch:
            raise HearthError("H2452", f"node {node} is retired since epoch {word.since}")
        balance = self.reader.balance(me, at)
        cost = 0 if slots >> slot & 1 else CHECK_IN_GAS * quote(at.base_fee, tip).max_fee
        if cost > balance:
            raise HearthError(
                "H2013",
                f"a check-in costs up to {cost / 1e18:.6f} of the native coin, the node key holds {balance / 1e18:.6f}",
                why=("it is the node's own key that pays, which else needs to hold nothing",),
                next=(f"send some of the native coin to {me} on chain {self.deployment.chain_id}",),
            )
        return CheckedIn(node, epoch, slot, slots, me, balance, "", cost)

    def check_in(self, node: int, tip: int, progress: Progress | None = None) -> CheckedIn:
        """Check in for the slot in which the transaction is mined. A slot that was checked in already sends nothing.

        Raises as `check_in_plan`.
        """
        plan = self.check_in_plan(node, tip)
        if plan.slots >> plan.slot & 1:
            return plan
        action = f"check-in-{node}-{plan.epoch}-{plan.slot}"
        done = self.session.run(action, [Step("check-in", self.suite.hub.check_in(node))], progress)[-1]
        epoch, slot = self.calendar.slot_of(self.reads.time_of(done.block))
        at = self.head()
        slots = self.suite.hub.check_ins(epoch, node, at=at)
        return CheckedIn(node, epoch, slot, slots, plan.key, self.reader.balance(plan.key, at), done.tx, plan.cost_wei)
