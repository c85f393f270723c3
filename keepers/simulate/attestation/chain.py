"""The hub's reference model as a chain for attesters: a block whenever something happens, transactions mined at once.

Registry and stake do not change in a run, so they are words at hand; the hub is `simulate.hub`, which judges quorum,
order and lineage as the contract does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from coincurve import PublicKey

from keepers.chain.attestations import Attestations
from keepers.chain.codec import load_abi
from keepers.chain.keys import address_of
from keepers.chain.ports import BlockRef, Call, Event, Send, Sent, TxState
from keepers.protocol.epochs import Calendar
from keepers.protocol.hashing import keccak
from keepers.protocol.stake import Own
from keepers.protocol.uptime_tree import UptimeTree
from keepers.simulate.hub import Hub
from keepers.simulate.state import Context, Journal, Revert
from keepers.simulate.state import Event as Logged

CHAIN_ID = 31_337
HUB, REFUTER = 0xC0DE03, 0xC0DE04
ACTIVE = 2
PER_PROVIDER = 10  # nodes of one provider
UNITS, STAKE_GWEI, PRICE = 10**12, 10**14, 5 * 10**11


@dataclass
class _Registry:
    count: int


class _Pool:
    """Takes the stake price and forgets it."""

    def set_stake_price(self, price: int, *, sender: int) -> None:
        """Called by the hub once a period."""


def recover(digest: bytes, signature: bytes) -> int:
    """Signer's address as a number, 0 for none."""
    try:
        key = PublicKey.from_signature_and_message(signature[:64] + bytes((signature[64] - 27,)), digest, hasher=None)
    except Exception:  # coincurve raises bare Exception
        return 0
    return int(address_of(key), 16)


class SimChain:
    """Implements `chain.ports.Reader`; `now` gives the true time in seconds."""

    def __init__(self, calendar: Calendar, seats: Sequence[str], nodes: int, now: Callable[[], float]) -> None:
        self.calendar, self.nodes, self._now = calendar, nodes, now
        self._journal = Journal()
        self._context = Context(calendar.genesis, 0, CHAIN_ID, recover, {})
        registry: Any = _Registry(nodes)
        pool: Any = _Pool()
        peers = {"hub": HUB, "refuter": REFUTER, "committee": 0}  # the owner seats everybody
        self.hub = Hub(
            self._journal, self._context, calendar, registry, pool, peers, 1, 1, 24, 24, 7 * 86_400, PRICE, 1_000
        )  # fmt: skip
        self.hub.set_committee(1, [int(seat, 16) for seat in seats], [""] * len(seats), sender=1)
        self.blocks: list[BlockRef] = []
        self.log: list[Event] = []
        self.reverted: list[str] = []
        self.attestations = Attestations(self, 0)
        self.mine()

    # ------------------------------------------------------------------ making blocks

    def mine(self) -> BlockRef:
        """A block of this moment with what was logged since the last one."""
        number = len(self.blocks)
        parent = self.blocks[-1].hash if self.blocks else bytes(32)
        block = BlockRef(number, keccak(number.to_bytes(8, "big") + parent), int(self._now()), parent, 10**9)
        for index, event in enumerate(self._journal.events):
            fields = load_abi(event.contract).events[event.name].fields
            args = {name: self._out(kind, value) for (name, kind, _), value in zip(fields, event.values, strict=True)}
            self.log.append(Event(event.contract, event.name, args, number, block.hash, index, b"", block.timestamp))
        self._journal.events.clear()
        self._journal._undo.clear()
        self.blocks.append(block)
        return block

    @staticmethod
    def _out(kind: str, value: Any) -> Any:
        if kind.startswith("address"):
            return tuple(f"0x{v:040x}" for v in value) if kind.endswith("]") else f"0x{value:040x}"
        return value

    def transact(self, call: Call, sender: str) -> str:
        """Mine a call; "" or the reason of its revert."""
        self._context.now = int(self._now())
        self._context.prevrandao = len(self.blocks)
        try:
            with self._journal.transaction():
                getattr(self.hub, call.function)(*call.args, sender=int(sender, 16))
        except Revert as error:
            self.reverted.append(f"{call}: {error.reason}")
            return error.reason or "revert"
        self.mine()
        return ""

    def check_in(self, node: int, epoch: int, slot: int) -> None:
        """A node's key checks in, or a reorg brings a check-in of an epoch that has ended."""
        self.hub.check_in_slots[epoch, node] |= 1 << slot
        self._journal.events.append(Logged("AttestationHub", "CheckedIn", (node, epoch, slot)))
        self.mine()

    def cancel(self, first: int) -> str:
        """The report of an epoch falls, with all after it; "" or the reason of the revert."""
        kept = self.hub.standing[first - 1]
        assert kept is not None
        root = self.attestations.report(first - 1).root if first > 1 else UptimeTree().root
        call = Call("AttestationHub", "cancel", (root, kept.header.pack()))
        return self.transact(call, f"0x{REFUTER:040x}")

    # ------------------------------------------------------------------ Reader

    def head(self) -> BlockRef:
        """The newest block."""
        return self.blocks[-1]

    final = head  # nothing is ever taken back here

    def block(self, number: int) -> BlockRef | None:
        """A block by number."""
        return self.blocks[number] if 0 <= number < len(self.blocks) else None

    def read(self, call: Call, at: BlockRef) -> Any:
        """A view: of the hub as it is now (one thread, nobody reads the past of it), of registry and stake as ever."""
        if call.contract == "AttestationHub":
            found = getattr(self.hub, call.function)
            return found(*call.args) if callable(found) else found
        return _VIEWS[str(call)](self, *call.args)

    def read_many(self, calls: Sequence[Call], at: BlockRef) -> list[Any]:
        """`read` for each."""
        return [self.read(call, at) for call in calls]

    def events(self, first: int, last: int, contract: str | None = None, names: Sequence[str] = ()) -> list[Event]:
        """Events of blocks first … last."""
        found = []
        for event in reversed(self.log):
            if event.block_number < first:
                break
            fits = contract in (None, event.contract) and (not names or event.name in names)
            if event.block_number <= last and fits:
                found.append(event)
        return found[::-1]

    def balance(self, address: str, at: BlockRef) -> int:
        """Enough."""
        return 10**18


_VIEWS: dict[str, Callable[..., Any]] = {
    "NodeRegistry.count": lambda chain: chain.nodes,
    "NodeRegistry.class_word": lambda chain, class_id: 2,
    "NodeRegistry.provider_count": lambda chain: -(-chain.nodes // PER_PROVIDER),
    "NodeRegistry.node": lambda chain, i: (i // PER_PROVIDER) << 232 | ACTIVE << 160 | 1 << 128,
    "NodeRegistry.key_of": lambda chain, i, e: f"0x{i + 1:040x}",
    "StakingPool.need": lambda chain, p: UNITS,
    "StakingPool.own": lambda chain, p: Own(STAKE_GWEI, STAKE_GWEI, 0, 0).pack(),
    "StakingPool.stake_price": lambda chain: 2 * 10**12,
}


class SimSender:
    """One key's way to the chain: mined at once."""

    def __init__(self, chain: SimChain, address: str) -> None:
        self._chain, self.address = chain, address
        self._rows: dict[str, Sent] = {}

    def spent(self, since: int) -> tuple[int, int]:
        """Nothing: this chain takes no gas."""
        return 0, 0

    def enqueue(self, send: Send, tx: Any = None) -> Sent:
        """Mine it, once; a row that was refused may be tried again."""
        known = self._rows.get(send.key)
        if known is not None and not (send.again and known.state is TxState.REFUSED):
            return known
        reason = self._chain.transact(send.call, self.address)
        self._rows[send.key] = Sent(send.key, TxState.REFUSED if reason else TxState.DONE, reason=reason)
        return self._rows[send.key]

    def status(self, key: str) -> Sent | None:
        """What became of it."""
        return self._rows.get(key)
