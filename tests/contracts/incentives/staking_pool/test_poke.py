from __future__ import annotations

import boa

from tests.contracts.network.harness import HUB, Trio, events, only
from tests.support.actors import STRANGER
from tests.support.constants import GWEI


def test_poke__below__marks_and_logs(staked: Trio) -> None:
    before = staked.own(0)
    staked.pool.set_stake_price(6 * 10**12, sender=HUB.address)
    staked.wait(77)
    staked.pool.poke(0, sender=STRANGER.address)
    log = only(staked.pool, "FellBelow")
    assert (log.provider, log.at) == (0, staked.now)
    after = staked.own(0)
    assert (after.assets, after.shares, after.locked) == (before.assets, before.shares, before.locked)
    assert after.last_below == staked.pool.last_below(0) == staked.now
    staked.pool.poke(0, sender=STRANGER.address)
    assert events(staked.pool, "FellBelow") == [], "once a second is enough"


def test_poke__not_below__does_nothing(staked: Trio) -> None:
    before = staked.pool.own(0)
    staked.pool.set_stake_price(5 * 10**12, sender=HUB.address)
    assert staked.pool.required(0) == 1_000 * GWEI
    staked.pool.poke(0, sender=STRANGER.address)
    assert events(staked.pool, "FellBelow") == []
    assert staked.pool.own(0) == before


def test_poke__no_nodes__is_never_below(trio: Trio) -> None:
    p = trio.provider()
    opened = trio.now
    trio.wait(50)
    trio.pool.poke(p)
    assert trio.pool.last_below(p) == opened


def test_poke__no_such_pool__reverts(trio: Trio) -> None:
    with boa.reverts("pool: no such pool"):
        trio.pool.poke(0)
