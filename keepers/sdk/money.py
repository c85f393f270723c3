"""Credits: buy them with tokens, turn them back, redeem what was earned."""

from __future__ import annotations

import secrets

from keepers.protocol.errors import HearthError
from keepers.protocol.units import WAD
from keepers.sdk.base import Base, Progress
from keepers.sdk.session import Step
from keepers.sdk.types import Done, Wallet


class Money(Base):
    """Verbs of the wallet."""

    def buy(self, credits_wei: int, progress: Progress | None = None, key: str = "") -> Wallet:
        """Burn as many tokens as `credits_wei` of credits cost now."""
        at = self.head()
        closed = self.reads.entries(at)
        if closed:
            raise HearthError("H5007", f"nothing can be bought now: {closed}")
        if credits_wei <= 0:
            raise HearthError("H1005", "the smallest purchase is 0.000000000000000001 USD of credits")
        action = f"buy-{key or secrets.token_hex(8)}"
        if key and self.session.known(action, "buy") is not None:
            return self.wallet()
        wallet = self.reads.wallet(self.address, at)
        burn = self._burn_for(credits_wei, self.reads.price(at).low)
        self._afford(burn, wallet)
        steps = self._approve(burn if wallet.allowance_wei < burn else 0) + self._buy(burn, credits_wei)
        self.session.run(action, steps, progress, once=bool(key))
        return self.wallet()

    def refund(self, credits_wei: int | None = None, progress: Progress | None = None, key: str = "") -> Wallet:
        """Turn credits of the purse back into tokens (all of them by default), less the spread."""
        action = f"refund-{key or secrets.token_hex(8)}"
        if key and self.session.known(action, "refund") is not None:
            return self.wallet()
        wallet = self.wallet()
        amount = wallet.credits_wei if credits_wei is None else credits_wei
        if not 0 < amount <= wallet.credits_wei:
            raise HearthError(
                "H5006", f"the purse holds {wallet.credits_wei / WAD:.4f} USD of credits, not {amount / WAD:.4f}"
            )
        self.session.run(action, [Step("refund", self.suite.engine.refund(amount, 0))], progress, once=bool(key))
        return self.wallet()

    def redeem(self, key: int, progress: Progress | None = None) -> list[Done]:
        """Redeem every tally of `key` whose period has closed, to the key's payout; nothing to do is an empty list."""
        periods = [tally.period for tally in self.earnings(key).tallies if tally.closed]
        done: list[Done] = []
        for first in range(0, len(periods), 32):
            part = periods[first : first + 32]
            name = f"redeem-{key:x}-{part[0]}-{part[-1]}-{len(part)}"
            done += self.session.run(name, [Step("redeem", self.suite.engine.redeem(key, part))], progress)
        return done
