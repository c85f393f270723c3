"""One lease's bill, worked out again from the chain alone and compared to the wei.

Three accounts must agree: the escrow's events and words; the formulas over the leaves that the reports give; and a
count of the node's slots, second by second, that knows no leaf. Every root that the bill rests on is rebuilt first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from keepers.chain.bounded_json import loads
from keepers.chain.history import pages
from keepers.chain.masking import mask_url
from keepers.chain.ports import BlockRef, Call, Event
from keepers.protocol.counters import Header, Leaf, mask_of
from keepers.protocol.credits import Balance, bounty
from keepers.protocol.errors import HearthError
from keepers.protocol.leases import (
    Money,
    Reason,
    Terms,
    base_of,
    due_seconds,
    effective_stop,
    excess,
    payment,
)
from keepers.protocol.rebuild import Fault
from keepers.protocol.seconds import EpochView, Span, Why, attested, mark_paid, spans
from keepers.protocol.uptime_tree import UptimeTree
from keepers.sdk.audit import Audit
from keepers.sdk.fetch import fetch_url, is_url
from keepers.sdk.reads import no_lease, parameter

MAX_RECEIPT = 4 << 20  # bytes of a receipt that is read
HOW_TO_MAKE = "hearth receipt LEASE --json > receipt.json makes one"
ESCROW = "LeaseEscrow"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was compared: what, whether it agrees, and the two figures where it does not."""

    what: str
    right: bool
    detail: str = ""


@dataclass(frozen=True)
class Verified:
    """A bill checked at one block. `spans` cover the lease from its start to the end of its term."""

    number: int
    lease_id: int
    terms: Terms
    money: Money
    stop: int
    spans: tuple[Span, ...]
    checks: tuple[Check, ...]
    deposited_wei: int
    paid_wei: int
    bounty_wei: int
    returned_wei: int
    reported: int
    roots: int
    at: BlockRef

    @property
    def right(self) -> bool:
        """Whether every check agrees."""
        return all(check.right for check in self.checks)

    @property
    def held_wei(self) -> int:
        """Credits still in the lease."""
        return self.money.credits

    def seconds(self, why: Why) -> int:
        """Seconds of one kind."""
        return sum(span.seconds for span in self.spans if span.why is why)


@dataclass
class _Node:
    """What one node's leaf was after each epoch of the lease: (header, leaf word)."""

    index: int
    first: int
    states: dict[int, tuple[Header, int]] = field(default_factory=dict)

    def see(self, tree: UptimeTree) -> None:
        """Remembers the state of this epoch."""
        if tree.header.epoch >= self.first:
            self.states[tree.header.epoch] = (tree.header, tree.word(self.index))

    def leaf(self, epoch: int) -> tuple[Header, Leaf]:
        """Header and leaf of an epoch. Raises KeyError for one that was not rebuilt."""
        header, word = self.states[epoch]
        return header, Leaf.unpack(word)

    def view(self, epoch: int) -> EpochView | None:
        """The epoch as the node saw it; None if it is not reported."""
        if epoch not in self.states:
            return None
        header, leaf = self.leaf(epoch)
        return EpochView(mask_of(header, leaf), header.indet, header.void)


@dataclass
class _Books:
    """The lease as its events make it, one after another."""

    terms: Terms
    money: Money
    deposited: int = 0
    paid: int = 0
    bounty: int = 0
    returned: int = 0
    provable: int = 0
    checks: list[Check] = field(default_factory=list)

    def agree(self, what: str, ours: object, theirs: object) -> None:
        """Notes a comparison."""
        self.checks.append(Check(what, ours == theirs, "" if ours == theirs else f"ours {ours}, on chain {theirs}"))


class Verify:
    """Checks of leases over one `Audit`."""

    def __init__(self, audit: Audit) -> None:
        self.audit, self.reader, self.deployment = audit, audit.reader, audit.deployment
        self.calendar = audit.deployment.clock()

    def lease(self, ref: str | int, start: Path | None = None) -> Verified:
        """Checks a lease given by number or id. `start`: a file of leaves of an epoch before the lease's.

        Raises H5001 for no such lease, and what `Audit.rebuild` raises.
        """
        at = self.reader.head()
        number, opened = self._opened(str(ref), at)
        lease = int(opened["id"])
        events = self._events(lease, opened.block_number, at)
        words = self.reader.read_many([Call(ESCROW, "terms", (lease,)), Call(ESCROW, "money", (lease,))], at)
        terms, money = Terms.unpack(words[0]), Money.unpack(words[1])
        stop = effective_stop(terms, money)
        node, roots, fault = self._node(terms, stop, events, at, start)
        books = self._replay(events, node)
        if fault is not None:
            books.checks.insert(
                0, Check("every root up to the lease's end", False, f"epoch {fault.epoch}: {fault.why}")
            )
        else:
            books.checks.insert(0, Check(f"{roots} roots rebuilt from their records", True))
        books.agree(
            "terms of the lease, as its events leave them", replace(books.terms, finished=terms.finished), terms
        )
        books.agree("credits and backing left in it", books.money, money)
        found = list(spans(terms.start, stop, self.calendar, node.view, provable=books.provable))
        self._count(books, found, money, stop)
        found = mark_paid(found, money.settled)
        end = terms.start + self._agreed(events)
        if stop < end:
            funds = terms.reason is Reason.FUNDS if terms.stopped else not terms.notice
            found.append(Span(stop, end, Why.UNFUNDED if funds else Why.AFTER))
        reported = max(node.states, default=0)
        return Verified(
            number, lease, terms, money, stop, tuple(found), tuple(books.checks), books.deposited, books.paid,
            books.bounty, books.returned, reported, roots, at,
        )  # fmt: skip

    def receipt(self, place: str, start: Path | None = None) -> Verified:
        """Checks a receipt (`hearth receipt LEASE --json`) in a file or at a URL, and the lease it is of.

        Raises H1006 for no receipt, H2007 for a place that does not answer.
        """
        document = _read_receipt(place)
        if document.get("chain_id") not in (None, self.deployment.chain_id):
            raise HearthError(
                "H1006",
                f"{_said(place)} is a receipt of chain {document['chain_id']}",
                next=(f"--network of that chain; this is {self.deployment.network}",),
            )
        data = document["data"]
        verified = self.lease(str(data["id"]), start)
        opened = self._opened(str(data["id"]), verified.at)[1]
        claimed = [_line(line) for line in data["lines"]]
        known = [_moved(event) for event in self._events(verified.lease_id, opened.block_number, verified.at)]
        missing = [line for line in claimed if line not in known]
        totals = tuple(int(data[name]) for name in ("deposited_wei", "paid_wei", "returned_wei", "held_wei"))
        sums = tuple(sum(line[i] for line in claimed) for i in (3, 4, 6))
        checks = [
            Check(
                f"{len(claimed)} lines of the receipt stand on chain",
                not missing,
                "" if not missing else f"block {missing[0][0]}, tx {missing[0][1]} is another",
            ),
            Check(
                "totals of the receipt are those of its lines",
                totals[:3] == sums and totals[3] == sums[0] - sums[1] - sums[2],
            ),
        ]
        later = len(known) - len(claimed)
        if later > 0:
            checks.append(
                Check(f"{later} lines are newer than the receipt or left out of it", later == _newer(claimed, known))
            )
        return replace(verified, checks=(*verified.checks, *checks))

    # ---- inside

    def _opened(self, ref: str, at: BlockRef) -> tuple[int, Event]:
        """(number, event) of a lease given by number or 0x… id. Raises H5001 where there is none, H1005."""
        text, number = ref.strip().lower(), 0
        try:
            wanted = int(text, 16 if text.startswith("0x") else 10)
        except ValueError:
            raise no_lease(ref) from None
        for event in pages(self.reader, self.deployment.first_block, at.number, ESCROW, ("Opened",)):
            number += 1
            if wanted == (int(event["id"]) if text.startswith("0x") else number):
                return number, event
        raise HearthError(
            "H5001", f"there is no lease {ref}", why=(f"opened so far: {number}",), next=("hearth status",)
        )

    def _events(self, lease: int, first: int, at: BlockRef) -> list[Event]:
        """Everything that the escrow logged of a lease."""
        found = pages(self.reader, first, at.number, ESCROW, _MONEY)
        return [event for event in found if int(event["id"]) == lease]

    def _node(
        self, terms: Terms, stop: int, events: list[Event], at: BlockRef, start: Path | None
    ) -> tuple[_Node, int, Fault | None]:
        """The node's leaf after every epoch that the lease rests on, roots rebuilt on the way."""
        node = _Node(terms.node, self.calendar.epoch(terms.start))
        cited = [int(e["epoch"]) for e in events if e.name in ("Anchored", "Settled", "Finished")]
        wanted = max(node.first, self.calendar.epoch(max(stop - 1, terms.start)), *cited, 0)
        last = int(self.reader.read(Call("AttestationHub", "last_epoch"), at))
        found = self.audit.rebuild(min(last, wanted), start, node.see, at)
        if found.started > node.first:
            raise HearthError(
                "H6302",
                f"the leaves of epoch {found.started} are too new for this lease",
                why=(f"it began in epoch {node.first}",),
                next=("take leaves of an epoch before it, or leave --from out",),
            )
        return node, len(found.rows), found.fault

    def _replay(self, events: list[Event], node: _Node) -> _Books:
        opened = events[0]
        books = _Books(Terms.unpack(opened["terms"]), Money(opened["credits"], opened["backing"]), opened["credits"])
        for event in events:
            handler = _HANDLERS.get(event.name)
            if handler is not None:
                handler(self, books, event, node)
        books.agree(
            "deposited = paid + returned + held, to the wei",
            books.deposited,
            books.paid + books.returned + books.money.credits,
        )
        return books

    def _topped_up(self, books: _Books, event: Event, node: _Node) -> None:
        books.deposited += event["credits"]
        books.money = replace(
            books.money, credits=books.money.credits + event["credits"], backing=books.money.backing + event["backing"]
        )

    def _anchored(self, books: _Books, event: Event, node: _Node) -> None:
        epoch = int(event["epoch"])
        if epoch in node.states:
            header, leaf = node.leaf(epoch)
            ours = base_of(books.terms, self.calendar, epoch, header, leaf)
            books.agree(f"anchor from epoch {epoch}", ours, int(event["base"]))
        else:
            books.checks.append(Check(f"anchor from epoch {epoch}", False, "that epoch is not among the rebuilt ones"))
        books.provable = self.calendar.start(epoch)
        books.money = replace(books.money, base=int(event["base"]))

    def _settled(self, books: _Books, event: Event, node: _Node) -> None:
        epoch, name = int(event["epoch"]), f"settlement with epoch {event['epoch']}"
        stop = effective_stop(books.terms, books.money)
        before = books.money
        due = int(event["seconds"])
        if epoch in node.states and before.base is not None:
            header, leaf = node.leaf(epoch)
            due = due_seconds(books.terms, stop, before.base, self.calendar, header, leaf)
            books.agree(f"{name}: seconds by the leaf", due, int(event["seconds"]))
        else:
            books.checks.append(Check(name, False, "its epoch is not among the rebuilt ones, or it has no anchor"))
        counted = attested(
            list(spans(books.terms.start, stop, self.calendar, node.view, provable=books.provable)),
            min(stop, self.calendar.end(epoch)),
        )
        books.agree(f"{name}: seconds counted slot by slot", counted, int(event["seconds"]))
        paid, rest = Balance(before.credits, before.backing).split(payment(books.terms, before, due))
        books.agree(f"{name}: credits", paid.credits, int(event["credits"]))
        books.agree(f"{name}: backing", paid.backing, int(event["backing"]))
        books.agree(
            f"{name}: bounty", self._bounty(books, event, paid, due - before.settled, stop), int(event["bounty"])
        )
        books.paid += int(event["credits"])
        books.bounty += int(event["bounty"])
        books.money = replace(before, credits=rest.credits, backing=rest.backing, settled=due)

    def _bounty(self, books: _Books, event: Event, paid: Balance, seconds: int, stop: int) -> int:
        if int(event["payee"]) == books.terms.provider:
            return 0
        block = self.reader.block(event.block_number)
        now = block.timestamp if block is not None else 0
        if seconds < self.calendar.period_seconds and now < stop:
            return 0
        return bounty(paid, parameter(self.deployment, "bounty_bps")).credits

    def _notice(self, books: _Books, event: Event, node: _Node) -> None:
        books.terms = replace(books.terms, duration=int(event["duration"]), notice=True)

    def _stopped(self, books: _Books, event: Event, node: _Node) -> None:
        reason = Reason(int(event["reason"]))
        if books.terms.stopped:  # a later proof changed why, not when
            books.terms = replace(books.terms, reason=reason, cause=type(books.terms.cause)(int(event["cause"])))
            return
        after = int(event["after"])
        back = excess(books.terms, books.money, after)
        moved, rest = Balance(books.money.credits, books.money.backing).split(back)
        books.agree("stop: credits sent home", back, int(event["refund"]))
        books.agree("stop: backing sent home", moved.backing, int(event["backing"]))
        lapse = effective_stop(books.terms, books.money) - books.terms.start
        books.checks.append(
            Check("stop: not after what was funded", after <= lapse, "" if after <= lapse else f"{after} > {lapse}")
        )
        books.returned += int(event["refund"])
        books.money = replace(books.money, credits=rest.credits, backing=rest.backing)
        books.terms = books.terms.with_stop(after, reason, type(books.terms.cause)(int(event["cause"])))

    def _finished(self, books: _Books, event: Event, node: _Node) -> None:
        books.agree("finish: credits sent home", books.money.credits, int(event["refund"]))
        books.agree("finish: backing sent home", books.money.backing, int(event["backing"]))
        books.returned += int(event["refund"])
        books.money = replace(books.money, credits=0, backing=0)

    def _count(self, books: _Books, found: list[Span], money: Money, stop: int) -> None:
        """Never more settled than attested; after the end exactly as much, unless it ended without a proof."""
        whole = attested(found, stop)
        books.checks.append(
            Check(
                "no second was paid that was not attested",
                money.settled <= whole,
                f"settled {money.settled:,} of {whole:,} s",
            )
        )

    def _agreed(self, events: list[Event]) -> int:
        """Seconds of the term as it was taken, before any notice."""
        return Terms.unpack(events[0]["terms"]).duration


_HANDLERS = {
    "ToppedUp": Verify._topped_up,
    "Anchored": Verify._anchored,
    "Settled": Verify._settled,
    "NoticeGiven": Verify._notice,
    "Stopped": Verify._stopped,
    "Finished": Verify._finished,
}


_MONEY = ("Opened", *_HANDLERS)


def _moved(event: Event) -> tuple[Any, ...]:
    """What a receipt says of an event: block, tx, seconds, then wei deposited, paid, bounty, returned."""
    seconds = {"Settled": "seconds", "Stopped": "after"}.get(event.name)
    figures = (
        event[seconds] if seconds else 0,
        event["credits"] if event.name in ("Opened", "ToppedUp") else 0,
        event["credits"] if event.name == "Settled" else 0,
        event["bounty"] if event.name == "Settled" else 0,
        event["refund"] if event.name in ("Stopped", "Finished") else 0,
    )
    return (event.block_number, "0x" + event.tx_hash.hex(), *(int(figure) for figure in figures))


def _read_receipt(place: str) -> Mapping[str, Any]:
    said = _said(place)
    try:
        document = loads(_bytes_of(place))
        if not isinstance(document, dict) or document.get("schema") != "hearth.receipt/1":
            raise ValueError("its schema is not hearth.receipt/1")
        for line in document["data"]["lines"]:
            _line(line)
        int(document["data"]["id"], 16)
        for name in ("deposited_wei", "paid_wei", "returned_wei", "held_wei"):
            int(document["data"][name])
        return document
    except OSError as error:
        raise HearthError("H1006", f"{said} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise HearthError(
            "H1006",
            f"{said} is no receipt",
            why=(f"{type(error).__name__}: {error}",),
            next=(HOW_TO_MAKE,),
        ) from None


def _said(place: str) -> str:
    """A place as messages name it: a URL may hold a token."""
    return mask_url(place) if is_url(place) else place


def _bytes_of(place: str) -> bytes:
    """Of a file or URL. Raises OSError, ValueError for more than a receipt can have, and what `fetch_url` raises."""
    if is_url(place):
        return fetch_url(place, MAX_RECEIPT, "H1006", HOW_TO_MAKE)
    with Path(place).open("rb") as file:
        content = file.read(MAX_RECEIPT + 1)
    if len(content) > MAX_RECEIPT:
        raise ValueError(f"it is larger than {MAX_RECEIPT >> 20} MiB")
    return content


def _line(line: Mapping[str, Any]) -> tuple[Any, ...]:
    numbers = (int(line[name]) for name in ("seconds", "deposited_wei", "paid_wei", "bounty_wei", "returned_wei"))
    return (int(line["block"]), str(line["tx"]), *numbers)


def _newer(claimed: list[tuple[Any, ...]], known: list[tuple[Any, ...]]) -> int:
    """Lines of the chain after the last one of the receipt."""
    newest = max((line[0] for line in claimed), default=-1)
    return sum(line[0] > newest for line in known)
