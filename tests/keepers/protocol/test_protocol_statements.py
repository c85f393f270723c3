"""What seats sign, word by word: digest and place are those of the message. The bytecode's side: tests/model."""

from __future__ import annotations

from keepers.protocol.hashing import keccak, word
from keepers.protocol.messages import Domain, Report, SignedObservation, VoidReport
from keepers.protocol.report import Facts, view_number
from keepers.protocol.seats import Seat
from keepers.protocol.statements import OBSERVATION, REPORT, VOID, Statement, commitment

DOMAIN = Domain(31_337, "0x" + "c0" * 20)
VIEW = view_number(3, 7)
HASH = keccak(b"x")


def test_statement__of_each_message__its_digest_and_place() -> None:
    facts = Facts(9, 1, VIEW, 5).pack()
    for message, kind, place in (
        (SignedObservation(2, 8, 30, HASH, 5), OBSERVATION, (OBSERVATION, 2, 8, 0)),
        (Report(2, 8, HASH, HASH, facts, HASH), REPORT, (REPORT, 2, 8, VIEW)),
        (VoidReport(2, 8, 11, HASH, VIEW), VOID, (REPORT, 2, 8, VIEW)),
    ):
        made = Statement.of(message, b"sig")
        assert (made.kind, made.place, made.generation, made.epoch) == (kind, place, 2, 8)
        assert made.digest(DOMAIN) == message.digest(DOMAIN) and made.well_formed
        assert made.args == (kind, list(made.words), b"sig")


def test_statement__of_another_number_of_words__is_none() -> None:
    made = Statement.of(VoidReport(2, 8, 11, HASH, VIEW))
    assert not Statement(VOID, made.words[:-1]).well_formed
    assert not Statement(REPORT, made.words).well_formed and not Statement(3, made.words).well_formed


def test_statement__read_from_the_words_that_travel__is_that_of_its_message() -> None:
    report = Report(2, 8, HASH, HASH, Facts(9, 1, VIEW, 5).pack(), HASH)
    for message, kind in ((report, REPORT), (VoidReport(2, 8, 11, HASH, VIEW), VOID)):
        assert Statement.read(kind, message.words(), b"sig") == Statement.of(message, b"sig")
        for data in (b"", message.words()[:-1], message.words() + b"x", message.words()[:-32]):
            assert not Statement.read(kind, data, b"sig").well_formed
    assert not Statement.read(VOID, report.words(), b"sig").well_formed


def test_commitment__binds_the_finder_and_both_digests_in_order() -> None:
    a, b = keccak(b"a"), keccak(b"b")
    assert commitment(5, a, b) == keccak(word(5) + a + b) != commitment(5, b, a) != commitment(6, b, a)


def test_seat__word_and_back() -> None:
    made = Seat(10**22, 1_800_000_000, 1_800_000_001, 2**40 - 1, True)
    assert Seat.unpack(made.pack()) == made and Seat.unpack(0) == Seat()
