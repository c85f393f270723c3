"""I1, I2: any split of settlements pays the same to the wei, exactly the attested seconds, whatever happens between.

Random downtime, void epochs, stops, lapses and orders of settlement against sums of slots.
"""

import boa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.market.support import FIRST, GPUS, OFFSET, RATE, number
from tests.support.actors import RENTER, SETTLER, STRANGER

EPOCHS = 5
MASKS = st.one_of(st.just(0), st.just(0xFFF), st.integers(0, 0xFFF), st.none())  # None: void

plans = st.fixed_dictionaries(
    {
        "masks": st.lists(MASKS, min_size=EPOCHS, max_size=EPOCHS),
        "prepaid": st.integers(300, EPOCHS * 3600),
        "dust": st.integers(0, RATE * GPUS - 1),
        "stop": st.one_of(st.none(), st.integers(0, EPOCHS * 3600 - OFFSET - 1)),
        "epochs": st.lists(st.integers(FIRST, FIRST + EPOCHS - 1), max_size=8),
        "many": st.booleans(),
    }
)


def live(w, plan, epochs):
    """One life; (paid, bounty, returned, seconds, attested)."""
    id = w.open(prepaid=plan["prepaid"], extra=plan["dust"], sheet=w.sheet(min_seconds=0))
    purse = w.purse()[0]
    deposit = w.money(id)[0]
    start = w.now
    if plan["stop"] is not None and plan["stop"] < plan["prepaid"]:
        w.after(plan["stop"])
        w.escrow.stop(id, 0, sender=RENTER.address)
        w.check_ledger()
    for mask in plan["masks"]:
        w.report({0: mask or 0}, void=mask is None)
    w.price()
    if not w.terms(id)["reason"] and w.now >= w.escrow.until(id):
        w.escrow.stop(id, 0, sender=STRANGER.address)
    if not w.terms(id)["reason"]:
        w.at(w.escrow.until(id))
        w.escrow.stop(id, 0, sender=STRANGER.address)
    stop = w.escrow.until(id)
    w.report_until(w.parameters.epoch_of(max(stop - 1, start)))
    w.anchor(id)
    attested = w.attested(id, stop)
    payee = number(SETTLER)
    for e in epochs:
        header, leaf, proof = w.leaf(e)
        try:
            if plan["many"]:
                w.escrow.settle_many([id], header, [leaf], proof, payee, sender=SETTLER.address)
            else:
                w.escrow.settle(id, header, leaf, proof, payee, sender=SETTLER.address)
        except boa.BoaError as error:
            assert "nothing due" in str(error) or "after the stop" in str(error)
        w.check_ledger()
    proof = w.leaf(w.parameters.epoch_of(stop - 1)) if stop > start else (0, 0, [])
    w.escrow.finish(id, *proof, sender=RENTER.address)
    w.check_ledger()
    seconds = w.money(id)[2]
    paid = sum(w.tally(1, p)[0] + w.tally(payee, p)[0] for p in range(w.period + 1))
    returned = w.purse()[0] - purse
    assert paid + returned == deposit
    return paid, seconds, attested


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(plans)
def test_any_split_pays_attested_seconds_to_the_wei(world, plan):
    results = []
    for epochs in ([], plan["epochs"], sorted(plan["epochs"])):
        with boa.env.anchor():
            results.append(live(_copy(world), plan, epochs))
    for paid, seconds, attested in results:
        assert seconds == attested
        assert paid == attested * RATE * GPUS
    assert len({paid for paid, *_ in results}) == 1


def _copy(world):
    from copy import deepcopy
    from dataclasses import replace

    return replace(world, uptime=deepcopy(world.uptime), proofs=dict(world.proofs), opened=list(world.opened))
