"""What every part of the SDK stands on: one network, one key or none, looking, and the steps that pay."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from keepers.chain.attestations import Attestations
from keepers.chain.contracts import Suite
from keepers.chain.deployment import Deployment
from keepers.chain.ports import BlockRef, Reader
from keepers.protocol.credits import burn_for
from keepers.protocol.errors import HearthError
from keepers.protocol.leases import Reason, Sheet
from keepers.protocol.messages import Ask, Domain, Take
from keepers.protocol.nodes import Node
from keepers.protocol.units import WAD
from keepers.sdk.history import (
    Earned,
    Ending,
    ReportProof,
    Share,
    dark_epoch,
    earned_of,
    ending_of,
    proofs_of,
    share_of,
)
from keepers.sdk.limits import Limits
from keepers.sdk.reads import Reads, parameter
from keepers.sdk.session import Session, Signer, Step
from keepers.sdk.types import Earnings, LeaseView, Receipt, StakeView, Wallet
from keepers.sdk.uptime import Uptime, uptime_of

Progress = Callable[[str, str], object]
ENDING_EVENTS = ("Stopped", "Settled", "Finished")


class Base:
    """One network, one key (or none: then everything can be looked at and nothing sent)."""

    def __init__(
        self,
        reader: Reader,
        deployment: Deployment,
        *,
        session: Session | None = None,
        signer: Signer | None = None,
        operator: Callable[[], Signer | None] = lambda: None,
        role: str = "renter",
        offers: str = "",
        fetch: Callable[[str], bytes] | None = None,
        recover: Callable[[bytes, bytes], str] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.reader, self.deployment = reader, deployment
        self.suite = Suite.over(reader)
        self.reads = Reads(reader, deployment)
        self.calendar = deployment.clock()
        self._session, self._signer, self._operator, self._role = session, signer, operator, role
        self._offers, self._fetch = offers, fetch
        self._recover = recover
        self.limits = limits or Limits()
        self.market_domain = Domain(deployment.chain_id, deployment.address("LeaseMarket"))
        self.registry_domain = Domain(deployment.chain_id, deployment.address("NodeRegistry"))

    # ---- who

    @property
    def address(self) -> str:
        """The key that acts. Raises H1101 (exit 4) where there is none."""
        return self.session.address

    @property
    def has_key(self) -> bool:
        """Whether there is a key that acts."""
        return self._session is not None

    def deployment_number(self, name: str) -> int:
        """A parameter of the deployment record. Raises H1004 where the record lacks it."""
        return parameter(self.deployment, name)

    @property
    def session(self) -> Session:
        """The way to send. Raises H1101 (exit 4) without a key."""
        if self._session is None:
            raise HearthError(
                "H1101",
                "this needs a key, and none is configured",
                why=("nothing can be signed without one",),
                next=(
                    f"hearth init {self._role}",
                    "hearth key new",
                    f"hearth config set {self._role}.keystore FILE",
                ),
            )
        return self._session

    @property
    def signer(self) -> Signer:
        """The key that signs messages. Raises H1101 (exit 4) without one."""
        if self._signer is None:
            raise HearthError("H1101", "this needs a key that signs, and none is configured", next=("hearth key new",))
        return self._signer

    @property
    def ask_signer(self) -> Signer:
        """The key that signs asks: [operator] of the config, else the key that acts. Raises H1101 without either."""
        return self._operator() or self.signer

    # ---- looking

    def head(self) -> BlockRef:
        """The block that the next answers are of."""
        return self.reader.head()

    def wallet(self, address: str | None = None) -> Wallet:
        """What an address holds (default: the key's)."""
        return self.reads.wallet(address or self.address)

    def status(self, lease: str | int) -> LeaseView:
        """A lease by number or id."""
        return self.reads.lease(lease)

    def leases(self, renter: str | None = None) -> list[LeaseView]:
        """All leases of a renter (default: the key's)."""
        return self.reads.leases_of(renter or self.address)

    def uptime(self, lease: str | int) -> Uptime:
        """What the committee saw of a lease, rebuilt from the reports on chain."""
        at = self.head()
        view = self.reads.lease(lease, at)
        return uptime_of(view, self._reports(at), self.calendar, self.suite.hub.newest_usable(at=at))

    def ending(self, lease: str | int) -> Ending | None:
        """Who stopped a lease and on which report; None while it runs."""
        at = self.head()
        view = self.reads.lease(lease, at)
        if not view.terms.stopped:
            return None
        shown = 0
        if view.terms.reason is Reason.HOST_DOWN:
            sheet = Sheet.unpack(self.suite.escrow.sheet(view.terms.sheet, at=at))
            usable = self.suite.hub.newest_usable(at=at)
            shown = dark_epoch(view, sheet.dark_limit, self._reports(at), self.calendar, usable)
        events = self.reader.events(self.deployment.first_block, at.number, "LeaseEscrow", ENDING_EVENTS)
        found = ending_of(view.lease_id, events, self.reader, self.deployment.first_block, shown)
        if found is None or not found.report_epoch:
            return found
        _, _, seats = self.suite.hub.committee(found.report_epoch, at=at)
        return replace(found, seats=seats)

    def shares(self, nodes: Iterable[int]) -> dict[int, Share]:
        """Attested share of nodes over the last 30 days that are usable, as their counters on chain say it."""
        at = self.head()
        usable = self.suite.hub.newest_usable(at=at)
        reports = self._reports(at)
        wanted = sorted(set(nodes))
        words = self.reader.read_many([self.suite.registry.view("node", i) for i in wanted], at)
        found = {
            i: share_of(i, Node.unpack(word).first, reports, self.calendar, usable)
            for i, word in zip(wanted, words, strict=True)
        }
        return {i: share for i, share in found.items() if share is not None}

    def receipt(self, lease: str | int) -> Receipt:
        """Everything that moved money in a lease."""
        return self.reads.receipt(lease)

    def proofs(self, receipt: Receipt) -> tuple[ReportProof, ...]:
        """The Merkle proofs behind a receipt's lines, one an epoch, as far as the reports still reach."""
        reports = self._reports(self.head())
        return proofs_of(receipt.view.terms.node, (line.epoch for line in receipt.lines), reports)

    def stake(self, provider: int) -> StakeView:
        """A provider's stake."""
        return self.reads.stake(provider)

    def earnings(self, key: int) -> Earnings:
        """A provider's tallies (or those of an address, as a number)."""
        return self.reads.earnings(key)

    def earned(self, provider: int, since: int = 0) -> tuple[Earned, ...]:
        """Every settlement of a provider's leases from `since` (unix seconds) on."""
        first, head = self.deployment.first_block, self.head().number
        settled = self.reader.events(first, head, "LeaseEscrow", ("Settled",))
        times = {e.block_number: self.reads.time_of(e.block_number) for e in settled if e["provider"] == provider}
        return earned_of(provider, since, self.reads.opened(), settled, times)

    def _reports(self, at: BlockRef) -> Attestations:
        reports = Attestations(self.reader, self.deployment.first_block)
        reports.refresh(at)
        return reports

    # ---- paying

    def _burn_for(self, credits: int, price: int) -> int:
        """Fewest tokens (wei) whose burn buys at least `credits`."""
        return burn_for(credits, price, parameter(self.deployment, "spread_bps"))

    def _afford(self, burn: int, wallet: Wallet) -> None:
        if burn > wallet.token_wei:
            raise HearthError(
                "H5003",
                f"{tokens_text(burn)} tokens are needed, {wallet.address} holds {tokens_text(wallet.token_wei)}",
                next=(
                    f"send {tokens_text(burn - wallet.token_wei)} tokens to {wallet.address} on chain"
                    f" {self.deployment.chain_id}",
                ),
            )

    def _approve(self, amount: int) -> list[Step]:
        engine = self.deployment.address("BurnMintEngine")
        return [Step("approve", self.suite.token.approve(engine, amount))] if amount else []

    def _buy(self, burn: int, least: int) -> list[Step]:
        return [Step("buy", self.suite.engine.buy(burn, least))] if burn else []

    def _signer_of(self, digest: bytes, signature: bytes) -> str:
        if self._recover is not None:
            return self._recover(digest, signature)
        from keepers.wire.signatures import BadSignature, recover

        try:
            return recover(digest, signature)
        except BadSignature as error:
            raise ValueError(str(error)) from None


def struct(message: Ask | Take) -> tuple[Any, ...]:
    """A message as the tuple of its fields, in the order of its type."""
    return tuple(vars(message).values())


def tokens_text(wei: int) -> str:
    """Tokens with four decimals, for messages."""
    return f"{wei / WAD:,.4f}"
