"""Credits: backing travels with them; no order of moves, redemptions or prices mints more than was burned."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepers.protocol import credits
from keepers.protocol.credits import Balance, FeeTerms
from keepers.protocol.units import BPS, PRICE_ONE, WAD

amounts = st.integers(0, 2**96 - 1)
prices = st.integers(1, 2**64 - 1)
DEFAULT = FeeTerms(fee=400, attesters=3_000, builders=2_000, peg=9_500, cap=9_900)


@st.composite
def fee_terms(draw: st.DrawFn) -> FeeTerms:
    cap = draw(st.integers(0, BPS))
    return FeeTerms(
        fee=draw(st.integers(0, 1_000)),
        attesters=draw(st.integers(0, 3_000)),
        builders=draw(st.integers(0, 2_000)),
        peg=draw(st.integers(0, cap)),
        cap=cap,
    )


@given(amounts, amounts, st.lists(st.integers(1, 2**96), max_size=8))
def test_moves_in_any_portions_neither_make_nor_lose(c: int, k: int, portions: list[int]) -> None:
    """I1, C24: what leaves in portions and what stays is what was there, to the wei."""
    balance, gone = Balance(c, k), Balance()
    for x in portions:
        moved, balance = balance.split(min(x, balance.credits))
        gone = gone + moved
        assert gone + balance == Balance(c, k)
    moved, rest = balance.split(balance.credits)
    assert rest == Balance() if balance.credits else rest == balance
    assert gone + moved + rest == Balance(c, k)


@given(st.integers(1, 2**96), amounts, st.data())
def test_moving_more_credits_never_moves_less_backing(c: int, k: int, data: st.DataObject) -> None:
    a = data.draw(st.integers(0, c))
    b = data.draw(st.integers(a, c))
    assert 0 <= credits.part(c, k, a) <= credits.part(c, k, b) <= k


def test_nothing_moves_nothing_and_all_moves_all() -> None:
    assert credits.part(0, 7, 0) == 0
    assert credits.part(10, 7, 10) == 7
    assert credits.part(10, 7, 9) == 6
    with pytest.raises(ValueError, match="cannot be moved"):
        credits.part(1, 1, 2)


@given(amounts, prices, st.integers(0, BPS))
def test_buying_never_gives_more_than_the_burn_is_worth(tokens: int, price: int, spread: int) -> None:
    assert credits.buy(tokens, price, spread) * PRICE_ONE <= tokens * price


@given(st.integers(1, 2**96), prices, st.integers(0, 1_000))
def test_the_fewest_tokens_that_buy_an_amount(wanted: int, price: int, spread: int) -> None:
    burn = credits.burn_for(wanted, price, spread)
    assert credits.buy(burn, price, spread) >= wanted > credits.buy(burn - 1, price, spread)
    assert credits.burn_for(0, price, spread) == 0


@given(amounts, prices, st.integers(0, 500))
def test_what_was_bought_is_covered_at_the_same_price(tokens: int, price: int, spread: int) -> None:
    c = credits.buy(tokens, price, spread)
    assert credits.covers(Balance(c, tokens), price)


@given(st.integers(1, 2**96), amounts, prices, fee_terms())
def test_a_redemption_mints_at_most_cap_of_its_backing(y: int, k: int, price: int, terms: FeeTerms) -> None:
    """I5: m + pots <= CAP · k, and never more than the peg's worth of the credits; fees are rounded up (I9)."""
    r = credits.redeem(Balance(y, k), price, terms)
    minted = r.minted + r.attesters + r.builders
    assert minted * BPS <= terms.cap * k
    assert minted * price * BPS <= terms.peg * y * PRICE_ONE
    assert r.fee * BPS >= terms.fee * y > (r.fee - 1) * BPS
    assert (r.credits, r.backing) == (y, k)


def test_a_redemption_by_hand() -> None:
    """100 USD backed by 200 tokens, R = 0.5: fee 4, attesters 1.2, builders 0.8, provider 96 at peg 0.95."""
    r = credits.redeem(Balance(100 * WAD, 200 * WAD), PRICE_ONE // 2, DEFAULT)
    assert r.fee == 4 * WAD
    assert r.attesters == 1_200_000_000_000_000_000 * 2 * 95 // 100
    assert r.builders == 800_000_000_000_000_000 * 2 * 95 // 100
    assert r.minted == 96 * WAD * 2 * 95 // 100


def test_a_crash_is_capped_by_the_backing() -> None:
    """C67: at a price of a tenth the provider gets 99 % of what was burned, not ten times it."""
    r = credits.redeem(Balance(100 * WAD, 200 * WAD), PRICE_ONE // 20, FeeTerms(0, 0, 0, 9_500, 9_900))
    assert r.minted == 198 * WAD


def test_an_empty_tally_mints_nothing() -> None:
    assert credits.redeem(Balance(), 1, DEFAULT) == credits.Redemption(0, 0, 0, 0, 0, 0)


@settings(max_examples=200)
@given(st.integers(0, 2**32))
def test_no_coalition_mints_more_than_it_burned(seed: int) -> None:
    """I5 along any path: buys, moves, bounties, redemptions and refunds at any prices whatsoever."""
    rng = random.Random(seed)
    burned = minted = retired = 0
    purses: list[Balance] = [Balance()]
    tallies: list[Balance] = []
    for _ in range(40):
        price = rng.choice((1, PRICE_ONE, rng.randrange(1, 2**64), rng.randrange(1, 10**13)))
        act = rng.randrange(4)
        i = rng.randrange(len(purses))
        if act == 0:
            t = rng.randrange(10**24)
            burned += t
            purses[i] = purses[i] + Balance(credits.buy(t, price, 25), t)
        elif act == 1 and purses[i].credits:
            moved, purses[i] = purses[i].split(rng.randrange(purses[i].credits + 1))
            b = credits.bounty(moved, 100)
            tallies += [b, Balance(moved.credits - b.credits, moved.backing - b.backing)]
        elif act == 2 and tallies:
            tally = tallies.pop(rng.randrange(len(tallies)))
            r = credits.redeem(tally, price, DEFAULT)
            minted += r.minted + r.attesters + r.builders
            retired += r.backing
        elif act == 3 and purses[i].credits:
            moved, purses[i] = purses[i].split(rng.randrange(purses[i].credits + 1))
            minted += credits.refund(moved, price, 25)
            retired += moved.backing
        held = sum(b.backing for b in purses + tallies)
        assert held + retired == burned  # I1: outstanding = what is held
        assert minted <= retired


@given(st.integers(0, 2**96), amounts, st.integers(0, 100), st.lists(st.integers(1, 2**96), max_size=5))
def test_splitting_never_makes_a_bounty_larger(x: int, k: int, bps: int, cuts: list[int]) -> None:
    whole = credits.bounty(Balance(x, k), bps)
    assert whole.credits * BPS <= x * bps and whole.backing <= k
    left, got = Balance(x, k), 0
    for cut in cuts:
        moved, left = left.split(min(cut, left.credits))
        got += credits.bounty(moved, bps).credits
    assert got + credits.bounty(left, bps).credits <= whole.credits


@given(st.integers(1, 2**96), amounts, prices, st.integers(0, BPS))
def test_a_refund_is_at_most_the_backing_and_the_worth(x: int, k: int, price: int, spread: int) -> None:
    m = credits.refund(Balance(x, k), price, spread)
    assert m <= k and m * price <= x * PRICE_ONE


def test_keys_of_tallies_never_meet() -> None:
    assert credits.tally_key(5, 3) == 5 << 40 | 3
    assert Balance.unpack(Balance(2**128 - 1, 2**128 - 1).pack()) == Balance(2**128 - 1, 2**128 - 1)
    with pytest.raises(ValueError, match="backing"):
        Balance(0, 2**128).pack()
