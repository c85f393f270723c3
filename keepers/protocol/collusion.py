"""What a committee that lies can cost at most: the bounds of SECURITY.md, "Worst case under full collusion".

Credits and USD in wei (18 decimals). A quorum decides which slots a node was up, and the price within its bound. It can
have rent paid for a machine that was down, have rent denied for one that was up (and with it the bond forfeited), and
have tallies redeemed at a false price. Whatever it does, one credit is lost once, and nothing beyond open leases, their
bonds and tallies of open periods is within its reach, but what owners of purses move meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from keepers.protocol.leases import BOND_BPS, Money, Sheet, Terms, effective_stop
from keepers.protocol.merge import quorum
from keepers.protocol.seats import Seat
from keepers.protocol.units import BPS, WAD, credits_for

HOUR = 3_600


@dataclass(frozen=True)
class LeaseReach:
    """What one open lease puts within reach, USD wei: rent ahead that a lie decides, all credits in it, its bond."""

    rent: int
    credits: int
    bond: int


@dataclass(frozen=True)
class Reach:
    """What is within reach of a quorum in all: sums over open leases, and tallies whose price may still be told."""

    leases: int
    rent: int
    credits: int
    bonds: int
    tallies: int

    @property
    def uptime(self) -> int:
        """L: most that lies about uptime cost, before renters stop: rent paid or denied, and bonds forfeited."""
        return self.rent + self.bonds

    @property
    def all(self) -> int:
        """Most that all lies together cost: what lies in leases, their bonds, and tallies of open periods."""
        return self.credits + self.bonds + self.tallies


def lease_reach(terms: Terms, money: Money, sheet: Sheet, bond: int, now: int, noticed: int) -> LeaseReach:
    """The reach of a lease at `now` whose renter stops it `noticed` seconds later, but not before its minimum.

    rent = rate × GPUs × min(seconds ahead that are paid for, seconds until the stop). `bond`: USD wei.
    """
    if terms.finished:
        return LeaseReach(0, 0, 0)
    ahead = max(0, effective_stop(terms, money) - now)
    until_stop = max(noticed, terms.start + sheet.min_seconds - now)
    return LeaseReach(min(money.credits, terms.per_second * min(ahead, until_stop)), money.credits, bond)


def total(leases: Iterable[LeaseReach], tallies: int) -> Reach:
    """The sums."""
    found = list(leases)
    return Reach(
        sum(lease.credits + lease.bond > 0 for lease in found),
        sum(lease.rent for lease in found),
        sum(lease.credits for lease in found),
        sum(lease.bond for lease in found),
        tallies,
    )


def bond_usd(sheet: Sheet, per_second: Fraction | int) -> Fraction:
    """A lease's bond at the price at which it was taken: 1.5 × max(notice, min_seconds) × its rent a second."""
    return sheet.binding_seconds * per_second * Fraction(BOND_BPS, BPS)


def price_factor(bound: int, reports: int) -> Fraction:
    """x: how many times too high a quorum can have the price told after so many reports, `bound` bps each."""
    return Fraction(BPS + bound, BPS) ** reports


def held_open(grace: int) -> int:
    """Reports that move the price before one of them must close the period before: those of `grace` epochs, and it."""
    return grace + 1


def lost_share(factor: Fraction) -> Fraction:
    """The part of a tally that is never minted where it is redeemed at `factor` times the true price: 1 - 1/x."""
    return 1 - 1 / factor


@dataclass(frozen=True)
class Committee:
    """Seats and the bond of each (wei of the token)."""

    seats: int
    bond: int

    @property
    def quorum(self) -> int:
        """Seats that sign."""
        return quorum(self.seats)

    def penalty(self, price: int) -> tuple[int, int]:
        """(first, repeated): USD wei that a quorum loses by a report that falls, at `price` (12 decimals)."""
        seat = Seat(self.bond)
        first = self.quorum * seat.penalty(0)
        return credits_for(first, price), credits_for(self.quorum * self.bond, price)


ORDINARY = Sheet(notice=3_600, min_seconds=300, prepay=604_800, dark_limit=1_800)  # the default profile's sheet 0
SEVEN = Committee(7, 10_000 * WAD)  # seats with the default profile's bond


@dataclass(frozen=True)
class Worked:
    """Equal leases, each paid ahead for as long as its sheet allows; the defaults are the default profile's."""

    leases: int = 1_000
    gpus: int = 8
    usd_hour: int = 2
    sheet: Sheet = ORDINARY
    bound: int = 1_000
    grace: int = 24
    price: int = 5 * 10**11
    committee: Committee = SEVEN

    @property
    def per_second(self) -> Fraction:
        """Rent of one lease, USD wei a second."""
        return Fraction(self.gpus * self.usd_hour * WAD, HOUR)

    def rent(self, noticed: int) -> int:
        """Rent of all leases until their renters stop them, `noticed` seconds on."""
        seconds = min(self.sheet.prepay, max(noticed, self.sheet.min_seconds))
        return int(self.leases * self.per_second * seconds)

    @property
    def bonds(self) -> int:
        """Bonds of all leases."""
        return int(self.leases * bond_usd(self.sheet, self.per_second))
