"""BurnMintEngine in memory: the gate between tokens and credits. Source: docs/protocol.md §9; contracts/incentives."""

from __future__ import annotations

from typing import Any

from keepers.protocol import credits
from keepers.protocol.credits import MAX_ATTESTERS, MAX_BUILDERS, MAX_CUT, FeeTerms
from keepers.protocol.epochs import Calendar
from keepers.protocol.price import PriceWord
from keepers.protocol.timeline import Timeline
from keepers.protocol.units import M96, M128, M160
from keepers.simulate.escrow import Escrow
from keepers.simulate.hub import Hub
from keepers.simulate.registry import Registry
from keepers.simulate.state import Context, Event, Journal, Store, require
from keepers.simulate.token import Token

PAY_AGE = 24  # epochs


class Engine:
    """Burns for credits, mints for work; never more than was burned for it."""

    def __init__(
        self,
        journal: Journal,
        context: Context,
        calendar: Calendar,
        token: Token,
        hub: Hub,
        registry: Registry,
        escrow: Escrow,
        address: int,
        owner: int,
        max_age: int,
        spread: int,
        cap: int,
        bounty: int,
        peg: int,
        fee: int,
        shares: tuple[int, int],
        builders: int,
    ) -> None:
        self._journal = journal
        self._context = context
        self._calendar = calendar
        self._token = token
        self._hub = hub
        self._registry = registry
        self._escrow = escrow
        self.address = address
        self.owner = owner
        self.max_age = max_age
        self.spread = spread
        self.cap = cap
        self.max_fee = MAX_CUT - bounty
        self._numbers: Store[str, int] = Store(journal, 0)
        # peg and fee, bps; the shares of the fee, attesters and builders, hold for all periods at once
        self._settings: Store[str, Timeline] = Store(journal, Timeline.of(0))
        self._settings["peg"] = Timeline.of(peg)
        self._settings["fee"] = Timeline.of(fee)
        self._numbers["attesters_share"], self._numbers["builders_share"] = shares
        self._numbers["builders"] = builders

    # ---- owner
    def set_fee(self, fee: int, attesters: int, builders: int, *, sender: int) -> None:
        """Sets the fee of the periods to come."""
        require(sender == self.owner, "ownable: caller is not the owner")
        require(fee <= self.max_fee, "engine: fee too high")
        require(attesters <= MAX_ATTESTERS, "engine: attesters share too high")
        require(builders <= MAX_BUILDERS, "engine: builders' share too high")
        old = self._settings["fee"]
        if fee != old.newest:
            self._settings["fee"] = self._changed("fee", fee)
        else:
            require((attesters, builders) != self.shares, "engine: fee unchanged")
        self._numbers["attesters_share"], self._numbers["builders_share"] = attesters, builders
        self._log("FeeSet", old.newest, fee, attesters, builders, self._settings["fee"].first)

    def set_peg(self, peg: int, *, sender: int) -> None:
        """Sets the part of a tally's worth that is minted, of the periods to come."""
        require(sender == self.owner, "ownable: caller is not the owner")
        require(peg <= self.cap, "engine: peg over the cap")
        old, new = self.peg, self._changed("peg", peg)
        self._settings["peg"] = new
        self._log("PegSet", old, peg, new.first)

    def set_builders(self, builders: int, *, sender: int) -> None:
        """Sets who receives the builders' share."""
        require(sender == self.owner, "ownable: caller is not the owner")
        require(builders != 0, "engine: builders is zero")
        self._log("BuildersSet", self._numbers["builders"], builders)
        self._numbers["builders"] = builders

    # ---- holder
    def buy(self, amount: int, least: int, *, sender: int) -> int:
        """Burns tokens for credits in the caller's purse; returns the credits."""
        word = self._hub.price_word
        require(not word.paused, "engine: paused")
        self._check_price(word, self.max_age)
        bought = self._quote(amount, least, word)
        self._grow(amount)
        self._escrow.credit(sender, bought, amount, sender=self.address)
        self._token.burn_from(sender, amount, sender=self.address)
        self._log("Bought", sender, 0, amount, bought, word.low)
        return bought

    def pay(self, lease: int, amount: int, least: int, *, sender: int) -> int:
        """Burns tokens straight into a running lease; returns the credits that fitted."""
        word = self._hub.price_word
        self._check_price(word, PAY_AGE * self._calendar.epoch_seconds)
        bought = self._quote(amount, least, word)
        fitted, burned = self._escrow.pay_in(lease, bought, amount, sender, sender=self.address)
        self._grow(burned)
        self._token.burn_from(sender, burned, sender=self.address)
        self._log("Bought", sender, lease, burned, fitted, word.low)
        return fitted

    def refund(self, amount: int, least: int, *, sender: int) -> int:
        """Unspent credits back to tokens; returns wei minted."""
        require(0 < amount <= M128, "engine: credits out of range")
        price = self._hub.price_word.high
        backing = self._escrow.debit(sender, amount, sender=self.address)
        self._retire(backing)
        minted = credits.refund(credits.Balance(amount, backing), price, self.spread)
        require(minted >= least, "engine: too few tokens")
        self._token.mint(sender, minted, sender=self.address)
        self._log("Refunded", sender, amount, backing, minted, price)
        return minted

    # ---- anyone
    def redeem(self, key: int, periods: list[int], *, sender: int) -> int:
        """Turns tallies into tokens for the provider's payout or the address itself; returns wei minted."""
        provider = key >> 24 == 0
        to = self._registry.payouts[key] if provider else key & M160
        if not provider:
            require(key >> 160 == 0)
        total = retired = attesters = builders = 0
        for period in periods:
            tally = self._escrow.take(key, period, sender=self.address)
            if tally.credits == 0:
                continue
            price = self._hub.period_price(period)
            fee = self.fee_of(period) if provider else 0
            terms = FeeTerms(fee, *self.shares, self.peg_of(period), self.cap)
            r = credits.redeem(tally, price, terms)
            retired += r.backing
            total += r.minted
            attesters += r.attesters
            builders += r.builders
            values = (r.credits, r.backing, r.minted, r.fee, r.attesters, r.builders)
            self._log("Redeemed", self._escrow.address, key, period, *values, to)
        self._retire(retired)
        self._numbers["attesters"] = self._numbers["attesters"] + attesters
        self._numbers["owed"] = self._numbers["owed"] + builders
        if total != 0:
            self._token.mint(to, total, sender=self.address)
        return total

    def pay_builders(self, *, sender: int) -> int:
        """Mints what is owed to the builders; returns wei."""
        amount = self._numbers["owed"]
        require(amount != 0, "engine: nothing owed")
        self._numbers["owed"] = 0
        to = self._numbers["builders"]
        self._token.mint(to, amount, sender=self.address)
        self._log("PotPaid", to, amount)
        return amount

    # ---- views
    def fee_of(self, period: int) -> int:
        """The fee that was in force when the period ended, bps."""
        return self._settings["fee"].at(period)

    @property
    def shares(self) -> tuple[int, int]:
        """Shares of the fee that attesters and builders get, bps."""
        return self._numbers["attesters_share"], self._numbers["builders_share"]

    @property
    def peg(self) -> int:
        """Part of a tally's worth that is minted, bps: the newest."""
        return self._settings["peg"].newest

    def peg_of(self, period: int) -> int:
        """The peg that was in force when the period ended, bps."""
        return self._settings["peg"].at(period)

    @property
    def outstanding(self) -> int:
        """Tokens burned into the escrow and not retired."""
        return self._numbers["outstanding"]

    @property
    def pots(self) -> tuple[int, int]:
        """Tokens owed to attesters and builders."""
        return self._numbers["attesters"], self._numbers["owed"]

    def quote(self, amount: int) -> int:
        """Credits for a burn now, whatever the flags."""
        require(amount <= M96, "engine: quote too large")
        return credits.buy(amount, self._hub.price_word.low, self.spread)

    # ---- internal
    def _changed(self, setting: str, value: int) -> Timeline:
        """A setting with another value from the next period on."""
        old, period = self._settings[setting], self._calendar.period(self._context.now) + 1
        require(old.first < period, f"engine: a {setting} change is pending")
        require(value != old.newest, f"engine: {setting} unchanged")
        require(not old.is_full, f"engine: too many {setting}s")
        return old.changed(value, period)

    def _check_price(self, word: PriceWord, age: int) -> None:
        require(not word.clamped, "engine: clamped")
        require(self._context.now <= word.stamp + age, "engine: stale price")

    def _quote(self, amount: int, least: int, word: PriceWord) -> int:
        require(amount <= M96, "engine: amount too large")
        bought = credits.buy(amount, word.low, self.spread)
        require(bought != 0 and bought >= least, "engine: too few credits")
        return bought

    def _grow(self, amount: int) -> None:
        require(self.outstanding + amount <= M96, "engine: outstanding too wide")
        self._numbers["outstanding"] = self.outstanding + amount

    def _retire(self, amount: int) -> None:
        require(amount <= self.outstanding, "engine: beyond outstanding")
        self._numbers["outstanding"] = self.outstanding - amount

    def _log(self, name: str, *values: Any) -> None:
        self._journal.events.append(Event("BurnMintEngine", name, values))
