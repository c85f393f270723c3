"""Blocks and logs of the chain, with the hashes that say on which fork they stood. Implements `chain.logs.LogStore`.

Rows cross this border as plain tuples: the store knows no chain.
  block  (number, hash, parent, timestamp)
  log    (block number, index in block, tx hash, address, topics joined (32 bytes each), data)
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Connection, Index, delete, func, insert, select
from sqlmodel import Field, SQLModel

from keepers.store.engine import Store
from keepers.store.types import Address, Hash32

BlockRow = tuple[int, bytes, bytes, int]
LogRow = tuple[int, int, bytes, str, bytes, bytes]


class ChainBlock(SQLModel, table=True):
    """A canonical block as last seen. All recent ones; below finality only those with logs and the last of a page."""

    __tablename__ = "chain_blocks"

    number: int = Field(primary_key=True)
    hash: bytes = Field(sa_column=Column(Hash32, nullable=False))
    parent: bytes = Field(sa_column=Column(Hash32, nullable=False))
    timestamp: int


class ChainLog(SQLModel, table=True):
    """A log of the suite's contracts."""

    __tablename__ = "chain_logs"
    __table_args__ = (Index("ix_chain_logs_topic", "address", "topic", "block_number"),)

    block_number: int = Field(primary_key=True)
    log_index: int = Field(primary_key=True)
    tx_hash: bytes = Field(sa_column=Column(Hash32, nullable=False))
    address: str = Field(sa_column=Column(Address, nullable=False))
    topic: bytes = Field(sa_column=Column(Hash32, nullable=False))
    topics: bytes
    data: bytes


class ChainMark(SQLModel, table=True):
    """A named number: "final" = the highest block that was ever final here."""

    __tablename__ = "chain_marks"

    name: str = Field(primary_key=True)
    value: int


BLOCKS = ChainBlock.__table__  # type: ignore[attr-defined]
LOGS = ChainLog.__table__  # type: ignore[attr-defined]
MARKS = ChainMark.__table__  # type: ignore[attr-defined]


class LogTables:
    """The tables behind a follower."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def tip(self) -> BlockRow | None:
        """The highest block stored."""
        with self._store.read() as connection:
            row = connection.execute(select(BLOCKS).order_by(BLOCKS.c.number.desc()).limit(1)).first()
            return None if row is None else (row.number, row.hash, row.parent, row.timestamp)

    def blocks_down(self, number: int, limit: int) -> list[BlockRow]:
        """At most `limit` stored blocks from `number` downwards."""
        query = select(BLOCKS).where(BLOCKS.c.number <= number).order_by(BLOCKS.c.number.desc()).limit(limit)
        with self._store.read() as connection:
            return [(r.number, r.hash, r.parent, r.timestamp) for r in connection.execute(query)]

    def append(self, blocks: Sequence[BlockRow], logs: Sequence[LogRow]) -> None:
        """Add blocks with their logs, all or nothing."""
        block_rows = [{"number": n, "hash": h, "parent": p, "timestamp": t} for n, h, p, t in blocks]
        log_rows = [
            {
                "block_number": number,
                "log_index": index,
                "tx_hash": tx,
                "address": address,
                "topic": topics[:32] or bytes(32),
                "topics": topics,
                "data": data,
            }
            for number, index, tx, address, topics, data in logs
        ]

        def work(connection: Connection) -> None:
            if block_rows:
                connection.execute(insert(BLOCKS), block_rows)
            if log_rows:
                connection.execute(insert(LOGS), log_rows)

        self._store.write(work)

    def rollback(self, number: int) -> None:
        """Forget everything above `number`."""

        def work(connection: Connection) -> None:
            connection.execute(delete(BLOCKS).where(BLOCKS.c.number > number))
            connection.execute(delete(LOGS).where(LOGS.c.block_number > number))

        self._store.write(work)

    def logs(self, first: int, last: int, address: str | None = None, topics: Sequence[bytes] = ()) -> list[LogRow]:
        """Logs of blocks first..last inclusive in order; of one contract and first topics where given."""
        query = select(LOGS).where(LOGS.c.block_number.between(first, last))
        if address is not None:
            query = query.where(LOGS.c.address == address.lower())
        if topics:
            query = query.where(LOGS.c.topic.in_(list(topics)))
        with self._store.read() as connection:
            rows = connection.execute(query.order_by(LOGS.c.block_number, LOGS.c.log_index)).all()
        return [(r.block_number, r.log_index, r.tx_hash, r.address, bytes(r.topics), bytes(r.data)) for r in rows]

    def hashes(self, numbers: Sequence[int]) -> dict[int, tuple[bytes, int]]:
        """(hash, timestamp) of stored blocks by number."""
        out: dict[int, tuple[bytes, int]] = {}
        with self._store.read() as connection:
            for at in range(0, len(numbers), 500):  # below SQLite's limit of bound values
                part = list(numbers[at : at + 500])
                for row in connection.execute(select(BLOCKS).where(BLOCKS.c.number.in_(part))):
                    out[row.number] = (row.hash, row.timestamp)
        return out

    def final(self) -> int:
        """The highest block that was ever final here; -1 before the first."""
        with self._store.read() as connection:
            value = connection.execute(select(MARKS.c.value).where(MARKS.c.name == "final")).scalar()
            return -1 if value is None else int(value)

    def set_final(self, number: int, keep: int) -> None:
        """Raise the final mark and forget blocks without logs below `keep`."""

        def work(connection: Connection) -> None:
            value = connection.execute(select(func.max(MARKS.c.value)).where(MARKS.c.name == "final")).scalar()
            if value is not None and value >= number:
                return
            connection.execute(delete(MARKS).where(MARKS.c.name == "final"))
            connection.execute(insert(MARKS).values(name="final", value=number))
            passed = BLOCKS.c.number < keep
            if value is not None:  # what lies deeper was tidied when the mark stood there: this runs with every block
                passed &= BLOCKS.c.number >= value - (number - keep)
            connection.execute(delete(BLOCKS).where(passed & BLOCKS.c.number.not_in(select(LOGS.c.block_number))))

        self._store.write(work)
