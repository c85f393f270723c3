"""Which views of the bytecode say what a store of the model says: a reader for each store, by its identity.

A reader takes the key that was written and gives rows (contract, view, arguments, what the model has there).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keepers.simulate.world import World

Row = tuple[str, str, tuple[Any, ...], Any]
Reader = Callable[[Any], list[Row]]


def readers(world: World) -> dict[int, Reader]:
    """A reader for every store of the model, at the present second."""
    money = _token(world) | _pool(world) | _escrow(world) | _engine(world)
    return money | _registry(world) | _hub(world) | _refuter(world) | _committee(world) | _challenge(world)


def _nothing(_: Any) -> list[Row]:
    """No view shows it; its effect is compared by later calls."""
    return []


def _token(world: World) -> dict[int, Reader]:
    t = world.token
    return {
        id(t.balance): lambda k: [("token", "balanceOf", (k,), t.balance[k])],
        id(t.allowed): lambda k: [("token", "allowance", k, t.allowed[k])],
        id(t.nonce): lambda k: [("token", "nonces", (k,), t.nonce[k])],
        id(t._supply): lambda k: [("token", "totalSupply", (), t.total_supply)],
    }


def _pool(world: World) -> dict[int, Reader]:
    p = world.pool

    def need(k: Any) -> list[Row]:
        return [("pool", "need", (k,), p.need(k)), ("pool", "required", (k,), p.required(k))]

    return {
        id(p.bucket): lambda k: [("pool", "own", (k,), p.bucket[k].pack())],
        id(p.need_owner): need,
        id(p.units): need,
        id(p.tickets): lambda k: [("pool", "unbonding", (k,), p.tickets[k].pack())],
        id(p.issued): lambda k: [("pool", "stake_of", k, p.stake_of(*k))],
        id(p.ticket): lambda k: [("pool", "ticket_of", k, p.ticket_word(*k))],
        id(p.faults): lambda k: [("pool", "ceiling", (k,), p.ceiling(k))],
        id(p.claims): _nothing,
        id(p.grants): _nothing,
        id(p._price): lambda k: [("pool", "stake_price", (), p.stake_price)],
    }


def _registry(world: World) -> dict[int, Reader]:
    r, epoch = world.registry, world.calendar.epoch(world.now)

    def counts(_: Any) -> list[Row]:
        return [("registry", "count", (), r.count), ("registry", "provider_count", (), r.provider_count)]

    def row(k: Any) -> Any:
        found = r.classes[k]
        return tuple(vars(found).values()) if found is not None else ()

    return {
        id(r.nodes): lambda k: [("registry", "node", (k,), r.nodes[k].pack())],
        id(r.keys): lambda k: [("registry", "key_of", (k, x), r.key_of(k, x)) for x in (epoch, epoch + 1)],
        id(r.node_of_key): lambda k: [("registry", "node_of_key", (k,), r.node_of_key[k])],
        id(r.gpu): lambda k: [("registry", "gpu_owner", (k,), r.gpu_owner(k))],
        id(r.providers): lambda k: [("registry", "provider", (k,), r.providers[k].pack())],
        id(r.owners): lambda k: [("registry", "owner_of", (k,), r.owners[k])],
        id(r.pending): lambda k: [("registry", "pending_owner_of", (k,), r.pending[k])],
        id(r.payouts): lambda k: [("registry", "payout", (k,), r.payouts[k])],
        id(r.classes): lambda k: [("registry", "class_of", (k,), row(k))],
        id(r.grants): _nothing,
        id(r._counts): counts,
    }


def _hub(world: World) -> dict[int, Reader]:
    h, epoch = world.hub, world.calendar.epoch(world.now)

    def numbers(_: Any) -> list[Row]:
        return [
            ("hub", "price", (), h.price_word.pack()),
            ("hub", "counters", (), h.counters),
            ("hub", "last_epoch", (), h.last_epoch),
            ("hub", "newest_usable", (), h.newest_usable()),
            ("hub", "committee", (epoch,), h.committee(epoch)),
        ]

    def header(_: Any) -> list[Row]:
        """A cancellation shows in the views of every epoch that fell."""
        rows = numbers(None)
        for e in range(max(0, h.last_epoch - 1), h.top + 2):
            rows += [
                ("hub", "cancels", (e,), h.cancels(e)),
                ("hub", "usable_at", (e,), h.usable_at(e)),
                ("hub", "seed", (e,), h.seed(e)),
                ("refuter", "state", (e,), world.refuter.state(e)),
            ]
        return rows

    def seed(k: Any) -> list[Row]:
        """With what the challenge makes of it: the epoch's work, and on whom its lot falls."""
        c = world.challenge
        lots: list[Row] = [("challenge", "is_challenged", (k, i), c.is_challenged(k, i)) for i in range(4)]
        return [("hub", "seed", (k,), h.seed(k)), ("challenge", "seeds", (k,), c.seeds(k)), *lots]

    def standing(k: Any) -> list[Row]:
        if k > h.last_epoch:
            return []  # it fell
        return [("hub", "ring_word", (k,), h.ring_word(k)), ("hub", "meta", (k,), h.meta(k))]

    return {
        id(h.standing): standing,
        id(h.seeds): seed,
        id(h.periods): lambda k: [("hub", "period_word", (k,), h.periods[k].pack())],
        id(h.posted): _nothing,
        id(h.committees): numbers,
        id(h._numbers): numbers,
        id(h._older): lambda _: [
            ("hub", "committee", (x,), h.committee(x)) for x in range(max(0, epoch - 9), epoch + 9)
        ],
        id(h._header): header,
        id(h.resigned): lambda k: [("hub", "cancels", (k,), h.cancels(k)), ("hub", "seed", (k + 1,), h.seed(k + 1))],
        id(h.check_in_slots): lambda k: [("hub", "check_ins", k, h.check_ins(*k))],
    }


def _refuter(world: World) -> dict[int, Reader]:
    r = world.refuter
    return {
        id(r.committed): lambda k: [("refuter", "committed_at", (k,), r.committed_at(k))],
        id(r.faults): lambda k: [("refuter", "fault_of", k, r.fault_of(*k))],
    }


def _committee(world: World) -> dict[int, Reader]:
    c = world.committee

    def account(k: Any) -> list[Row]:
        return [
            ("committee", "seat_of", (k,), c.seat_of(k)),
            ("committee", "state", (k,), c.state(k)),
            ("committee", "endpoint", (k,), c.endpoint(k)),
        ]

    def tables(_: Any) -> list[Row]:
        return [("committee", "seats", (), c.seats()), ("committee", "pending", (), c.pending())]

    return {
        id(c.accounts): account,
        id(c.endpoints): account,
        id(c.tables): tables,
        id(c.times): tables,
        id(c.committed): lambda k: [("committee", "committed_at", (k,), c.committed_at(k))],
        id(c.punishments): lambda k: [("committee", "punished", k, c.punished(*k))],
        id(c.proofs): _nothing,
    }


def _challenge(world: World) -> dict[int, Reader]:
    c = world.challenge
    return {
        id(c.committed): lambda k: [("challenge", "committed_at", (k,), c.committed_at(k))],
        id(c.faults): lambda k: [("challenge", "fault_of", (k,), c.fault_of(k))],
    }


def _escrow(world: World) -> dict[int, Reader]:
    e = world.escrow

    def lease(k: Any) -> list[Row]:
        rows: list[Row] = [
            ("escrow", "terms", (k,), e.terms(k)),
            ("escrow", "money", (k,), e.money(k)),
            ("escrow", "room", (k,), e.room(k)),
        ]
        return [*rows, ("escrow", "until", (k,), e.until(k))] if e.leases[k] is not None else rows

    return {
        id(e.leases): lease,
        id(e.barred): lambda k: [("escrow", "terms", (k,), e.terms(k))],
        id(e.moneys): lease,
        id(e.parties): lambda k: [("escrow", "party", (k,), e.party(k))],
        id(e.purses): lambda k: [("escrow", "purse", (k,), e.purses[k].pack())],
        id(e.tallies): lambda k: [("escrow", "tally", k, e.tallies[k].pack())],
        id(e.sheets): lambda k: [("escrow", "sheet", (k,), s.pack() if (s := e.sheets[k]) else 0)],
        id(e._counts): lambda _: [("escrow", "sheet_count", (), e.sheet_count)],
    }


def _engine(world: World) -> dict[int, Reader]:
    n, ledger = world.engine, world.escrow.address

    def numbers(_: Any) -> list[Row]:
        return [
            ("engine", "outstanding", (ledger,), n.outstanding),
            ("engine", "pots", (), n.pots),
            ("engine", "shares", (), n.shares),
        ]

    def settings(_: Any) -> list[Row]:
        periods = range(world.calendar.period(world.now) + 3)
        return [
            ("engine", "peg", (), n.peg),
            *[("engine", "peg_of", (x,), n.peg_of(x)) for x in periods],
            *[("engine", "fee_of", (x,), n.fee_of(x)) for x in periods],
        ]

    return {id(n._numbers): numbers, id(n._settings): settings}
