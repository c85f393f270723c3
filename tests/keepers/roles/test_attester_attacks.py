"""What a stranger or one lying seat can do to the seats over the network, each attack against the whole town."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from keepers.roles.attester.role import Attester
from keepers.wire.codec import Proposal, SeatSignature, encode
from keepers.wire.routing import Request, Router
from tests.keepers.roles.town import Town


def seen(town: Town, epoch: int) -> Mapping[int, SeatSignature]:
    """What anybody may ask of the seats: the signatures of a report, by seat."""
    exchange = town.attesters[0].desk.exchange
    return {seat: given for seat in range(town.seats) for given in exchange.record(epoch, seat).signatures}


def post(attester: Attester, kind: str, message: object) -> int:
    """Status of a stranger's POST."""
    return Router(attester.routes()).dispatch(Request("POST", f"/v1/{kind}", encode(message))).status


@pytest.mark.attack("A01")
def test_a_stranger_shows_signatures_of_one_epoch_as_those_of_the_next() -> None:
    """A place of a seat takes one signature: whoever fills it with an older one first would stop every report."""
    town = Town()
    town.run_epochs(3)
    old = seen(town, 3)
    assert len(old) >= 3
    town.run(town.calendar.end(4) + 87)
    for attester in town.attesters:
        for given in old.values():
            assert post(attester, "signatures", msgspec.structs.replace(given, epoch=4, view=0)) == 400
            assert post(attester, "signatures", given) == 409, "of an epoch that is reported"
    town.run(town.calendar.end(4) + 145)
    assert town.world.hub.last_epoch == 4, "in the first view"


@pytest.mark.attack("A02")
def test_a_stranger_shows_an_old_report_as_the_leaders_proposal() -> None:
    town = Town()
    town.run_epochs(4)
    leader = 5 % 4
    old = next(given for e in (1, 2, 3, 4) for seat, given in seen(town, e).items() if seat == leader)
    town.run(town.calendar.end(5) + 87)
    false = Proposal(0, 5, 5, 0, [], old.digest, leader, old.signature, old.message, bytes(65))
    assert [post(attester, "proposals", false) for attester in town.attesters] == [400] * 4
    town.run(town.calendar.end(5) + 145)
    assert town.world.hub.last_epoch == 5


@pytest.mark.attack("A03")
def test_a_stranger_passes_the_leaders_proposal_on_with_another_set() -> None:
    """Who is quicker than the leader, or stands between: the first proposal of a view is the one that is kept."""
    town = Town()
    town.run_epochs(3)
    epoch, leader = 4, 0
    town.run(town.calendar.end(epoch) + 89)
    town.transport.down |= {f"seat-{seat}" for seat in range(1, 4)}
    town.run(town.calendar.end(epoch) + 92)
    true = town.attesters[leader].desk.exchange.proposals(epoch)[0]
    assert len(true.observations) == 4
    for changed in ({"observations": []}, {"observations": true.observations[:3]}, {"last": epoch + 1}):
        false = msgspec.structs.replace(true, **changed)
        assert [post(attester, "proposals", false) for attester in town.attesters[1:]] == [403] * 3
    town.transport.down.clear()
    town.run(town.calendar.end(epoch) + 145)
    assert town.world.hub.last_epoch == epoch, "in the first view"


@pytest.mark.attack("A04")
def test_a_peer_shows_an_old_signature_as_one_that_the_seat_does_not_know() -> None:
    """The seat would take its key for used elsewhere and stop: one liar would stop all the others."""
    town = Town()
    town.run_epochs(3)
    old = seen(town, 3)
    town.run(town.calendar.end(4) + 50)
    exchange = town.attesters[2].desk.exchange
    honest = exchange.record

    def lie(epoch: int, seat: int) -> object:
        told = honest(epoch, seat)
        if seat in old:
            told.signatures.append(msgspec.structs.replace(old[seat], epoch=epoch, view=0))
        return told

    exchange.record = lie  # type: ignore[method-assign, assignment]
    town.run(town.calendar.end(4) + 200)
    assert town.world.hub.last_epoch == 4
    town.restart(0)
