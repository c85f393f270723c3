"""`hearth challenge`: verdicts before anything is sent, a proof without a key, a refutation that is resumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keepers.wire.codec import encode
from tests.keepers.cli.conftest import Call, Said
from tests.support.bad_answers import Chain


class Case:
    """A chain, a bad answer's file, and the command."""

    def __init__(self, hearth: Call, home: Path) -> None:
        self.chain, self._hearth, self.home = Chain(), hearth, home
        self.file = home / "bad.json"
        self.file.write_bytes(encode([self.chain.shown()]))

    def __call__(self, *arguments: str, with_key: bool = True) -> Said:
        return self._hearth("challenge", *arguments, connect=lambda options: self.chain.person(with_key))


@pytest.fixture
def case(hearth: Call, home: Path) -> Case:
    return Case(hearth, home)


def test_show__without_a_key__says_what_is_false_and_what_it_pays(case: Case) -> None:
    said = case("show", str(case.file), with_key=False)
    assert said.code == 0, said.err
    for words in ("node 3  epoch 30", "can be refuted", "column 200", "pays   about 0.4000 HRTH", "gas · until"):
        assert words in said.out, said.out
    (row,) = case("show", str(case.file), "--json").data
    assert (row["refutable"], row["col"], row["reward_wei"]) == (True, 200, str(4 * 10**17))
    assert case("show", str(case.file), "4", "--json").data == [], "of another node"


def test_show__an_honest_row__is_no_error(case: Case) -> None:
    case.file.write_bytes(encode(case.chain.shown(false=False)))
    said = case("show", str(case.file))
    assert said.code == 0 and "every entry of the row is right" in said.out


def test_prove__writes_the_call__refute_takes_it(case: Case) -> None:
    proof = case.home / "proof.json"
    said = case("prove", str(case.file), "-o", str(proof), with_key=False)
    assert said.code == 0, said.err
    document = json.loads(proof.read_text())
    assert document["schema"] == "hearth.refutation/1" and document["calldata"].startswith("0x")
    assert "column 200" in document["says"] and case.chain.sent == []
    assert case("refute", str(proof), "--yes").code == 0
    assert case.chain.sent == ["commit", "refute"]


def test_refute__plan_first__then_once(case: Case) -> None:
    dry = case("refute", str(case.file), "--dry-run")
    assert dry.code == 0 and "plan  commit, then refute the answer of node 3" in dry.err
    assert case("refute", str(case.file)).code == 3, "nobody can answer"
    assert case("refute", str(case.file), "--yes", with_key=False).code == 4
    assert case.chain.sent == []
    done = case("refute", str(case.file), "--yes")
    assert done.code == 0 and "node 3 is Faulted for epoch 30" in done.out, done.err
    assert case("refute", str(case.file), "--yes", "--json").data[0]["node"] == 3, "repeated: the first result"
    assert case.chain.sent == ["commit", "refute"]


def test_refute__several_nodes__each_of_them_and_each_once(case: Case) -> None:
    chain = case.chain
    chain.others = {5: 0, 8: 0}
    rows = [chain.shown(), chain.shown(node=5), chain.shown(node=8), chain.shown(node=8, row=6), chain.shown(row=6)]
    case.file.write_bytes(encode(rows))
    dry = case("refute", str(case.file), "--dry-run", "--json")
    assert [row["node"] for row in dry.data] == [3, 5, 8] and chain.sent == []
    done = case("refute", str(case.file), "--yes")
    assert done.code == 0, done.err
    assert chain.sent == ["commit", "refute"] * 3
    assert [line.split(" is ")[0] for line in done.out.splitlines()] == ["node 3", "node 5", "node 8"]
    again = case("refute", str(case.file), "--yes", "--json")
    assert [one["node"] for one in again.data] == [3, 5, 8] and len(chain.sent) == 6
    assert again.data[0]["reward_wei"] == 400 * 10**9


def test_refute__one_that_fails__the_others_are_told_and_it_goes_on(case: Case) -> None:
    chain = case.chain
    chain.others = {5: 0}
    case.file.write_bytes(encode([chain.shown(), chain.shown(node=5)]))
    chain.stop_at = ("refute", 5)
    said = case("refute", str(case.file), "--yes")
    assert said.code != 0 and "done  1 of 2 nodes" in said.err
    assert chain.sent == ["commit", "refute", "commit"]
    chain.stop_at = None
    done = case("refute", str(case.file), "--yes")
    assert done.code == 0 and "node 3 is" in done.out and "node 5 is" in done.out
    assert chain.sent == ["commit", "refute", "commit", "refute"]


def test_refute__another_was_first_with_one__the_other_is_refuted(case: Case) -> None:
    chain = case.chain
    chain.others = {5: chain.calendar.epoch(chain.now)}
    case.file.write_bytes(encode([chain.shown(node=5), chain.shown()]))
    done = case("refute", str(case.file), "--yes", "--json")
    assert [one["node"] for one in done.data] == [3] and chain.sent == ["commit", "refute"]


def test_refute__what_is_not_false__costs_nothing(case: Case) -> None:
    case.file.write_bytes(encode(case.chain.shown(false=False)))
    said = case("refute", str(case.file), "--yes")
    assert said.code == 1 and "error[H2539]" in said.err and "plan" not in said.err
    case.file.write_text("{}")
    assert case("refute", str(case.file), "--yes").code == 2
    assert case("show", str(case.home / "none.json")).code == 2
    assert case.chain.sent == []
