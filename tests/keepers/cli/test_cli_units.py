"""What people type: exact in, refused with the smallest valid value, rounded down on the screen."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest

from keepers.cli import output, units
from keepers.protocol.errors import HearthError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12h", 43_200),
        ("90m", 5_400),
        ("1d 6h", 108_000),
        ("5 h 05 min", 18_300),
        ("300", 300),
        ("0.5h", 1_800),
        ("45s", 45),
    ],
)
def test_duration(text: str, seconds: int) -> None:
    assert units.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5h", "h", "5 parsecs", "0.3s", "12h tomorrow", "9999999d"])
def test_duration__refused(text: str) -> None:
    with pytest.raises(HearthError) as error:
        units.duration(text)
    assert (error.value.code, error.value.exit_code) == ("H1005", 2)


@pytest.mark.parametrize("text", ["1.80", "$1.80", "$1.80/h", "1.80 / hour", "1.80/gpu-hour"])
def test_price(text: str) -> None:
    assert units.price(text) == Fraction(9, 5)


@pytest.mark.parametrize("text", ["0", "-1", "free", "1e5", "1/2", ""])
def test_price__refused(text: str) -> None:
    with pytest.raises(HearthError, match="no price"):
        units.price(text)


def test_money() -> None:
    assert units.usd_wei("$12.5") == 125 * 10**17
    assert units.usd_wei("0.000000000000000001") == 1
    assert units.token_gwei("0.000000001") == 1
    for wrong in ("0.0000000000000000001", "0", "x"):
        with pytest.raises(HearthError):
            units.usd_wei(wrong)
    with pytest.raises(HearthError, match="9 decimals"):
        units.token_gwei("0.0000000001")


def test_gpu() -> None:
    assert units.gpu("H100:8") == ("H100", 8)
    assert units.gpu("RTX-4090") == ("RTX-4090", 1)
    for wrong in ("", ":2", "H100:0", "H100:17", "H100:x"):
        with pytest.raises(HearthError, match="no GPU"):
            units.gpu(wrong)


def test_say__never_more_than_there_is() -> None:
    assert units.say_usd(10**18 - 1) == "$0.9999"
    assert units.say_usd(-(10**18)) == "$-1.0000" or units.say_usd(-(10**18)) == "-$1.0000"
    assert units.say_tokens(24_060_299 * 10**12) == "24.0602 HRTH"
    assert units.say_duration(18_300) == "5 h 05 min"
    assert units.say_duration(59) == "59 s"
    assert units.say_duration(3 * 86_400 + 7_200) == "3 d 02 h"
    assert units.rfc3339(0) == "1970-01-01T00:00:00Z"
    assert units.short("0x12ab000000000000000000000000000000000090ef"[:42]).startswith("0x12ab…")


def test_address() -> None:
    assert units.address_number("0x" + "0" * 39 + "f") == 15
    with pytest.raises(HearthError, match="no address"):
        units.address_number("0x12")


def test_json__large_integers_are_strings() -> None:
    assert output.plain({"a": 2**53, "b": 2**53 + 1, "c": b"\x01", "d": (1, None), "e": True}) == {
        "a": 2**53, "b": str(2**53 + 1), "c": "0x01", "d": [1, None], "e": True,
    }  # fmt: skip


def test_table__drops_last_columns_and_never_wraps() -> None:
    rows = [["1", "x" * 10, "y" * 10]]
    assert output.table(["n", "long", "more"], rows, 100).splitlines()[1] == f"1  {'x' * 10}  {'y' * 10}"
    assert output.table(["n", "long", "more"], rows, 16).splitlines() == ["n  long", f"1  {'x' * 10}"]


def test_color__off_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert output.wants_color(Terminal(), False)  # type: ignore[arg-type]
    assert not output.wants_color(Terminal(), True)  # type: ignore[arg-type]
    monkeypatch.setenv("NO_COLOR", "1")
    assert not output.wants_color(Terminal(), False)  # type: ignore[arg-type]


def test_times_on_the_screen_follow_the_machine_only_if_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert units.say_when(1_800_000_000) == "2027-01-15 08:00:00 UTC"
        monkeypatch.setenv("HEARTH_TZ", "local")
        assert units.say_when(1_800_000_000) == "2027-01-15 13:30:00 IST"
        assert units.say_time(1_800_000_000) == "2027-01-15 08:00:00 UTC", "of receipts"
    finally:
        monkeypatch.undo()
        time.tzset()
