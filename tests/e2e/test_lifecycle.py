"""A lease's whole life on the deployed suite: register, stake, activate, rent, settle, stop, finish, redeem."""

from __future__ import annotations

import pytest

from keepers.chain.ports import Call
from keepers.localnet.network import LocalNetwork
from keepers.outbox.policy import Policy
from tests.e2e.town import PRICE, WHOLE, Reverted, Town

CLASS = 3  # RTX-4090-24GB of the profile: 300 USD a GPU
STAKE = 10_000  # whole tokens: 5,000 USD
RATE = 10**13  # credits a GPU-second: 3.6 cents an hour
ACTIVE = 2


@pytest.fixture
def operator(network: LocalNetwork):
    return network.key("provider").signer()


def test_lease__whole_life__pays_attested_seconds_only_and_closes_to_the_wei(town: Town, operator) -> None:
    """I1, I2, I3, I5: from a machine that nobody knows to tokens in its owner's hands."""
    calendar = town.calendar
    supply = town.read("ComputeToken", "totalSupply")
    provider = town.provider("provider", STAKE)
    node = town.active_node("provider", provider, CLASS)
    assert town.status(node) == ACTIVE
    bought = town.buy("renter", 1_000)
    assert bought == 1_000 * WHOLE * PRICE // 10**12 * 9_975 // 10_000

    # rent for three epochs, begin inside an epoch
    town.warp(calendar.start(town.epoch() + 1) + 3)
    lease = town.rent("renter", operator, provider, node, rate=RATE, duration=120, prepaid=60, gpus=2)
    first = calendar.epoch(lease.start)
    assert town.money(lease)[0] == 60 * lease.rate
    assert town.read("NodeRegistry", "node", node) >> 168 & 0xFFFF == 2

    # the node misses slots 5, 6 and 7 of the second epoch; the renter closes in the third
    missed = 0b1110_0000
    town.report_through(first + 1, {first + 1: {node: missed}})
    stop = calendar.start(first + 2) + 6
    town.warp(stop - 1)
    receipt = town.send("renter", "LeaseEscrow", "stop", lease.id, 0)
    stopped = lease.start + town.events(receipt, "Stopped")[0]["after"]
    assert town.read("NodeRegistry", "node", node) >> 168 & 0xFFFF == 0
    town.report_through(first + 2)
    town.usable(first + 2)

    # a settler settles for a bounty, the renter finishes, the provider redeems
    attested = stopped - lease.start - 3
    settler = int(town.people["stranger"], 16)
    settled = town.settle(lease, settler)
    assert (settled["seconds"], settled["credits"]) == (attested, attested * lease.rate)
    period = calendar.period(town.now())
    assert town.tally(provider, period)[0] == settled["credits"] - settled["bounty"]
    assert town.tally(settler, period)[0] == settled["bounty"] == settled["credits"] // 100
    with pytest.raises(Reverted, match="escrow: "):
        town.settle(lease, settler)
    town.send("renter", "LeaseEscrow", "finish", lease.id, *town.proof(node))
    assert town.money(lease) == (0, 0)
    assert town.purse("renter")[0] == bought - settled["credits"]

    # the period closes with the first report of the next one and its dispute
    owed = sum(town.tally(key, period)[1] for key in (provider, settler))
    outstanding = town.read("BurnMintEngine", "outstanding", town.at("LeaseEscrow"))
    assert outstanding == town.purse("renter")[1] + owed
    last = town.tree.header.epoch
    closes = (period + 1) * town.record.calendar.epochs_per_period
    town.report_through(max(last, closes))
    town.usable(max(last, closes))
    town.warp(town.now() + calendar.epoch_seconds)
    before = town.tokens("provider")
    minted = int(
        town.events(town.send("stranger", "BurnMintEngine", "redeem", provider, [period]), "Redeemed")[0]["minted"]
    )
    assert 0 < minted == town.tokens("provider") - before
    assert minted <= owed  # nobody mints more than was burned for the very work
    assert town.tally(provider, period) == (0, 0)
    burned_for_node = int(town.record.parameters["registry_fee_wei"])
    assert town.read("ComputeToken", "totalSupply") == supply - 1_000 * WHOLE - burned_for_node + minted


def test_entries__paused__refuse_by_name_and_open_again(town: Town, operator) -> None:
    """I10: the guardian stops entries; the owner lifts it."""
    provider = town.provider("provider", STAKE)
    node = town.active_node("provider", provider, CLASS)
    town.buy("renter", 100)
    town.send("owner", "AttestationHub", "pause_entries")
    with pytest.raises(Reverted, match="engine: paused"):
        town.buy("renter", 1)
    with pytest.raises(Reverted, match="market: paused"):
        town.rent("renter", operator, provider, node, rate=RATE, duration=60, prepaid=30)
    town.send("owner", "AttestationHub", "open_entries")
    assert town.buy("renter", 1) > 0
    assert town.rent("renter", operator, provider, node, rate=RATE, duration=60, prepaid=30).start > 0


def test_stake__below_required__takes_no_lease(town: Town, operator) -> None:
    """A provider whose stake does not cover its nodes rents out nothing."""
    provider = town.provider("provider", 1_200)  # 600 USD: one node of two GPUs and not a wei more
    node = town.active_node("provider", provider, CLASS)
    town.buy("renter", 100)
    town.node("provider", provider, CLASS)
    with pytest.raises(Reverted, match="pool: below required stake"):
        town.rent("renter", operator, provider, node, rate=RATE, duration=60, prepaid=30)


def test_settle__any_split__pays_the_same(town: Town, operator) -> None:
    """I2: two settlements pay what one would have paid, to the wei."""
    provider = town.provider("provider", STAKE)
    node = town.active_node("provider", provider, CLASS)
    town.buy("renter", 100)
    lease = town.rent("renter", operator, provider, node, rate=RATE, duration=60, prepaid=60)
    first = town.calendar.epoch(lease.start)
    town.report_through(first + 1, {first + 1: {node: 0b1}})
    town.usable(first + 1)
    one = town.settle(lease, provider)
    town.report_through(first + 3, {first + 3: {node: 0b110}})
    town.usable(first + 3)
    receipt = town.send("stranger", "LeaseEscrow", "settle", lease.id, *town.proof(node), provider)
    two = town.events(receipt, "Settled")[0]
    attested = town.calendar.end(first + 3) - lease.start - 3
    assert two["seconds"] == attested
    assert one["credits"] + two["credits"] == attested * lease.rate
    assert (one["bounty"], two["bounty"]) == (0, 0)  # the provider names itself


def test_settle__estimated_in_a_period_and_mined_in_the_next__has_gas_enough(town: Town, operator) -> None:
    """A tally's first word of a period costs more than one that stands: the outbox's margin has to cover both."""
    provider = town.provider("provider", STAKE)
    node = town.active_node("provider", provider, CLASS)
    town.buy("renter", 1_000)
    settler = int(town.people["stranger"], 16)
    leases = [
        town.rent("renter", operator, provider, node, rate=RATE, duration=12, prepaid=12, gpus=1) for _ in range(2)
    ]
    last = max(town.calendar.epoch(lease.start + 11) for lease in leases)
    town.report_through(last)
    town.usable(last)
    town.warp(town.calendar.period_start(town.calendar.period(town.now()) + 1))
    for lease in leases:
        town.send("stranger", "LeaseEscrow", "stop", lease.id, 0)
    anchor = town.proof(node, town.calendar.epoch(leases[0].start))
    town.send("stranger", "LeaseEscrow", "settle_first", leases[0].id, *town.proof(node), settler, *anchor)

    call = Call("LeaseEscrow", "settle_first", (leases[1].id, *town.proof(node), settler, *anchor))
    to, data = town.codec.encode(call)
    fields = {"from": town.people["stranger"], "to": to, "data": "0x" + data.hex()}
    estimate = int(town.chain.call("eth_estimateGas", fields, "latest"), 16)
    town.warp(town.calendar.period_start(town.calendar.period(town.now()) + 1))
    sent = town.chain.call("eth_sendTransaction", {**fields, "gas": hex(Policy().gas_limit(estimate))})
    receipt = None
    while receipt is None:
        receipt = town.chain.call("eth_getTransactionReceipt", sent)
    assert int(receipt["status"], 16) == 1, f"{int(receipt['gasUsed'], 16):,} used of an estimate of {estimate:,}"
