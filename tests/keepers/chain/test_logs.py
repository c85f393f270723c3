"""The follower beside a chain that forks: what it knows equals what a fresh one reads (T60, D19, D26)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from keepers.chain.codec import Codec, load_abi
from keepers.chain.logs import Follower, LogStore
from keepers.chain.pool import EndpointPool
from keepers.chain.ports import BlockRef, Event
from keepers.chain.rpc import ChainRpc, RawLog, RpcError
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

    def logs_in(self, addresses: Sequence[str], blocks: Sequence[BlockRef]) -> list[RawLog]:
        if self.block_by(blocks[-1].number) != blocks[-1]:
            raise RpcError("eth_getLogs", -32000, "unknown block")
        return [log for block in blocks for log in self.logs(addresses, first=block.number, last=block.number)]

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


class Balanced:
    """Two nodes behind one balancer: the first is `lag` blocks behind, and says "no logs" of blocks that it lacks.
    Blocks come from the second; `turn` says which node answers a request for logs."""

    def __init__(self, chain: Chain, lag: int) -> None:
        self.chain, self.lag, self.turn = chain, lag, 0
        self.posts = self.calls = 0

    def post(self, requests: Sequence[tuple[str, list[Any]]]) -> list[dict[str, Any]]:
        self.posts += 1
        self.calls += len(requests)
        logs = any(method == "eth_getLogs" for method, _ in requests)
        top = self.chain.top - (self.lag if logs and self.turn % 2 == 0 else 0)
        self.turn += logs
        return [{"result": self.answer(method, params, top)} for method, params in requests]

    def answer(self, method: str, params: list[Any], top: int) -> Any:
        if method == "eth_chainId":
            return "0x1"
        if method == "eth_getLogs":
            where = params[0]
            if "blockHash" in where:
                found = next((n for n in range(top + 1) if self.hash(n) == where["blockHash"]), None)
                span = range(0) if found is None else range(found, found + 1)
            else:
                span = range(int(where["fromBlock"], 16), min(top, int(where["toBlock"], 16)) + 1)
            return [self.log(raw) for n in span for raw in self.chain.logs([], first=n, last=n)]
        if method == "eth_getBlockByHash":
            number = next((n for n in range(top + 1) if self.hash(n) == params[0]), None)
        else:
            number = top if params[0] == "latest" else int(params[0], 16)
        return None if number is None or number > top else self.block(number)

    def hash(self, number: int) -> str:
        return "0x" + self.chain.ref(number).hash.hex()

    def block(self, number: int) -> dict[str, str]:
        ref = self.chain.ref(number)
        parent = "0x" + ref.parent.hex()
        return {"number": hex(number), "hash": self.hash(number), "parentHash": parent, "timestamp": hex(ref.timestamp)}

    def log(self, raw: RawLog) -> dict[str, Any]:
        return {
            "address": raw.address, "topics": ["0x" + t.hex() for t in raw.topics], "data": "0x" + raw.data.hex(),
            "blockNumber": hex(raw.block_number), "blockHash": "0x" + raw.block_hash.hex(),
            "transactionHash": "0x" + raw.tx_hash.hex(), "logIndex": hex(raw.index),
        }  # fmt: skip

    def close(self) -> None:
        """Nothing to close."""


def balanced(chain: Chain, lag: int) -> tuple[Balanced, ChainRpc]:
    wire = Balanced(chain, lag)
    connect: Any = lambda url, shown, timeout: wire  # noqa: E731
    return wire, ChainRpc(EndpointPool(["http://one"], 1, connect=connect, sleep=lambda seconds: None))


@pytest.mark.parametrize("final", [4, 40])
def test_advance__node_that_lags_says_no_logs__is_not_believed(logs: LogStore, final: int) -> None:
    chain = Chain(3)
    chain.grow(50)
    wire, rpc = balanced(chain, 3)
    follower = Follower(rpc, logs, CODEC, 1)
    for _ in range(40):
        chain.grow(chain.draw.randint(1, 3))
        wire.turn = chain.draw.randint(0, 1)
        wire.lag = chain.draw.randint(1, 9)
        follower.advance(chain.head(), chain.final(final))
    wire.lag = 0
    follower.advance(chain.head(), chain.final(final))
    assert as_rows(known(follower)) == truth(chain)


def test_advance__every_node_lags__waits_and_loses_nothing(logs: LogStore) -> None:
    chain = Chain(4)
    chain.grow(20)
    wire, rpc = balanced(chain, 0)
    follower = Follower(rpc, logs, CODEC, 1)
    assert follower.advance(chain.head(), chain.final(10)).number == 20
    chain.grow(3)
    chain.counts[-3:] = [1, 1, 1]
    for _ in range(3):
        wire.turn, wire.lag = 0, 2
        wire.post, kept = _always(wire), wire.post  # type: ignore[method-assign]
        assert follower.advance(chain.head(), chain.final(10)).number == 20
        wire.post = kept  # type: ignore[method-assign]
    wire.lag = 0
    assert follower.advance(chain.head(), chain.final(10)).number == 23
    assert as_rows(known(follower)) == truth(chain)


def _always(wire: Balanced) -> Any:
    post = wire.post

    def lagging(requests: Sequence[tuple[str, list[Any]]]) -> list[dict[str, Any]]:
        wire.turn = 0
        return post(requests)

    return lagging


def test_advance__cost_of_not_believing__one_call_a_block_in_the_same_requests(logs: LogStore) -> None:
    """For a new block one call more, in the same request; after a rest two calls a block instead of one."""
    chain = Chain(5)
    chain.grow(10)
    wire, rpc = balanced(chain, 0)
    follower = Follower(rpc, logs, CODEC, 1)
    follower.advance(chain.head(), chain.final(200))
    wire.posts = wire.calls = 0
    chain.grow(1)
    follower.advance(chain.head(), chain.final(200))
    assert (wire.posts, wire.calls) == (3, 4), "the stored tip; the block; that it is held, and its logs"
    wire.posts = wire.calls = 0
    chain.grow(64)
    follower.advance(chain.head(), chain.final(200))
    assert (wire.posts, wire.calls) == (3, 1 + 64 + 1 + 64)


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


def test_advance__page_that_was_refused_once__grows_again(logs: LogStore) -> None:
    chain = Chain()
    chain.grow(300)
    chain.page_limit = 10
    follower = Follower(chain, logs, CODEC, 1)
    follower.advance(chain.head(), chain.final(2))
    chain.page_limit = 10_000
    chain.grow(3_000)
    chain.asked.clear()
    follower.advance(chain.head(), chain.final(2))
    assert len(chain.asked) < 15 and as_rows(known(follower)) == truth(chain)


def test_set_final__each_new_mark__looks_only_at_blocks_that_it_passes(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'l.db'}", threaded=False)
    tables = LogTables(store)
    tables.append([(n, bytes(32), bytes(32), n) for n in range(1, 41)], [])
    tables.set_final(30, 20)
    assert [row[0] for row in tables.blocks_down(100, 100)] == list(range(40, 19, -1))
    tables.append([(5, bytes(32), bytes(32), 5)], [])  # far below the last mark: nobody looks there again
    tables.set_final(33, 23)
    assert [row[0] for row in tables.blocks_down(100, 100)] == [*range(40, 22, -1), 5]
    store.close()
