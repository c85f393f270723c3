"""States of the tree that outlive the process: leaf words after a report that holds, and the block that holds it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from keepers.chain.ports import BlockRef
from keepers.protocol.counters import Header
from keepers.protocol.uptime_tree import UptimeTree
from keepers.roles.watcher.tables import WatcherState
from keepers.store.engine import Store

_STATES: Any = WatcherState.__table__  # type: ignore[attr-defined]
CheckIn = tuple[int, int, int, int]  # block, epoch, node, slot


@dataclass(frozen=True)
class State:
    """Leaf words by index after `epoch`, whose report stands in `block`; `came`: check-ins of later epochs so far."""

    epoch: int
    block: BlockRef
    header: int
    words: tuple[int, ...]
    came: tuple[CheckIn, ...]

    def tree(self) -> UptimeTree:
        """The tree of these words, hashed anew."""
        return UptimeTree.of(Header.unpack(self.header), self.words)


class States:
    """The table of them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def newest_first(self) -> Iterator[State]:
        """All states, read one by one."""
        with self._store.read() as connection:
            epochs = list(connection.execute(select(_STATES.c.epoch).order_by(_STATES.c.epoch.desc())).scalars())
        for epoch in epochs:
            with self._store.read() as connection:
                row = connection.execute(select(_STATES).where(_STATES.c.epoch == epoch)).first()
            if row is not None:
                words = zlib.decompress(row.words)
                yield State(
                    row.epoch,
                    BlockRef(row.block, bytes(row.block_hash), row.block_time),
                    row.header,
                    tuple(int.from_bytes(words[at : at + 32], "big") for at in range(0, len(words), 32)),
                    tuple(tuple(one) for one in json.loads(row.came)),
                )

    def keep(self, state: State) -> None:
        """Store a state in the place of an earlier one of its epoch."""
        row = {
            "epoch": state.epoch,
            "block": state.block.number,
            "block_hash": state.block.hash,
            "block_time": state.block.timestamp,
            "header": state.header,
            "words": zlib.compress(b"".join(word.to_bytes(32, "big") for word in state.words), 1),
            "came": json.dumps(state.came).encode(),
        }

        def work(connection: Connection) -> None:
            connection.execute(delete(_STATES).where(_STATES.c.epoch == state.epoch))
            connection.execute(insert(_STATES), [row])

        self._store.write(work)

    def drop_after(self, epoch: int) -> None:
        """Forget states of later epochs: their reports fell."""
        self._store.write(lambda connection: connection.execute(delete(_STATES).where(_STATES.c.epoch > epoch)))

    def drop_before(self, epoch: int) -> None:
        """Forget states of earlier epochs."""
        self._store.write(lambda connection: connection.execute(delete(_STATES).where(_STATES.c.epoch < epoch)))
