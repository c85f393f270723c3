"""I1, I5: under any price path and any order of acts nobody mints more than was burned, and every unit of backing is
somewhere or retired."""

import boa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.market.support import DEPLOYER, number
from tests.support.actors import OTHER_RENTER, RENTER, SETTLER, STRANGER
from tests.support.constants import WAD

price = st.integers(10**6, 10**18)
acts = st.lists(
    st.tuples(
        st.sampled_from(["buy", "pay", "refund", "report", "settle", "redeem", "price", "fee"]),
        st.integers(1, 10_000),
        price,
        price,
    ),
    min_size=4,
    max_size=14,
)


def play(w, script):
    id = w.open(renter=RENTER)
    w.report()
    w.anchor(id)
    burned = w.engine.outstanding(w.escrow.address)
    minted = 0
    for who in (RENTER, OTHER_RENTER):
        w.token.transfer(who.address, 10**6 * WAD, sender=DEPLOYER.address)
        w.token.approve(w.engine.address, 2**256 - 1, sender=who.address)
    for verb, x, p, twap in script:
        supply = w.token.totalSupply()
        try:
            if verb == "buy":
                w.engine.buy(x * WAD // 10, 0, sender=OTHER_RENTER.address)
            elif verb == "pay":
                w.engine.pay(id, x * WAD // 1000, 0, sender=RENTER.address)
            elif verb == "refund":
                who = OTHER_RENTER if x % 2 else RENTER
                w.engine.refund(w.purse(who)[0] * x // 10_000, 0, sender=who.address)
            elif verb == "report":
                w.report({0: x & 0xFFF})
            elif verb == "settle":
                w.settle(id, max(w.proofs), number(SETTLER) if x % 2 else 1)
            elif verb == "redeem":
                w.hub.set_period(w.period, max(p, twap))
                w.engine.redeem(number(SETTLER) if x % 2 else 1, list(range(w.period + 1)), sender=STRANGER.address)
            elif verb == "fee":
                w.engine.set_fee(x % 901, x % 3_001, x % 2_001, sender=DEPLOYER.address)
            else:
                w.price(p, twap)
        except boa.BoaError:
            pass  # an act that is refused moves nothing: checked below like any other
        after = w.token.totalSupply()
        burned += max(0, supply - after)
        minted += max(0, after - supply)
        assert minted + sum(w.engine.pots()) <= burned, "I5"
        assert w.engine.outstanding(w.escrow.address) <= burned - minted - sum(w.engine.pots()), "I5"
        w.check_ledger()
    return burned, minted


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(acts)
def test_no_price_path_mints_more_than_was_burned(world, script):
    from copy import deepcopy
    from dataclasses import replace

    with boa.env.anchor():
        mine = replace(world, uptime=deepcopy(world.uptime), proofs=dict(world.proofs), opened=list(world.opened))
        burned, minted = play(mine, script)
    assert minted <= burned
