"""The reference model by itself: all or nothing, time that only goes on, maps that roll back."""

from __future__ import annotations

import pytest

from keepers.simulate.state import Event, Journal, Revert, Store, checked
from keepers.simulate.world import CONTRACTS, Parameters, World

GENESIS = 1_700_000_000
HOLDER, OTHER = 0xAA, 0xBB


@pytest.fixture
def world() -> World:
    addresses = {name: 0x1000 + i for i, name in enumerate(CONTRACTS)}
    parameters = Parameters(genesis=GENESIS, holder=HOLDER, owner=0xCC, guardian=0xDD, builders=0xEE)
    return World(parameters, addresses, recover=lambda digest, sig: 0)


def test_a_call_happens_whole(world: World) -> None:
    assert world.call("token", "transfer", OTHER, 5, sender=HOLDER) is True
    assert world.token.balance[OTHER] == 5
    assert world.events == [Event("ComputeToken", "Transfer", (HOLDER, OTHER, 5))]


def test_or_not_at_all(world: World) -> None:
    """The allowance is spent before the balance is found too small: the revert gives it back."""
    world.call("token", "approve", HOLDER, 9, sender=OTHER)
    logged = len(world.events)
    with pytest.raises(Revert, match="token: balance"):
        world.call("token", "transfer_from", OTHER, HOLDER, 9, sender=HOLDER)
    assert world.token.allowed[OTHER, HOLDER] == 9 and len(world.events) == logged


def test_rewinding_undoes_several_calls(world: World) -> None:
    mark = world.mark()
    for _ in range(3):
        world.call("token", "burn", 10, sender=HOLDER)
    assert world.token.total_supply == world.parameters.supply - 30
    world.rewind(mark)
    assert world.token.total_supply == world.parameters.supply and world.events == []


def test_time_goes_on(world: World) -> None:
    world.warp(GENESIS + 5, prevrandao=7)
    assert world.now == GENESIS + 5 and world.context.prevrandao == 7
    with pytest.raises(ValueError, match="time goes on"):
        world.warp(GENESIS)


def test_a_new_suite_is_closed_and_priced(world: World) -> None:
    word = world.hub.price_word
    assert word.paused and not word.clamped and word.spot == world.parameters.price
    assert word.stamp == world.calendar.end(0)
    with pytest.raises(Revert, match="engine: paused"):
        world.call("engine", "buy", 10**18, 0, sender=HOLDER)
    with pytest.raises(Revert, match="hub: period open"):
        world.hub.period_price(0)


def test_what_was_never_written_reads_as_its_default() -> None:
    journal = Journal()
    store: Store[str, int] = Store(journal, 7)
    assert store["a"] == 7 and "a" not in store
    with pytest.raises(RuntimeError, match="stop"), journal.transaction():
        store["a"] = 8
        store["a"] = 9
        raise RuntimeError("stop")
    assert store["a"] == 7 and "a" not in store


def test_checked_refuses_what_256_bits_cannot_hold() -> None:
    assert checked(2**256 - 1) == 2**256 - 1
    for value in (-1, 2**256):
        with pytest.raises(Revert):
            checked(value)
