"""What a renter and a provider can do, over the reference model of the contracts."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from keepers.chain.ports import Call, Send, Sent, TxState
from keepers.protocol.errors import HearthError
from keepers.protocol.nodes import Status
from keepers.protocol.reverts import REVERTS
from keepers.protocol.units import GWEI, WAD
from keepers.sdk.client import Hearth, rate_wei, resolve_gpu
from keepers.sdk.limits import Limits
from keepers.sdk.session import Session, Step
from tests.keepers.roles.town import key
from tests.keepers.sdk.conftest import RATE, Market

HOUR = 3_600


def rented(market: Market, seconds: int = 2 * HOUR, **more: object) -> tuple[Hearth, int]:
    """The renter takes 2 GPUs of node 0; (its SDK, number of the lease)."""
    market.offer(0)
    quote = market.hearth.quote(gpu="4090", count=2, duration_s=seconds)
    assert quote.best is not None
    plan = market.hearth.plan(quote.best, gpus=2, duration_s=seconds, **more)  # type: ignore[arg-type]
    return market.hearth, market.hearth.rent(plan).ordinal


def test_rent__buys_what_is_missing_and_opens(market: Market) -> None:
    hearth, number = rented(market)
    view = hearth.status(number)
    assert (view.ordinal, view.state, view.terms.node, view.terms.gpus) == (1, "RUNNING", 0, 2)
    assert view.money.credits == 2 * HOUR * 2 * RATE
    assert [call.function for call in market.sent] == ["approve", "buy", "take"]
    wallet = hearth.wallet()
    assert wallet.credits_wei < RATE  # the burn was the least that buys the deposit
    assert hearth.reads.node(0).free == 0
    assert hearth.leases() == [view]


def test_rent__same_idempotency_key_opens_once(market: Market) -> None:
    market.offer(0)
    best = market.hearth.quote(duration_s=HOUR).best
    assert best is not None
    first = market.hearth.rent(market.hearth.plan(best, gpus=1, duration_s=HOUR, idempotency_key="train-7"))
    again = market.hearth.plan(best, gpus=1, duration_s=HOUR, idempotency_key="train-7")
    assert again.lease_id == first.lease_id
    assert market.hearth.rent(again).lease_id == first.lease_id
    assert len(market.hearth.leases()) == 1
    assert [call.function for call in market.sent].count("take") == 1


def test_plan__names_what_is_needed_to_whom(market: Market) -> None:
    market.offer(0, rate=10**18)
    best = market.hearth.quote(duration_s=10 * HOUR).best
    assert best is not None
    with pytest.raises(HearthError, match="tokens are needed") as error:
        market.hearth.plan(best, gpus=2, duration_s=10 * HOUR)
    assert error.value.code == "H5003"
    assert market.hearth.address in error.value.next[0]


@pytest.mark.parametrize(
    ("gpus", "seconds", "prepaid", "says"),
    [
        (3, HOUR, None, "has 2 free GPUs, not 3"),
        (1, 100, None, "s can be prepaid here, not 100"),
        (1, HOUR, 200, "not 200"),
    ],
)
def test_plan__out_of_range(market: Market, gpus: int, seconds: int, prepaid: int | None, says: str) -> None:
    market.offer(0)
    best = market.hearth.quote(duration_s=HOUR).best
    assert best is not None
    with pytest.raises(HearthError, match=says) as error:
        market.hearth.plan(best, gpus=gpus, duration_s=seconds, prepaid_s=prepaid)
    assert error.value.exit_code == 5


def test_plan__stale_price_closes_entries(market: Market) -> None:
    market.offer(0)
    best = market.hearth.quote(duration_s=HOUR).best
    assert best is not None
    market.mine(3 * HOUR)
    with pytest.raises(HearthError, match="the price is stale") as error:
        market.hearth.plan(best, gpus=1, duration_s=HOUR)
    assert (error.value.code, error.value.exit_code, error.value.retryable) == ("H5007", 6, True)


def test_topup__from_the_purse_and_no_further_than_the_terms(market: Market) -> None:
    hearth, number = rented(market, seconds=4 * HOUR, prepaid_s=HOUR)
    after = hearth.topup(number, HOUR)
    assert after.until_at - after.terms.start == 2 * HOUR
    full = hearth.topup(number, 100 * HOUR)
    assert full.until_at == full.terms.end
    with pytest.raises(HearthError, match="paid as far ahead") as error:
        hearth.topup(number, HOUR)
    assert error.value.code == "H5002"
    with pytest.raises(HearthError, match="at least one second"):
        hearth.topup(number, 0)


def test_close__rest_comes_home_and_the_receipt_closes(market: Market) -> None:
    hearth, number = rented(market)
    market.mine(1_000)
    view = hearth.close(number)
    assert (view.state, view.terms.reason.name, view.wall_s) == ("STOPPED", "RENTER_CLOSED", 1_000)
    receipt = hearth.receipt(number)
    assert receipt.closes
    assert receipt.deposited_wei == receipt.paid_wei + receipt.returned_wei + receipt.held_wei
    assert receipt.held_wei == 1_000 * 2 * RATE
    assert [line.what for line in receipt.lines] == ["opened", "stopped: RENTER_CLOSED"]
    assert hearth.close(number) == hearth.status(number)  # closing twice does nothing


def test_lease__by_number_or_id_else_told(market: Market) -> None:
    hearth, number = rented(market)
    view = hearth.status(number)
    assert hearth.status(hex(view.lease_id)) == view
    for wrong in (2, 0, "0xabc"):
        with pytest.raises(HearthError, match="there is no lease") as error:
            hearth.status(wrong)
        assert error.value.code == "H5001"
    with pytest.raises(HearthError, match="is no lease") as usage:
        hearth.status("one")
    assert usage.value.exit_code == 2


def test_buy_and_refund__round_trip_costs_the_spread_twice(market: Market) -> None:
    before = market.hearth.wallet().token_wei
    bought = market.hearth.buy(10 * WAD)
    assert bought.credits_wei >= 10 * WAD
    back = market.hearth.refund()
    assert back.credits_wei == 0
    lost = before - back.token_wei
    assert 0 < lost <= 2 * (20 * WAD) * 26 // 10_000
    with pytest.raises(HearthError, match="the purse holds") as error:
        market.hearth.refund(WAD)
    assert error.value.code == "H5006"


def test_provider__register_stake_price_drain_retire(market: Market) -> None:
    operator, hearth = market.operator(0), market.hearth
    assert operator.reads.providers_of(operator.address) == [0]
    assert operator.register_provider(operator.address, operator.address) == 0  # it owns one already
    before = operator.stake(0)
    assert before.enough
    after = operator.add_stake(0, 5 * GWEI)
    assert after.staked_gwei == before.staked_gwei + 5 * GWEI
    leaving = operator.remove_stake(0, operator.shares_of(0, 2 * GWEI))
    assert [amount for _, amount, _ in leaving.tickets] == [2 * GWEI]
    with pytest.raises(HearthError, match="matures in"):
        operator.withdraw(0, leaving.tickets[0][0])
    market.offer(0)
    assert len(hearth.offers().rows) == 1
    operator.drain(0)
    assert hearth.offers().left_out == {"withdrawn by the provider": 1}
    operator.retire(0)
    assert hearth.reads.node(0).status is Status.RETIRED


def test_provider__a_leased_node_is_not_retired(market: Market) -> None:
    rented(market)
    with pytest.raises(HearthError, match="still holds 2 leased GPUs"):
        market.operator(0).retire(0)


def test_provider__only_the_operator_signs_asks(market: Market) -> None:
    with pytest.raises(HearthError, match="asks are signed by") as error:
        market.hearth.sign_ask(0, [0], RATE, sheet=0, expiry_at=10**10)
    assert (error.value.code, error.value.exit_code) == ("H1104", 4)
    with pytest.raises(HearthError, match="there is no term sheet 9"):
        market.operator(0).sign_ask(0, [0], RATE, sheet=9, expiry_at=10**10)


def test_register_node__signed_by_its_own_key_and_only_once(market: Market) -> None:
    operator, fresh = market.operator(0), key("a fourth node")
    first = operator.register_node(0, 0, [bytes([7]) * 32], fresh)
    assert operator.reads.node(first).provider == 0
    assert operator.register_node(0, 0, [bytes([7]) * 32], fresh) == first


def test_without_a_key__everything_can_be_looked_at(market: Market) -> None:
    reader = Hearth(market.town.chain, market.deployment, offers=str(market.folder))
    market.offer(0)
    assert len(reader.offers().rows) == 1
    with pytest.raises(HearthError, match="needs a key") as error:
        reader.buy(WAD)
    assert (error.value.code, error.value.exit_code) == ("H1101", 4)


def test_session__a_refusal_is_told_with_its_reason(market: Market) -> None:
    hearth, number = rented(market)
    stranger = market.person(key("stranger"))
    call = stranger.suite.escrow.stop(hearth.status(number).lease_id, 0)
    with pytest.raises(HearthError, match="stop did not happen"):
        stranger.session.run("close-by-force", [Step("stop", call)])
    assert hearth.status(number).state == "RUNNING"
    for verb in (stranger.close, stranger.notice, stranger.leave):
        with pytest.raises(HearthError, match=r"this key is|owner") as error:
            verb(number)
        assert (error.value.code, error.value.exit_code) == ("H1104", 4)


def test_host__gives_notice_or_leaves(market: Market) -> None:
    hearth, number = rented(market, seconds=4 * HOUR)
    host = market.operator(0)
    noticed = host.notice(number)
    assert noticed.terms.notice
    assert host.notice(number) == host.status(number)  # once is enough
    left = host.leave(number)
    assert left.terms.reason.name == "HOST_EXIT"
    assert hearth.status(number).terms.stopped


def test_limits__price_lease_and_day(market: Market) -> None:
    market.offer(0)
    hearth = market.hearth
    best = hearth.quote(duration_s=HOUR).best
    assert best is not None
    cost = RATE * HOUR  # 0.36 USD
    for limits, code in (
        (Limits(max_usd_per_gpu_hour=Fraction("0.35")), "H4204"),
        (Limits(per_lease_usd=Fraction(cost - 1, WAD)), "H5004"),
        (Limits(per_day_usd=Fraction(cost - 1, WAD)), "H5004"),
    ):
        hearth.limits = limits
        with pytest.raises(HearthError) as error:
            hearth.plan(best, gpus=1, duration_s=HOUR)
        assert (error.value.code, error.value.exit_code) == (code, 6)
    hearth.limits = Limits(Fraction(cost, WAD), Fraction(2 * cost, WAD), Fraction("0.36"))
    view = hearth.rent(hearth.plan(best, gpus=1, duration_s=2 * HOUR, prepaid_s=HOUR))
    with pytest.raises(HearthError, match="this lease would have cost") as error:
        hearth.topup(view.ordinal, HOUR)
    hearth.rent(hearth.plan(best, gpus=1, duration_s=HOUR))
    with pytest.raises(HearthError, match="of the last 24 hours") as error:
        hearth.plan(best, gpus=1, duration_s=HOUR)
    assert error.value.exit_code == 6


def test_rent__the_key_finds_the_lease_when_nothing_is_free_any_more(market: Market) -> None:
    market.offer(0)
    hearth = market.hearth
    assert hearth.rented("train-7") is None
    best = hearth.quote(count=2, duration_s=HOUR).best
    assert best is not None
    first = hearth.rent(hearth.plan(best, gpus=2, duration_s=HOUR, idempotency_key="train-7"))
    assert hearth.quote(count=2, duration_s=HOUR).best is None
    found = hearth.rented("train-7")
    assert found is not None
    assert found.lease_id == first.lease_id


def test_again__a_plan_that_became_worse_is_refused(market: Market) -> None:
    market.offer(0)
    hearth = market.hearth
    best = hearth.quote(duration_s=HOUR).best
    assert best is not None
    plan = hearth.plan(best, gpus=1, duration_s=HOUR)
    assert hearth.again(plan).burn_wei == plan.burn_wei
    shown = replace(plan, burn_wei=plan.burn_wei * 98 // 100)
    with pytest.raises(HearthError, match="has become worse") as error:
        hearth.again(shown)
    assert (error.value.code, error.value.exit_code) == ("H4204", 6)
    assert hearth.again(shown, slippage_bps=300).burn_wei == plan.burn_wei


def test_session__an_open_action_of_the_verb_is_not_sent_twice() -> None:
    waiting = Sent("renter:buy-12:buy", TxState.PENDING)
    session = Session(None, lambda: None, lambda: None, lambda: 0.0, 1.0, lambda: [waiting])  # type: ignore[arg-type]
    with pytest.raises(HearthError, match="an earlier buy is still open") as error:
        session.run("buy-34", [], once=False)
    assert (error.value.code, error.value.exit_code) == ("H2011", 8)
    assert session.run("refund-34", [], once=False) == []
    assert session.run("buy-34", []) == []


@pytest.mark.parametrize("state", [TxState.REFUSED, TxState.FAILED])
@pytest.mark.parametrize(
    ("reason", "exit_code", "retryable"),
    [
        ("engine: paused", 6, True),
        ("engine: too few credits", 6, False),
        ("hub: period open", 1, True),
        ("escrow: proof", 1, False),
    ],
)
def test_session__refused_or_failed__with_the_exit_code_of_its_reason(
    state: TxState, reason: str, exit_code: int, retryable: bool
) -> None:
    code, _, remedy = REVERTS[reason]

    class Outbox:
        address = "0x" + "11" * 20

        def enqueue(self, send: Send) -> Sent:
            return Sent(send.key, state, reason=reason, code=code, tx_hash=b"\x07" * 32)

    session = Session(Outbox(), lambda: None, lambda: None, lambda: 0.0)  # type: ignore[arg-type]
    with pytest.raises(HearthError, match=reason) as error:
        session.run("buy-1", [Step("buy", Call("BurnMintEngine", "buy", ()))])
    told = error.value
    assert (told.code, told.exit_code, told.retryable) == (code, exit_code, retryable)
    assert told.next == (remedy, "hearth tx show renter:buy-1:buy") and told.tx == "0x" + "07" * 32


def test_session__withdrawn__is_a_failure_that_no_retry_mends() -> None:
    dropped = Sent("renter:buy-1:buy", TxState.DROPPED, reason="superseded by x", code="H2017")

    class Outbox:
        address = "0x" + "11" * 20

        def enqueue(self, send: Send) -> Sent:
            return dropped

    session = Session(Outbox(), lambda: None, lambda: None, lambda: 0.0)  # type: ignore[arg-type]
    with pytest.raises(HearthError, match="superseded by x") as error:
        session.run("buy-1", [Step("buy", Call("BurnMintEngine", "buy", ()))])
    assert (error.value.exit_code, error.value.retryable) == (1, False)


def test_buy__same_key_buys_once_at_any_price(market: Market) -> None:
    first = market.hearth.buy(WAD, key="once")
    again = market.hearth.buy(2 * WAD, key="once")
    assert again.credits_wei == first.credits_wei


def test_rate__bounds() -> None:
    assert rate_wei("3.6") == 10**15
    assert rate_wei(Fraction(36, 10**16)) == 1
    for wrong in ("0", "0.0000000000000001", "100000"):
        with pytest.raises(HearthError) as error:
            rate_wei(wrong)
        assert error.value.code == "H4205"


@pytest.mark.parametrize("text", ["RTX-4090", "4090", "NVIDIA GeForce RTX 4090", "rtx-4090-24gb"])
def test_gpu_names__resolve(text: str) -> None:
    assert resolve_gpu(text, ["RTX-4090-24GB", "H100-SXM5-80GB"]) == {"RTX-4090-24GB"}


def test_gpu_names__a_typo_suggests() -> None:
    with pytest.raises(HearthError) as error:
        resolve_gpu("RTX-4900", ["RTX-4090-24GB", "H100-SXM5-80GB"])
    assert error.value.next == ("--gpu RTX-4090",)
    assert error.value.exit_code == 5
