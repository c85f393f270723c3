"""The invariants of docs/protocol.md §10 that are checked after every step, by their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from keepers.protocol import leases
from keepers.protocol.credits import Balance
from keepers.protocol.merge import quorum
from keepers.protocol.messages import address_text
from keepers.protocol.units import BPS, GWEI, PRICE_ONE
from keepers.simulate.state import Event
from tests.model.driver.calls import Call, Memory, Mismatch

if TYPE_CHECKING:
    from tests.model.driver.base import Base


def keep_books(memory: Memory, events: Sequence[Event]) -> None:
    """Books what the events say."""
    book = memory.book
    for event in events:
        v = event.values
        match event.name:
            case "Transfer" if v[0] == 0:
                book.minted += v[2]
            case "Transfer" if v[1] == 0:
                book.burned += v[2]
            case "Bought":
                book.bought += v[3]
            case "Refunded":
                book.taken += v[1]
            case "Redeemed":
                book.taken += v[3]
            case "Opened":
                book.deposited[v[0]] += v[4]
                memory.leases.append(v[0])
            case "ToppedUp":
                book.deposited[v[0]] += v[2]
            case "Settled":
                book.paid[v[0]] += v[4]
            case "Stopped":
                book.returned[v[0]] += v[5]
            case "Finished":
                book.returned[v[0]] += v[2]
                if v[1]:
                    book.proven[v[0]] = v[1]


def check(driver: Base, call: Call, events: Sequence[Event], purses: Mapping[int, Balance]) -> None:
    """All of them after a call that took effect; `purses` as they were before it. Raises Mismatch."""
    names = {x.name for x in events}
    _credits(driver, call)
    for event in events:
        if event.name in ("Settled", "Finished"):
            _paid(driver, event.values[0], call)
    if names & {"Reserved", "Opened", "Stopped", "NodeRetired"}:
        _capacity(driver, call)
    _stake(driver, call)
    _supply(driver, events, call)
    _reports(driver, events, call)
    _damages(driver, events, call)
    if (
        driver.world.hub.price_word.paused
        and call.function in ("buy", "take")
        and call.contract in ("engine", "market")
    ):
        _fail("I10", "an entry succeeded while paused", call)
    _purses(driver, call, purses)


def _fail(number: str, text: str, call: Call) -> NoReturn:
    raise Mismatch(f"{number} broken after {call}: {text}")


def _credits(driver: Base, call: Call) -> None:
    """I1: every credit and its backing was bought, and is in a purse, a tally or a lease."""
    e, book = driver.world.escrow, driver.memory.book
    moneys = [e.moneys[i] for i in driver.memory.leases]
    balances = [*e.purses.values(), *e.tallies.values()]
    held = sum(m.credits for m in moneys)
    credits = sum(b.credits for b in balances) + held
    backing = sum(b.backing for b in balances) + sum(m.backing for m in moneys)
    if credits != book.bought - book.taken:
        _fail("I1", f"credits {credits}, bought - taken {book.bought - book.taken}", call)
    if backing != driver.world.engine.outstanding:
        _fail("I1", f"backing {backing}, outstanding {driver.world.engine.outstanding}", call)
    deposited, paid, returned = (sum(c.values()) for c in (book.deposited, book.paid, book.returned))
    if deposited != paid + returned + held:
        _fail("I1", f"deposited {deposited} != paid {paid} + returned {returned} + held {held}", call)


def _paid(driver: Base, id: int, call: Call) -> None:
    """I2: paid = rate × GPUs × settled, settled ≤ attested; equal once finished with a proof from its start."""
    e, book = driver.world.escrow, driver.memory.book
    terms, money = driver.terms(id), e.moneys[id]
    stop = leases.effective_stop(terms, money) if not terms.finished else terms.start + terms.stop_after
    attested = driver.attested(terms.node, terms.start, stop)
    if book.paid[id] != terms.per_second * money.settled:
        _fail("I2", f"paid {book.paid[id]} for {money.settled} s", call)
    if money.settled > attested:
        _fail("I2", f"settled {money.settled} s, attested {attested} s", call)
    if id in book.proven and money.settled != attested:
        _fail("I2", f"finished with {money.settled} s, attested {attested} s", call)


def _capacity(driver: Base, call: Call) -> None:
    """I3: a node's reserved GPUs are those of its running leases, and no more than it has."""
    reserved: Counter[int] = Counter()
    for i in driver.memory.leases:
        terms = driver.terms(i)
        if not terms.stopped:
            reserved[terms.node] += terms.gpus
    for i in range(driver.world.registry.count):
        node = driver.world.registry.nodes[i]
        if node.reserved != reserved[i] or node.reserved > node.gpus:
            _fail("I3", f"node {i}: reserved {node.reserved}, leases {reserved[i]}, GPUs {node.gpus}", call)


def _stake(driver: Base, call: Call) -> None:
    """I4: locked shares are those of open bonds; the pool has the tokens of all stake, the committee's of its seats."""
    w = driver.world
    bonds: Counter[int] = Counter()
    for i in driver.memory.leases:
        terms = driver.terms(i)
        if not terms.finished:
            bonds[terms.provider] += w.escrow.parties[i].bond
    stake = 0
    for p in range(w.registry.provider_count):
        own, tickets = w.pool.bucket[p], w.pool.tickets[p]
        stake += own.assets + tickets.assets
        if own.locked != bonds[p] or own.locked > own.shares:
            _fail("I4", f"provider {p}: locked {own.locked}, bonds {bonds[p]}, shares {own.shares}", call)
    # tokens may be sent to the pool by mistake: they are nobody's, never missing
    if stake * GWEI > w.token.balance[w.pool.address]:
        _fail("I4", f"stake {stake} gwei, tokens {w.token.balance[w.pool.address]} wei", call)
    if sum(seat.bond for seat in w.committee.accounts.values()) != w.token.balance[w.committee.address]:
        _fail("I4", "seats' bonds are not the tokens held", call)


def _supply(driver: Base, events: Sequence[Event], call: Call) -> None:
    """I5: tokens are made of backing alone, at most CAP of it."""
    book, parameters = driver.memory.book, driver.parameters
    if driver.world.token.total_supply != parameters.supply - book.burned + book.minted:
        _fail("I5", "supply is not genesis - burned + minted", call)
    for event in events:
        v = event.values
        if event.name == "Redeemed" and (v[5] + v[7] + v[8]) * BPS > parameters.cap * v[4]:
            _fail("I5", f"minted {v[5]} + {v[7]} + {v[8]} of backing {v[4]}", call)
        if event.name == "Refunded" and v[3] > v[2]:
            _fail("I5", f"refund minted {v[3]} of backing {v[2]}", call)


def _reports(driver: Base, events: Sequence[Event], call: Call) -> None:
    """I6: a root that stands is the function of the records that were reported. I7: a quorum signed it."""
    hub = driver.world.hub
    for event in events:
        if event.name in ("Report", "Voided"):
            v = event.values
            who = v[5] if event.name == "Report" else v[4]
            _, seats = hub._signers(v[0])
            if who.bit_count() != quorum(len(seats)) or who >> len(seats):
                _fail("I7", f"report of {len(seats)} seats stands with {who:b}", call)
            if not driver.lying and hub.ring_word(hub.last_epoch) != driver.memory.tree.ring_word:
                _fail("I6", f"root of epoch {hub.last_epoch} is not that of its records", call)


def _damages(driver: Base, events: Sequence[Event], call: Call) -> None:
    """I12: a renter gets at most what it paid of a bond. I13: a finder gets at most a fifth."""
    w, book = driver.world, driver.memory.book
    for event in events:
        v = event.values
        if event.name == "BondEnded" and v[4] + v[5] and call.function == "finish":
            lease = call.arguments[0]
            worth = v[4] * GWEI * w.hub.price_word.high // PRICE_ONE
            if worth > book.paid[lease]:
                _fail("I12", f"renter gets {worth} of a bond, paid {book.paid[lease]}", call)
        if event.name == "Slashed" and v[4] * 5 > v[1]:
            _fail("I13", f"finder gets {v[4]} of {v[1]}", call)


def _purses(driver: Base, call: Call, purses: Mapping[int, Balance]) -> None:
    """I11: a purse shrinks only by its owner's call or signature."""
    signed = {int(call.arguments[1].renter, 16)} if call.function == "take" and call.contract == "market" else set()
    for owner, before in purses.items():
        now = driver.world.escrow.purses[owner]
        shrank = now.credits < before.credits or now.backing < before.backing
        if shrank and owner != call.sender and owner not in signed:
            _fail("I11", f"purse of {address_text(owner)} shrank", call)
