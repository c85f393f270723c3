"""Seeds, sizes and free GPUs, as agents and attesters read them off the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from keepers.chain.challenges import Challenges, Size
from keepers.chain.contracts import Suite
from keepers.chain.ports import BlockRef, Call, Event
from keepers.protocol.epochs import Calendar
from keepers.protocol.hashing import keccak
from keepers.protocol.leases import Money, Reason, Terms
from keepers.protocol.nodes import Node, Status

CALENDAR = Calendar(genesis=1_200, slot=10, epochs_per_period=4)  # epochs of 120 s
NODE = Node(provider=1, class_id=2, gpus=4, status=Status.ACTIVE, first=1)
RATE = 10**15


@dataclass
class Chain:
    """A block every 10 s, number k at 1,200 + 10·k; states of leases by the block in which they began."""

    seeds: dict[int, tuple[int, int]] = field(default_factory=dict)
    leases: dict[int, list[tuple[int, Terms, Money]]] = field(default_factory=dict)
    logs: list[Event] = field(default_factory=list)
    forks: dict[int, bytes] = field(default_factory=dict)
    height: int = 200
    asked: list[str] = field(default_factory=list)

    def block(self, number: int) -> BlockRef | None:
        if not 0 <= number <= self.height:
            return None
        return BlockRef(number, self.forks.get(number, keccak(b"%d" % number)), 1_200 + 10 * number)

    def head(self) -> BlockRef:
        found = self.block(self.height)
        assert found is not None
        return found

    def final(self) -> BlockRef:
        found = self.block(max(0, self.height - 64))
        assert found is not None
        return found

    def read(self, call: Call, at: BlockRef) -> Any:
        self.asked.append(call.function)
        if call.function == "seed":
            return self.seeds.get(call.args[0], (0, 0))
        if call.function == "RATE":
            return 200
        if call.function == "class_word":
            return 5 << 192 | 30 << 128 | 256 << 96 | 2 << 64 | 2 if call.args[0] == 2 else 0
        states = [s for s in self.leases[call.args[0]] if s[0] <= at.number]
        if not states:
            return 0
        return (states[-1][1] if call.function == "terms" else states[-1][2]).pack()

    def read_many(self, calls: Sequence[Call], at: BlockRef) -> list[Any]:
        return [self.read(call, at) for call in calls]

    def events(self, first: int, last: int, contract: str | None = None, names: Sequence[str] = ()) -> list[Event]:
        return [e for e in self.logs if first <= e.block_number <= last and e.name in names]

    def balance(self, address: str, at: BlockRef) -> int:
        return 0

    def lease(self, number: int, opened: int, *, gpus: int = 1, node: int = 7, seconds: int = 10_000) -> Terms:
        """A lease that opens in a block and is paid for `seconds`."""
        terms = Terms(RATE, gpus, node, 1, 1_200 + 10 * opened, seconds, 0)
        self.leases[number] = [(opened, terms, Money(RATE * gpus * seconds, 1, 0, None))]
        self.log("Opened", opened, id=number, terms=terms.pack())
        return terms

    def stop(self, number: int, block: int) -> None:
        terms, money = self.leases[number][-1][1:]
        stopped = Terms(
            **{**vars(terms), "stop_after": 10 * (block - self.leases[number][0][0]), "reason": Reason.TERM}
        )
        self.leases[number].append((block, stopped, money))

    def log(self, name: str, block: int, **args: Any) -> None:
        at = self.block(block)
        assert at is not None
        self.logs.append(Event("LeaseEscrow", name, args, block, at.hash, len(self.logs), timestamp=at.timestamp))


@pytest.fixture
def chain() -> Chain:
    return Chain()


@pytest.fixture
def challenges(chain: Chain) -> Challenges:
    return Challenges(chain, Suite.over(chain), CALENDAR, 0)


def at_seed(chain: Chain, challenges: Challenges, block: int = 100) -> int:
    """Free GPUs of node 7 where the seed came in that block."""
    return challenges.free({7: NODE}, 1_200 + 10 * block, chain.head())[7]


def test_of__a_seed_in_the_first_third__both_seeds_and_the_time(chain: Chain, challenges: Challenges) -> None:
    chain.seeds = {4: (11, 1_690), 5: (22, CALENDAR.start(5) + 40)}
    found = challenges.of(5, chain.head())
    assert found is not None
    assert (found.seed, found.seed_b, found.seed_time) == (22, 11, CALENDAR.start(5) + 40)


def test_of__a_seed_after_the_first_third__is_not_challenged(chain: Chain, challenges: Challenges) -> None:
    chain.seeds = {4: (11, 1_690), 5: (22, CALENDAR.start(5) + 41)}
    assert challenges.of(5, chain.head()) is None


def test_of__without_a_seed__nothing(chain: Chain, challenges: Challenges) -> None:
    chain.seeds = {4: (11, 1_690)}
    assert challenges.of(5, chain.head()) is None


def test_of__the_first_period__takes_its_b_from_epoch_two(chain: Chain, challenges: Challenges) -> None:
    chain.seeds = {2: (33, CALENDAR.start(2)), 3: (44, CALENDAR.start(3))}
    found = challenges.of(3, chain.head())
    assert found is not None and found.seed_b == 33
    assert challenges.of(1, chain.head()) is None


def test_size__of_a_class__its_fields_read_once(chain: Chain, challenges: Challenges) -> None:
    assert challenges.size(2, chain.head()) == Size(256, 2, 30)
    assert challenges.size(2, chain.head()).challenged
    assert chain.asked.count("class_word") == 1
    assert not challenges.size(9, chain.head()).challenged


def test_rate__is_read_once(chain: Chain, challenges: Challenges) -> None:
    assert challenges.rate(chain.head()) == challenges.rate(chain.head()) == 200
    assert chain.asked.count("RATE") == 1


def test_free__no_lease__all(chain: Chain, challenges: Challenges) -> None:
    assert at_seed(chain, challenges) == 4


def test_free__leases_before_the_seed__hold_their_gpus(chain: Chain, challenges: Challenges) -> None:
    chain.lease(1, 50, gpus=1)
    chain.lease(2, 99, gpus=2)
    chain.lease(3, 60, node=8, gpus=4)
    assert at_seed(chain, challenges) == 1


@pytest.mark.attack("A36")
def test_free__a_lease_in_the_block_of_the_seed__frees_nobody_of_the_answer(
    chain: Chain, challenges: Challenges
) -> None:
    chain.lease(1, 100, gpus=4)
    assert at_seed(chain, challenges) == 4


def test_free__a_lease_that_stopped_before__holds_nothing(chain: Chain, challenges: Challenges) -> None:
    chain.lease(1, 50, gpus=4)
    chain.stop(1, 99)
    assert at_seed(chain, challenges) == 4


@pytest.mark.attack("A36")
def test_free__a_stop_in_the_block_of_the_seed__still_holds(chain: Chain, challenges: Challenges) -> None:
    chain.lease(1, 50, gpus=4)
    chain.stop(1, 100)
    assert at_seed(chain, challenges) == 0


@pytest.mark.parametrize(("seconds", "free"), [(500, 4), (501, 0)])
def test_free__a_lapsed_lease_that_nobody_recorded__holds_nothing(
    chain: Chain, challenges: Challenges, seconds: int, free: int
) -> None:
    chain.lease(1, 50, gpus=4, seconds=seconds)
    assert at_seed(chain, challenges) == free


def test_free__asked_again_for_an_old_seed__finished_leases_are_remembered(
    chain: Chain, challenges: Challenges
) -> None:
    chain.lease(1, 50, gpus=4)
    chain.stop(1, 120)
    chain.log("Finished", 130, id=1)
    assert at_seed(chain, challenges, 140) == 4
    assert at_seed(chain, challenges, 100) == 0


def test_free__a_reorg_takes_a_lease_back__it_is_forgotten(chain: Chain, challenges: Challenges) -> None:
    chain.lease(1, 180, gpus=4)
    assert at_seed(chain, challenges, 190) == 0
    chain.logs.clear()
    chain.leases = {1: []}
    chain.forks = {number: keccak(b"other %d" % number) for number in range(170, 201)}
    assert at_seed(chain, challenges, 190) == 4
