"""What the demo prints: a line an event with its time, the bill, the supply, gas by function, what to try next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from keepers.protocol.units import decimal_text


def usd(wei: int, places: int = 6) -> str:
    """USD of wei, rounded down."""
    return decimal_text(wei, places)


def tokens(wei: int) -> str:
    """Tokens of wei with four decimals, rounded down."""
    return usd(wei, 4)


class Story:
    """Lines with the demo's own time in front: `[0:12] stake      …`."""

    def __init__(self, say: Callable[[str], object], elapsed: Callable[[], float]) -> None:
        self._say, self._elapsed = say, elapsed

    def tell(self, what: str, text: str) -> None:
        """One event."""
        seconds = int(self._elapsed())
        self._say(f"[{seconds // 60}:{seconds % 60:02d}] {what:<10} {text}")

    def script(self, line: str) -> None:
        """A line of the set-up, `what  text` already."""
        what, _, text = line.partition(" ")
        self.tell(what, text.strip())


@dataclass(frozen=True)
class LeaseBill:
    """One lease: seconds on the wall and attested, credits in wei."""

    number: int
    wall_s: int
    attested_s: int
    dark_slots: int
    slot_s: int
    per_second: int
    gpus: int
    deposited: int
    paid: int
    bounty: int
    returned: int
    held: int
    expected: int

    def faults(self) -> list[str]:
        """What does not hold, in words."""
        found = []
        if self.paid != self.expected:
            found.append(f"lease {self.number}: paid {self.paid} wei, the second opinion says {self.expected}")
        if self.deposited != self.paid + self.returned + self.held:
            found.append(f"lease {self.number}: deposited {self.deposited} is not paid + returned + held")
        if self.held:
            found.append(f"lease {self.number}: {self.held} wei are still held")
        return found

    def lines(self) -> list[str]:
        """The bill."""
        wall = self.wall_s * self.per_second
        return [
            f"  BILL OF LEASE {self.number:<28}seconds       USD",
            f"  wall clock, start to close      {self.wall_s:>16,}  {usd(wall):>10}   what a wall-clock network"
            " would have charged",
            f"  attested by the committee       {self.attested_s:>16,}  {usd(self.paid):>10}   of it to the"
            f" settler {usd(self.bounty)}",
            f"  not attested ({self.dark_slots} slots of {self.slot_s} s)   {self.wall_s - self.attested_s:>16,} "
            f" {usd(0):>10}   nobody pays for these",
            f"  deposited {usd(self.deposited)} = paid {usd(self.paid)} + returned {usd(self.returned)} + held"
            f" {usd(self.held)}",
        ]


@dataclass(frozen=True)
class Supply:
    """Tokens in wei; every term read from the chain's events but `now`, which is the token's own word."""

    genesis: int
    burned: int
    node_fees: int
    redeemed: int
    refunded: int
    now: int

    @property
    def expected(self) -> int:
        """genesis - burned - fees of nodes + minted."""
        return self.genesis - self.burned - self.node_fees + self.redeemed + self.refunded

    def faults(self) -> list[str]:
        """What does not hold, in words."""
        if self.now == self.expected:
            return []
        return [f"the supply is {self.now} wei, its equation gives {self.expected}"]

    def lines(self) -> list[str]:
        """The equation."""
        return [
            "  TOKEN SUPPLY",
            f"  {tokens(self.genesis)} at genesis - {tokens(self.burned)} burned for credits -"
            f" {tokens(self.node_fees)} burned for nodes"
            f" + {tokens(self.redeemed)} minted to providers and settlers + {tokens(self.refunded)} minted to the"
            " renter",
            f"  = {tokens(self.now)}, to the wei",
        ]


def gas_lines(used: Mapping[str, Sequence[int]]) -> list[str]:
    """A line a function: calls, least and most gas."""
    lines = ["  GAS BY FUNCTION                       calls       least        most"]
    for name, values in sorted(used.items()):
        lines.append(f"  {name:<36} {len(values):>6} {min(values):>11,} {max(values):>11,}")
    return lines


def next_words(hearth: str, config: str, lease: int, page: str, kept: bool) -> list[str]:
    """Commands that work as printed. `hearth` is how it is called here, `config` the renter's settings file."""
    words = [f"{hearth} explain RENTER_CLOSED", f"{hearth} replay --help"]
    pages = [f"{page}   is the receipt as a page"] if page else []
    if not kept:
        return [f"{hearth} demo --keep", *words, *pages]
    live = f"{hearth} -c {config}"
    market = [f"{live} {verb}" for verb in (f"status {lease}", f"receipt {lease}", "offers", "wallet")]
    audit = [f"{live} {verb}" for verb in (f"verify {lease}", "network status", "watcher --once", "exposure")]
    return [*market, *audit, *words, *pages]


def next_lines(words: Sequence[str]) -> list[str]:
    """What to try next."""
    return [f"  {'next' if i == 0 else '':<6} {line}" for i, line in enumerate(words)]
