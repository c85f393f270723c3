"""reserve: I3, reserved GPUs never exceed the GPUs of the node."""

from __future__ import annotations

import boa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.network.harness import (
    ESCROW,
    FAULT,
    JAILED,
    MARKET,
    SLASHER,
    STANDING,
    Trio,
    only,
    reserved,
)  # fmt: skip
from tests.support.actors import OPERATOR, OWNER, PROVIDER, STRANGER, Actor


def test_reserve__counts_and_gives_both_words(trio: Trio) -> None:
    i = trio.node(trio.provider(), 8, active=True)
    before = trio.registry.node(i)
    word, provider = trio.registry.reserve(i, 3, sender=MARKET.address)
    log = only(trio.registry, "Reserved")
    assert (log.node, log.reserved) == (i, 3)
    assert word == before
    assert provider == int(OPERATOR.address, 16) << 96
    assert trio.registry.node(i) == before + (3 << 168)
    trio.registry.reserve(i, 5, sender=MARKET.address)
    assert reserved(trio, i) == 8


@pytest.mark.parametrize("gpus", [0, 9, 2**16, 2**88, 2**256 - 1])
def test_reserve__nothing_or_more_than_is_free__reverts(trio: Trio, gpus: int) -> None:
    i = trio.node(trio.provider(), 8, active=True)
    with boa.reverts("registry: not enough free GPUs"):
        trio.registry.reserve(i, gpus, sender=MARKET.address)


def test_reserve__one_too_many__reverts(trio: Trio) -> None:
    i = trio.node(trio.provider(), 2, active=True)
    trio.registry.reserve(i, 2, sender=MARKET.address)
    with boa.reverts("registry: not enough free GPUs"):
        trio.registry.reserve(i, 1, sender=MARKET.address)


@pytest.mark.parametrize("state", ["none", "pending", "jailed", "faulted", "retired"])
def test_reserve__not_active__reverts(trio: Trio, state: str) -> None:
    i = trio.node(trio.provider(), active=state not in ("none", "pending"))
    trio.registry.set_grant(SLASHER.address, FAULT, sender=OWNER.address)
    {
        "jailed": lambda: trio.registry.set_status(i, JAILED, 2, 1, sender=STANDING.address),
        "faulted": lambda: trio.registry.fault(i, sender=SLASHER.address),
        "retired": lambda: trio.registry.retire_node(i, sender=PROVIDER.address),
    }.get(state, lambda: None)()
    with boa.reverts("registry: node is not active"):
        trio.registry.reserve(i + 1 if state == "none" else i, 1, sender=MARKET.address)


@pytest.mark.parametrize("caller", [ESCROW, OWNER, OPERATOR, STRANGER])
def test_reserve__by_another__reverts(trio: Trio, caller: Actor) -> None:
    i = trio.node(trio.provider(), active=True)
    with boa.reverts("registry: caller is not market"):
        trio.registry.reserve(i, 1, sender=caller.address)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 16), st.lists(st.tuples(st.booleans(), st.integers(0, 17)), max_size=20))
def test_reserved__never_exceeds_the_gpus(_trio: Trio, gpus: int, acts: list[tuple[bool, int]]) -> None:
    """I3 beside a counter: no order of calls books a GPU twice or touches another field of the word."""
    with boa.env.anchor():
        trio = _trio.fresh()
        i = trio.node(trio.provider(), gpus, active=True)
        rest = trio.registry.node(i)
        held = 0
        for enters, n in acts:
            fits = 0 < n <= gpus - held if enters else n <= held
            call = trio.registry.reserve if enters else trio.registry.release
            caller = MARKET if enters else ESCROW
            if fits:
                call(i, n, sender=caller.address)
                held += n if enters else -n
            else:
                with boa.reverts():
                    call(i, n, sender=caller.address)
            assert trio.registry.node(i) == rest + (held << 168)
            assert 0 <= held <= gpus
