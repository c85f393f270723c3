"""LeaseMarket in memory: signed messages become leases. Source: docs/protocol.md §6; contracts/market."""

from __future__ import annotations

from typing import Any

from keepers.protocol import leases
from keepers.protocol.leases import Sheet, Terms
from keepers.protocol.messages import MAX_CLUSTER, Ask, Domain, Take, address_text
from keepers.protocol.units import M8, M24, M28, M32, M64
from keepers.simulate.escrow import Escrow
from keepers.simulate.hub import Hub
from keepers.simulate.pool import Pool
from keepers.simulate.registry import Registry
from keepers.simulate.state import Context, Event, Journal, require


class Market:
    """Opens leases from a provider's Ask and a renter's Take; holds no money."""

    def __init__(
        self,
        journal: Journal,
        context: Context,
        hub: Hub,
        registry: Registry,
        pool: Pool,
        escrow: Escrow,
        address: int,
        slot: int,
        max_age: int,
    ) -> None:
        self._journal = journal
        self._context = context
        self._hub = hub
        self._registry = registry
        self._pool = pool
        self._escrow = escrow
        self.address = address
        self.slot = slot
        self.max_age = max_age

    @property
    def domain(self) -> Domain:
        """Where asks and takes are signed."""
        return Domain(self._context.chain_id, address_text(self.address))

    def take(self, ask: Ask, take: Take, ask_sig: bytes, take_sig: bytes, lapsed: list[int], *, sender: int) -> int:
        """Opens the leases of a Take; returns the id of the first."""
        now = self._context.now
        renter = int(take.renter, 16)
        require(now <= ask.expiry, "market: ask expired")
        require(now <= take.deadline, "market: take expired")
        require(0 < ask.rate <= M64, "market: rate out of range")
        require(0 < take.gpus <= M8, "market: gpus out of range")
        duration = take.duration
        fits = ask.min_duration <= duration <= ask.max_duration and duration <= M28
        require(fits, "market: duration out of range")
        nodes = unpacked(take.nodes)
        sheet = self._escrow.sheets[ask.sheet]
        require(sheet is not None, "market: no such sheet")
        assert sheet is not None
        digest = ask.digest(self.domain)
        require(take.ask == digest, "market: take of another ask")
        id = take.lease_id(self.domain)
        if sender != renter:
            self._check(renter, id.to_bytes(32, "big"), take_sig)
        low = self._price()
        for lease in lapsed:
            if self._escrow.terms(lease) & 15 == 0:
                self._escrow.stop(lease, 0, sender=self.address)
        offered = [ask.nodes >> 24 * i & M24 for i in range(10)]
        for node in nodes:
            word, _ = self._registry.reserve(node, take.gpus, sender=self.address)
            require(word.provider == ask.provider, "market: node of another provider")
            if ask.nodes == 0:
                require(word.class_id == ask.class_id, "market: node of another class")
            else:
                require(named(offered, node + 1), "market: node not offered")
        provider = self._registry.providers[ask.provider]
        require(ask.generation == provider.generation, "market: ask cancelled")
        self._check(provider.operator, digest, ask_sig)
        n = len(nodes)
        bond = leases.bond_gwei(sheet, ask.rate, take.gpus, low)
        shares = self._pool.lock(ask.provider, bond * n, self._hub.price_word.stake_price, sender=self.address)
        require(take.prepaid >= leases.least_prepaid(sheet, self.slot), "market: prepaid too short")
        require(take.prepaid <= min(duration, sheet.prepay), "market: prepaid too long")
        if n != 1:
            self._log("Filled", id, digest, renter, n)
        for i, node in enumerate(nodes):
            terms = Terms(ask.rate, take.gpus, node, ask.provider, now, duration, ask.sheet)
            part = shares // n if i else shares - shares // n * (n - 1)
            deposit = terms.per_second * take.prepaid
            self._escrow.open((id + i) % 2**256, terms, renter, part, deposit, low, digest, sender=self.address)
        return id

    def cancel(self, take: Take, *, sender: int) -> None:
        """A tombstone at each id of the message, by its renter."""
        require(sender == int(take.renter, 16), "market: cancel is the renter's")
        id = take.lease_id(self.domain)
        for i in range(len(unpacked(take.nodes))):
            self._escrow.bar((id + i) % 2**256, sender=self.address)
        self._log("Cancelled", id, sender)

    def cancel_all(self, provider: int, *, sender: int) -> None:
        """Raises the provider's generation."""
        self._registry.bump_generation(provider, sender, sender=self.address)

    def quote(self, ask: Ask, take: Take) -> tuple[int, int]:
        """Deposit (wei of a USD) and bond (gwei) of each lease."""
        fits = ask.rate <= M64 and take.gpus <= M8 and take.prepaid <= M32
        require(fits, "market: quote out of range")
        sheet: Sheet | None = self._escrow.sheets[ask.sheet]
        require(sheet is not None, "market: quote of no sheet")
        assert sheet is not None
        low = self._hub.price_word.low
        return ask.rate * take.gpus * take.prepaid, leases.bond_gwei(sheet, ask.rate, take.gpus, low)

    def _price(self) -> int:
        word = self._hub.price_word
        require(not word.paused, "market: paused")
        require(not word.clamped, "market: clamped")
        require(self._context.now <= word.stamp + self.max_age, "market: stale price")
        return word.low

    def _check(self, signer: int, digest: bytes, sig: bytes) -> None:
        require(signer != 0, "market: signer is zero")
        if len(sig) == 65 and self._context.recover(digest, sig) == signer:
            return
        wallet = self._context.wallets.get(signer)
        require(wallet is not None, "market: wrong signature")
        assert wallet is not None
        require(wallet(digest, sig), "market: wallet refused")

    def _log(self, name: str, *values: Any) -> None:
        self._journal.events.append(Event("LeaseMarket", name, values))


def unpacked(nodes: int) -> list[int]:
    """Indices of 1 to 8 packed nodes without a gap."""
    out: list[int] = []
    rest = nodes
    while rest & M24 and len(out) < MAX_CLUSTER:
        out.append((rest & M24) - 1)
        rest >>= 24
    require(bool(out) and rest == 0, "market: nodes out of range")
    return out


def named(offered: list[int], place: int) -> bool:
    """Whether a node (index + 1) is among those of an ask; empty places in between are passed over."""
    return place in offered
