"""Verbs of renters and providers over the reference model: plans, questions, exit codes, documents."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.keepers.cli.conftest import Call
from tests.keepers.sdk.conftest import RATE, Market


def test_offers__cheapest_first_and_reasons(renter: Call, market: Market) -> None:
    market.offer(0, 2 * RATE)
    market.offer(1, RATE)
    market.write("junk", "{}")
    said = renter("offers", "--gpu", "4090:2", "--hours", "2")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[1].split()[:3] == ["1", "1", "RTX-4090-24GB"]
    assert "not shown: 1 not an offer of this version" in said.out
    assert "next  hearth rent 1" in said.err
    data = renter("offers", "--json").data
    assert [offer["node"] for offer in data["offers"]] == [1, 0]
    assert data["left_out"] == {"not an offer of this version": 1}


def test_rent__plan_question_lease(renter: Call, market: Market) -> None:
    market.offer(0)
    asked = renter("rent", "--gpu", "4090:2", "--hours", "2")
    assert asked.code == 3  # no terminal to answer on
    assert "repeat with --yes" in asked.err
    assert market.hearth.leases() == []
    dry = renter("rent", "--gpu", "4090:2", "--hours", "2", "--dry-run")
    assert dry.code == 0
    assert "lock $1.4400" in dry.err
    assert market.hearth.leases() == []
    done = renter("rent", "--gpu", "4090:2", "--hours", "2", "--yes")
    assert done.code == 0
    assert "RUNNING" in done.out
    assert "hearth status 1" in done.err


def test_rent__nothing_fits_is_5_with_the_reasons(renter: Call, market: Market) -> None:
    market.offer(0)
    said = renter("rent", "--gpu", "4090", "--hours", "1", "--max", "0.01")
    assert said.code == 5
    assert "error[H4203] no offer matches gpu=4090 for 1 at <= $0.01 per GPU-hour" in said.err
    assert "1 asks more" in said.err


@pytest.mark.parametrize("price", ["0", "-1", "0.00000000000000001"])
def test_rent__no_price_below_the_smallest(renter: Call, market: Market, price: str) -> None:
    market.offer(0)
    said = renter("rent", "--gpu", "4090", "--hours", "1", "--max", price)
    assert said.code == 2


def test_life_of_a_lease(renter: Call, market: Market) -> None:
    market.offer(0)
    assert (
        renter("rent", "--gpu", "4090", "--hours", "4", "--prepay", "1h", "--yes", "--idempotency-key", "a").code == 0
    )
    status = renter("status", "1", "--json").data
    assert (status["state"], status["runway_s"], status["rate_wei"]) == ("RUNNING", 3_600, RATE)
    assert renter("topup", "1", "--hours", "1", "--yes").code == 0
    assert renter("status", "1", "--json").data["runway_s"] == 7_200
    plan = renter("topup", "1", "--hours", "10", "--dry-run", "--json").data
    assert int(plan["credits_wei"]) == 7_200 * RATE, "two hours are left of the term"
    assert renter("topup", "1", "--hours", "10", "--yes", "--idempotency-key", "b").code == 0
    for key in ("b", "c"):
        again = renter("topup", "1", "--hours", "10", "--idempotency-key", key)
        assert (again.code, "plan" in again.err) == ((0, False) if key == "b" else (1, False)), again.err
    market.mine(900)
    closed = renter("close", "1", "--yes")
    assert closed.code == 0
    assert "closes to the wei" in closed.out
    assert renter("topup", "1", "--hours", "1", "--yes").code == 1
    listed = renter("status")
    assert "RENTER_CLOSED" in listed.out
    receipt = renter("receipt", "1", "--format", "json").data
    assert int(receipt["deposited_wei"]) == int(receipt["returned_wei"]) + int(receipt["held_wei"])
    csv = renter("receipt", "1", "--format", "csv").out.splitlines()
    assert csv[0].startswith("at,block,tx,what")
    assert len(csv) == 1 + len(receipt["lines"])
    assert renter("receipt", "7").code == 1
    assert renter("status", "x").code == 2


def test_wallet__show_buy_refund_redeem(renter: Call, market: Market) -> None:
    shown = renter("wallet", "show")
    assert "10,000.0000 HRTH" in shown.out
    asked = renter("wallet", "buy", "10")
    assert asked.code == 3
    assert "plan  burn 20.0501 HRTH for $10.0000 of credits" in asked.err
    assert renter("wallet", "buy", "10", "--yes").code == 0
    assert int(renter("wallet", "show", "--json").data["credits_wei"]) >= 10**19
    refund = renter("wallet", "refund", "--yes")
    assert refund.code == 0
    assert "turn all $10.0000 of credits back" in refund.err
    assert "there is nothing to refund" in renter("wallet", "refund", "--yes").err
    assert renter("wallet", "show", "--json").data["credits_wei"] == 0
    assert "nothing to redeem yet" in renter("wallet", "redeem").out
    assert renter("wallet", "buy", "nothing").code == 2


def test_provider__stake_price_drain_retire(hearth: Call, market: Market, tmp_path: Path) -> None:
    def boss(*arguments: str) -> tuple[int, str, str]:
        said = hearth(*arguments, connect=lambda options: market.operator(0))
        return said.code, said.out, said.err

    assert boss("stake", "show")[0] == 0
    assert "enough" in boss("stake", "add", "5", "--yes")[1]
    assert "ticket" in boss("stake", "remove", "2", "--yes")[1]
    assert "tokens can be unbonded now" in boss("stake", "remove", "9999999", "--yes")[2]
    assert boss("stake", "withdraw", "0")[0] == 1  # not mature
    code, out, _ = boss("node", "list")
    assert code == 0
    assert out.splitlines()[1].split()[:5] == ["0", "0", "RTX-4090-24GB", "0/2", "ACTIVE"]
    assert boss("node", "price", "0", "--usd", "0.36", "--out", str(market.folder))[0] == 0
    assert market.hearth.offers().rows[0].rate_wei == RATE
    assert json.loads(boss("node", "price", "0", "--usd", "0.36")[1])["schema"] == "hearth.offer/1"
    assert boss("node", "price", "0", "1", "--usd", "0.36")[0] == 2  # nodes of two providers
    assert boss("node", "drain", "--yes")[0] == 0
    assert market.hearth.offers().rows == ()
    asked = boss("node", "retire", "0")
    assert asked[0] == 3
    assert "retiring node 0 cannot be undone: this needs a yes" in asked[2]
    assert boss("node", "retire", "0", "--yes")[0] == 0
    assert "no tally is waiting" in boss("earnings")[1]
    assert boss("node", "retire", "99", "--yes")[0] == 2


def test_opt__a_challenged_class__in_and_out_again(hearth: Call, market: Market) -> None:
    def boss(*arguments: str) -> tuple[int, str, str]:
        said = hearth(*arguments, connect=lambda options: market.operator(0))
        return said.code, said.out, said.err

    classes = market.town.world.registry.classes
    classes[0] = replace(classes[0], n=256, rounds=2, deadline=60)
    first = market.hearth.deployment.clock().epoch(market.hearth.head().timestamp) + 1
    assert f"node 0 is opted in from epoch {first} on" in boss("node", "opt-in", "0", "--yes")[1]
    assert market.hearth.reads.node(0).opt_in == first
    assert "node 0 is opted out" in boss("node", "opt-out", "0", "--yes")[1]
    assert market.hearth.reads.node(0).opt_in == 0
    code, _, said = boss("node", "opt-out", "0", "--dry-run")
    assert code == 0 and "only when it is drawn" in said


def test_opt__a_liveness_only_class__says_why_not(hearth: Call, market: Market) -> None:
    said = hearth("node", "opt-in", "0", "--yes", connect=lambda options: market.operator(0))
    assert said.code != 0
    assert "liveness-only" in said.err or "registry: class" in said.err
    assert market.hearth.reads.node(0).opt_in == 0


def test_stake__whose(renter: Call, market: Market) -> None:
    said = renter("stake", "show")
    assert said.code == 2
    assert "this key owns no provider" in said.err
    assert renter("stake", "show", "--provider", "0").code == 0


def test_earnings__csv(renter: Call, market: Market) -> None:
    assert renter("earnings", "--provider", "0", "--csv").out.strip() == "key,period,credits_wei,backing_wei,state"
    assert renter("earnings", "--address", "0x12").code == 2


def test_rent__a_row_of_the_last_offers(renter: Call, market: Market) -> None:
    assert renter("rent", "1", "--yes").code == 5  # nothing was shown yet
    market.offer(0, 2 * RATE)
    market.offer(1, RATE)
    quote = renter("offers", "--gpu", "4090:2", "--hours", "2", "--json").data
    rows = [offer["row"] for offer in quote["offers"]]
    assert rows == [f"{quote['quote']}-1", f"{quote['quote']}-2"]
    second = renter("rent", "2", "--yes", "--json").data
    assert (second["node"], second["gpus"], second["rate_wei"]) == (0, 2, 2 * RATE)
    assert renter("rent", rows[0], "--yes").code == 0
    for wrong, code in (("3", 2), ("x", 2), ("00000000-1", 5)):
        assert renter("rent", wrong, "--yes").code == code
    again = renter("rent", "1", "--yes")
    assert again.code == 5  # the node is full now
    market.mine(601)
    stale = renter("rent", "1", "--yes")
    assert stale.code == 5
    assert "600 s are allowed" in stale.err


def test_rent__repeated_with_its_key_returns_the_first_lease(renter: Call, market: Market) -> None:
    market.offer(0)
    call = ("rent", "--gpu", "4090:2", "--hours", "2", "--yes", "--idempotency-key", "train-7", "--json")
    first = renter(*call)
    again = renter(*call)
    assert (first.code, again.code) == (0, 0)
    assert again.data["lease"] == first.data["lease"] == 1
    assert len(market.hearth.leases()) == 1


def test_receipt__as_a_page(renter: Call, market: Market, tmp_path: Path) -> None:
    market.offer(0)
    assert renter("rent", "--gpu", "4090", "--hours", "1", "--yes").code == 0
    fields = tmp_path / "invoice.toml"
    fields.write_text('name = "A <b> & Co"\n')
    out = tmp_path / "receipt.html"
    assert renter("receipt", "1", "--html", "--invoice", str(fields), "--out", str(out)).code == 0
    page = out.read_text()
    assert page.startswith("<!doctype html>")
    assert "A &lt;b&gt; &amp; Co" in page
    assert "closes to the wei" in page
    assert "<script" not in page
    fields.write_text("colour = 1\n")
    assert renter("receipt", "1", "--html", "--invoice", str(fields)).code == 2
    assert renter("receipt", "1", "--csv").code == 2
    assert renter("receipt", "1", "--html", "--out", str(tmp_path / "no" / "x.html")).code == 2


def test_dry_runs__one_json_document_and_nothing_sent(renter: Call, market: Market) -> None:
    market.offer(0)
    for call in (("wallet", "buy", "10"), ("rent", "--gpu", "4090", "--hours", "1")):
        said = renter(*call, "--dry-run", "--json")
        assert said.code == 0
        assert json.loads(said.out)["schema"] == "hearth.plan/1"
    assert market.sent == []


def test_nouns__without_a_verb(renter: Call, market: Market) -> None:
    assert renter("wallet").out == renter("wallet", "show").out
    assert renter("stake", "--provider", "0").code == 0
    assert "Usage: hearth wallet" in renter("wallet", "--help").out


def test_host__notice_and_leave(hearth: Call, renter: Call, market: Market) -> None:
    def boss(*arguments: str) -> tuple[int, str]:
        said = hearth(*arguments, connect=lambda options: market.operator(0))
        return said.code, said.err + said.out

    market.offer(0)
    assert renter("rent", "--gpu", "4090", "--hours", "4", "--yes").code == 0
    code, said = boss("close", "1", "--yes")
    assert code == 4
    assert "hearth node notice 1" in said
    assert boss("node", "notice", "1")[0] == 3
    assert boss("node", "notice", "1", "--yes")[0] == 0
    code, said = boss("node", "leave", "1", "--yes")
    assert code == 0
    assert "HOST_EXIT" in said
    assert renter("node", "leave", "1", "--yes").code == 4
