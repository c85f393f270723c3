"""Profiles: what is shipped holds its rules; what is wrong is named, all of it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts._errors import DeployError
from scripts._profile import Profile, broken_rules, committee_text, load_profile, rules
from scripts._wiring import class_row


@pytest.mark.parametrize("name", ["default", "local", "replay"])
def test_load_profile__shipped__breaks_no_rule(name: str) -> None:
    profile = load_profile(name)
    assert broken_rules(profile) == []
    assert len(list(rules(profile))) > 15


def test_load_profile__default__has_the_protocol_s_lengths() -> None:
    p = load_profile("default")
    assert (p.calendar.slot_s, p.calendar.epoch_s, p.calendar.period_s) == (300, 3_600, 86_400)
    assert (p.lengths.dispute_epochs, p.lengths.grace_epochs, p.max_age_s) == (24, 24, 7_200)
    assert (p.lengths.abandon_s, p.lengths.claim_s, p.lengths.unbonding_s) == (7 * 86_400, 3 * 86_400, 14 * 86_400)
    assert (p.engine.bounty_bps, p.engine.fee_bps, p.engine.spread_bps) == (100, 400, 25)
    assert (p.challenge.rate_bps, p.challenge.network_s, p.allowances.openings) == (200, 10, 60)
    assert not p.network.local
    assert not p.network.open


def test_load_profile__local__is_compressed_and_for_one_chain_only() -> None:
    p = load_profile("local")
    assert (p.calendar.epoch_s, p.calendar.period_s, p.lengths.dispute_epochs) == (12, 24, 1)
    assert p.network.chain_ids == [31_337]
    assert (p.finality.kind, p.finality.value) == ("depth", 2)
    assert (p.challenge.rate_bps, p.challenge.network_s, p.allowances.openings) == (2_500, 0, 2)
    assert p.classes == load_profile("default").classes  # what it does not say is the default's


def test_load_profile__replay__pays_without_conditions() -> None:
    replay = load_profile("replay")
    sheet = replay.sheets[0]
    assert (replay.challenge.rate_bps, replay.challenge.network_s) == (200, 0)
    assert (sheet.min_seconds, sheet.dark_limit_s) == (0, 2**32 - 1)


def test_load_profile__unknown_name__lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"default, local, replay") as refused:
        load_profile("akesh")
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('extends = "default"\n[price]\nfirst_usd = 0.5\nbound_bps = 10', "a float is not exact"),
        ('extends = "default"\n[price]\nfirst_usd = "0.0000000000001"\nbound_bps = 10', "more than 12 decimals"),
        ('extends = "default"\n[price]\nfirst_usd = "-1"\nbound_bps = 10', "negative"),
        ('extends = "default"\n[price]\nfirst_usd = "one"\nbound_bps = 10', "not a number"),
        ('extends = "default"\n[engine]\nfee_pbs = 1', "engine.fee_pbs"),
        ('extends = "default"\n[lengths]\nmax_age_epochs = 169', "max_age_epochs"),
        ('extends = "default"\n[challenge]\nrate_bps = 10_001', "challenge.rate_bps"),
        ('extends = "default"\n[token]\nholder = "0x12"', "token.holder"),
        ('about = "x"', "network"),
        ('extends = "nothing"', "no profile 'nothing'"),
        ("extends = 3", "no circle"),
        ("[[", "TOML"),
        ('extends = "default"\nname = "x"', "name"),
    ],
)
def test_load_profile__wrong_file__says_what(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(DeployError, match=r"H7101") as refused:
        load_profile(str(path))
    assert word in str(refused.value)


def changed(section: str, **values: Any) -> Profile:
    p = load_profile("default")
    return p.model_copy(update={section: getattr(p, section).model_copy(update=values)})


@pytest.mark.parametrize(
    ("section", "values", "word"),
    [
        ("engine", {"peg_bps": 9_901}, "peg"),
        ("engine", {"cap_bps": 10_001}, "CAP"),
        ("engine", {"bounty_bps": 101}, "bounty"),
        ("engine", {"fee_bps": 901}, "bounty + fee"),
        ("engine", {"attesters_bps": 3_001}, "attesters"),
        ("engine", {"builders_bps": 2_001}, "builders"),
        ("price", {"first_usd": 0}, "price and stake price"),
        ("price", {"bound_bps": 0}, "price bound"),
        ("price", {"bound_bps": 5_001}, "price bound"),  # price_feed.vy MAX_BOUND
        ("token", {"supply_tokens": 10**28 + 1}, "supply"),
        ("lengths", {"unbonding_s": 1_209_599}, "unbonding"),
        ("lengths", {"cooldown_s": 604_799}, "cooldown"),
        ("lengths", {"abandon_s": 86_400}, "abandon"),
        ("lengths", {"abandon_s": 2_048 * 3_600}, "leaves the ring"),
        ("allowances", {"late": 31.0}, "allowances"),
        ("network", {"open": True}, "local network only"),
        ("calendar", {"align_s": 301}, "aligned"),
    ],
)
def test_rules__one_parameter_over_its_bound__is_the_only_rule_named(
    section: str, values: dict[str, Any], word: str
) -> None:
    broken = broken_rules(changed(section, **values))
    assert any(word in text for text in broken), broken


# The H100 of scripts/profiles/classes.toml: T 325.4 s, so 400.48 s are the least deadline at L = 10.
CHALLENGED = {"n": 65_536, "rounds": 512, "deadline_s": 401, "honest_s": 325.4}


def sized(name: str = "default", **change: Any) -> Profile:
    """A profile whose first class is challenged."""
    p = load_profile(name)
    row = p.classes[0].model_copy(update={**CHALLENGED, **change})
    return p.model_copy(update={"classes": [row, *p.classes[1:]]})


def test_rules__class_by_the_sizing_rule__breaks_none_and_its_size_reaches_the_registry() -> None:
    p = sized()
    assert broken_rules(p) == []
    assert len(list(rules(p))) == len(list(rules(load_profile("default")))) + 4
    assert class_row(p.classes[0])[-4:] == (65_536, 512, 401, False)
    assert class_row(p.classes[1])[-4:] == (0, 0, 0, False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"deadline_s": 400}, ["deadline 400 >= 1.2 T + L = 400.48 s"]),
        ({"honest_s": 199.9}, ["T 199.9 s > 0 and >= 20 L = 200 s"]),
        ({"honest_s": 0.0}, ["T 0 s > 0"]),
        ({"deadline_s": 2_341}, ["deadline 2341 + openings 60 <= 2/3 epoch = 2400 s"]),
        ({"n": 65_535}, ["n = 65535 is no power of two"]),
        ({"n": 128}, ["n = 128"]),
        ({"rounds": 511}, ["rounds = 511"]),
        ({"rounds": 0}, ["rounds = 0"]),
        ({"rounds": 0, "n": 0, "deadline_s": 0}, ["n = 0", "deadline 0"]),
        ({"deadline_s": 0}, ["needs a deadline", "deadline 0"]),
    ],
)
def test_rules__class_against_the_sizing_rule__refused_with_the_numbers(
    change: dict[str, Any], words: list[str]
) -> None:
    broken = broken_rules(sized(**change))
    assert len(broken) == len(words)
    for text, word in zip(broken, words, strict=True):
        assert word in text and text.startswith("class H100-SXM5-80GB: ")


@pytest.mark.parametrize(
    ("section", "values", "word"),
    [
        ("challenge", {"network_s": 16.5}, "20 L = 330 s"),
        ("allowances", {"openings": 2_000.0}, "openings 2000"),
        ("calendar", {"slot_s": 57}, "2/3 epoch = 456 s"),
    ],
)
def test_rules__network_that_has_no_room_for_a_class__refused_with_the_numbers(
    section: str, values: dict[str, Any], word: str
) -> None:
    p = sized()
    p = p.model_copy(update={section: getattr(p, section).model_copy(update=values)})
    assert any(word in text and text.startswith("class ") for text in broken_rules(p))


@pytest.mark.parametrize(
    ("change", "holds"),
    [({}, True), ({"deadline_s": 7}, False), ({"honest_s": 5.1}, False), ({"honest_s": 0.01, "deadline_s": 1}, True)],
)
def test_rules__class_of_a_local_network__no_allowance_and_two_thirds_of_12_seconds(
    change: dict[str, Any], holds: bool
) -> None:
    p = sized("local", **{"n": 256, "rounds": 8, "deadline_s": 6, "honest_s": 5.0, **change})
    assert (broken_rules(p) == []) is holds


def test_committee_text__names_what_follows_from_the_size() -> None:
    assert committee_text(7) == "7 seats, f 2, quorum 5"
    assert committee_text(0) == "no seats yet"
