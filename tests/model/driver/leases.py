"""A lease from its anchor to its finish."""

from __future__ import annotations

import random

from keepers.protocol import leases
from keepers.protocol.leases import HOST_REASONS, NO_LIMIT
from keepers.protocol.nodes import Status
from tests.model.driver.calls import Call
from tests.model.driver.market import Market


class Leases(Market):
    """Settlers, renters and hosts of running leases."""

    def epoch_for(self, rng: random.Random, id: int) -> int:
        """A usable epoch within the lease, mostly the newest; seldom any other."""
        hub = self.world.hub
        if id not in self.memory.leases or rng.random() < 0.05:
            return rng.randrange(0, hub.last_epoch + 1)
        terms = self.terms(id)
        stop = leases.effective_stop(terms, self.world.escrow.moneys[id])
        first, last = self.calendar.epoch(terms.start), self.calendar.epoch(max(terms.start, stop - 1))
        newest = min(hub.newest_usable(), last)
        if newest < first:
            return hub.last_epoch
        return newest if rng.random() < 0.7 else rng.randrange(first, newest + 1)

    def start_epoch(self, rng: random.Random, id: int) -> int:
        """Epoch of a lease's start if it was reported; seldom another."""
        last = self.world.hub.last_epoch
        if id not in self.memory.leases or rng.random() < 0.03:
            return rng.randrange(last + 1)
        return min(last, self.calendar.epoch(self.terms(id).start))

    def node_of(self, id: int) -> int:
        """Node of a lease; 0 where there is none."""
        found = self.world.escrow.leases[id]
        return found.node if found is not None else 0

    def payee(self, rng: random.Random) -> int:
        """Who gets the bounty."""
        return rng.choice((*self.settlers, *self.settlers, 0, 1, self.finder)) if rng.random() < 0.98 else 2**160

    def do_anchor(self, rng: random.Random) -> Call:
        """Anchors a lease."""
        id = self.lease(rng)
        bare = [
            i for i in self.memory.leases if self.world.escrow.moneys[i].base is None and not self.terms(i).finished
        ]
        if bare and rng.random() < 0.9:
            id = rng.choice(bare)
            usable = self.world.hub.usable_at(self.calendar.epoch(self.terms(id).start))
            self.warp(max(self.memory.now, min(usable, self.memory.now + 240)))
        found = self.spoil(rng, self.proof(self.start_epoch(rng, id), self.node_of(id)))
        return Call("escrow", "anchor", (id, *found), rng.choice(self.people))

    def do_settle(self, rng: random.Random) -> Call:
        """Settles one lease, with or without its anchor."""
        id = self.lease(rng)
        node = self.node_of(id)
        found = self.spoil(rng, self.proof(self.epoch_for(rng, id), node))
        sender = rng.choice(self.people)
        if self.world.escrow.moneys[id].base is None or rng.random() < 0.03:
            first = self.spoil(rng, self.proof(self.start_epoch(rng, id), node))
            return Call("escrow", "settle_first", (id, *found, self.payee(rng), *first), sender)
        return Call("escrow", "settle", (id, *found, self.payee(rng)), sender)

    def do_settle_many(self, rng: random.Random) -> Call:
        """Settles many leases of one epoch under one multiproof."""
        known = self.memory.leases[-64:]
        if not known:
            return Call("escrow", "settle_many", ([], 0, [], [], 0), self.finder)
        e = self.epoch_for(rng, rng.choice(known))
        tree = self.memory.trees[e]
        chosen = rng.sample(known, rng.randrange(1, min(len(known), 12) + 1))
        chosen = [i for i in chosen if self.node_of(i) < 1 << tree.depth] or chosen[:1]
        chosen.sort(key=self.node_of)
        nodes = sorted({self.node_of(i) for i in chosen})
        siblings = tree.multiproof(nodes) if nodes[-1] < 1 << tree.depth else []
        found = [tree.leaf(self.node_of(i)).pack() for i in chosen]
        if rng.random() < 0.05 and siblings:
            siblings = rng.choice(([*siblings, bytes(32)], siblings[:-1], [bytes(32), *siblings[1:]]))
        if rng.random() < 0.03:
            rng.shuffle(chosen)
        arguments = (chosen, tree.header.pack(), found, siblings, self.payee(rng))
        return Call("escrow", "settle_many", arguments, rng.choice(self.people))

    def do_stop(self, rng: random.Random) -> Call:
        """A stop by the renter, the provider, or anyone after the lapse."""
        id = self.lease(rng)
        if id not in self.memory.leases:
            return Call("escrow", "stop", (id, 0), self.finder)
        terms = self.terms(id)
        open_ = [i for i in self.memory.leases if not self.terms(i).stopped]
        if open_ and rng.random() < 0.85:
            id = rng.choice(open_)
            terms = self.terms(id)
        if rng.random() < 0.35 and not terms.stopped:
            self.warp(max(self.memory.now, self.world.escrow.until(id) - rng.choice((0, 0, 1))))
        renter = self.world.escrow.parties[id].renter
        operator = self.world.registry.providers[terms.provider].operator
        sibling = 0 if rng.random() < 0.85 else (id + rng.choice((-1, 1, 2, 9))) % 2**256
        failed = [
            (i, j)
            for i in open_
            for j in self.memory.leases
            if abs(i - j) < 8 and self.terms(j).reason in HOST_REASONS and self.memory.now < self.world.escrow.until(i)
        ]
        faulted = [i for i in open_ if self.world.registry.nodes[self.terms(i).node].status == Status.FAULTED]
        if failed and rng.random() < 0.5:
            id, sibling = rng.choice(failed)
            return Call("escrow", "stop", (id, sibling), self.someone(rng, self.world.escrow.parties[id].renter))
        if faulted and rng.random() < 0.5:
            id = rng.choice(faulted)
            return Call("escrow", "stop", (id, 0), self.someone(rng, self.world.escrow.parties[id].renter))
        sender = rng.choice((renter, renter, operator, self.world.registry.owners[terms.provider], self.finder))
        return Call("escrow", "stop", (id, sibling), sender)

    def do_flash(self, rng: random.Random) -> Call | None:
        """A lease that its provider ends in the second in which it began (C25)."""
        known = len(self.memory.leases)
        if not self.make(self.do_take(rng), "take") or len(self.memory.leases) == known:
            return None
        id = self.memory.leases[-1]
        terms = self.terms(id)
        owner = self.world.registry.owners[terms.provider]
        self.make(Call("escrow", "stop", (id, 0), owner), "flash")
        e = self.calendar.epoch(terms.start)
        found = self.proof(min(e, self.world.hub.last_epoch), terms.node) if rng.random() < 0.3 else (0, 0, [])
        return Call("escrow", "finish", (id, *found), rng.choice(self.people))

    def do_give_notice(self, rng: random.Random) -> Call:
        """A provider's notice."""
        id = self.lease(rng)
        found = self.world.escrow.leases[id]
        operator = self.world.registry.providers[found.provider].operator if found is not None else self.finder
        return Call("escrow", "give_notice", (id,), self.someone(rng, operator))

    def do_free_bond(self, rng: random.Random) -> Call:
        """Anyone frees the bond of a stopped lease of which nothing can be forfeited."""
        stopped = [i for i in self.memory.leases if self.terms(i).stopped and not self.terms(i).finished]
        id = rng.choice(stopped) if stopped and rng.random() < 0.9 else self.lease(rng)
        return Call("escrow", "free_bond", (id,), rng.choice(self.people))

    def do_stop_dark(self, rng: random.Random) -> Call:
        """Proves too much fault."""
        known = [i for i in self.memory.leases if not self.terms(i).finished and self.sheet_limit(i) != NO_LIMIT]
        id = rng.choice(known) if known and rng.random() < 0.9 else self.lease(rng)
        node = self.node_of(id)
        first = self.proof(self.start_epoch(rng, id), node)
        found = self.spoil(rng, self.proof(self.epoch_for(rng, id), node))
        return Call("escrow", "stop_dark", (id, *first, *found), self.settlers[0])

    def sheet_limit(self, id: int) -> int:
        """Downtime limit of a lease's sheet."""
        sheet = self.world.escrow.sheets[self.terms(id).sheet]
        assert sheet is not None
        return sheet.dark_limit

    def do_finish(self, rng: random.Random) -> Call:
        """Finishes a lease, with the proof of its stop or without."""
        stopped = [i for i in self.memory.leases if self.terms(i).stopped and not self.terms(i).finished]
        id = rng.choice(stopped) if stopped and rng.random() < 0.9 else self.lease(rng)
        found = self.world.escrow.leases[id]
        if found is None:
            return Call("escrow", "finish", (id, 0, 0, []), self.finder)
        stop = found.start + found.stop_after
        sender = rng.choice((self.world.escrow.parties[id].renter, self.finder))
        e = self.calendar.epoch(max(found.start, stop - 1))
        if rng.random() < 0.1:
            self.warp(max(self.memory.now, stop + self.parameters.escrow_abandon * rng.choice((1, 2))))
        if not found.stop_after or e > self.world.hub.last_epoch or rng.random() < 0.05:
            return Call("escrow", "finish", (id, 0, 0, []), sender)
        if self.world.escrow.moneys[id].base is None and rng.random() < 0.8:
            first = self.start_epoch(rng, id)
            self.warp(max(self.memory.now, self.world.hub.usable_at(first)))
            self.make(Call("escrow", "anchor", (id, *self.proof(first, found.node)), self.finder), "anchor")
        at = self.world.hub.usable_at(e)
        if at > self.memory.now and rng.random() < 0.7:
            self.warp(at + rng.choice((0, 0, self.parameters.claim)))
        if rng.random() < 0.03:
            e = rng.randrange(self.world.hub.last_epoch + 1)
        return Call("escrow", "finish", (id, *self.spoil(rng, self.proof(e, found.node))), sender)
