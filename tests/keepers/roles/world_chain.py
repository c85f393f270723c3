"""The reference model as a chain: blocks, pinned reads, decoded events, and an outbox that mines at once.

Implements `chain.ports.Reader`, `Sender` and `runtime.app.Ports`, so whole roles run on it in one thread.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from coincurve import PublicKey

from keepers.chain.attestations import Attestations
from keepers.chain.codec import load_abi
from keepers.chain.keys import address_of
from keepers.chain.ports import BlockRef, Call, Event, Send, Sent, TxState
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.statements import Statement
from keepers.simulate.refuter import SignedReport
from keepers.simulate.world import CONTRACTS, Parameters, Revert, World

NAMES = {
    "ComputeToken": "token",
    "StakingPool": "pool",
    "NodeRegistry": "registry",
    "AttestationHub": "hub",
    "NodeStanding": "standing",
    "LeaseEscrow": "escrow",
    "LeaseMarket": "market",
    "BurnMintEngine": "engine",
    "ReportRefuter": "refuter",
    "AttesterCommittee": "committee",
    "ComputeChallenge": "challenge",
}
ADDRESSES = {name: 0xC0DE00 + i for i, name in enumerate(CONTRACTS)}
GAS_PRICE = 10**14  # wei of the native coin that a transaction costs here
KEEP = 400  # blocks whose state can still be read


def _attempt(world: World, contract: str, function: str) -> None:
    """A call that is only tried, as by eth_call."""
    mark = world.mark()
    try:
        world.call(contract, function, sender=0)
    finally:
        world.rewind(mark)


def _class_word(row: Any) -> int:
    """The fields that agents and attesters read, where the registry packs them."""
    if row is None:
        return 0
    return row.min_stake << 192 | row.deadline << 128 | row.n << 96 | row.rounds << 64 | 2


VIEWS: dict[str, Callable[..., Any]] = {
    "NodeRegistry.node": lambda w, i: w.registry.nodes[i].pack(),
    "NodeRegistry.count": lambda w: w.registry.count,
    "NodeRegistry.provider_count": lambda w: w.registry.provider_count,
    "NodeRegistry.class_of": lambda w, i: tuple(vars(w.registry.classes[i]).values()),
    "NodeRegistry.class_word": lambda w, i: _class_word(w.registry.classes[i]),
    "ComputeChallenge.RATE": lambda w: w.challenge.rate,
    "ComputeChallenge.ANSWER_WINDOW": lambda w: w.challenge.answer_window,
    "StakingPool.own": lambda w, p: w.pool.bucket[p].pack(),
    "StakingPool.unbonding": lambda w, p: w.pool.tickets[p].pack(),
    "StakingPool.stake_price": lambda w: w.pool.stake_price,
    "StakingPool.ticket_of": lambda w, p, who, i: w.pool.ticket_word(p, who, i),
    "AttestationHub.price": lambda w: w.hub.price_word.pack(),
    "AttestationHub.last_epoch": lambda w: w.hub.last_epoch,
    "AttestationHub.period_word": lambda w, p: w.hub.periods[p].pack(),
    "AttesterCommittee.apply": lambda w: _attempt(w, "committee", "apply"),
    "LeaseEscrow.sheet": lambda w, i: w.escrow.sheets[i].pack(),
    "LeaseEscrow.tally": lambda w, key, p: w.escrow.tallies[key, p].pack(),
}
# functions whose tuples are structs
STRUCTS: dict[str, Callable[..., Any]] = {"refute": SignedReport, "prove_equivocation": Statement}


def recover(digest: bytes, signature: bytes) -> int:
    """Signer's address as a number, 0 for none; either s is taken, as ecrecover does."""
    try:
        key = PublicKey.from_signature_and_message(signature[:64] + bytes((signature[64] - 27,)), digest, hasher=None)
    except Exception:
        return 0
    return int(address_of(key), 16)


def _in(kind: str, value: Any) -> Any:
    if kind == "address":
        return int(value, 16)
    return [_in(kind[: kind.rindex("[")], v) for v in value] if kind.endswith("]") else value


def _out(kind: str, value: Any) -> Any:
    if kind == "address":
        return f"0x{value:040x}"
    return tuple(_out(kind[: kind.rindex("[")], v) for v in value) if kind.endswith("]") else value


class WorldChain:
    """A chain with one block a call of `mine`. `depth`: blocks until one is final."""

    def __init__(self, parameters: Parameters, depth: int = 0) -> None:
        self.world = World(parameters, ADDRESSES, recover, chain_id=31_337)
        self.depth = depth
        self.blocks: list[BlockRef] = []
        self.senders: dict[str, WorldSender] = {}
        self.balances: dict[str, int] = {}  # of the native coin, where it is not 1
        self.log: list[Event] = []
        self.mined: list[tuple[int, str, str]] = []  # time, function, outcome
        self._states: dict[int, World] = {}
        self._attestations = Attestations(self, 0)
        self.mine(parameters.genesis)

    # ---- chain

    def mine(self, now: int) -> BlockRef:
        """A block at `now` with everything that waits, and whatever was called on the world since the last one."""
        number = len(self.blocks)
        parent = self.blocks[-1].hash if self.blocks else bytes(32)
        block = BlockRef(number, keccak(b"block" + number.to_bytes(8, "big") + parent), now, parent, 10**9)
        if now > self.world.now:
            self.world.warp(now, prevrandao=number)
        for sender in self.senders.values():
            sender.run(block)
        self._take_events(block)
        self.blocks.append(block)
        self._states[number] = copy.deepcopy(self.world)
        self._states.pop(number - KEEP, None)
        return block

    def _take_events(self, block: BlockRef) -> None:
        for index, event in enumerate(self.world.events):
            kind = load_abi(event.contract).events.get(event.name)
            if kind is None:
                continue
            pairs = zip(kind.fields, event.values, strict=True)
            args = {name: _out(type_, value) for (name, type_, _), value in pairs}
            self.log.append(
                Event(event.contract, event.name, args, block.number, block.hash, index, b"", block.timestamp)
            )
        self.world.events.clear()
        self.world._journal._undo.clear()

    # ---- Reader

    def head(self) -> BlockRef:
        return self.blocks[-1]

    def final(self) -> BlockRef:
        return self.blocks[max(0, len(self.blocks) - 1 - self.depth)]

    def block(self, number: int) -> BlockRef | None:
        return self.blocks[number] if 0 <= number < len(self.blocks) else None

    def read(self, call: Call, at: BlockRef) -> Any:
        assert self.blocks[at.number].hash == at.hash
        world = self._states[at.number]
        abi = load_abi(call.contract).functions[call.function]
        args = [_in(kind, value) for kind, value in zip(abi.inputs, call.args, strict=True)]
        view = VIEWS.get(str(call))
        try:
            if view is not None:
                result = view(world, *args)
            else:
                result = getattr(getattr(world, NAMES[call.contract]), call.function)(*args)
        except Revert as error:
            raise HearthError("H2101", error.reason) from error
        if not abi.outputs:
            return None
        if len(abi.outputs) > 1:
            return tuple(_out(kind, value) for kind, value in zip(abi.outputs, result, strict=True))
        return _out(abi.outputs[0], result)

    def read_many(self, calls: Sequence[Call], at: BlockRef) -> list[Any]:
        return [self.read(call, at) for call in calls]

    def events(self, first: int, last: int, contract: str | None = None, names: Sequence[str] = ()) -> list[Event]:
        return [
            event
            for event in self.log
            if first <= event.block_number <= last
            and (contract is None or event.contract == contract)
            and (not names or event.name in names)
        ]

    def balance(self, address: str, at: BlockRef) -> int:
        return self.balances.get(address, 10**18)

    # ---- Ports

    @property
    def reader(self) -> WorldChain:
        return self

    @property
    def attestations(self) -> Attestations:
        return self._attestations

    def sender(self, signer: Any) -> WorldSender:
        return self.senders.setdefault(signer.address, WorldSender(self, signer.address))

    def handshake(self) -> None:
        """Nothing to compare."""

    def poll(self) -> BlockRef:
        return self.head()

    def step(self) -> int:
        waiting = sum(len(sender.waiting) for sender in self.senders.values())
        if waiting:
            self.mine(max(self.now(), self.head().timestamp))
        return waiting

    def spent(self, address: str, since: int) -> tuple[int, int]:
        return 0, 0

    def now(self) -> int:
        """Set by the test's driver."""
        return self.world.now

    def close(self) -> None:
        """Nothing to release."""


class WorldSender:
    """An outbox that sends with the next block. A row that reverts is refused, as a simulation would tell."""

    def __init__(self, chain: WorldChain, address: str) -> None:
        self._chain = chain
        self.address = address
        self.rows: dict[str, Sent] = {}
        self.sends: dict[str, Send] = {}
        self.waiting: list[str] = []

    def enqueue(self, send: Send, tx: Any = None) -> Sent:
        known = self.rows.get(send.key)
        if known is not None and not (send.again and known.state in (TxState.REFUSED, TxState.FAILED)):
            return known
        self.rows[send.key] = Sent(send.key, TxState.QUEUED)
        self.sends[send.key] = send
        self.waiting.append(send.key)
        return self.rows[send.key]

    def status(self, key: str) -> Sent | None:
        row = self.rows.get(key)
        if row is not None and row.state is TxState.DONE and row.block_number > self._chain.final().number:
            return Sent(key, TxState.MINED, block_number=row.block_number)
        return row

    def spent(self, since: int) -> tuple[int, int]:
        """A fixed price for each transaction that was mined since then."""
        done = [row for row in self.rows.values() if row.state is TxState.DONE]
        times = [self._chain.blocks[row.block_number].timestamp for row in done]
        times = [time for time in times if time >= since]
        return GAS_PRICE * len(times), min(times, default=0)

    def run(self, block: BlockRef) -> None:
        """Send everything whose predecessor is done."""
        waiting, self.waiting = self.waiting, []
        for key in waiting:
            send = self.sends[key]
            before = self.rows.get(send.after) if send.after else None
            if before is not None and before.state is not TxState.DONE:
                state = TxState.REFUSED if before.state is TxState.REFUSED else TxState.QUEUED
                self.rows[key] = Sent(key, state, reason="its predecessor")
                if state is TxState.QUEUED:
                    self.waiting.append(key)
                continue
            call = send.call
            abi = load_abi(call.contract).functions[call.function]
            args = [_in(kind, value) for kind, value in zip(abi.inputs, call.args, strict=True)]
            who = {} if call.function in ("withdraw", "poke") else {"sender": int(self.address, 16)}
            args = [STRUCTS[call.function](*arg) if isinstance(arg, tuple) else arg for arg in args]
            try:
                self._chain.world.call(NAMES[call.contract], call.function, *args, **who)
            except Revert as error:
                self.rows[key] = Sent(key, TxState.REFUSED, reason=error.reason)
                self._chain.mined.append((block.timestamp, call.function, error.reason or "revert"))
            else:
                self.rows[key] = Sent(key, TxState.DONE, block_number=block.number)
                self._chain.mined.append((block.timestamp, call.function, "ok"))
