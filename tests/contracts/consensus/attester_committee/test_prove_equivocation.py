"""prove_equivocation: two things signed where a seat may sign one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import boa
import pytest

from tests.contracts.consensus.attester_committee.conftest import Bonds
from tests.contracts.consensus.drafts import events
from tests.support.actors import SETTLER, STRANGER, Actor, keccak, word, words
from tests.support.suite import REPORT, VOID_REPORT

OBSERVATION = "Observation(uint256 generation,uint256 epoch,uint256 seat,bytes32 body,uint256 price)"
TYPES = (OBSERVATION, REPORT, VOID_REPORT)
Made = tuple[int, list[bytes], bytes]


def made(bonds: Bonds, who: Actor, kind: int, fields: Sequence[Any], long: bool | None = None) -> Made:
    """A signed statement, as the contract reads it."""
    digest = digest_of(bonds, kind, fields)
    compact = kind != 0 if long is None else not long
    return kind, [word(f) for f in fields], who.sign_seat(digest) if compact else who.sign(digest)


def digest_of(bonds: Bonds, kind: int, fields: Sequence[Any]) -> bytes:
    return bonds.net.hub_domain.digest(TYPES[kind], *fields)


def observation(body: int = 1, price: int = 5, generation: int = 1, epoch: int = 9, seat: int = 2) -> list[Any]:
    return [generation, epoch, seat, word(body), price]


def report(root: int = 1, view: int = 3, generation: int = 1, epoch: int = 9) -> list[Any]:
    return [generation, epoch, word(7), word(root), view << 40 | 5, word(8)]


def void(last: int = 12, view: int = 3, generation: int = 1, epoch: int = 9) -> list[Any]:
    return [generation, epoch, last, word(7), view]


PAIRS = {
    "two bodies": ((0, observation(1)), (0, observation(2))),
    "two prices": ((0, observation(price=5)), (0, observation(price=6))),
    "two reports": ((1, report(1)), (1, report(2))),
    "report and void": ((1, report()), (2, void())),
    "two voids": ((2, void(12)), (2, void(13))),
    "after one cancel": ((1, report(1, view=1 << 16)), (1, report(2, view=1 << 16))),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_takes_the_whole_bond(seated: Bonds, pair: str) -> None:
    who = seated.candidates[2]
    first, second = (made(seated, who, *given) for given in PAIRS[pair])
    supply = seated.net.token.totalSupply()
    seated.contract.prove_equivocation(2, first, second, sender=STRANGER.address)
    (event,) = events(seated.contract, "Equivocated")
    assert (event.seat, event.epoch) == (who.address, 9)
    assert (event.first, event.second) == tuple(digest_of(seated, *given) for given in PAIRS[pair])
    (event,) = events(seated.contract, "Punished")
    assert (event.seat, event.taken, event.paid) == (who.address, seated.bond, 0)
    assert seated.bond_of(2) == 0 and supply - seated.net.token.totalSupply() == seated.bond
    with boa.reverts("committee: proven already"):
        seated.contract.prove_equivocation(2, second, first)


@pytest.mark.attack("T40")
def test_a_fifth_to_who_committed_before(seated: Bonds) -> None:
    who = seated.candidates[2]
    (a, b), token = PAIRS["two reports"], seated.net.token
    claim = keccak(words(SETTLER.address, digest_of(seated, *a), digest_of(seated, *b)))
    seated.contract.commit(claim)
    given = (2, made(seated, who, *a), made(seated, who, *b))
    with boa.env.anchor():
        seated.contract.prove_equivocation(*given, sender=SETTLER.address)
        assert token.balanceOf(SETTLER.address) == 0, "not in the same second"
    seated.net.at(seated.net.now + 1)
    with boa.env.anchor():
        seated.contract.prove_equivocation(*given, sender=STRANGER.address)
        assert token.balanceOf(STRANGER.address) == 0, "C58: a copy earns nothing"
    seated.contract.prove_equivocation(*given, sender=SETTLER.address)
    assert token.balanceOf(SETTLER.address) == seated.bond // 5


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((1, report(1, view=3)), (1, report(2, view=4))),
        ((1, report(1, epoch=9)), (1, report(2, epoch=10))),
        ((1, report(1, view=0)), (1, report(2, view=1 << 16))),
        ((1, report(1)), (2, void(view=4))),
        ((0, observation(1)), (0, observation(2, epoch=10))),
        ((0, observation(1)), (1, report(1))),
        ((0, observation(1)), (0, observation(2, generation=2))),
    ],
)
@pytest.mark.attack("A23")
def test_two_places_are_no_equivocation(seated: Bonds, a: Any, b: Any) -> None:
    """A later view, another epoch, the same view after a cancel: an honest seat may sign there again."""
    who = seated.candidates[2]
    with boa.reverts("committee: other place"):
        seated.contract.prove_equivocation(2, made(seated, who, *a), made(seated, who, *b))


@pytest.mark.attack("A23")
def test_the_same_twice_is_none(seated: Bonds) -> None:
    """C46: nor are the two forms of one signature."""
    who = seated.candidates[2]
    one, twin = (made(seated, who, 1, report(), long) for long in (False, True))
    for pair in ((one, one), (one, twin)):
        with boa.reverts("committee: the same"):
            seated.contract.prove_equivocation(2, *pair)


@pytest.mark.attack("A23")
def test_both_are_signed_by_the_seat(seated: Bonds) -> None:
    a, b = PAIRS["two reports"]
    mine, other = seated.candidates[2], seated.candidates[1]
    good, bad = made(seated, mine, *a), made(seated, other, *b)
    for pair in ((good, bad), (bad, good), (good, (1, [word(f) for f in b[1]], bytes(64)))):
        with boa.reverts("committee: not signed by it"):
            seated.contract.prove_equivocation(2, *pair)
    with boa.reverts("committee: not signed by it"):
        seated.contract.prove_equivocation(1, good, made(seated, mine, *b))


@pytest.mark.parametrize("index", [4, 30, 31, 2**255])
def test_a_seat_that_is_none(seated: Bonds, index: int) -> None:
    who = seated.candidates[2]
    a, b = (made(seated, who, *given) for given in PAIRS["two reports"])
    with boa.reverts("committee: no such seat"):
        seated.contract.prove_equivocation(index, a, b)


@pytest.mark.parametrize("generation", [0, 2, 129, 300, 65_535, 65_536, 2**255])
def test_a_table_that_is_none(seated: Bonds, generation: int) -> None:
    who = seated.candidates[2]
    a, b = (made(seated, who, 1, report(root, generation=generation)) for root in (1, 2))
    with boa.reverts("committee: no such seat"):
        seated.contract.prove_equivocation(2, a, b)


def test_observations_name_their_seat(seated: Bonds) -> None:
    who = seated.candidates[2]
    a, b = (made(seated, who, 0, observation(body, seat=1)) for body in (1, 2))
    with boa.reverts("committee: other seat"):
        seated.contract.prove_equivocation(2, a, b)


def test_statements_of_another_form(seated: Bonds) -> None:
    kind, fields, sig = made(seated, seated.candidates[2], 1, report())
    for wrong in ((3, fields, sig), (0, fields, sig), (2, fields, sig), (1, fields[:5], sig), (2**255, fields, sig)):
        with boa.reverts("committee: statement"):
            seated.contract.prove_equivocation(2, wrong, (kind, fields, sig))
    other = made(seated, seated.candidates[2], 1, report(2))
    with boa.reverts("committee: signature"):
        seated.contract.prove_equivocation(2, (kind, fields, sig[:63]), other)


def test_t08_of_another_chain_or_hub(seated: Bonds) -> None:
    who = seated.candidates[2]
    a, b = PAIRS["two reports"]
    pair = [made(seated, who, *a), made(seated, who, *b)]
    with boa.env.evm.patch.anchor():
        boa.env.evm.patch.chain_id = 999
        with boa.reverts("committee: not signed by it"):
            seated.contract.prove_equivocation(2, *pair)
    seated.contract.prove_equivocation(2, *pair)


@pytest.mark.parametrize("generations", [127, 128, 256])
def test_tables_of_many_generations(bonds: Bonds, generations: int) -> None:
    """The owner changed the table so often: the address of each is still known."""
    while len(bonds.net.committee) < generations:
        bonds.net.set_committee(n=4)
    generation = len(bonds.net.committee)
    who = bonds.net.committee[generation][2]
    bonds.join(who)
    a, b = (made(bonds, who, 1, report(root, generation=generation)) for root in (1, 2))
    bonds.contract.prove_equivocation(2, a, b)
    (event,) = events(bonds.contract, "Equivocated")
    assert event.seat == who.address
