"""A bill that is right is said to be right; a bill that is off by one wei or one second anywhere is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keepers.chain.ports import Event
from keepers.protocol.errors import HearthError
from keepers.protocol.seconds import Why
from keepers.sdk import verify
from keepers.sdk.audit import Audit
from keepers.sdk.verify import Verified, Verify
from tests.keepers.roles.town import Town, record
from tests.keepers.sdk.test_fetch import serving


@pytest.fixture(scope="module")
def lived() -> Town:
    """Three nodes; the first is rented for ten hours, paid by the settler's settlements, closed after six, finished."""
    town = Town()
    town.run_epochs(4)
    lease = town.rent(0, 36_000)
    town.run_epochs(2)
    town.transport.down.add("seat-0")
    town.run_epochs(4)
    town.stop(lease)
    town.run_epochs(8)
    return town


@pytest.fixture
def checker(lived: Town) -> Verify:
    deployment = record([seat.address for seat in lived.seat_keys], lived.parameters)
    return Verify(Audit(lived.chain, deployment))


def test_a_bill_that_is_right(checker: Verify) -> None:
    found = checker.lease(1)
    assert found.right, found.checks
    assert found.money.settled > 0 and found.seconds(Why.PAID) == found.money.settled
    assert found.seconds(Why.AFTER) > 0 and sum(s.seconds for s in found.spans) == found.terms.duration
    assert found.deposited_wei == found.paid_wei + found.returned_wei + found.held_wei
    assert found.paid_wei == found.money.settled * found.terms.per_second
    assert "seconds counted slot by slot" in " ".join(check.what for check in found.checks)


TAMPERED = [
    ("Settled", "credits", 1, "credits"),
    ("Settled", "seconds", -1, "seconds by the leaf"),
    ("Settled", "seconds", 1, "seconds counted slot by slot"),
    ("Settled", "backing", 1, "backing"),
    ("Settled", "bounty", 1, "bounty"),
    ("Stopped", "refund", 1, "stop: credits sent home"),
    ("Stopped", "after", 40, "stop"),
    ("Opened", "credits", 1, "deposited = paid + returned + held"),
    ("Anchored", "base", 1, "anchor from epoch"),
]


@pytest.mark.parametrize(("name", "field", "by", "what"), TAMPERED)
def test_one_figure_off_is_found(
    lived: Town, checker: Verify, monkeypatch: pytest.MonkeyPatch, name: str, field: str, by: int, what: str
) -> None:
    monkeypatch.setattr(lived.chain, "log", [_changed(e, name, field, by) for e in lived.chain.log])
    found: Verified = checker.lease(1)
    wrong = [check for check in found.checks if not check.right]
    assert wrong and any(what in check.what for check in wrong), wrong


def _changed(event: Event, name: str, field: str, by: int) -> Event:
    if event.name != name:
        return event
    args = {**event.args, field: event.args[field] + by}
    return Event(event.contract, name, args, event.block_number, event.block_hash, event.index, b"", event.timestamp)


def test_a_wrong_root_under_the_lease_is_named(lived: Town, checker: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = [
        Event(e.contract, e.name, {**e.args, "root": b"\x66" * 32}, e.block_number, e.block_hash, e.index)
        if e.name == "Report" and e.args["epoch"] == 8
        else e
        for e in lived.chain.log
    ]
    monkeypatch.setattr(lived.chain, "log", changed)
    found = checker.lease(1)
    assert not found.right and "epoch 8" in found.checks[0].detail


def test_no_such_lease(checker: Verify) -> None:
    with pytest.raises(HearthError, match="there is no lease 9"):
        checker.lease(9)


@pytest.mark.parametrize("figure", ["1e999", "NaN", "null", "[]"])
def test_a_receipt_whose_figures_are_none(checker: Verify, tmp_path: Path, figure: str) -> None:
    totals = ",".join(f'"{name}_wei":1' for name in ("paid", "returned", "held"))
    data = f'{{"id":"0x1","lines":[],"deposited_wei":{figure},{totals}}}'
    (tmp_path / "receipt.json").write_text(f'{{"schema":"hearth.receipt/1","data":{data}}}')
    with pytest.raises(HearthError, match="is no receipt") as caught:
        checker.receipt(str(tmp_path / "receipt.json"))
    assert caught.value.code == "H1006"


# ---- receipts, in a file or at a URL


def receipt_of(found: Verified, town: Town) -> dict[str, Any]:
    """The fields of `hearth receipt LEASE --json` that a check reads, told from the events."""
    lines = []
    for event in town.chain.log:
        if event.args.get("id") != found.lease_id or event.name not in verify._MONEY:
            continue
        block, tx, seconds, deposited, paid, bounty, returned = verify._moved(event)
        lines.append(
            {"block": block, "tx": tx, "seconds": seconds, "deposited_wei": str(deposited), "paid_wei": str(paid),
             "bounty_wei": str(bounty), "returned_wei": str(returned)}
        )  # fmt: skip
    totals = {name: str(getattr(found, name)) for name in ("deposited_wei", "paid_wei", "returned_wei", "held_wei")}
    return {"schema": "hearth.receipt/1", "data": {"id": f"0x{found.lease_id:064x}", "lines": lines, **totals}}


def test_receipt__the_same_in_a_file_and_at_a_url(lived: Town, checker: Verify, tmp_path: Path, loopback: None) -> None:
    document = receipt_of(checker.lease(1), lived)
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(document))
    with serving(200, path.read_bytes()) as url:
        at_url = checker.receipt(f"{url}/receipt.json")
    in_file = checker.receipt(str(path))
    assert at_url.right and at_url.checks == in_file.checks
    assert any("lines of the receipt stand on chain" in check.what for check in at_url.checks)
    document["data"]["paid_wei"] = str(int(document["data"]["paid_wei"]) + 1)
    with serving(200, json.dumps(document).encode()) as url:
        assert not checker.receipt(url).right


NONE = b'{"schema": "hearth.receipt/1"'
HUGE = NONE + b', "data": {"lines": [], "id": "0x1", "deposited_wei": 1e999}}'


@pytest.mark.parametrize(
    ("body", "why"),
    [(b"[]", "schema"), (b"{", "JSONDecodeError"), (b"[" * 65, "nested"), (NONE + b"}", "data"), (HUGE, "Overflow")],
    ids=["list", "broken", "deep", "empty", "huge"],
)
def test_receipt__what_is_none_is_told_with_its_place(
    checker: Verify, tmp_path: Path, loopback: None, body: bytes, why: str
) -> None:
    (tmp_path / "x.json").write_bytes(body)
    with serving(200, body) as url:
        for place in (url, str(tmp_path / "x.json")):
            with pytest.raises(HearthError, match="is no receipt") as error:
                checker.receipt(place)
            assert error.value.code == "H1006" and place in str(error.value) and why in error.value.why[0]


def test_receipt__larger_than_any(checker: Verify, tmp_path: Path, loopback: None) -> None:
    body = b" " * (verify.MAX_RECEIPT + 1)
    (tmp_path / "x.json").write_bytes(body)
    with serving(200, body) as url, pytest.raises(HearthError, match="gives more than") as error:
        checker.receipt(url)
    assert error.value.code == "H1006"
    with pytest.raises(HearthError, match="is no receipt"):
        checker.receipt(str(tmp_path / "x.json"))
    with pytest.raises(HearthError, match="cannot be read"):
        checker.receipt(str(tmp_path / "none.json"))
