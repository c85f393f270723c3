"""StakingPool in memory. Amounts are gwei, units 1e-9 USD. Source: docs/protocol.md §5; contracts/incentives."""

from __future__ import annotations

from dataclasses import replace

from keepers.protocol import stake
from keepers.protocol.stake import Faults, Need, Own, Ticket, Unbonding
from keepers.protocol.units import GWEI, M64
from keepers.simulate.state import Context, Event, Journal, Store, require
from keepers.simulate.token import Token

SLASH = 1  # the right that a grant can give


class Pool:
    """Own buckets, tickets, the stake price; the only holder of stake."""

    def __init__(
        self,
        journal: Journal,
        context: Context,
        token: Token,
        peers: dict[str, int],
        owner: int,
        stake_price: int,
        unbonding: int,
        period: int,
    ) -> None:
        self._journal = journal
        self._context = context
        self._token = token
        self._peers = peers
        self.address = peers["pool"]
        self.owner = owner
        self.unbonding_seconds = unbonding
        self.period_seconds = period
        self.bucket: Store[int, Own] = Store(journal, Own())
        self.need_owner: Store[int, int] = Store(journal, 0)
        self.units: Store[int, int] = Store(journal, 0)
        self.tickets: Store[int, Unbonding] = Store(journal, Unbonding())
        self.issued: Store[tuple[int, int], int] = Store(journal, 0)
        self.ticket: Store[tuple[int, int, int], Ticket | None] = Store(journal, None)
        self.faults: Store[int, Faults] = Store(journal, Faults())
        self.claims: Store[int, int] = Store(journal, 0)  # shares of tickets that are renters' damages
        self.grants: Store[int, int] = Store(journal, 0)
        self._price: Store[str, int] = Store(journal, 0)
        self._price["S"] = stake_price

    # ---- owner
    def set_grant(self, caller: int, rights: int, *, sender: int) -> None:
        """Gives or takes the right to slash."""
        require(sender == self.owner, "ownable: caller is not the owner")
        require(caller != 0, "pool: grant to zero")
        require(rights <= SLASH, "pool: unknown right")
        old = self.grants[caller]
        self.grants[caller] = rights
        self._log("GrantSet", caller, old, rights)

    # ---- registry
    def open_pool(self, provider: int, owner: int, *, sender: int) -> None:
        """Opens the pool of a new provider."""
        require(sender == self._peers["registry"], "pool: caller is not registry")
        require(self.need_owner[provider] == 0, "pool: already open")
        require(owner != 0, "pool: owner is zero")
        self.need_owner[provider] = owner
        self.bucket[provider] = Own(last_below=self._context.now)
        self._log("PoolOpened", provider, owner)

    def set_owner(self, provider: int, owner: int, *, sender: int) -> None:
        """The provider changed hands."""
        require(sender == self._peers["registry"], "pool: caller is not registry")
        require(self.need_owner[provider] != 0, "pool: no such pool")
        require(owner != 0, "pool: owner is zero")
        old = self.need_owner[provider]
        self.need_owner[provider] = owner
        self._log("PoolOwnerSet", provider, old, owner)

    def set_units(self, provider: int, units: int, *, sender: int) -> None:
        """The provider's nodes need `units` of stake."""
        require(sender == self._peers["registry"], "pool: caller is not registry")
        require(units <= M64, "pool: units")
        require(self.need_owner[provider] != 0, "pool: no such pool")
        old = self.units[provider]
        self.units[provider] = units
        if units < old:
            self.faults[provider] = self.faults[provider].shrunk(old, self._context.now, self.period_seconds)
        self._mark(provider, self.bucket[provider], max(old, units))
        self._log("UnitsSet", provider, old, units)

    # ---- hub
    def set_stake_price(self, price: int, *, sender: int) -> None:
        """The hub's S for the period that begins."""
        require(sender == self._peers["hub"], "pool: caller is not the hub")
        require(0 < price <= M64, "pool: stake price")
        self._log("StakePriceSet", self.stake_price, price)
        self._price["S"] = price

    # ---- owner of the pool
    def stake_own(self, provider: int, amount: int, *, sender: int) -> int:
        """Brings in own stake; returns shares."""
        require(self.need_owner[provider] == sender, "pool: caller is not its owner")
        own = self.bucket[provider]
        require(not own.dead, "pool: dead, open a new provider")
        require(amount != 0 and amount <= M64 - own.assets, "pool: amount")
        minted = stake.shares_for(amount, own.assets, own.shares)
        require(minted != 0, "pool: too little for a share")
        require(minted <= M64 - own.shares, "pool: too many shares")
        self._mark(provider, own, self.units[provider])
        own = self.bucket[provider]
        self.bucket[provider] = replace(own, assets=own.assets + amount, shares=own.shares + minted)
        self._token.transfer_from(sender, self.address, amount * GWEI, sender=self.address)
        self._log("Staked", provider, sender, amount, minted)
        return minted

    def unstake_own(self, provider: int, part: int, *, sender: int) -> int:
        """Moves free shares into a ticket; returns its number."""
        require(self.need_owner[provider] == sender, "pool: not the owner's shares")
        own = self.bucket[provider]
        require(part != 0 and part <= own.shares - own.locked, "pool: shares not free")
        amount = stake.value_of(part, own.assets, own.shares)
        require(amount != 0, "pool: worth nothing")
        self._mark(provider, replace(own, assets=own.assets - amount, shares=own.shares - part), self.units[provider])
        require(stake.ticket_shares(self.tickets[provider], amount) != 0, "pool: withdraw old tickets first")
        return self._issue(provider, sender, amount)

    # ---- market
    def lock(self, provider: int, bond: int, price: int, *, sender: int) -> int:
        """Locks own stake worth `bond` gwei; `price` = S of the hub's price word; returns shares."""
        require(sender == self._peers["market"], "pool: caller is not the market")
        own = self.bucket[provider]
        require(own.assets >= stake.required(self.units[provider], price), "pool: below required stake")
        require(own.shares != 0 and not own.dead, "pool: no live stake")
        shares = stake.bond_shares(own, bond)
        require(shares <= own.shares - own.locked, "pool: bond exceeds free stake")
        self.bucket[provider] = replace(own, locked=own.locked + shares)
        self._log("BondLocked", provider, bond, shares)
        return shares

    # ---- escrow
    def end_bond(self, provider: int, part: int, taken: int, to: int, limit: int, *, sender: int) -> None:
        """Unlocks a lease's bond; `taken` shares of it are lost, at most `limit` gwei of them to `to` as a ticket."""
        require(sender == self._peers["escrow"], "pool: caller is not the escrow")
        own = self.bucket[provider]
        require(part <= own.locked, "pool: not locked")
        require(taken <= part, "pool: takes more than the bond")
        end = stake.end_bond(own, self.tickets[provider], part, taken, limit if to != 0 else 0)
        if taken == 0:
            self.bucket[provider] = end.own
        else:
            self._mark(provider, end.own, self.units[provider])
        if end.paid != 0:
            self._issue(provider, to, end.paid, claim=True)
        if end.burned != 0:
            self._token.burn(end.burned * GWEI, sender=self.address)
        self._log("BondEnded", provider, part, taken, to, end.paid, end.burned)

    # ---- granted
    def slash(self, provider: int, units: int, finder: int, *, sender: int) -> None:
        """Slashes own stake worth `units`, as far as the ceiling admits."""
        require(bool(self.grants[sender] & SLASH), "pool: caller may not slash")
        require(self.need_owner[provider] != 0, "pool: no such pool")
        now = self._context.now
        self.faults[provider], admitted = self.faults[provider].admit(
            self.units[provider], units, now, self.period_seconds
        )
        own, tickets = self.bucket[provider], self.tickets[provider]
        paid = finder not in (0, self.address)
        amount = stake.required(admitted, self.stake_price)
        cut = stake.slash_cut(amount, own.assets, tickets, self.claims[provider], paid)
        self._mark(provider, replace(own, assets=own.assets - cut.active), self.units[provider])
        if cut.unbonding != 0:
            self.tickets[provider] = replace(tickets, assets=tickets.assets - cut.unbonding)
        if cut.reward != 0:
            self._token.transfer(finder, cut.reward * GWEI, sender=self.address)
        if cut.total != cut.reward:
            self._token.burn((cut.total - cut.reward) * GWEI, sender=self.address)
        self._log("Slashed", provider, cut.total, 0, finder, cut.reward)

    # ---- anyone
    def withdraw(self, provider: int, who: int, number: int, *, sender: int) -> int:
        """Pays a mature ticket to its owner; returns gwei."""
        ticket = self.ticket[provider, who, number]
        if ticket is None or ticket.pack() == 0:
            require(False, "pool: no such ticket")
        assert ticket is not None
        require(self._context.now >= ticket.release, "pool: ticket not mature")
        word = self.tickets[provider]
        amount = stake.value_of(ticket.shares, word.assets, word.shares)
        self.tickets[provider] = replace(word, assets=word.assets - amount, shares=word.shares - ticket.shares)
        if ticket.claim:
            self.claims[provider] -= ticket.shares
        self.ticket[provider, who, number] = None
        if amount != 0:
            self._token.transfer(who, amount * GWEI, sender=self.address)
        self._log("Withdrawn", provider, who, number, amount)
        return amount

    def poke(self, provider: int, *, sender: int) -> None:
        """Records that the pool is below its required stake, if it is."""
        require(self.need_owner[provider] != 0, "pool: no such pool")
        self._mark(provider, self.bucket[provider], self.units[provider])

    # ---- views
    @property
    def stake_price(self) -> int:
        """S: tokens a USD, 12 decimals."""
        return self._price["S"]

    def required(self, provider: int) -> int:
        """Gwei that the provider's nodes need."""
        return stake.required(self.units[provider], self.stake_price)

    def ceiling(self, provider: int) -> int:
        """Units that slashes can take from the provider now."""
        return self.faults[provider].left(self.units[provider], self._context.now, self.period_seconds)

    def need(self, provider: int) -> int:
        """need[p] as a word."""
        return Need(self.need_owner[provider], self.units[provider]).pack()

    def stake_of(self, provider: int, who: int) -> int:
        """stake[p][who] as a word: tickets issued stand above 64 zero bits."""
        return self.issued[provider, who] << 64

    def ticket_word(self, provider: int, who: int, number: int) -> int:
        """ticket[p][who][i] as a word."""
        ticket = self.ticket[provider, who, number]
        return 0 if ticket is None else ticket.pack()

    def _mark(self, provider: int, own: Own, units: int) -> None:
        now = self._context.now
        if own.assets < stake.required(units, self.stake_price) and own.last_below != now:
            self._log("FellBelow", provider, now)
            own = replace(own, last_below=now)
        self.bucket[provider] = own

    def _issue(self, provider: int, who: int, amount: int, claim: bool = False) -> int:
        release = self._context.now + self.unbonding_seconds
        self.tickets[provider], ticket = stake.issue(self.tickets[provider], amount, release, claim)
        if claim:
            self.claims[provider] += ticket.shares
        number = self.issued[provider, who]
        self.issued[provider, who] = number + 1
        self.ticket[provider, who, number] = ticket
        self._log("Unbonding", provider, who, number, amount, release)
        return number

    def _log(self, name: str, *values: int) -> None:
        self._journal.events.append(Event("StakingPool", name, values))
