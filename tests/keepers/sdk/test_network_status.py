"""Every state of the hub is told: paused, clamped, stale, behind, disputed, usable, cancelled, void; who signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepers.protocol.price import PAUSE_LENGTH
from keepers.sdk.client import Hearth
from keepers.sdk.types import EpochView
from tests.keepers.roles.town import OWNER, PRICE, Fixed, Town
from tests.keepers.roles.world_chain import ADDRESSES
from tests.keepers.sdk.conftest import Market, market_of


def epochs(hearth: Hearth) -> dict[int, EpochView]:
    return {row.epoch: row for row in hearth.hub_status(20).epochs}


def test_reports__disputed__then_usable__and_who_signed(market: Market) -> None:
    market.town.run_epochs(4)
    view = market.hearth.hub_status()
    assert (view.closed, view.paused, view.clamped, view.stale) == ("", False, False, False)
    assert (view.epoch, view.last_epoch, view.due_epoch, view.behind) == (5, 4, 5, 0)
    assert view.present is not None and (view.present.seats, view.quorum) == (4, 3)
    assert [row.epoch for row in view.epochs] == [4, 3, 2, 1]
    newest = view.epochs[0]
    assert newest.state == "reported, may be refuted" and newest.usable_at > view.now
    assert view.epochs[-1].state == "usable"
    accounts = {seat.address for seat in market.town.seat_keys}
    assert all(len(row.signers) >= 3 and set(row.signers) <= accounts and row.seats == 4 for row in view.epochs)


def test_behind__stale__due_since(market: Market) -> None:
    market.town.run_epochs(2)
    market.town.kill(0)
    market.town.kill(1)
    market.town.run_epochs(4)
    market.mine()
    view = market.hearth.hub_status()
    assert (view.last_epoch, view.due_epoch, view.behind, view.stale) == (2, 3, 4, True)
    assert view.due_at == market.town.calendar.end(3) < view.now
    assert view.closed.startswith("the price is stale")
    assert epochs(market.hearth)[4].state == "over, waiting for its report"
    assert epochs(market.hearth)[4].signers == ()


def test_paused__by_whom_it_is_lifted_and_when(market: Market) -> None:
    market.town.run_epochs(2)
    market.town.world.call("hub", "pause_entries", sender=OWNER)
    market.mine(1)
    view = market.hearth.hub_status()
    assert view.paused and view.closed == "entries are paused"
    assert view.paused_until == market.town.world.hub._numbers["paused_at"] + PAUSE_LENGTH > view.now


def test_clamped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = market_of(Town(prices=(Fixed(2 * PRICE),)), tmp_path, monkeypatch)
    made.town.run_epochs(1)
    view = made.hearth.hub_status()
    assert view.clamped and view.closed.startswith("the price is clamped")
    assert view.price == PRICE * 11 // 10


def test_cancelled__then_signed_again(market: Market) -> None:
    market.town.run_epochs(4)
    tree = market.town.chain.attestations._at(3)
    market.town.world.call("hub", "cancel", tree.root, tree.header.pack(), sender=ADDRESSES["refuter"])
    market.mine()
    row = epochs(market.hearth)[4]
    assert (row.state, row.cancels) == ("cancelled, waiting to be signed again", 1)
    market.town.run_epochs(1)
    row = epochs(market.hearth)[4]
    assert row.cancels == 1 and len(row.signers) >= 3 and row.state != "cancelled, waiting to be signed again"


def test_void__nobody_was_observed(market: Market) -> None:
    market.town.run_epochs(2)
    market.town.kill(0)
    market.town.kill(1)
    market.town.run_epochs(3)
    for seat in (0, 1):
        market.town.transport.down.discard(f"seat-{seat}")
        market.town.restart(seat)
    market.town.run_epochs(4)
    rows = epochs(market.hearth)
    assert rows[4].void and not rows[2].void
    assert len(rows[4].signers) >= 3, "a void report is signed too"
