"""What roles see of the chain while the follower is under way."""

from __future__ import annotations

from typing import Any

from keepers.chain.codec import Codec
from keepers.chain.heads import Finality
from keepers.chain.ports import BlockRef, Event
from keepers.runtime.chainports import FollowedReader


def block(number: int) -> BlockRef:
    return BlockRef(number, bytes([number]) * 32, 1_000 + number, bytes([number - 1]) * 32)


class Chain:
    """Blocks up to `top`; remembers which logs it was asked for."""

    def __init__(self) -> None:
        self.top = 20
        self.asked: list[tuple[int, int]] = []

    def block_by(self, which: int | str) -> BlockRef:
        return block(self.top if which == "latest" else int(which))

    def logs(self, addresses: Any, *, first: int, last: int, topics: Any = ()) -> list[Any]:
        self.asked.append((first, last))
        return []


class Tables:
    """The follower's side: remembers which events it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def events(self, first: int, last: int, contract: str | None, names: Any) -> list[Event]:
        self.asked.append((first, last))
        return []


def reader_of(chain: Chain, tables: Tables) -> FollowedReader:
    reader = FollowedReader(chain, Codec({"AttestationHub": "0x" + "22" * 20}), Finality("depth", 3))  # type: ignore[arg-type]
    reader.follower, reader.followed = tables, 20  # type: ignore[assignment]
    return reader


def test_events__beyond_what_is_followed__only_the_rest_is_asked_of_the_chain() -> None:
    chain, tables = Chain(), Tables()
    reader = reader_of(chain, tables)
    reader.events(1, 23)
    reader.events(5, 20)
    reader.events(21, 23)
    assert tables.asked == [(1, 20), (5, 20)] and chain.asked == [(21, 23), (21, 23)]


def test_head__new_block_that_is_not_followed_yet__not_shown() -> None:
    chain = Chain()
    reader = reader_of(chain, Tables())
    reader.shown = (reader.heads.poll(), reader.heads.final())
    chain.top = 30
    reader.heads.poll()
    assert (reader.head().number, reader.final().number) == (20, 17)
    reader.shown = (reader.heads.head(), reader.heads.final())
    assert (reader.head().number, reader.final().number) == (30, 27)


def test_show__follower_behind_the_head__nobody_is_told_of_blocks_without_logs() -> None:
    """The endpoint with the newest block is not the one that is asked for logs, and that one answers "none"."""
    chain, tables = Chain(), Tables()
    reader = reader_of(chain, tables)
    reader.show(20, block(20), block(17))
    chain.top = 30
    reader.show(24, block(30), block(27))
    assert (reader.head(), reader.final()) == (block(24), block(24))
    reader.events(5, reader.head().number)
    assert chain.asked == [] and tables.asked == [(5, 24)]
    reader.show(30, block(30), block(27))
    assert (reader.head(), reader.final()) == (block(30), block(27))
