"""Fees and the meaning of error texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepers.chain.fees import Fees, quote
from keepers.outbox.classify import Answer, classify
from keepers.outbox.policy import Policy, raised
from keepers.protocol.units import GWEI


@given(max_fee=st.integers(1, 10**12), tip=st.integers(0, 10**11), base=st.integers(0, 10**12))
def test_bump__any_fees__both_raised_by_eleven_percent_within_the_cap(max_fee: int, tip: int, base: int) -> None:
    policy = Policy(max_fee=2 * 10**12, tip=GWEI)
    last = Fees(max(max_fee, tip), tip)
    bumped = policy.bump(last, base, 0)
    if bumped is None:
        assert raised(last.max_fee) > policy.max_fee
    else:
        assert bumped.max_fee * 100 >= last.max_fee * 111
        assert bumped.priority_fee * 100 >= last.priority_fee * 111 and bumped.priority_fee > last.priority_fee
        assert bumped.priority_fee <= bumped.max_fee <= policy.max_fee


def test_bump__bound_reached__none() -> None:
    policy = Policy(max_bumps=2)
    assert policy.bump(Fees(GWEI, 1), GWEI, 1) is not None
    assert policy.bump(Fees(GWEI, 1), GWEI, 2) is None


def test_first__cap_between_now_and_the_usual_margin__capped() -> None:
    policy = Policy(max_fee=3 * GWEI, tip=GWEI // 10)
    assert policy.first(2 * GWEI) == Fees(3 * GWEI, GWEI // 10)
    assert policy.first(3 * GWEI) is None


def test_quote__base_fee_doubles__still_pays() -> None:
    fees = quote(GWEI, 7)
    assert fees == Fees(2 * GWEI + 7, 7)


def test_gas_limit__margin_and_ceiling() -> None:
    assert Policy().gas_limit(100_000) == 165_000
    assert Policy(max_gas=110_000).gas_limit(100_000) == 110_000


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("already known", Answer.KNOWN),
        ("AlreadyKnown", Answer.KNOWN),
        ("transaction already imported", Answer.KNOWN),
        ("nonce too low: next nonce 5, tx nonce 3", Answer.NONCE_LOW),
        ("OldNonce", Answer.NONCE_LOW),
        ("replacement transaction underpriced", Answer.UNDERPRICED),
        ("transaction underpriced", Answer.FEE_LOW),
        ("max fee per gas less than block base fee: address 0x, maxFeePerGas: 1", Answer.FEE_LOW),
        ("FeeTooLow", Answer.FEE_LOW),
        ("insufficient funds for gas * price + value", Answer.FUNDS),
        ("Insufficient funds for gas * price + value", Answer.FUNDS),
        ("intrinsic gas too low", Answer.INVALID),
        ("exceeds block gas limit", Answer.INVALID),
        ("nonce too high", Answer.TRANSIENT),
        ("txpool is full", Answer.TRANSIENT),
        ("request timed out", Answer.UNCLEAR),
        ("something nobody has seen", Answer.UNCLEAR),
    ],
)
def test_classify__texts_of_clients(text: str, answer: Answer) -> None:
    assert classify(text) is answer
