"""The JSON-RPC methods that keepers use, typed, over a pool of endpoints; and `ports.Reader` on top of them.

    rpc_errors  what can go wrong, in our own words
    rpc_values  results as typed values; what does not fit is Malformed
    transport   one endpoint, through web3.py's HTTP provider
    pool        which endpoint is asked, what is asked again, what never is
    rpc         the methods (this file)

An answer that does not belong to its question (another block, a log from outside the range, another transaction's
receipt) is Malformed too: the pool asks the next endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keepers.chain import rpc_values as values
from keepers.chain.codec import Codec
from keepers.chain.heads import Finality, Heads
from keepers.chain.pool import BATCH, EndpointPool, Parse
from keepers.chain.ports import BlockRef, Call, Event
from keepers.chain.reverts import Reverted
from keepers.chain.rpc_errors import BadAnswer, Malformed, MaybeSent, RpcError
from keepers.chain.rpc_values import RawLog, Receipt


class ChainRpc:
    """The methods we use. Addresses `0x…`, hashes 32 bytes, amounts in wei."""

    def __init__(self, pool: EndpointPool) -> None:
        self.pool = pool

    def block_by(self, which: int | str) -> BlockRef | None:
        """A block by number or tag."""
        if isinstance(which, int):
            return self.blocks([which])[0]
        found: BlockRef | None = self.pool.call("eth_getBlockByNumber", which, False, parse=values.block_ref)
        return found

    def blocks(self, numbers: Sequence[int]) -> list[BlockRef | None]:
        """Many blocks by number."""
        requests = [("eth_getBlockByNumber", [hex(n), False]) for n in numbers]
        return self.pool.batch(requests, [_block_of(n) for n in numbers])

    def logs(
        self, addresses: Sequence[str], *, first: int, last: int, topics: Sequence[bytes] = (), held: bool = False
    ) -> list[RawLog]:
        """Logs of blocks first..last inclusive; any of `topics` as the first topic.

        An endpoint that lags answers "none" for blocks that it does not have. With `held` it must show in the same
        request that it has `last`. Raises RpcError (`behind`) where none has it.
        """
        where: dict[str, Any] = {"address": list(addresses), "fromBlock": hex(first), "toBlock": hex(last)}
        if topics:
            where["topics"] = [["0x" + t.hex() for t in topics]]
        requests: list[tuple[str, list[Any]]] = [("eth_getLogs", [where])]
        parses: list[Parse] = [_logs_of(addresses, lambda log: first <= log.block_number <= last)]
        if held:
            requests.insert(0, ("eth_getBlockByNumber", [hex(last), False]))
            parses.insert(0, _held(_block_of(last)))
        found: list[RawLog] = self.pool.batch(requests, parses)[-1]
        return found

    def logs_in(self, addresses: Sequence[str], blocks: Sequence[BlockRef]) -> list[RawLog]:
        """Logs of these blocks, oldest first, each asked for by its hash (EIP-234), from an endpoint that shows in the
        same request that it has the newest of them. Raises RpcError (`behind`) where none has them."""
        found: list[RawLog] = []
        for at in range(0, len(blocks), BATCH - 1):
            page = blocks[at : at + BATCH - 1]
            newest = "0x" + page[-1].hash.hex()
            requests: list[tuple[str, list[Any]]] = [("eth_getBlockByHash", [newest, False])]
            parses: list[Parse] = [_held(_block_of(page[-1].number))]
            for block in page:
                where = {"address": list(addresses), "blockHash": "0x" + block.hash.hex()}
                requests.append(("eth_getLogs", [where]))
                parses.append(_logs_of(addresses, _stands_in(block)))
            for logs in self.pool.batch(requests, parses)[1:]:
                found += logs
        return found

    def code(self, address: str, at: BlockRef) -> bytes:
        """Runtime code of an address."""
        return bytes(self.pool.call("eth_getCode", address, pinned(at), parse=values.data))

    def nonce(self, address: str, tag: str | int = "latest") -> int:
        """Transactions of an account that are mined as of a tag or a block number."""
        where = hex(tag) if isinstance(tag, int) else tag
        return int(self.pool.call("eth_getTransactionCount", address, where, parse=values.count))

    def balance(self, address: str, at: BlockRef) -> int:
        """Native coin in wei."""
        return int(self.pool.call("eth_getBalance", address, pinned(at), parse=values.number))

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Receipt of a transaction; None while it is not mined (or not known here)."""
        return self.receipts([tx_hash])[0]

    def receipts(self, hashes: Sequence[bytes]) -> list[Receipt | None]:
        """Receipts of many transactions."""
        requests = [("eth_getTransactionReceipt", ["0x" + h.hex()]) for h in hashes]
        return self.pool.batch(requests, [_receipt_of(h) for h in hashes])

    def eth_call(self, to: str, data: bytes, at: BlockRef, sender: str | None = None, value: int = 0) -> bytes:
        """Result of a call at a block. Raises Reverted."""
        return bytes(self.pool.call("eth_call", _tx(to, data, sender, value), pinned(at), parse=values.data))

    def estimate(self, to: str, data: bytes, sender: str, value: int = 0) -> int:
        """Gas that the transaction takes at the newest block. Raises Reverted."""
        return int(self.pool.call("eth_estimateGas", _tx(to, data, sender, value), parse=values.count))

    def send_raw(self, raw: bytes) -> bytes:
        """See `EndpointPool.send_raw`."""
        return self.pool.send_raw(raw)


def pinned(at: BlockRef) -> Any:
    """A block by hash (EIP-1898), so that a reorg between two reads is an error and not a mixture."""
    return {"blockHash": "0x" + at.hash.hex(), "requireCanonical": True}


def _tx(to: str, data: bytes, sender: str | None, value: int) -> dict[str, str]:
    tx = {"to": to, "data": "0x" + data.hex()}
    if sender:
        tx["from"] = sender
    if value:
        tx["value"] = hex(value)
    return tx


def _block_of(number: int) -> Callable[[Any], BlockRef | None]:
    def parse(raw: Any) -> BlockRef | None:
        found = values.block_ref(raw)
        if found is not None and found.number != number:
            raise Malformed(f"block {found.number}", f"block {number}")
        return found

    return parse


def _held(parse: Callable[[Any], BlockRef | None]) -> Callable[[Any], BlockRef]:
    """The block, or the error of an endpoint that lacks one that others have."""

    def held(raw: Any) -> BlockRef:
        found = parse(raw)
        if found is None:
            raise RpcError("eth_getLogs", -32000, "unknown block")
        return found

    return held


def _logs_of(addresses: Sequence[str], fits: Callable[[RawLog], bool]) -> Callable[[Any], list[RawLog]]:
    ours = frozenset(address.lower() for address in addresses)

    def parse(raw: Any) -> list[RawLog]:
        found = values.log_list(raw)
        for log in found:
            if not fits(log) or (ours and log.address not in ours):
                raise Malformed(f"a log of {log.address} in block {log.block_number}", "one that was asked for")
        return found

    return parse


def _stands_in(block: BlockRef) -> Callable[[RawLog], bool]:
    return lambda log: log.block_hash == block.hash


def _receipt_of(tx_hash: bytes) -> Callable[[Any], Receipt | None]:
    def parse(raw: Any) -> Receipt | None:
        found = values.receipt(raw)
        if found is not None and found.tx_hash != tx_hash:
            raise Malformed(f"the receipt of 0x{found.tx_hash.hex()}", f"that of 0x{tx_hash.hex()}")
        return found

    return parse


class RpcReader:
    """`ports.Reader` over a real chain."""

    def __init__(self, rpc: ChainRpc, codec: Codec, finality: Finality) -> None:
        self.rpc = rpc
        self.codec = codec
        self.heads = Heads(rpc, finality)
        self._span: int | None = None  # blocks that one question may cover, once an endpoint has refused more

    def head(self) -> BlockRef:
        return self.heads.head()

    def final(self) -> BlockRef:
        return self.heads.final()

    def block(self, number: int) -> BlockRef | None:
        return self.rpc.block_by(number)

    def read(self, call: Call, at: BlockRef) -> Any:
        to, data = self.codec.encode(call)
        try:
            return self.codec.decode(call, self.rpc.eth_call(to, data, at))
        except Reverted as error:
            raise Reverted(error.revert, str(call)) from error

    def read_many(self, calls: Sequence[Call], at: BlockRef) -> list[Any]:
        where = pinned(at)
        requests = [("eth_call", [_tx(*self.codec.encode(call), None, 0), where]) for call in calls]
        found = self.rpc.pool.batch(requests, values.data)
        return [self.codec.decode(call, data) for call, data in zip(calls, found, strict=True)]

    def events(self, first: int, last: int, contract: str | None = None, names: Sequence[str] = ()) -> list[Event]:
        if contract is None:
            addresses, topics = list(self.codec.addresses.values()), []
        else:
            addresses, topics = [self.codec.address(contract)], self.codec.topics(contract, names) if names else []
        out: list[Event] = []
        for log in self._logs(addresses, first, last, topics):
            event = decode_raw(self.codec, log)
            if event is not None and (not names or event.name in names):
                out.append(event)
        return out

    def _logs(self, addresses: Sequence[str], first: int, last: int, topics: Sequence[bytes]) -> list[RawLog]:
        """All at once where the endpoint can bear it; most public ones refuse more than some thousand blocks."""
        found: list[RawLog] = []
        at = first
        while at <= last:
            to = last if self._span is None else min(last, at + self._span - 1)
            try:
                found += self.rpc.logs(addresses, first=at, last=to, topics=topics)
            except (RpcError, BadAnswer):  # "too many results", a time-out: in as many words as there are providers
                if to == at:
                    raise
                self._span = max(1, (to - at + 1) // 4)
                continue
            at = to + 1
        return found

    def balance(self, address: str, at: BlockRef) -> int:
        return self.rpc.balance(address, at)


def decode_raw(codec: Codec, log: RawLog, timestamp: int = 0) -> Event | None:
    """A raw log as an event of the suite; None if it is not one."""
    return codec.event(
        log.address,
        log.topics,
        log.data,
        block_number=log.block_number,
        block_hash=log.block_hash,
        index=log.index,
        tx_hash=log.tx_hash,
        timestamp=timestamp,
    )


__all__ = [
    "ChainRpc",
    "EndpointPool",
    "Malformed",
    "MaybeSent",
    "RawLog",
    "Receipt",
    "RpcError",
    "RpcReader",
    "decode_raw",
    "pinned",
]
