"""Follows the suite's logs block by block, and takes them back when the chain does.

Every stored block carries its hash. When the newest stored block is no longer the chain's, the follower goes back to
the common ancestor, forgets what stood above it, and reads on. If the ancestor lies below a
block that was final, it stops for good (H2005): money was decided on something that did not happen.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from keepers.chain.codec import Codec
from keepers.chain.ports import BlockRef, Event
from keepers.chain.rpc import RawLog, RpcError
from keepers.protocol.errors import HearthError

log = logging.getLogger("hearth.chain")
PAGE = 2_000  # blocks of one eth_getLogs below finality; halved where an endpoint refuses
NEAR = 500  # recent blocks that are fetched one by one in one pass
KEEP = 300  # blocks below finality that are kept even without logs

BlockRow = tuple[int, bytes, bytes, int]  # number, hash, parent, timestamp
LogRow = tuple[int, int, bytes, str, bytes, bytes]  # block, index, tx hash, address, topics joined, data


class LogStore(Protocol):
    """Where blocks and logs are kept: `store.logs.LogTables`."""

    def tip(self) -> BlockRow | None: ...

    def blocks_down(self, number: int, limit: int) -> list[BlockRow]: ...

    def append(self, blocks: Sequence[BlockRow], logs: Sequence[LogRow]) -> None: ...

    def rollback(self, number: int) -> None: ...

    def logs(self, first: int, last: int, address: str | None = None, topics: Sequence[bytes] = ()) -> list[LogRow]: ...

    def hashes(self, numbers: Sequence[int]) -> dict[int, tuple[bytes, int]]: ...

    def final(self) -> int: ...

    def set_final(self, number: int, keep: int) -> None: ...


class LogRpc(Protocol):
    """What a follower asks of a chain: `chain.rpc.ChainRpc`."""

    def block_by(self, which: int | str) -> BlockRef | None: ...

    def blocks(self, numbers: Sequence[int]) -> list[BlockRef | None]: ...

    def logs(
        self, addresses: Sequence[str], *, first: int, last: int, topics: Sequence[bytes] = (), held: bool = False
    ) -> list[RawLog]: ...

    def logs_in(self, addresses: Sequence[str], blocks: Sequence[BlockRef]) -> list[RawLog]: ...


@dataclass(frozen=True, slots=True)
class Advance:
    """What one pass did: newest block followed, blocks undone (0 = no reorg)."""

    number: int
    undone: int = 0


class Follower:
    """One a process. `first_block` is the deployment's first."""

    def __init__(self, rpc: LogRpc, store: LogStore, codec: Codec, first_block: int) -> None:
        self._rpc, self._store, self._codec = rpc, store, codec
        self._first = first_block
        self._addresses = list(codec.addresses.values())
        self._page = PAGE

    def events(self, first: int, last: int, contract: str | None = None, names: Sequence[str] = ()) -> list[Event]:
        """Stored events of blocks first..last inclusive."""
        address = self._codec.address(contract) if contract else None
        topics = self._codec.topics(contract, names) if contract and names else []
        return self._decode(self._store.logs(first, last, address, topics))

    def advance(self, head: BlockRef, final: BlockRef) -> Advance:
        """Read up to `head`. Raises H2005 for a reorg below finality, H2001 where the chain cannot be read."""
        tip = self._store.tip()
        undone = 0
        if tip is None:
            tip = self._begin()
        else:
            ancestor = self._ancestor(tip)
            if ancestor is None:
                return Advance(tip[0])  # the endpoint lags behind what we know
            if ancestor[0] < tip[0]:
                undone = tip[0] - ancestor[0]
                self._undo(ancestor[0], undone)
                tip = ancestor
        if final.number > tip[0]:
            tip = self._far(tip, min(final.number, head.number))
        while tip[0] < head.number:
            reached = self._near(tip, min(head.number, tip[0] + NEAR))
            if reached[0] == tip[0]:
                break  # the chain moved while we read, or its endpoint does not answer: the next pass sees it
            tip = reached
        self._store.set_final(min(final.number, tip[0]), min(final.number, tip[0]) - KEEP)
        return Advance(tip[0], undone)

    # inside

    def _begin(self) -> BlockRow:
        before = max(0, self._first - 1)
        block = self._rpc.block_by(before)
        if block is None:
            raise HearthError("H2006", f"the endpoint has no block {before} yet")
        row = _row(block)
        if before == self._first:  # a suite in block 0 exists only in tests; its logs count as well
            self._add([block], self._rpc.logs(self._addresses, first=0, last=0))
        else:
            self._store.append([row], [])
        return row

    def _ancestor(self, tip: BlockRow) -> BlockRow | None:
        """The highest stored block that is still the chain's; None where the endpoint has not even `tip`'s height."""
        now = self._rpc.block_by(tip[0])
        if now is not None and now.hash == tip[1]:
            return tip
        if now is None:
            newest = self._rpc.block_by("latest")
            if newest is None or newest.number < tip[0]:
                below = self._rpc.block_by(newest.number) if newest else None
                stored = self._store.hashes([newest.number]) if newest else {}
                same = below is not None and newest is not None and stored.get(newest.number, (b"",))[0] == below.hash
                if newest is None or same or newest.number not in stored:
                    return None
        at = tip[0]
        while True:
            rows = self._store.blocks_down(at, 64)
            if not rows:
                raise _below_final(tip[0], -1)
            for row, block in zip(rows, self._rpc.blocks([r[0] for r in rows]), strict=True):
                if block is not None and block.hash == row[1]:
                    return row
                if row[0] <= self._store.final():
                    raise _below_final(row[0], self._store.final())
            at = rows[-1][0] - 1

    def _undo(self, number: int, depth: int) -> None:
        if number < self._store.final():
            raise _below_final(number, self._store.final())
        log.warning("reorg", extra={"to": number, "depth": depth})
        self._store.rollback(number)

    def _far(self, tip: BlockRow, last: int) -> BlockRow:
        """Final blocks, by pages of logs. Only blocks with logs and each page's last are kept."""
        while tip[0] < last:
            to = min(last, tip[0] + self._page)
            try:
                raw = self._rpc.logs(self._addresses, first=tip[0] + 1, last=to, held=True)
            except RpcError as error:
                if self._page == 1 or error.behind:
                    raise
                self._page = max(1, self._page // 2)  # "too many results", in as many words as there are providers
                continue
            numbers = sorted({entry.block_number for entry in raw} | {to})
            blocks = [b for b in self._rpc.blocks(numbers) if b is not None]
            known = {b.number: b.hash for b in blocks}
            if to not in known or any(known.get(entry.block_number) != entry.block_hash for entry in raw):
                raise HearthError("H2006", "an endpoint's logs and blocks disagree")
            self._add(blocks, raw)
            tip = _row(blocks[-1])
            self._page = min(PAGE, 2 * self._page)  # it may have been a busy day, or a busy endpoint
        return tip

    def _near(self, tip: BlockRow, last: int) -> BlockRow:
        """Recent blocks, each linked to its parent by hash, and their logs by the same hashes."""
        blocks: list[BlockRef] = []
        parent = tip[1]
        for block in self._rpc.blocks(range(tip[0] + 1, last + 1)):
            if block is None or block.parent != parent:
                break
            blocks.append(block)
            parent = block.hash
        if not blocks:
            return tip
        try:
            raw = self._rpc.logs_in(self._addresses, blocks)
        except RpcError as error:
            if not error.behind:
                raise
            return tip  # whoever told us of these blocks does not answer: no logs are no answer
        self._add(blocks, raw)
        return _row(blocks[-1])

    def _add(self, blocks: Sequence[BlockRef], raw: Sequence[RawLog]) -> None:
        rows: list[LogRow] = [
            (entry.block_number, entry.index, entry.tx_hash, entry.address, b"".join(entry.topics), entry.data)
            for entry in raw
        ]
        self._store.append([_row(b) for b in blocks], rows)

    def _decode(self, rows: Sequence[LogRow]) -> list[Event]:
        known = self._store.hashes(sorted({row[0] for row in rows}))
        out: list[Event] = []
        for number, index, tx_hash, address, topics, data in rows:
            block_hash, timestamp = known[number]
            event = self._codec.event(
                address,
                [topics[at : at + 32] for at in range(0, len(topics), 32)],
                data,
                block_number=number,
                block_hash=block_hash,
                index=index,
                tx_hash=tx_hash,
                timestamp=timestamp,
            )
            if event is not None:
                out.append(event)
        return out


def _row(block: BlockRef) -> BlockRow:
    return (block.number, block.hash, block.parent, block.timestamp)


def _below_final(number: int, final: int) -> HearthError:
    return HearthError(
        "H2005",
        f"the chain took back block {number}, which lies at or below block {final} that was final",
        why=("money may have been decided on blocks that no longer exist",),
        next=("stop, compare endpoints, and start again only when they agree",),
    )
