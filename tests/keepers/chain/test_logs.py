"""The follower beside a chain that forks: what it knows equals what a fresh one reads (T60, D19, D26)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from keepers.chain.codec import Codec, load_abi
from keepers.chain.logs import Follower, LogStore
from keepers.chain.ports import BlockRef, Event
from keepers.chain.rpc import RawLog, RpcError
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.store.logs import LogTables
from keepers.store.migrations import open_store

POOL = "0x" + "33" * 20
CODEC = Codec({"StakingPool": POOL})
TOPIC = load_abi("StakingPool").events["FellBelow"].topic


class Chain:
    """Blocks with 0..2 events each; `fork` replaces the last ones."""

    def __init__(self, seed: int = 1) -> None:
        self.draw = random.Random(seed)
        self.salts = [0]
        self.counts = [0]
        self.page_limit = 10_000
        self.lag = 0
        self.asked: list[tuple[int, int]] = []

    def grow(self, blocks: int) -> None:
        for _ in range(blocks):
            self.salts.append(self.draw.getrandbits(60))
            self.counts.append(self.draw.choice([0, 0, 1, 2]))

    def fork(self, depth: int, blocks: int) -> None:
        del self.salts[-depth:], self.counts[-depth:]
        self.grow(blocks)

    def ref(self, number: int) -> BlockRef:
        path = b"".join(s.to_bytes(8, "big") for s in self.salts[: number + 1])
        parent = keccak(path[:-8]) if number else bytes(32)
        return BlockRef(number, keccak(path), 1_000 + number, parent)

    @property
    def top(self) -> int:
        return len(self.salts) - 1 - self.lag

    def head(self) -> BlockRef:
        return self.ref(self.top)

    def final(self, depth: int) -> BlockRef:
        return self.ref(max(0, self.top - depth))

    def block_by(self, which: int | str) -> BlockRef | None:
        number = self.top if which == "latest" else int(which)
        return self.ref(number) if number <= self.top else None

    def blocks(self, numbers: Sequence[int]) -> list[BlockRef | None]:
        return [self.block_by(n) for n in numbers]

    def logs(self, addresses: Sequence[str], *, first: int = 0, last: int = 0, **_: Any) -> list[RawLog]:
        self.asked.append((first, last))
        if last - first + 1 > self.page_limit:
            raise RpcError("eth_getLogs", -32602, "query returned more than 10000 results")
        out = []
        for number in range(first, min(last, self.top) + 1):
            for index in range(self.counts[number]):
                words = (number.to_bytes(32, "big"), self.salts[number].to_bytes(32, "big"))
                topics = (TOPIC, words[0])
                out.append(RawLog(POOL, topics, words[1], number, self.ref(number).hash, bytes(32), index))
        return out


def truth(chain: Chain) -> list[tuple[int, int, int]]:
    return [(n, i, chain.salts[n]) for n in range(1, chain.top + 1) for i in range(chain.counts[n])]


def known(follower: Follower) -> list[Event]:
    return follower.events(0, 10_000)


def as_rows(events: Sequence[Event]) -> list[tuple[int, int, int]]:
    return [(e["provider"], e.index, e["at"]) for e in events]


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[LogStore]:
    store = open_store(f"sqlite:///{tmp_path / 'l.db'}", threaded=False)
    yield LogTables(store)
    store.close()


def test_advance__grown_chain__every_event_once_and_only_new_blocks_asked(logs: LogStore) -> None:
    chain = Chain()
    chain.grow(700)
    follower = Follower(chain, logs, CODEC, first_block=1)
    assert follower.advance(chain.head(), chain.final(20)).number == 700
    assert as_rows(known(follower)) == truth(chain)
    chain.asked.clear()
    chain.grow(30)
    follower.advance(chain.head(), chain.final(20))
    assert min(first for first, _ in chain.asked) == 701
    events = follower.events(1, 730, "StakingPool", ["FellBelow"])
    assert as_rows(events) == truth(chain) == as_rows(known(follower))
    assert events[0].timestamp == 1_000 + events[0].block_number


def test_advance__restart_in_a_reorg__goes_on_from_the_stored(logs: LogStore) -> None:
    chain = Chain()
    chain.grow(60)
    Follower(chain, logs, CODEC, 1).advance(chain.head(), chain.final(5))
    chain.fork(3, 6)
    follower = Follower(chain, logs, CODEC, 1)
    follower.advance(chain.head(), chain.final(5))
    assert as_rows(known(follower)) == truth(chain)


@pytest.mark.parametrize("depth", [1, 7, 64])
def test_advance__reorg__equals_a_fresh_reading(logs: LogStore, depth: int) -> None:
    chain = Chain(depth)
    chain.grow(100)
    follower = Follower(chain, logs, CODEC, 1)
    follower.advance(chain.head(), chain.final(70))
    chain.fork(depth, depth + 2)
    advance = follower.advance(chain.head(), chain.final(70))
    assert advance.undone == depth
    assert as_rows(known(follower)) == truth(chain)


def test_advance__many_random_forks__equals_a_fresh_reading(logs: LogStore) -> None:
    chain, draw = Chain(9), random.Random(5)
    chain.grow(40)
    follower = Follower(chain, logs, CODEC, 1)
    for _ in range(60):
        if draw.random() < 0.4:
            depth = draw.randint(1, 10)
            chain.fork(depth, depth + draw.randint(0, 4))
        else:
            chain.grow(draw.randint(0, 9))
        chain.lag = draw.choice([0, 0, 0, 2])
        head = chain.head()
        follower.advance(head, chain.final(12 + chain.lag))
    chain.lag = 0
    chain.grow(1)
    follower.advance(chain.head(), chain.final(12))
    assert as_rows(known(follower)) == truth(chain)


def test_advance__endpoint_far_behind__nothing_is_undone(logs: LogStore) -> None:
    chain = Chain()
    chain.grow(80)
    follower = Follower(chain, logs, CODEC, 1)
    follower.advance(chain.head(), chain.final(10))
    before = known(follower)
    head = chain.head()
    chain.lag = 50
    advance = follower.advance(head, chain.ref(20))
    assert (advance.number, advance.undone) == (80, 0) and known(follower) == before


def test_advance__reorg_below_finality__stops_and_alarms(logs: LogStore) -> None:
    chain = Chain()
    chain.grow(50)
    follower = Follower(chain, logs, CODEC, 1)
    follower.advance(chain.head(), chain.final(5))
    before = known(follower)
    chain.fork(6, 8)
    for _ in range(2):
        with pytest.raises(HearthError, match="was final") as caught:
            follower.advance(chain.head(), chain.final(5))
        assert caught.value.code == "H2005"
    assert known(follower) == before, "nothing is forgotten: a person has to look"


def test_advance__endpoint_refuses_large_pages__smaller_ones(logs: LogStore) -> None:
    chain = Chain()
    chain.grow(900)
    chain.page_limit = 300
    follower = Follower(chain, logs, CODEC, 1)
    follower.advance(chain.head(), chain.final(2))
    assert as_rows(known(follower)) == truth(chain)
