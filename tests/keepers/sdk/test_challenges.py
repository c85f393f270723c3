"""Bad answers: what is false, what is not and why, proofs on paper, and a refutation that is resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec import structs

from keepers.protocol.errors import HearthError
from keepers.sdk.challenges import choose
from keepers.wire.codec import ShownRow, encode
from keepers.wire.refuting import Standing
from tests.keepers.roles.town import key
from tests.support.bad_answers import EPOCH, GPUS, UNITS, WINDOW, Chain

Change = Callable[[Chain], object]


def test_judge__a_wrong_entry__is_found_with_its_price() -> None:
    chain = Chain()
    (found,) = chain.person(with_key=False).judge([chain.shown()])
    assert (found.standing, found.proof and found.proof.shown.col) == (Standing.FALSE, 200), found.why
    assert found.committed == found.correct + 1
    stake = chain.person(with_key=False).at_stake(found)
    assert stake.loss_wei == UNITS * GPUS * 10**9 and stake.reward_wei == stake.loss_wei // 5
    assert 200_000 < found.gas < 220_000


def test_at_stake__twice_within_thirty_periods_of_the_last_fault() -> None:
    chain = Chain(fault=EPOCH - 1)
    hearth = chain.person(with_key=False)
    (found,) = hearth.judge([chain.shown()])
    assert hearth.at_stake(found).loss_wei == 2 * UNITS * GPUS * 10**9
    last = chain.calendar.start(EPOCH - 1 + 30 * chain.calendar.epochs_per_period)
    within, after = (
        replace(found, facts=replace(found.facts, now=now)) for now in (last, last + chain.calendar.epoch_seconds)
    )
    assert hearth.at_stake(within).loss_wei == 2 * hearth.at_stake(after).loss_wei


def test_judge__many_rows__the_quick_check_keeps_the_honest_apart() -> None:
    chain = Chain()
    rows = [chain.shown(row=row, round_=round_) for row, round_ in ((6, 1), (7, 1), (7, 0))]
    judged = chain.person().judge(rows)
    assert [one.standing for one in judged] == [Standing.HONEST, Standing.FALSE, Standing.HONEST]
    assert choose(judged) is judged[1]


@pytest.mark.parametrize(
    ("standing", "code", "change"),
    [
        (Standing.OTHER_SEEDS, "H2526", lambda chain: setattr(chain, "seeds", (1, 2))),
        (Standing.NO_SEED, "H2520", lambda chain: setattr(chain, "seeds", (0, 0))),
        (Standing.CLOSED, "H2521", lambda chain: setattr(chain, "now", chain.calendar.end(EPOCH) + WINDOW + 1)),
        (Standing.SAME_FAULT, "H2522", lambda chain: setattr(chain, "fault", EPOCH)),
        (Standing.NO_WORK, "H2528", lambda chain: setattr(chain, "rounds", 0)),
    ],
)
def test_refute__the_chain_would_refuse__nothing_is_sent(standing: Standing, code: str, change: Change) -> None:
    chain = Chain()
    change(chain)
    hearth = chain.person()
    judged = hearth.judge([chain.shown()])
    assert judged[0].standing is standing
    with pytest.raises(HearthError) as found:
        hearth.refute(choose(judged))
    assert found.value.code == code and chain.sent == []


def test_judge__until_the_last_second_of_the_window() -> None:
    chain = Chain()
    chain.now += WINDOW
    assert chain.person().judge([chain.shown()])[0].standing is Standing.FALSE


def _opened(shown: ShownRow, **changes: object) -> ShownRow:
    return structs.replace(shown, opened=structs.replace(shown.opened, **changes))


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("row has 768 bytes", lambda s: _opened(s, row=s.opened.row[:384])),
        ("path has 8 hashes", lambda s: _opened(s, path=s.opened.path[32:])),
        ("hashes of 32 bytes", lambda s: _opened(s, list_path=b"x")),
        ("signed root", lambda s: _opened(s, previous=bytes(32))),
        ("of another answer", lambda s: _opened(s, root=bytes(32))),
        ("no such place", lambda s: _opened(s, place=structs.replace(s.opened.place, round=9))),
    ],
)
def test_judge__malformed__is_named(words: str, change: Callable[[ShownRow], ShownRow]) -> None:
    chain = Chain()
    (found,) = chain.person().judge([change(chain.shown())])
    assert found.standing is Standing.MALFORMED and words in found.why


def test_judge__signed_by_another__or_by_nobody() -> None:
    chain = Chain()
    shown = chain.shown()
    nobody = structs.replace(shown, answer=structs.replace(shown.answer, signature=bytes(65)))
    judged = chain.person().judge([chain.shown(signer=key("another")), nobody])
    assert {one.standing for one in judged} == {Standing.OTHER_KEY}


def test_read__a_row_a_list_or_a_proof__else_h1006() -> None:
    chain = Chain()
    hearth, shown = chain.person(), chain.shown()
    assert hearth.read_bad(encode(shown)) == (shown,)
    assert hearth.read_bad(encode([shown, shown])) == (shown, shown) and hearth.read_bad(b"[]") == ()
    (judged,) = hearth.judge([shown])
    document = hearth.proof_document(judged)
    assert hearth.read_bad(json.dumps(document).encode()) == (judged.proof,)
    assert judged.proof is not None and hearth.judge([judged.proof])[0].correct == judged.correct
    for text in (b"", b"{}", b"[1]", b"[[1]]", json.dumps({**document, "chain_id": 1}).encode(),
                 json.dumps({**document, "root": "0x12"}).encode()):  # fmt: skip
        with pytest.raises(HearthError) as found:
            hearth.read_bad(text)
        assert found.value.code == "H1006"


def test_refute__commits_first__then_is_paid() -> None:
    chain = Chain()
    hearth = chain.person()
    done = hearth.refute(choose(hearth.judge([chain.shown()])))
    assert chain.sent == ["commit", "refute"]
    assert (done.node, done.epoch, done.reward_wei) == (3, EPOCH, 400 * 10**9)
    assert hearth.refuted([chain.shown()]) == (replace(done, tx=hearth.refuted([chain.shown()])[0].tx),)
    assert hearth.judge([chain.shown()])[0].standing is Standing.SAME_FAULT


def test_refute__interrupted_after_the_commitment__goes_on_without_a_second() -> None:
    chain = Chain(stop="refute")
    hearth = chain.person()
    with pytest.raises(HearthError):
        hearth.refute(choose(hearth.judge([chain.shown()])))
    assert chain.sent == ["commit"] and hearth.refuted([chain.shown()]) == ()
    chain.stop = ""
    chain.rows.clear()  # on another machine: only the chain remembers
    hearth.refute(choose(hearth.judge([chain.shown()])))
    assert chain.sent == ["commit", "refute"]


def test_refute__an_honest_row__says_so() -> None:
    chain = Chain()
    with pytest.raises(HearthError) as found:
        choose(chain.person().judge([chain.shown(false=False)]))
    assert found.value.code == "H2539"
