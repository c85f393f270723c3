"""What the chain says about a wallet, a lease, a provider: views at one block, and histories from events."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from keepers.chain.contracts import LEASE_EVENTS, Suite
from keepers.chain.deployment import Deployment
from keepers.chain.ports import BlockRef, Event, Reader
from keepers.protocol.credits import Balance
from keepers.protocol.errors import HearthError
from keepers.protocol.leases import Money, Party, Reason, Terms, effective_stop
from keepers.protocol.messages import address_text
from keepers.protocol.nodes import Node, Provider
from keepers.protocol.price import PeriodWord, PriceWord
from keepers.protocol.stake import Need, Own, Ticket, Unbonding, tickets_issued, value_of
from keepers.protocol.stake import required as required_stake
from keepers.sdk.receipts import complete
from keepers.sdk.types import (
    Earnings,
    LeaseView,
    Receipt,
    ReceiptLine,
    StakeView,
    Tally,
    Wallet,
)


def parameter(deployment: Deployment, name: str) -> int:
    """A parameter of the deployment record as a number. Raises H1004 where the record lacks it."""
    try:
        return int(deployment.parameters[name])
    except (KeyError, TypeError, ValueError):
        raise HearthError("H1004", f"the record of {deployment.network} lacks the parameter {name}") from None


def no_lease(ref: str | int) -> HearthError:
    """H1005 for what is neither a number nor an id."""
    return HearthError(
        "H1005",
        f"{str(ref)[:80]!r} is no lease",
        why=("a lease is a number, or its id as 0x and hex digits",),
        next=("hearth status",),
    )


class Reads:
    """Read-only questions. All answers are of the reader's head unless a block is given."""

    def __init__(self, reader: Reader, deployment: Deployment) -> None:
        self.reader, self.deployment = reader, deployment
        self.suite = Suite.over(reader)
        self.calendar = deployment.clock()
        self.time_of = lru_cache(maxsize=4096)(self._block_time)

    # ---- prices and people

    def price(self, at: BlockRef) -> PriceWord:
        """The price word in force."""
        return PriceWord.unpack(self.suite.hub.price(at=at))

    def entries(self, at: BlockRef) -> str:
        """Why nothing new can be bought or rented now; empty when entries are open (docs/protocol.md §3)."""
        word = self.price(at)
        max_age = parameter(self.deployment, "max_age_s")
        if word.paused:
            return "entries are paused"
        if word.clamped:
            return "the price is clamped: the last median lay outside its bound"
        if at.timestamp > word.stamp + max_age:
            return f"the price is stale: {at.timestamp - word.stamp} s old, {max_age} s allowed"
        return ""

    def wallet(self, address: str, at: BlockRef | None = None) -> Wallet:
        """Coins, tokens, allowance to the engine, and the purse of an address."""
        at = at or self.reader.head()
        suite = self.suite
        engine = self.deployment.address("BurnMintEngine")
        token, allowance, purse, price = self.reader.read_many(
            [
                suite.token.view("balanceOf", address),
                suite.token.view("allowance", address, engine),
                suite.escrow.view("purse", address),
                suite.hub.view("price"),
            ],
            at,
        )
        balance = Balance.unpack(purse)
        return Wallet(
            address,
            self.reader.balance(address, at),
            token,
            allowance,
            balance.credits,
            balance.backing,
            PriceWord.unpack(price).low,
            at.number,
        )

    def node(self, index: int, at: BlockRef | None = None) -> Node:
        """A node. Raises H1005 where there is none."""
        at = at or self.reader.head()
        count = self.suite.registry.count(at=at)
        if not 0 <= index < count:
            raise HearthError(
                "H1005",
                f"there is no node {index}",
                why=(f"the registry has {count}",),
                next=("hearth node list",),
            )
        return Node.unpack(self.suite.registry.node(index, at=at))

    def nodes(self, at: BlockRef | None = None) -> list[Node]:
        """All nodes ever registered, by index."""
        at = at or self.reader.head()
        calls = [self.suite.registry.view("node", i) for i in range(self.suite.registry.count(at=at))]
        return [Node.unpack(word) for word in self.reader.read_many(calls, at)]

    def classes(self, at: BlockRef | None = None) -> dict[int, str]:
        """Name of each hardware class by its id (ids of the registry's table)."""
        at = at or self.reader.head()
        ids = range(self.suite.registry.class_count(at=at))
        rows = self.reader.read_many([self.suite.registry.view("class_of", c) for c in ids], at)
        return {c: str(row[0]) for c, row in zip(ids, rows, strict=True)}

    def stake_for(self, class_id: int, gpus: int, at: BlockRef | None = None) -> int:
        """Gwei of stake that a node of that class and size asks for at the present stake price."""
        at = at or self.reader.head()
        row = self.suite.registry.class_of(class_id, at=at)
        return required_stake(int(row[6]) * gpus, self.suite.pool.stake_price(at=at))

    def provider(self, p: int, at: BlockRef | None = None) -> Provider:
        """A provider. Raises H1005 where there is none."""
        at = at or self.reader.head()
        count = self.suite.registry.provider_count(at=at)
        if not 0 < p + 1 <= count:
            raise HearthError(
                "H1005",
                f"there is no provider {p}",
                why=(f"the registry has {count}",),
                next=("hearth node list --all names each node's provider",),
            )
        return Provider.unpack(self.suite.registry.provider(p, at=at))

    def providers_of(self, owner: str) -> list[int]:
        """Ids of the providers whose owner or operator an address is now, ascending."""
        at = self.reader.head()
        count = self.suite.registry.provider_count(at=at)
        calls = [self.suite.registry.view("owner_of", p) for p in range(count)]
        owners = self.reader.read_many(calls, at)
        words = self.reader.read_many([self.suite.registry.view("provider", p) for p in range(count)], at)
        operators = [address_text(Provider.unpack(word).operator) for word in words]
        me = owner.lower()
        return [p for p in range(count) if me in (str(owners[p]).lower(), operators[p])]

    def stake(self, p: int, at: BlockRef | None = None) -> StakeView:
        """A provider's own stake, its bonds and its tickets."""
        at = at or self.reader.head()
        pool = self.suite.pool
        self.provider(p, at)
        own_word, need, required, unbonding = self.reader.read_many(
            [pool.view("own", p), pool.view("need", p), pool.view("required", p), pool.view("unbonding", p)], at
        )
        own, out = Own.unpack(own_word), Unbonding.unpack(unbonding)
        owner = address_text(Need.unpack(need).owner)
        issued = tickets_issued(pool.stake_of(p, owner, at=at))
        words = self.reader.read_many([pool.view("ticket_of", p, owner, i) for i in range(issued)], at)
        tickets = [(i, Ticket.unpack(word)) for i, word in enumerate(words) if word]
        return StakeView(
            p,
            owner,
            own.assets,
            value_of(own.locked, own.assets, own.shares),
            required,
            own.shares - own.locked,
            tuple((i, value_of(t.shares, out.assets, out.shares), t.release) for i, t in tickets if t.shares),
        )

    # ---- leases

    def opened(self) -> list[Event]:
        """Every `Opened` event so far, in order: a lease's number is its place here, from 1."""
        return self._events("LeaseEscrow", "Opened")

    def lease_id(self, ref: str | int) -> tuple[int, int]:
        """(number, id) of a lease given by number or by its 0x… id. Raises H5001 where there is none, H1005."""
        text = str(ref).strip().lower()
        opened = self.opened()
        try:
            if text.startswith("0x"):
                wanted = int(text, 16)
                for number, event in enumerate(opened, 1):
                    if event["id"] == wanted:
                        return number, wanted
            elif 0 < int(text) <= len(opened):
                return int(text), int(opened[int(text) - 1]["id"])
        except ValueError:
            raise no_lease(ref) from None
        raise HearthError(
            "H5001", f"there is no lease {ref}", why=(f"opened so far: {len(opened)}",), next=("hearth status",)
        )

    def lease(self, ref: str | int, at: BlockRef | None = None) -> LeaseView:
        """A lease at a block."""
        at = at or self.reader.head()
        number, lease = self.lease_id(ref)
        return self._view(number, lease, at)

    def leases_of(self, renter: str, at: BlockRef | None = None) -> list[LeaseView]:
        """Every lease of a renter, ended ones included, in the order of their numbers."""
        at = at or self.reader.head()
        me = renter.lower()
        mine = [(n, int(e["id"])) for n, e in enumerate(self.opened(), 1) if str(e["renter"]).lower() == me]
        return [self._view(number, lease, at) for number, lease in mine]

    def deposited_since(self, renter: str, since: int) -> int:
        """Credits (wei) that a renter's leases were given from `since` (unix seconds) on, whoever topped them up."""
        mine = {int(e["id"]) for e in self.opened() if str(e["renter"]).lower() == renter.lower()}
        given = self._events("LeaseEscrow", "Opened", "ToppedUp")
        recent = [e for e in given if e["id"] in mine and self.time_of(e.block_number) >= since]
        return sum(int(e["credits"]) for e in recent)

    def receipt(self, ref: str | int) -> Receipt:
        """A lease's lines from its events."""
        at = self.reader.head()
        view = self.lease(ref, at)
        events = self.reader.events(self.deployment.first_block, at.number, "LeaseEscrow", LEASE_EVENTS)
        mine = [event for event in events if event["id"] == view.lease_id]
        return Receipt(view, complete(self, view, [self._line(event) for event in mine], mine, at))

    def _view(self, number: int, lease: int, at: BlockRef) -> LeaseView:
        escrow = self.suite.escrow
        words = self.reader.read_many(
            [escrow.view("terms", lease), escrow.view("money", lease), escrow.view("party", lease)], at
        )
        terms, money, party = Terms.unpack(words[0]), Money.unpack(words[1]), Party.unpack(words[2])
        until = terms.start if terms.reason is Reason.BARRED else effective_stop(terms, money)
        return LeaseView(number, lease, terms, money, party, until, at.timestamp, at.number)

    def _line(self, event: Event) -> ReceiptLine:
        at = self.time_of(event.block_number)
        base = (at, event.block_number, "0x" + event.tx_hash.hex())
        if event.name == "Opened":
            return ReceiptLine(*base, "opened", deposited_wei=event["credits"])
        if event.name == "ToppedUp":
            return ReceiptLine(*base, "topped up", deposited_wei=event["credits"])
        if event.name == "Settled":
            return ReceiptLine(
                *base,
                f"settled with epoch {event['epoch']}",
                event["seconds"],
                paid_wei=event["credits"],
                bounty_wei=event["bounty"],
                epoch=event["epoch"],
            )
        if event.name == "Stopped":
            reason = Reason(event["reason"]).name
            return ReceiptLine(*base, f"stopped: {reason}", event["after"], returned_wei=event["refund"])
        if event.name == "Finished":
            return ReceiptLine(
                *base,
                "finished",
                returned_wei=event["refund"],
                bond_shares_lost=event["taken"],
                epoch=event["epoch"],
            )
        if event.name == "Anchored":
            return ReceiptLine(*base, "anchored", epoch=event["epoch"])
        return ReceiptLine(*base, "notice given")

    # ---- earnings

    def earnings(self, key: int, at: BlockRef | None = None) -> Earnings:
        """Waiting tallies of a key (provider id, or a settler's address as a number) and what it has redeemed."""
        at = at or self.reader.head()
        periods = range(self.calendar.period(at.timestamp) + 1)
        words = self.reader.read_many([self.suite.escrow.view("tally", key, p) for p in periods], at)
        waiting = [(p, Balance.unpack(word)) for p, word in zip(periods, words, strict=True) if word]
        closed = self.closed_periods([p for p, _ in waiting], at)
        redeemed = [e for e in self._events("BurnMintEngine", "Redeemed") if e["key"] == key]
        return Earnings(
            key,
            tuple(Tally(p, b.credits, b.backing, p in closed) for p, b in waiting),
            sum(e["credits"] for e in redeemed),
            sum(e["minted"] for e in redeemed),
            sum(e["fee"] for e in redeemed),
        )

    def closed_periods(self, periods: Iterable[int], at: BlockRef) -> set[int]:
        """Those whose price is final: R_p ≠ 0, its report stands and DISPUTE has passed (docs/protocol.md §7)."""
        wanted = list(periods)
        hub = self.suite.hub
        *words, last = self.reader.read_many(
            [*(hub.view("period_word", p) for p in wanted), hub.view("last_epoch")], at
        )
        dispute = parameter(self.deployment, "dispute_epochs") * self.calendar.epoch_seconds
        return {
            period
            for period, word in zip(wanted, words, strict=True)
            if PeriodWord.unpack(word).closed(last, at.timestamp, dispute)
        }

    # ---- helpers

    def _events(self, contract: str, *names: str) -> list[Event]:
        return self.reader.events(self.deployment.first_block, self.reader.head().number, contract, names)

    def _block_time(self, number: int) -> int:
        block = self.reader.block(number)
        return block.timestamp if block is not None else 0
