"""Bonded seats: seven accounts with bonds, four of them in the first table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import boa
import pytest

from tests.support.actors import OWNER, Actor, seat
from tests.support.suite import Suite


@dataclass
class Bonds:
    """The suite with its candidates, by number; `net.committee` follows what is applied."""

    net: Suite
    candidates: list[Actor]

    @property
    def contract(self) -> Any:
        return self.net.seats

    @property
    def bond(self) -> int:
        return self.net.parameters.seat_bond

    def join(self, who: Actor, amount: int | None = None, endpoint: str = "https://seat.example") -> None:
        amount = self.bond if amount is None else amount
        self.net.token.transfer(who.address, amount, sender=OWNER.address)
        self.net.token.approve(self.contract.address, amount, sender=who.address)
        self.contract.join(amount, endpoint, sender=who.address)

    def propose(self, numbers: Sequence[int]) -> None:
        self.contract.propose([self.candidates[i].address for i in numbers], sender=OWNER.address)

    def apply(self) -> None:
        """Anyone applies what is due; the suite's own account of who signs follows."""
        self.contract.apply()
        by_address = {c.address: c for c in self.candidates}
        self.net.committee[len(self.net.committee) + 1] = [by_address[a] for a in self.contract.seats()]

    def install(self, numbers: Sequence[int]) -> None:
        """Propose, wait, apply."""
        self.propose(numbers)
        self.net.at(max(self.net.now, int(self.contract.pending()[1])))
        self.apply()

    def bond_of(self, i: int) -> int:
        return int(self.contract.seat_of(self.candidates[i].address)) >> 128

    def seated(self, i: int) -> bool:
        return bool(int(self.contract.seat_of(self.candidates[i].address)) & 1)


@pytest.fixture
def bonds(bare: Suite) -> Bonds:
    """Seven bonded accounts, no table yet, two weeks before epoch 1."""
    boa.env.timestamp = bare.parameters.genesis - 20 * 86_400
    made = Bonds(bare, [seat(i) for i in range(7)])
    for who in made.candidates:
        made.join(who)
    return made


@pytest.fixture
def seated(bonds: Bonds) -> Bonds:
    """The first four sit, from epoch 1 on."""
    bonds.install([0, 1, 2, 3])
    return bonds
