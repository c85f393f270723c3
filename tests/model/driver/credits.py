"""Tokens, credits bought, paid into leases, given back and redeemed."""

from __future__ import annotations

import random

from tests.model.driver.calls import Call
from tests.model.driver.consensus import Consensus


class Credits(Consensus):
    """Holders of tokens and of credits."""

    def fundable(self, rng: random.Random) -> int:
        """Mostly a lease that can still be paid into."""
        self.refresh(rng)
        open_ = [i for i in self.memory.leases if self.world.escrow.room(i)]
        return rng.choice(open_) if open_ and rng.random() < 0.9 else self.lease(rng)

    def do_token(self, rng: random.Random) -> Call:
        """Transfers, approvals, burns."""
        sender = rng.choice(self.people)
        other = rng.choice((*self.people, 0, self.world.pool.address))
        balance = self.world.token.balance[sender]
        amount = self.amount(rng, balance // 1_000 + 2)
        if rng.random() < 0.2:
            token, deadline = self.world.token, self.memory.now + rng.choice((-1, 0, 100))
            nonce = token.nonce[sender] - (rng.random() < 0.1)
            digest = token.permit_digest(sender, other, amount, max(0, nonce), deadline)
            sig = self.signer.sign(self.someone(rng, sender), digest)
            arguments = (sender, other, amount, deadline, sig[64], sig[:32], sig[32:64])
            return Call("token", "permit", arguments, rng.choice(self.people))
        return rng.choice(
            [
                Call("token", "transfer", (other, amount), sender),
                Call("token", "approve", (other, amount), sender),
                Call("token", "transferFrom", (other, sender, amount), sender),
                Call("token", "burn", (amount,), sender),
                Call("token", "burnFrom", (other, amount), sender),
                Call("token", "mint", (sender, amount), sender),
            ]
        )

    def do_buy(self, rng: random.Random) -> Call:
        """Credits into a purse."""
        self.refresh(rng)
        renter = rng.choice(self.renters)
        least = 0 if rng.random() < 0.9 else self.amount(rng, 10**24)
        return Call("engine", "buy", (self.amount(rng, 10**22), least), renter)

    def do_pay(self, rng: random.Random) -> Call:
        """Pay as you go."""
        return Call("engine", "pay", (self.fundable(rng), self.amount(rng, 10**17), 0), rng.choice(self.renters))

    def do_refund(self, rng: random.Random) -> Call:
        """Credits back to tokens."""
        renter = rng.choice(self.renters)
        held = self.world.escrow.purses[renter].credits
        amount = held if rng.random() < 0.05 else self.amount(rng, max(2, held // 3))
        return Call("engine", "refund", (amount, 0 if rng.random() < 0.95 else 2**90), renter)

    def do_redeem(self, rng: random.Random) -> Call:
        """Tallies to tokens."""
        if rng.random() < 0.1:
            return Call("engine", "pay_builders", (), rng.choice(self.people))
        full = [k for k, v in self.world.escrow.tallies.items() if v.credits]
        if not full or rng.random() < 0.05:
            return Call("engine", "redeem", (self.amount(rng, 9), [rng.randrange(9)]), rng.choice(self.people))
        key, period = rng.choice(full)
        periods = [period] if rng.random() < 0.7 else [p for k, p in full if k == key][:32]
        return Call("engine", "redeem", (key, periods), rng.choice(self.people))

    def do_top_up(self, rng: random.Random) -> Call:
        """From a purse into a lease."""
        id, renter = self.fundable(rng), rng.choice(self.renters)
        if rng.random() < 0.03:
            self.warp(self.memory.now + 25 * self.calendar.epoch_seconds)
        usual = rng.choice((self.world.escrow.room(id) + 2, 10**18))
        return Call("escrow", "top_up", (id, self.amount(rng, usual)), renter)
