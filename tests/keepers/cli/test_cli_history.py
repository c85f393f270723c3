"""What the verbs say afterwards: who ended a lease, its receipt with proofs, earnings, uptime; and what `init` says."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from keepers.chain.keys import keystore_address
from keepers.cli.units import say_tokens, say_usd
from keepers.protocol.errors import HearthError
from keepers.protocol.messages import address_text
from keepers.sdk.connect import key_of, load_settings
from keepers.sdk.offers import to_json
from tests.keepers.cli.conftest import Call, Said
from tests.keepers.roles.town import key
from tests.keepers.sdk.conftest import RATE, Market


@pytest.fixture
def after(hearth: Call, ended: Market) -> Call:
    """The renter's commands after its lease has ended."""

    def call(*arguments: str) -> Said:
        return hearth(*arguments, connect=lambda options: ended.hearth)

    return call


def test_status__who_closed_it_and_on_which_report(after: Call, ended: Market) -> None:
    said = after("status", "1")
    assert said.code == 0
    assert "HOST_DOWN" in said.out
    assert f"closed    by somebody else, {key('settler').address} · tx 0x" in said.out
    report = after("status", "1", "--json").data["ended"]["report"]
    assert f"report    epoch {report['epoch']}, signers {report['signers']}/4 · tx {report['tx']}" in said.out


def test_status__nothing_ended_while_it_runs(renter: Call, market: Market) -> None:
    market.offer(0)
    assert renter("rent", "--gpu", "4090", "--hours", "1", "--yes").code == 0
    assert renter("status", "1", "--json").data["ended"] is None
    assert "closed    by" not in renter("status", "1").out
    market.mine(900)
    assert renter("close", "1", "--yes").code == 0
    data = renter("status", "1", "--json").data["ended"]
    assert (data["by"], data["report"]) == (market.hearth.address, None)
    assert "closed    by its renter" in renter("status", "1").out


def test_receipt__json_carries_the_proofs(after: Call) -> None:
    data = after("receipt", "1", "--format", "json").data
    epochs = {line["epoch"] for line in data["lines"] if line["epoch"]}
    assert {proof["epoch"] for proof in data["proofs"]} == epochs
    assert data["proofs_missing"] == []
    for proof in data["proofs"]:
        assert len(proof["header"]) == len(proof["leaf"]) == len(proof["root"]) == 66
        assert proof["node"] == 0


def test_receipt__from_to_and_all_leases(after: Call) -> None:
    whole = after("receipt", "1", "--json").data
    middle = whole["lines"][2]["at"]
    early = after("receipt", "1", "--to", middle, "--json").data
    late = after("receipt", "1", "--from", middle, "--json").data
    assert early["lines"] + late["lines"] == whole["lines"]
    assert late["carried_wei"] == early["held_wei"]
    assert int(late["carried_wei"]) > 0
    assert "carried $" in after("receipt", "1", "--from", middle).out
    assert [one["lease"] for one in after("receipt", "--json").data["receipts"]] == [1]
    assert after("receipt", "--to", "2001-01-01", "--json").data["receipts"] == []
    assert "no lease moved money" in after("receipt", "--to", "2001-01-01").out
    rows = list(csv.DictReader(io.StringIO(after("receipt", "--format", "csv", "--from", "2001-01-01").out)))
    assert {row["lease"] for row in rows} == {"1"}
    assert len(rows) == len(whole["lines"])
    page = after("receipt", "--html").out
    assert page.count("<h1>Receipt of lease") == 1


def test_receipt__says_who_gets_what_in_every_form(after: Call, ended: Market) -> None:
    """Period, seconds, rate, fee and its parts, damages, block: the same figures in text, CSV, JSON and on the page."""
    receipt = ended.hearth.receipt(1)
    data = after("receipt", "1", "--json").data
    rows = list(csv.DictReader(io.StringIO(after("receipt", "1", "--format", "csv").out)))
    for row, line, own in zip(rows, data["lines"], receipt.lines, strict=True):
        assert (int(row["rate_wei"]), int(row["block"])) == (RATE, line["block"])
        for name in ("attested_s", "fee_bps", "fee_wei", "fee_attesters_wei", "fee_builders_wei", "damages_gwei"):
            assert int(row[name]) == int(line[name]) == getattr(own, name)
        assert int(line["provider_wei"]) + int(line["fee_wei"]) + int(line["bounty_wei"]) == own.paid_wei
        assert (row["period"], line["period"]) == (("", None) if own.period is None else (str(own.period), own.period))
        assert (row["price_usd"], line["price_usd"]) == ("", None)  # the period is open
    assert int(data["shares"]["fee_wei"]) == receipt.total("fee_wei") > 0
    said = (
        f"settlers {say_usd(receipt.total('bounty_wei'))} + provider {say_usd(receipt.total('provider_wei'))}"
        f" + fee {say_usd(receipt.total('fee_wei'))} (attesters {say_usd(receipt.total('fee_attesters_wei'))}, builders"
        f" {say_usd(receipt.total('fee_builders_wei'))}, destroyed {say_usd(receipt.total('fee_destroyed_wei'))})"
    )
    damages = f"{say_tokens(receipt.total('damages_gwei') * 10**9)} to the renter, as a ticket; 0.0000 HRTH burned"
    text, page = after("receipt", "1").out, after("receipt", "1", "--html").out
    assert f"paid = {said}" in text and f"damages {damages}" in text and "2 GPUs at 0.360 USD per GPU-hour" in text
    assert said in page and damages in page and "when the provider redeems the tally" in page


@pytest.mark.parametrize("more", [("--from", "x"), ("--from", "2030-01-01", "--to", "2029-01-01"), ("--to", "1 year")])
def test_receipt__times_that_are_none(after: Call, more: tuple[str, ...]) -> None:
    said = after("receipt", "1", *more)
    assert said.code == 2
    assert "error[H1005]" in said.err


@pytest.mark.parametrize("by", ["day", "node", "lease"])
def test_earnings__by(after: Call, ended: Market, by: str) -> None:
    data = after("earnings", "--provider", "0", "--by", by, "--json").data
    receipt = ended.hearth.receipt(1)
    assert sum(int(row["credits_wei"]) + int(row["bounty_wei"]) for row in data["rows"]) == receipt.paid_wei
    assert sum(row["gpu_s"] for row in data["rows"]) * RATE == receipt.paid_wei
    assert all(row["provider"] == 0 and by in row for row in data["rows"])
    text = after("earnings", "--provider", "0", "--by", by).out
    assert "GPU-hours" in text
    assert "before the network's fee" in text
    lines = after("earnings", "--provider", "0", "--by", by, "--csv").out.splitlines()
    assert lines[0] == f"provider,{by},attested_s,gpu_s,credits_wei,bounty_wei"
    assert len(lines) == 1 + len(data["rows"])


def test_earnings__since(after: Call) -> None:
    assert after("earnings", "--provider", "0", "--since", "2001-01-01", "--json").data["by"] == "day"
    assert "nothing was settled" in after("earnings", "--provider", "0", "--since", "1s").out
    assert after("earnings", "--provider", "0", "--since", "yesterday").code == 2
    assert after("earnings", "--address", "0x" + "11" * 20, "--by", "day").code == 2


def test_offers__uptime_of_the_chains_counters(after: Call, ended: Market) -> None:
    place = ended.folder
    ended.offer(1, 3 * RATE, name="one")
    said = after("offers", "--offers", str(place))
    assert "uptime 30 d" in said.out.splitlines()[0]
    rows = {row["node"]: row for row in after("offers", "--offers", str(place), "--json").data["offers"]}
    assert rows[1]["uptime_bps"] == 10_000
    assert rows[1]["uptime_over_s"] > 0
    assert "100.00 %" in said.out


def test_offers__no_uptime_before_a_report(renter: Call, market: Market) -> None:
    market.offer(0)
    assert renter("offers", "--json").data["offers"][0]["uptime_bps"] is None
    assert renter("offers").code == 0


def test_init__says_what_to_fund_and_what_the_market_asks(
    hearth: Call, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepers.cli.hardware.uuids_here", lambda count=None: ("GPU-1", "GPU-2"))
    monkeypatch.setattr("keepers.cli.hardware.class_here", lambda: "RTX-4090-24GB")
    for node, rate in enumerate((RATE, 2 * RATE, 4 * RATE)):
        market.offer(node, rate)
    said = hearth("init", "provider", "--json", connect=lambda options: market.hearth)
    assert said.code == 0
    needed = market.hearth.reads.stake_for(0, 2) * 10**9
    assert int(said.data["fund"]["token_wei"]) == needed
    assert said.data["fund"]["address"] == said.data["operator"]["address"]
    assert (said.data["market"]["gpus"], said.data["market"]["leased"], said.data["market"]["asks"]) == (6, 0, 3)
    assert int(said.data["market"]["median_wei"]) == 2 * RATE
    text = hearth("init", "provider", connect=lambda options: market.hearth).out
    assert "fund      0x" in text
    assert f"{needed / 10**18:,.4f} HRTH (2 x the stake of RTX-4090-24GB, a token at $" in text
    assert "asks here: p25 0.360 · median 0.720 · p75 0.720 USD per GPU-hour; utilisation 0 % of 6 GPUs" in text
    assert market.sent == []


def test_init__without_a_chain_says_so(hearth: Call, home: Path) -> None:
    def none(options: object) -> object:
        raise HearthError("H2001", "no RPC endpoint can be used")

    said = hearth("init", "renter", connect=none)
    assert said.code == 0
    assert "how much is not known: no RPC endpoint can be used; later: hearth check renter" in said.out
    document = hearth("init", "settler", "--json", connect=none)
    assert json.loads(document.out)["data"]["fund"] is None


def test_key_rotate__only_on_chain_with_a_yes(hearth: Call, market: Market, home: Path) -> None:
    """The model's registry takes it; the config has no such node, and says so."""

    def boss(*arguments: str) -> Said:
        return hearth(*arguments, connect=lambda options: market.operator(0))

    market.mine(2 * 3_600)
    assert boss("key", "rotate", "0").code == 3
    dry = boss("key", "rotate", "0", "--dry-run", "--json")
    assert (dry.code, dry.data["old"]) == (0, market.town.node_keys[0].address)
    assert not (home / ".local/share/hearth/keys").exists()
    said = boss("key", "rotate", "0", "--yes", "--json")
    assert said.code == 0
    assert market.hearth.key_from_next(0) == said.data["new"]
    assert said.data["config"] is None
    used = boss("key", "rotate", "1", "--key", said.data["keystore"], "--yes")
    assert used.code == 4  # another provider's node
    mine = boss("key", "rotate", "0", "--key", said.data["keystore"], "--yes", "--json")
    assert mine.data["from_epoch"] == said.data["from_epoch"]  # done before
    assert boss("key", "rotate", "99", "--yes").code == 2
    assert boss("key", "rotate", "node", "--yes").code == 2
    assert boss("key", "rotate", "0", "--provider", "0", "--yes").code == 2


def test_key_rotate_operator__asks_are_void_and_named_and_the_new_key_signs(
    hearth: Call, market: Market, home: Path
) -> None:
    """The old key's asks fall, the command says which; what an interrupted call left is taken up, never made twice."""
    keys, offers = home / ".local/share/hearth/keys", home / ".local/share/hearth/offers"
    offers.mkdir(parents=True)
    signed = market.offer(0, 3 * RATE, name="mine")
    (offers / "mine.json").write_text((market.folder / "mine.json").read_text())
    market.offer(1)

    def boss(*arguments: str) -> Said:
        return hearth(*arguments, connect=lambda options: market.operator(0))

    old = market.town.operators[0].address.lower()
    asked = boss("key", "rotate", "operator")
    assert asked.code == 3
    assert "every ask signed before is void at that block, 1 of them" in asked.err
    dry = boss("key", "rotate", "operator", "--dry-run", "--json")
    assert (dry.code, dry.data["old"], len(dry.data["void_asks"])) == (0, old, 1)
    assert boss("key", "rotate", "operator", "--provider", "1", "--yes").code == 4  # another's
    assert not keys.exists() and market.sent == []

    said = boss("key", "rotate", "operator", "--yes")
    assert said.code == 0
    assert "sign them again" in said.out and f"hearth node price 0 --usd 1.080 --sheet 0 --out {offers}" in said.err
    word = market.hearth.reads.provider(0)
    new = address_text(word.operator)
    assert (word.generation, new) == (1, keystore_address(keys / "operator-2.json"))
    assert market.hearth.offers().left_out == {"signature is not the operator's": 1}
    section = load_settings({}).section("operator")
    assert section.keystore == keys / "operator-2.json"

    # the owner's key signs no ask any more, the operator's does
    owner = market.operator(0)
    with pytest.raises(HearthError) as refused:
        owner.sign_ask(0, [0], RATE, sheet=0, expiry_at=signed.ask.expiry)
    assert refused.value.code == "H1104"
    owner._operator = lambda: key_of(section)
    again = owner.sign_ask(0, [0], RATE, sheet=0, expiry_at=signed.ask.expiry)
    market.write("again", to_json(again, owner.market_domain))
    assert {row.node for row in market.hearth.offers().rows} == {0, 1}


@pytest.mark.parametrize("stage", ["before the transaction", "before the config"])
def test_key_rotate_operator__interrupted__goes_on_with_the_same_key(
    hearth: Call, market: Market, home: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def boss(*arguments: str) -> Said:
        return hearth(*arguments, connect=lambda options: market.operator(0))

    def dies(*_: object, **__: object) -> None:
        raise HearthError("H2001", "no endpoint answers")

    with monkeypatch.context() as patched:
        if stage == "before the transaction":
            patched.setattr("keepers.sdk.providing.Providing.rotate_operator", dies)
        else:
            patched.setattr("keepers.cli.config.write_settings", dies)
        assert boss("key", "rotate", "operator", "--yes").code == 7
    left = keystore_address(home / ".local/share/hearth/keys/operator-2.json")
    said = boss("key", "rotate", "operator", "--yes", "--json")
    assert (said.code, said.data["new"], said.data["generation"]) == (0, left, 1)
    assert len([call for call in market.sent if call.function == "set_operator"]) == 1
    third = boss("key", "rotate", "operator", "--yes", "--json")  # done: once more is another key
    assert (third.data["generation"], third.data["keystore"][-15:]) == (2, "operator-3.json")


# ---- exposure


def test_exposure__what_was_settled_stays_within_reach_until_its_price_is_final(after: Call, ended: Market) -> None:
    """Of the ended lease nothing is left in the escrow; its tallies count until their periods are closed."""
    town = ended.town
    hub, at = town.world.hub, ended.hearth.head()
    dispute = town.parameters.dispute * town.calendar.epoch_seconds
    tallies = {key: b.credits for key, b in town.world.escrow.tallies.items() if b.credits}
    waiting = sum(
        c for (_, p), c in tallies.items() if not hub.periods[p].closed(hub.last_epoch, at.timestamp, dispute)
    )
    assert 0 < waiting <= sum(tallies.values())
    found = after("exposure", "--json").data
    assert (found["leases"], int(found["all_wei"])) == (0, waiting) and int(found["tallies_wei"]) == waiting
