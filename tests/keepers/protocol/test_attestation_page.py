"""docs/attestation.md: each layout is the code's, the example gives what it prints, the tables name what is there."""

from __future__ import annotations

import doctest
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import gas, rebuild, scale
from keepers.protocol import messages
from keepers.protocol.counters import Header, Leaf
from keepers.protocol.merge import Body
from keepers.protocol.price import PeriodWord, PriceWord
from keepers.protocol.records import FULL_MASK, MAX_DATA_GROUPS, MAX_POSTED_GROUPS, Record
from keepers.protocol.report import Facts
from keepers.protocol.seats import Seat
from keepers.wire.codec import BEAT_BYTES, MAX_NODES, Beat, pack_beats

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "attestation.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d+)(?:-(\d+))? \| ([A-Za-z_ ]+) \|", re.M)


def section(title: str, level: str = "###") -> str:
    """The text below a heading, up to the next one."""
    return re.split(r"^#{2,3} ", TEXT.split(f"\n{level} {title}\n")[1], flags=re.M)[0]


def layout(title: str) -> dict[str, tuple[int, int]]:
    """field -> (lowest bit or byte, width) of a section's tables."""
    found = {name: (int(low), int(high or low) - int(low) + 1) for low, high, name in ROW.findall(section(title))}
    assert found, title
    return found


def of(base: Any, **names: str) -> Callable[[str, int], int]:
    """Packs `base` with one field of the page set; `names`: the page's name -> the code's, where they differ."""

    def packed(name: str, value: int) -> int:
        field = names.get(name.replace(" ", "_"), name.replace(" ", "_"))
        kind = type(getattr(base, field))
        return int(replace(base, **{field: kind(value)}).pack())

    return packed


def record(name: str, value: int) -> int:
    """The same of a record, which is bytes; its spare bits have no field."""
    return int.from_bytes(replace(Record(0, 0, 0, 0), **{name: value}).encode(), "big")


WORDS: dict[str, Callable[[str, int], int]] = {
    "Leaf": of(Leaf(), I="indeterminate", Q="challenged"),
    "Header": of(Header(), V="void_epochs", Q="challenged_epochs", I="indeterminate"),
    "Facts": of(Facts(0, 0, 0, 0)),
    "Period word": of(PeriodWord(), R_p="price"),
    "Seat": of(Seat()),
    "Record": record,
}


@pytest.mark.parametrize("title", WORDS)
def test_layout__each_field_lies_where_the_page_says(title: str) -> None:
    fields = layout(title)
    for name, (low, width) in fields.items():
        if name == "spare":
            with pytest.raises(ValueError, match="spare"):
                Record.decode((((1 << width) - 1) << low).to_bytes(5, "big"))
            continue
        top = (1 << width) - 1
        assert WORDS[title](name, top) == top << low, name
        if width > 1 and title not in ("Seat", "Record"):
            with pytest.raises((ValueError, OverflowError)):
                WORDS[title](name, top + 1)


def test_layout__no_field_is_left_out() -> None:
    for title, kind in (
        ("Leaf", Leaf),
        ("Header", Header),
        ("Facts", Facts),
        ("Seat", Seat),
        ("Period word", PeriodWord),
    ):
        assert len(layout(title)) == len(kind.__dataclass_fields__), title
    assert sum(width for _, width in layout("Record").values()) == 40


def test_layout__price_word() -> None:
    fields, none = layout("Price word"), PriceWord(0, 0, 0, 0)
    names = {"P": "spot", "TWAP": "twap", "stake price": "stake_price", "stamp": "stamp", "flags": "flags"}
    for name, field in names.items():
        low, width = fields.pop(name)
        top = (1 << width) - 1
        assert replace(none, **{field: top}).pack() == top << low, name
    assert fields == {"age": (0, 8), "draw": (8, 56)}, "the ring's low 64 bits; tests/contracts/consensus compares them"


def test_layout__words_that_only_contracts_write_stand_so_in_their_source() -> None:
    hub = (ROOT / "contracts/consensus/AttestationHub.vy").read_text(encoding="utf-8")
    refuter = (ROOT / "contracts/consensus/ReportRefuter.vy").read_text(encoding="utf-8")
    assert layout("Ring words") == {"time": (0, 32), "who": (32, 31), "clamped": (63, 1), "digest": (64, 192)}
    assert "digest >> 64 << 64 | clamped @63 | who 31 @32 | time 32 @0" in hub
    assert "draw 56 @8" in hub and "age 8 @0" in hub
    fault = layout("Fault")
    said = " | ".join(f"{name} {width} @{low}" for name, (low, width) in reversed(fault.items()))
    assert said in refuter


def test_layout__heartbeat() -> None:
    beat = Beat(0, 0, 0, 0, bytes(32), bytes(32), bytes(65))
    tops: dict[str, Any] = {"node": 2**24 - 1, "epoch": 2**32 - 1, "number": 2**48 - 1}
    for name, (low, width) in layout("Heartbeat").items():
        changed = {name: 11 if name == "slot" else tops.get(name, b"\xff" * width)}
        body = pack_beats([Beat(**{**{f: getattr(beat, f) for f in beat.__struct_fields__}, **changed})])
        filled = {at for at, byte in enumerate(body) if byte}
        assert filled == set(range(low, low + width)), name
    assert sum(width for _, width in layout("Heartbeat").values()) == BEAT_BYTES == len(pack_beats([beat]))


def test_layout__observation() -> None:
    fields = layout("Observation")
    assert fields == {"seen": (0, 12), "passed": (12, 1), "failed": (13, 1)}
    assert (1 << fields["seen"][1]) - 1 == FULL_MASK
    assert Body((0x0102, 3), -1).encode().hex() == "01020003ffffffff"
    assert f"{Body.length(100_000):,} bytes" in section("Observation")


def test_digests__type_strings_are_those_that_are_signed() -> None:
    said = re.findall(r"^    (\w+\(uint256.*\))$", section("Digests"), re.M)
    kinds = (messages.Report, messages.VoidReport, messages.SignedObservation, messages.Heartbeat)
    assert said == [kind.TYPE for kind in kinds]


def test_example__gives_what_it_prints() -> None:
    blocks = "\n".join(re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S))
    example = doctest.DocTestParser().get_doctest(blocks, {}, PAGE.name, str(PAGE), 0)
    assert len(example.examples) > 25
    said: list[str] = []
    assert doctest.DocTestRunner(verbose=False).run(example, out=said.append).failed == 0, "".join(said)


def test_tables__every_file_and_function_is_there() -> None:
    for path in re.findall(r"`((?:roles|protocol|chain|wire)/[\w/]+\.py|modules/\w+\.vy)`", TEXT):
        place = ROOT / ("contracts" if path.endswith(".vy") else "keepers") / path
        assert place.is_file(), path
    for contract, function in re.findall(r"`([A-Z]\w+)\.(_?\w+)`", TEXT):
        (source,) = (ROOT / "contracts").glob(f"*/{contract}.vy")
        text = source.read_text(encoding="utf-8")
        assert f"def {function}(" in text or f"\n{function}: public(" in text, f"{contract}.{function}"


def test_scale__rows_are_those_that_the_bench_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds are a machine's; what can be counted is compared."""
    monkeypatch.setattr(rebuild, "EPOCHS", 3)
    lines = section("What it costs as the network grows", "##").splitlines()
    page = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    made = scale.table(scale.NODES[:2], with_gas=False)
    assert [row[0] for row in page] == ["nodes", "---", "gas of the report", *(row[0] for row in made)]
    rows = {row[0]: row[1:] for row in page}
    for name, *cells in made:
        if not name.endswith(", s"):
            assert rows[name][:2] == cells, name
    assert rows["nodes"] == [f"{n:,}" for n in scale.NODES]
    assert rows["body of one observation, bytes"][2] == f"{Body.length(100_000):,}"
    assert rows["gas of the report"][2] == f"{gas.committed()['gas.report.100k_k5']:,}"
    assert f"at most {MAX_NODES:,} nodes" in TEXT
    assert f"at most {MAX_DATA_GROUPS} groups" in TEXT and f"at most {MAX_POSTED_GROUPS} groups" in TEXT
