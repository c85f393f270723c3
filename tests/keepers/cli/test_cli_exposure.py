"""`hearth exposure` and `hearth explain collusion`: the bound, on a chain and worked out."""

from __future__ import annotations

from collections.abc import Callable

from keepers.protocol.units import WAD
from tests.keepers.cli.conftest import Call, Said
from tests.keepers.sdk.conftest import RATE, Market

HOUR = 3_600


def test_explain__collusion(hearth: Call) -> None:
    said = hearth("explain", "collusion")
    assert said.code == 0 and "next  hearth exposure" in said.err
    for figure in ("$2,688,000", "$24,000", "$2,712,000", "$40,000", "10.83", "90.8%", "$25,000", "$2,500"):
        assert figure in said.out, figure
    data = hearth("explain", "collusion", "--json").data
    assert int(data["bound_unwatched_wei"]) == 2_712_000 * WAD and data["quorum"] == 5


def test_exposure__of_an_open_lease(renter: Callable[..., Said], market: Market) -> None:
    said = renter("exposure", "--json")
    assert said.code == 0 and (said.data["leases"], int(said.data["all_wei"])) == (0, 0)
    lease = market.town.rent(0, 6 * HOUR, 2, RATE)
    held = market.town.world.escrow.moneys[lease].credits
    found = renter("exposure", "--noticed", "2h", "--json").data
    assert (found["leases"], found["noticed_s"], found["seats"]) == (1, 2 * HOUR, 4)
    assert int(found["credits_wei"]) == held == 2 * RATE * 6 * HOUR
    assert int(found["rent_wei"]) == 2 * RATE * 2 * HOUR
    bond = 2 * RATE * HOUR * 3 // 2
    assert bond <= int(found["bonds_wei"]) < bond + WAD // 10**6
    assert int(found["uptime_wei"]) == int(found["rent_wei"]) + int(found["bonds_wei"])
    assert int(found["all_wei"]) == held + int(found["bonds_wei"]) + int(found["tallies_wei"])
    assert int(found["tallies_wei"]) == int(found["quorum_bond_wei"]) == 0  # a table of the owner's has no bonds
    text = renter("exposure").out
    assert "1 open lease" in text and "most that lies about uptime cost" in text
    assert renter("exposure", "--noticed", "soon").code == 2
