"""The demo's bill: what it says, and what it calls a fault."""

from __future__ import annotations

from dataclasses import replace

from keepers.demo.printout import LeaseBill, Story, Supply, gas_lines, next_lines, next_words, tokens, usd

WAD = 10**18
BILL = LeaseBill(
    number=1, wall_s=37, attested_s=30, dark_slots=7, slot_s=1, per_second=2 * 10**15, gpus=2, deposited=144 * 10**15,
    paid=60 * 10**15, bounty=6 * 10**14, returned=84 * 10**15, held=0, expected=60 * 10**15,
)  # fmt: skip
SUPPLY = Supply(
    genesis=100 * WAD, burned=20 * WAD, node_fees=3 * WAD, redeemed=4 * WAD, refunded=15 * WAD, now=96 * WAD
)


def test_bill__agrees() -> None:
    assert BILL.faults() == []
    text = "\n".join(BILL.lines())
    assert "0.074000" in text  # 37 s on the wall
    assert "deposited 0.144000 = paid 0.060000 + returned 0.084000 + held 0.000000" in text


def test_bill__one_wei_is_a_fault() -> None:
    (off,) = replace(BILL, expected=BILL.expected + 1).faults()
    assert off == "lease 1: paid 60000000000000000 wei, the second opinion says 60000000000000001"
    assert len(replace(BILL, returned=BILL.returned - 1).faults()) == 1
    assert len(replace(BILL, returned=BILL.returned - 1, held=1).faults()) == 1


def test_supply__equation_to_the_wei() -> None:
    assert SUPPLY.faults() == []
    assert "= 96.0000, to the wei" in SUPPLY.lines()[-1]
    assert "the supply is" in replace(SUPPLY, now=96 * WAD + 1).faults()[0]


def test_story__time_in_front() -> None:
    said: list[str] = []
    Story(said.append, lambda: 75.9).script("chain      anvil is up")
    assert said == ["[1:15] chain      anvil is up"]


def test_numbers__rounded_down() -> None:
    assert usd(10**18 - 1, 4) == "0.9999"
    assert tokens(1_234_567_899_999 * 10**12) == "1,234,567.8999"


def test_gas__a_line_a_function() -> None:
    lines = gas_lines({"B.b": [5, 3], "A.a": [1_000]})
    assert [line.split() for line in lines[1:]] == [["A.a", "1", "1,000", "1,000"], ["B.b", "2", "3", "5"]]


def test_next__commands_of_a_chain_only_while_it_stands() -> None:
    gone = next_words(".venv/bin/hearth", "renter.toml", 1, "receipt.html", kept=False)
    assert gone[0] == ".venv/bin/hearth demo --keep"
    assert not any("renter.toml" in line for line in gone)
    kept = next_words("hearth", "renter.toml", 1, "", kept=True)
    assert kept[0] == "hearth -c renter.toml status 1"
    assert {"hearth -c renter.toml verify 1", "hearth -c renter.toml watcher --once"} <= set(kept)
    assert not any("--keep" in line or "page" in line for line in kept)
    assert next_lines(kept)[0].split()[0] == "next"
