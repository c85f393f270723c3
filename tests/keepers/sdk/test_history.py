"""Who ended a lease, the proofs of a bill, earnings and uptime: all from what the reports and events say."""

from __future__ import annotations

import pytest

from keepers.chain.attestations import Attestations
from keepers.protocol.counters import ring_word
from keepers.protocol.leases import Reason
from keepers.protocol.merkle import root_from_proof
from keepers.protocol.price import PeriodWord
from tests.keepers.roles.town import key
from tests.keepers.sdk.conftest import RATE, Market

HOUR = 3_600


def test_ending__names_closer_and_the_report_that_shows_it(ended: Market) -> None:
    view = ended.hearth.status(1)
    assert (view.state, view.terms.reason) == ("ENDED", Reason.HOST_DOWN)
    ending = ended.hearth.ending(1)
    assert ending is not None
    assert ending.by == key("settler").address
    reports = ended.town.chain.events(0, ended.hearth.head().number, "AttestationHub", ("Report",))
    shown = next(e for e in reports if e["epoch"] == ending.report_epoch)
    assert ending.report_tx == "0x" + shown.tx_hash.hex()
    assert 3 <= ending.signers <= ending.seats == 4
    # the first report with more than 15 min of fault: of the epoch in which the node went dark
    assert ending.report_epoch == ended.hearth.calendar.epoch(view.terms.start) + 2


def test_ending__none_while_it_runs_and_without_a_report_after_a_close(market: Market) -> None:
    market.offer(0)
    best = market.hearth.quote(duration_s=HOUR).best
    assert best is not None
    market.hearth.rent(market.hearth.plan(best, gpus=1, duration_s=HOUR))
    assert market.hearth.ending(1) is None
    market.mine(900)
    market.hearth.close(1)
    ending = market.hearth.ending(1)
    assert ending is not None
    assert (ending.by, ending.report_tx) == (market.hearth.address, "")


def test_proofs__every_line_is_proven_to_the_hubs_ring(ended: Market) -> None:
    hearth = ended.hearth
    receipt = hearth.receipt(1)
    proofs = {proof.epoch: proof for proof in hearth.proofs(receipt)}
    epochs = {line.epoch for line in receipt.lines if line.epoch}
    assert set(proofs) == epochs
    assert len(epochs) >= 2  # the anchor's and a settlement's
    for epoch, proof in proofs.items():
        assert root_from_proof(0, proof.leaf, proof.siblings) == proof.root
        found = hearth.suite.hub.ring_word(epoch, at=hearth.head())
        assert ring_word(proof.root, proof.header) == found


def test_receipt__parts_of_the_time_add_up(ended: Market) -> None:
    whole = ended.hearth.receipt(1)
    assert whole.closes
    middle = whole.lines[len(whole.lines) // 2].at
    early, late = whole.between(0, middle), whole.between(middle, 2**40)
    assert early.lines + late.lines == whole.lines
    assert early.held_wei == late.carried_wei
    assert late.held_wei == whole.held_wei
    assert early.closes
    assert late.closes


def test_receipt__fee_price_and_seconds_are_those_of_the_redemption(market: Market) -> None:
    """Before it the price is open; then the lines' fees are the tally's, but for the wei that it is rounded up."""
    town, hearth = market.town, market.hearth
    town.run_epochs(1)
    market.offer(0)
    best = hearth.quote(gpu="4090", count=2, duration_s=2 * HOUR).best
    assert best is not None
    hearth.rent(hearth.plan(best, gpus=2, duration_s=2 * HOUR))
    town.run_epochs(4)
    open_ones = [line for line in hearth.receipt(1).lines if line.paid_wei]
    assert open_ones and {line.price for line in open_ones} == {0}
    town.run_epochs(8)

    receipt = hearth.receipt(1)
    lines = [line for line in receipt.lines if line.paid_wei]
    assert sum(line.attested_s for line in lines) == receipt.view.money.settled == 2 * HOUR
    for line in lines:
        assert line.bounty_wei + line.provider_wei + line.fee_wei == line.paid_wei
        assert line.fee_attesters_wei + line.fee_builders_wei + line.fee_destroyed_wei == line.fee_wei > 0
    redeemed = {e["period"]: e for e in town.chain.log if e.name == "Redeemed" and e["key"] == 0}
    assert set(redeemed) == {line.period for line in lines}
    for period, event in redeemed.items():
        fee = sum(line.fee_wei for line in lines if line.period == period)
        assert 0 <= event["fee"] - fee <= len(lines)
        word = PeriodWord.unpack(hearth.suite.hub.period_word(period, at=hearth.head()))
        assert {line.price for line in lines if line.period == period} == {word.price}


def test_receipt__damages_of_the_bond_stand_in_its_last_line(ended: Market) -> None:
    receipt = ended.hearth.receipt(1)
    (end,) = [e for e in ended.town.chain.log if e.name == "BondEnded"]
    assert (receipt.lines[-1].damages_gwei, receipt.lines[-1].burned_gwei) == (end["paid"], end["burned"])
    assert receipt.total("damages_gwei") == end["paid"] > 0
    assert end["to"] == ended.hearth.address


def test_earned__adds_up_to_what_was_paid(ended: Market) -> None:
    receipt = ended.hearth.receipt(1)
    rows = ended.hearth.earned(0)
    assert {(row.lease, row.node, row.gpus) for row in rows} == {(1, 0, 2)}
    assert sum(row.credits_wei + row.bounty_wei for row in rows) == receipt.paid_wei
    assert sum(row.seconds for row in rows) == receipt.view.money.settled
    assert sum(row.seconds * row.gpus * RATE for row in rows) == receipt.paid_wei
    assert ended.hearth.earned(1) == ()
    assert ended.hearth.earned(0, since=rows[-1].at + 1) == ()


def test_shares__of_the_chains_own_counters(ended: Market) -> None:
    shares = ended.hearth.shares([0, 1])
    assert shares[1].bps == 10_000
    at = ended.hearth.head()
    usable = ended.hearth.suite.hub.newest_usable(at=at)
    reports = Attestations(ended.town.chain, 0)
    reports.refresh(at)
    dark = sum(1 for epoch in range(1, usable + 1) if reports.leaf(0, epoch) & 0x800)
    assert shares[0].over_s == shares[1].over_s == usable * HOUR
    assert shares[0].bps == pytest.approx(10_000 * (usable - dark) / usable, abs=10_000 / usable)
    assert 0 < shares[0].bps < 10_000


def test_shares__nothing_before_a_report_is_usable(market: Market) -> None:
    assert market.hearth.shares([0]) == {}
