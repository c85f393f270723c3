"""Offers: nothing trusts the place they lie in; what is left out is counted by its reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from keepers.protocol.errors import HearthError
from keepers.protocol.nodes import Status
from keepers.sdk.connect import fetch_offers
from keepers.sdk.offers import MAX_BYTES, from_json, load, to_json
from tests.keepers.roles.town import OWNER, key
from tests.keepers.sdk.conftest import RATE, Market
from tests.keepers.sdk.test_fetch import serving


def test_book__cheapest_first_ties_by_node(market: Market) -> None:
    market.offer(2, 3 * RATE)
    market.offer(1, 2 * RATE)
    market.offer(0, 2 * RATE)
    book = market.hearth.offers()
    assert [(row.node, row.rate_wei) for row in book.rows] == [(0, 2 * RATE), (1, 2 * RATE), (2, 3 * RATE)]
    assert book.left_out == {}


def test_json__there_and_back(market: Market) -> None:
    signed = market.offer(0)
    domain = market.hearth.market_domain
    again = from_json(json.loads(to_json(signed, domain)), domain, "x")
    assert (again.ask, again.signature, again.digest) == (signed.ask, signed.signature, signed.digest)


def test_left_out__signature_of_another(market: Market) -> None:
    signed = market.offer(0)
    domain = market.hearth.market_domain
    forged = replace(signed, signature=key("mallory").sign_digest(signed.digest))
    cheaper = replace(signed, ask=replace(signed.ask, rate=1))
    market.write("forged", to_json(forged, domain))
    market.write("cheaper", to_json(cheaper, domain))
    market.write("short", to_json(replace(signed, ask=replace(signed.ask, salt=5), signature=b"\x01"), domain))
    (market.folder / f"0-{RATE}.json").unlink()
    book = market.hearth.offers()
    assert book.rows == ()
    assert book.left_out == {"signature is not the operator's": 3}


def test_left_out__what_the_chain_would_refuse(market: Market) -> None:
    now = market.hearth.head().timestamp
    market.offer(0, expiry_at=now)
    market.offer(1)
    market.offer(2)
    market.status(1, Status.JAILED)
    world = market.town.world
    world.call("registry", "add_class", replace(world.registry.classes[0], name="X", min_stake=2**50), sender=OWNER)
    operator = market.operator(2)
    operator.register_node(2, 1, [bytes([9]) * 32], key("dear"))  # now provider 2 has too little stake
    book = market.hearth.offers()
    assert book.rows == ()
    assert book.left_out == {"expired": 1, "node jailed": 1, "below the required stake": 1}


def test_left_out__files_that_are_no_offers(market: Market) -> None:
    market.write("text", "hello")
    market.write("list", "[1, 2]")
    market.write("deep", "[" * 100_000)
    market.write("large", " " * (MAX_BYTES + 1))
    market.write("other", json.dumps({"schema": "hearth.offer/1", "chain_id": 1, "market": "0x00"}))
    signed = json.loads(to_json(market.offer(0), market.hearth.market_domain))
    signed["ask"]["rate"] = "-1"
    market.write("negative", json.dumps(signed))
    book = market.hearth.offers()
    assert len(book.rows) == 1
    assert book.left_out == {
        "not JSON": 2, "not an offer of this version": 3, "larger than an offer can be": 1, "for another network": 1,
    }  # fmt: skip


def test_ask_for_a_class__any_node_of_the_provider(market: Market) -> None:
    operator = market.operator(1)
    signed = operator.sign_ask(1, [], RATE, sheet=0, expiry_at=operator.head().timestamp + 100, class_id=0)
    market.write("class", to_json(signed, operator.market_domain))
    assert [row.node for row in market.hearth.offers().rows] == [1]


def test_ask_for_somebody_elses_node(market: Market) -> None:
    operator = market.operator(1)
    signed = operator.sign_ask(1, [0], RATE, sheet=0, expiry_at=operator.head().timestamp + 100)
    market.write("theirs", to_json(signed, operator.market_domain))
    assert market.hearth.offers().left_out == {"not the provider's node": 1}


def test_quote__counts_what_ruled_the_others_out(market: Market) -> None:
    market.offer(0, RATE)
    market.offer(1, 5 * RATE)
    quote = market.hearth.quote(gpu="4090", count=1, duration_s=3_600, max_usd_per_gpu_hour="0.5")
    assert [row.node for row in quote.rows] == [0]
    assert "1 asks more" in quote.why()
    too_many = market.hearth.quote(gpu="4090", count=3, duration_s=3_600)
    assert too_many.best is None
    assert "2 hardware fits but full" in too_many.why()


def test_place__a_page_at_a_url_is_a_list(market: Market) -> None:
    domain = market.hearth.market_domain
    page = json.dumps({"offers": [json.loads(to_json(market.offer(0), domain))] * 2})
    found, left_out = load("https://offers.example/", domain, lambda url: page.encode())
    assert (len(found), dict(left_out)) == (1, {})


@pytest.mark.parametrize("url", ["http://", "http://[::1"])
def test_fetch__no_url__is_not_called_away(url: str) -> None:
    with pytest.raises(HearthError, match="is no http or https URL") as error:
        fetch_offers(url)
    assert (error.value.code, error.value.retryable) == ("H4201", False)


def test_fetch__board_that_is_away_or_has_no_such_page(loopback: None) -> None:
    for status, code, retryable in ((404, "H4201", False), (500, "H2007", True), (302, "H4201", False)):
        with serving(status, b"") as url, pytest.raises(HearthError, match=f"HTTP {status}") as error:
            fetch_offers(url)
        assert (error.value.code, error.value.retryable) == (code, retryable)
    with pytest.raises(HearthError, match="cannot be fetched") as away:
        fetch_offers(url)
    assert (away.value.code, away.value.exit_code) == ("H2007", 7)


def test_place__missing_is_told(market: Market, tmp_path: Path) -> None:
    with pytest.raises(HearthError, match="offers cannot be read") as error:
        market.hearth.offers(str(tmp_path / "nowhere"))
    assert error.value.code == "H4201"
    with pytest.raises(HearthError, match="offers cannot be read") as nobody:
        market.hearth.offers("~no-such-user/offers")
    assert nobody.value.code == "H4201"
    bare = type(market.hearth)(market.town.chain, market.deployment)
    with pytest.raises(HearthError, match="no place with offers"):
        bare.offers()
