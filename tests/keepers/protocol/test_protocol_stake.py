"""Stake: shares, required stake, tickets and slashes; rounding favours those who stay."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepers.protocol import stake
from keepers.protocol.stake import Faults, Need, Own, Ticket, Unbonding

gwei = st.integers(0, 10**19)


@given(gwei, st.integers(1, 10**18))
def test_required_stake_is_rounded_up(units: int, price: int) -> None:
    need = stake.required(units, price)
    assert need * 10**12 >= units * price > (need - 1) * 10**12


def test_weight_is_the_smaller_of_units_and_stake() -> None:
    assert stake.backed_units(1_000, 500, 10**12) == 500
    assert stake.backed_units(1_000, 5_000, 10**12) == 1_000
    assert stake.backed_units(1_000, 5_000, 0) == 0


@pytest.mark.parametrize("seed", range(30))
def test_random_life_of_a_pool_conserves_to_the_gwei(seed: int) -> None:
    """I4, T13, C14: assets in buckets = in - out - slashed, and tickets hold exactly the shares of their word."""
    rng = random.Random(seed)
    own, unb = Own(), Unbonding()
    tickets: list[Ticket] = []
    brought = taken = slashed = 0
    for _ in range(200):
        act = rng.randrange(5)
        if act == 0 and not own.dead:
            n = rng.choice((1, 10, rng.randrange(1, 10**12)))
            if stake.shares_for(n, own.assets, own.shares):
                own, got = stake.deposit(own, n)
                assert stake.value_of(got, own.assets, own.shares) <= n
                brought += n
        elif act == 1 and own.shares > own.locked:
            part = rng.randrange(1, own.shares - own.locked + 1)
            amount = stake.value_of(part, own.assets, own.shares)
            if stake.ticket_shares(unb, amount):
                own, unb, ticket, _ = stake.unbond(own, unb, part, 1)
                tickets.append(ticket)
        elif act == 2 and tickets and unb.shares:
            ticket = tickets.pop(rng.randrange(len(tickets)))
            amount = stake.value_of(ticket.shares, unb.assets, unb.shares)
            unb = Unbonding(unb.assets - amount, unb.shares - ticket.shares)
            taken += amount
        elif act == 3 and own.assets + unb.assets:
            cut = stake.slash_cut(rng.randrange(10**10), own.assets, unb, rng.randrange(unb.shares + 1), True)
            assert cut.active <= own.assets and cut.unbonding <= unb.assets
            assert cut.reward * 5 <= cut.total  # I13
            own = Own(own.assets - cut.active, own.shares, own.locked)
            unb = Unbonding(unb.assets - cut.unbonding, unb.shares)
            slashed += cut.total
        elif own.assets and own.shares:
            bond = rng.randrange(1, own.assets + 1)
            shares = stake.bond_shares(own, bond)
            assert stake.value_of(shares, own.assets, own.shares) >= bond
        assert brought == taken + slashed + own.assets + unb.assets
        assert sum(t.shares for t in tickets) == unb.shares


@given(st.integers(1, 10**19), gwei, gwei, st.integers(0, 1_000))
def test_a_slash_takes_the_same_share_everywhere_and_never_all(amount: int, a: int, b: int, claims: int) -> None:
    tickets = Unbonding(b, 1_000 if b else 0)
    claims = claims if b else 0
    cut = stake.slash_cut(amount, a, tickets, claims, False)
    assert cut.total == min(amount, (a + b) * 9 // 10) and cut.reward == 0
    if a + b:
        assert cut.active * (a + b) >= cut.total * a > (cut.active - 1) * (a + b)
    # of what renters' damages lose the finder gets nothing, of all else a fifth
    mine = cut.unbonding * (1_000 - claims) // 1_000 if b else 0
    assert stake.slash_cut(amount, a, tickets, claims, True).reward == (cut.active + mine) // 5


def test_the_ceiling_leaks_and_remembers_larger_pools() -> None:
    """300 units at once, one of them free again each second of 300."""
    faults, got = Faults().admit(100, 250, now=1_000, period_seconds=10)
    assert (got, faults) == (250, Faults(250, 1_000))
    assert [faults.left(100, t, 10) for t in (1_000, 1_001, 1_249, 1_250, 9_999)] == [50, 51, 299, 300, 300]
    faults, got = faults.admit(100, 250, now=1_100, period_seconds=10)
    assert (got, faults) == (150, Faults(300, 1_100))
    assert faults.admit(100, 250, now=1_100, period_seconds=10) == (faults, 0)
    shrunk = faults.shrunk(100, now=1_299, period_seconds=10)
    assert shrunk.limit(10, 1_598) == 300 and shrunk.limit(10, 1_599) == 30
    assert shrunk.shrunk(40, now=1_400, period_seconds=10).peak == 100


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 1_000)), max_size=40))
def test_the_ceiling_admits_three_times_at_once_and_less_than_six_times_in_a_window(
    acts: list[tuple[int, int]],
) -> None:
    faults, now = Faults(), 1_000
    taken: list[tuple[int, int]] = []
    for wait, asked in acts:
        now += wait
        faults, got = faults.admit(100, asked, now=now, period_seconds=10)
        taken.append((now, got))
        for window, bound in ((1, 300), (30, 330), (300, 600)):
            assert sum(n for t, n in taken if t > now - window) <= bound


def test_the_end_of_a_bond_pays_the_renter_first() -> None:
    """I13: of what is lost the renter gets at most the limit, the rest is burned; others keep their worth."""
    own = Own(assets=1_000, shares=500, locked=100)
    end = stake.end_bond(own, Unbonding(), 100, 40, 50)
    assert (end.own, end.paid, end.burned) == (Own(920, 460, 0), 50, 30)
    assert stake.end_bond(own, Unbonding(), 100, 0, 50) == stake.BondEnd(Own(1_000, 500, 0), 0, 0)
    assert stake.end_bond(own, Unbonding(1, 1_001), 100, 40, 50).burned == 80
    assert stake.end_bond(Own(0, 500, 100), Unbonding(), 100, 100, 50).own == Own(0, 400, 0)
    with pytest.raises(ValueError, match="locked"):
        stake.end_bond(own, Unbonding(), 101, 0, 0)


def test_a_dead_bucket_takes_nothing() -> None:
    """C15: 99.9 % slashed is dead, so that no newcomer is diluted."""
    own = Own(1, 1_001)
    assert own.dead and not Own(1, 1_000).dead and not Own().dead
    with pytest.raises(ValueError, match="dead"):
        stake.deposit(own, 5)
    with pytest.raises(ValueError, match="no share"):
        stake.deposit(Own(10, 1), 5)
    with pytest.raises(ValueError, match="empty"):
        stake.bond_shares(Own(), 1)
    with pytest.raises(ValueError, match="no ticket"):
        stake.issue(Unbonding(1, 1_001), 5, 1)
    with pytest.raises(ValueError, match="worth nothing"):
        stake.unbond(Own(1, 1_000), Unbonding(), 999, 1)
    with pytest.raises(ValueError, match="free"):
        stake.unbond(Own(10, 10, 8), Unbonding(), 3, 1)


def test_words_survive_packing() -> None:
    top = 2**64 - 1
    assert Own.unpack(Own(top, top, top, 2**40 - 1).pack()) == Own(top, top, top, 2**40 - 1)
    assert Unbonding.unpack(Unbonding(1, 2, 3, top).pack()) == Unbonding(1, 2, 3, top)
    for ticket in (Ticket(top, 2**40 - 1, True), Ticket(top, 2**40 - 1, claim=True), Ticket(1, 2)):
        assert Ticket.unpack(ticket.pack()) == ticket
    need = Need(2**160 - 1, top)
    assert need.pack() == (2**160 - 1) << 96 | top and Need.unpack(need.pack()) == need
    assert stake.tickets_issued(2**96 | 7 << 64 | top) == 7
    with pytest.raises(ValueError, match="assets"):
        Own(top + 1).pack()
