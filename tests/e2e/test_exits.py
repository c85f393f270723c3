"""I8, I10: every exit works with all attesters, settlers and the owner gone for ever and the entries paused.

One market is set up with running leases; then nobody of the network acts again. Each test takes one way out.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from keepers.localnet.network import LocalNetwork
from keepers.protocol.messages import Take
from tests.e2e.town import PRICE, WHOLE, Lease, Reverted, Town

CLASS, STAKE, RATE = 3, 10_000, 10**13
HOST_EXIT, RENTER_CLOSED, FUNDS = 5, 1, 2
RETIRED = 5
NOTICE = 3_600  # seconds: a bond far above what the renter can have paid meanwhile


@dataclass(frozen=True)
class Market:
    """Two running leases of one provider, the first settled once; a purse with credits; then silence."""

    town: Town
    provider: int
    node: int
    settled: Lease
    young: Lease
    earned: int  # credits in the provider's tally, before fees
    period: int  # of that tally


@pytest.fixture
def market(town: Town, network: LocalNetwork) -> Market:
    operator = network.key("provider").signer()
    provider = town.provider("provider", STAKE)
    node = town.active_node("provider", provider, CLASS)
    town.buy("renter", 1_000)
    sheet = int(town.read("LeaseEscrow", "sheet_count"))
    town.send("stranger", "LeaseEscrow", "add_sheet", NOTICE, 1, 3_600, 2**32 - 1, 0)  # anyone adds one
    settled = town.rent("renter", operator, provider, node, rate=RATE, duration=600, prepaid=300, sheet=sheet)
    first = town.calendar.epoch(settled.start)
    town.report_through(first + 1)
    town.usable(first + 1)
    earned = int(town.settle(settled, provider)["credits"])
    period = town.calendar.period(town.now())
    young = town.rent("renter", operator, provider, node, rate=RATE, duration=600, prepaid=60)
    town.send("owner", "AttestationHub", "pause_entries")
    with pytest.raises(Reverted, match="engine: paused"):
        town.buy("renter", 1)
    return Market(town, provider, node, settled, young, earned, period)


def years_later(town: Town) -> None:
    """No report for longer than any window: the price is a year old."""
    town.warp(town.now() + 365 * 86_400)


def word(town: Town, lease: Lease) -> int:
    return int(town.read("LeaseEscrow", "terms", lease.id))


def test_refund__renter__gets_tokens_for_a_purse_at_the_last_price(market: Market) -> None:
    town = market.town
    years_later(town)
    credits, backing = town.purse("renter")
    before = town.tokens("renter")
    town.send("renter", "BurnMintEngine", "refund", credits, 0)
    assert town.purse("renter") == (0, 0)
    worth = credits * 10**12 // PRICE
    assert town.tokens("renter") - before == min(worth, backing) * 9_975 // 10_000


def test_stop__renter__closes_and_the_unowed_part_returns_at_once(market: Market) -> None:
    town = market.town
    before = town.purse("renter")[0]
    receipt = town.send("renter", "LeaseEscrow", "stop", market.settled.id, 0)
    stopped = town.events(receipt, "Stopped")[0]
    assert stopped["reason"] == RENTER_CLOSED
    assert town.purse("renter")[0] == before + stopped["refund"] > before


def test_finish__nobody_reports__without_proof_after_the_wait(market: Market) -> None:
    """What was settled stays paid, all the rest is the renter's; the bond is free."""
    town = market.town
    town.send("renter", "LeaseEscrow", "stop", market.settled.id, 0)
    with pytest.raises(Reverted, match="escrow: finish needs a proof"):
        town.send("stranger", "LeaseEscrow", "finish", market.settled.id, 0, 0, [])
    town.warp(town.now() + 2 * int(town.record.parameters["abandon_s"]) + 60)
    held = town.money(market.settled)
    before = town.purse("renter")
    town.send("stranger", "LeaseEscrow", "finish", market.settled.id, 0, 0, [])
    assert town.money(market.settled) == (0, 0)
    after = town.purse("renter")
    assert (after[0] - before[0], after[1] - before[1]) == held
    own = int(town.read("StakingPool", "own", market.provider))
    assert (own >> 64) & (2**64 - 1) == int(town.read("LeaseEscrow", "party", market.young.id)) & (2**64 - 1)


def test_lapse__anyone__frees_the_machine_with_the_time_of_the_lapse(market: Market) -> None:
    town = market.town
    years_later(town)
    for lease, prepaid in ((market.young, 60), (market.settled, 300)):
        receipt = town.send("stranger", "LeaseEscrow", "stop", lease.id, 0)
        stopped = town.events(receipt, "Stopped")[0]
        assert stopped["after"] == prepaid
        assert stopped["reason"] == FUNDS
    assert town.read("NodeRegistry", "node", market.node) >> 168 & 0xFFFF == 0


def test_settle__reports_that_stand__still_pay(market: Market) -> None:
    """The provider takes what was proven before the silence."""
    town = market.town
    e = town.tree.header.epoch
    owed = town.calendar.end(e) - market.settled.start
    years_later(town)
    with pytest.raises(Reverted, match="escrow: "):  # the epoch was settled already
        town.send("stranger", "LeaseEscrow", "settle", market.settled.id, *town.proof(market.node), market.provider)
    assert market.earned == owed * RATE
    assert town.tally(market.provider, market.period)[0] == market.earned


def test_redeem__no_report_ever__pays_at_the_last_price_after_the_wait(market: Market) -> None:
    """A period that no report closes is closed by anybody, at the last price."""
    town = market.town
    with pytest.raises(Reverted, match="hub: period open"):
        town.send("stranger", "BurnMintEngine", "redeem", market.provider, [market.period])
    years_later(town)
    town.send("stranger", "AttestationHub", "close_period", market.period)
    before = town.tokens("provider")
    town.send("stranger", "BurnMintEngine", "redeem", market.provider, [market.period])
    fee = -(-market.earned * 400 // 10_000)
    expected = (market.earned - fee) * 9_500 // 10_000 * 10**12 // PRICE
    assert abs(town.tokens("provider") - before - expected) <= 2
    assert town.tally(market.provider, market.period) == (0, 0)
    owed = town.read("BurnMintEngine", "pots")[1]
    builders = town.tokens("owner")
    town.send("stranger", "BurnMintEngine", "pay_builders")
    assert town.tokens("owner") - builders == owed > 0


def test_stake__owner_of_a_pool__leaves_with_everything(market: Market) -> None:
    """Leases lapse, the node retires, the stake unbonds; anyone may carry the withdrawal."""
    town = market.town
    years_later(town)
    for lease in (market.young, market.settled):
        town.send("stranger", "LeaseEscrow", "stop", lease.id, 0)
    town.send("provider", "NodeRegistry", "retire_node", market.node)
    assert town.status(market.node) == RETIRED
    town.warp(town.now() + 24 * 3_600)
    for lease in (market.young, market.settled):
        town.send("stranger", "LeaseEscrow", "finish", lease.id, 0, 0, [])
    own = int(town.read("StakingPool", "own", market.provider))
    assert own >> 64 & (2**64 - 1) == 0, "no share is locked"
    before = town.tokens("provider")
    town.send("provider", "StakingPool", "unstake_own", market.provider, own >> 128 & (2**64 - 1))
    with pytest.raises(Reverted, match="pool: "):
        town.send("stranger", "StakingPool", "withdraw", market.provider, town.people["provider"], 0)
    town.warp(town.now() + int(town.record.parameters["unbonding_s"]))
    town.send("stranger", "StakingPool", "withdraw", market.provider, town.people["provider"], 0)
    assert town.tokens("provider") - before == STAKE * WHOLE


def test_damages__host_left__reach_the_renter_without_a_report(market: Market) -> None:
    """I12: the renter's ticket is worth at most what it paid, and is withdrawn like any stake."""
    town = market.town
    receipt = town.send("provider", "LeaseEscrow", "stop", market.settled.id, 0)
    assert town.events(receipt, "Stopped")[0]["reason"] == HOST_EXIT
    years_later(town)
    receipt = town.send("stranger", "LeaseEscrow", "finish", market.settled.id, 0, 0, [])
    ended = town.events(receipt, "BondEnded")[0]
    limit = market.earned * 10**12 // PRICE // 10**9  # gwei: what it paid on this lease, in tokens
    assert ended["to"] == town.people["renter"]
    assert (ended["paid"], ended["burned"] > 0) == (limit, True)
    town.warp(town.now() + int(town.record.parameters["unbonding_s"]))
    before = town.tokens("renter")
    town.send("stranger", "StakingPool", "withdraw", market.provider, town.people["renter"], 0)
    assert town.tokens("renter") - before == limit * 10**9


def test_signatures__paused__can_still_be_taken_back(market: Market) -> None:
    """What was signed but not filled: the operator raises its generation, the renter leaves a tombstone."""
    town = market.town
    years_later(town)
    before = int(town.read("NodeRegistry", "provider", market.provider)) >> 64 & (2**32 - 1)
    town.send("provider", "LeaseMarket", "cancel_all", market.provider)
    assert int(town.read("NodeRegistry", "provider", market.provider)) >> 64 & (2**32 - 1) == before + 1
    take = Take(town.people["renter"], b"\x11" * 32, 1, 1, 60, 30, town.now() + 100, 7)
    receipt = town.send(
        "renter", "LeaseMarket", "cancel", tuple(getattr(take, n) for n in take.__dataclass_fields__ if n != "TYPE")
    )
    assert town.events(receipt, "Cancelled")[0]["renter"] == town.people["renter"]


def test_whole_market__all_gone__nothing_of_value_stays(market: Market) -> None:
    """I1: after everybody has left, the ledger holds no credit and the engine owes nothing for it."""
    town = market.town
    years_later(town)
    for lease in (market.young, market.settled):
        town.send("stranger", "LeaseEscrow", "stop", lease.id, 0)
    town.warp(town.now() + 86_400)
    for lease in (market.young, market.settled):
        town.send("stranger", "LeaseEscrow", "finish", lease.id, 0, 0, [])
        assert word(town, lease) >> 6 & 1 == 1
    town.send("stranger", "AttestationHub", "close_period", market.period)
    town.send("stranger", "BurnMintEngine", "redeem", market.provider, [market.period])
    town.send("renter", "BurnMintEngine", "refund", town.purse("renter")[0], 0)
    assert town.read("BurnMintEngine", "outstanding", town.at("LeaseEscrow")) == 0
