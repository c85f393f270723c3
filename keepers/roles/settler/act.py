"""Actions as outbox rows, with the proofs they need, in one store transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select

from keepers.chain.attestations import Attestations
from keepers.chain.contracts import Suite
from keepers.chain.ports import OPEN_STATES, Call, Send, Sender, TxState
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.roles.settler.decide import Action, SettlerPlan, lease_name
from keepers.roles.settler.tables import SettlerAsked
from keepers.store.engine import Store

_ASKED: Any = SettlerAsked.__table__  # type: ignore[attr-defined]
KEEP_ASKED_S = 30 * 86_400
SETTLEMENTS = ("settle", "settle_first", "settle_many")


@dataclass(frozen=True)
class Acted:
    """What became of a plan: rows that are new or opened again, those that stood already, and actions whose proof
    cannot be read, with the reason."""

    enqueued: tuple[Action, ...]
    standing: tuple[Action, ...]
    unproven: tuple[tuple[Action, HearthError], ...] = ()


@dataclass
class _Done:
    """A plan on its way: `keys` of the rows that cover (subject, kind), and what is held up, by the same names."""

    rows: list[tuple[Action, Send]] = field(default_factory=list)
    standing: list[Action] = field(default_factory=list)
    unproven: list[tuple[Action, HearthError]] = field(default_factory=list)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    held_up: dict[tuple[str, str], HearthError] = field(default_factory=dict)

    def hold_up(self, action: Action, error: HearthError) -> None:
        """It cannot be proven, so what waits for it must not be sent either."""
        self.unproven.append((action, error))
        self.held_up.update(dict.fromkeys(_covers(action), error))


class Dispatcher:
    """Turns actions into rows. `node_of(lease)` gives a lease's node; `payee` the tally key of bounties."""

    def __init__(
        self,
        who: str,
        store: Store,
        suite: Suite,
        sender: Sender,
        proofs: Attestations,
        node_of: Callable[[int], int],
        payee: int,
        retry_s: float,
    ) -> None:
        self._who = who
        self._store = store
        self._suite = suite
        self._sender = sender
        self._proofs = proofs
        self._node_of = node_of
        self._payee = payee
        self._retry_s = retry_s
        self._tried: dict[str, float] = {}

    def carry_out(self, plan: SettlerPlan, now: int) -> Acted:
        """Enqueue what is not on its way. A row that was refused or failed is opened again after `retry_s`. An action
        whose proof cannot be read holds up what waits for it, and nothing else."""
        done = _Done()
        for action in plan.actions:
            if action.kind in SETTLEMENTS:
                action = self._without_asked(action, done.keys)
                if not action.ids:
                    continue
            self._take(action, done, now)
        if done.rows:
            self._store.write(lambda connection: self._enqueue(connection, done.rows, now), durable=True)
        return Acted(tuple(action for action, _ in done.rows), tuple(done.standing), tuple(done.unproven))

    def _take(self, action: Action, done: _Done, now: int) -> None:
        """One action: a row, or why there is none."""
        key = self._key(action)
        call: Call | None = None
        if self._wanted(key, now):
            if action.after in done.held_up:
                done.hold_up(action, done.held_up[action.after])
                return
            try:
                action, call = self._proven(action, done)
            except HearthError as error:
                done.hold_up(action, error)
                return
            key = self._key(action)
        for subject, kind in _covers(action):
            done.keys[subject, kind] = key
        if call is None or not self._wanted(key, now):
            done.standing.append(action)
            return
        after = "" if action.after is None else done.keys.get(action.after, "")
        done.rows.append((action, Send(key, action.kind, call, after=after, again=True)))
        self._tried[key] = now

    def _wanted(self, key: str, now: float) -> bool:
        row = self._sender.status(key)
        if row is None:
            return True
        if row.state in (*OPEN_STATES, TxState.DONE):
            return False
        return now >= self._tried.get(key, 0.0) + self._retry_s

    def _without_asked(self, action: Action, keys: dict[tuple[str, str], str]) -> Action:
        """A settlement without leases of which an earlier one is still on its way: the index, which stands at the
        final block, does not know of that one yet."""
        kept = []
        for lease_id in action.ids:
            name = lease_name(lease_id)
            key = self._asked(name)
            row = self._sender.status(key) if key is not None else None
            if key is not None and row is not None and row.state in OPEN_STATES:
                keys[name, "settle"] = keys[name, "settle_first"] = key
            else:
                kept.append(lease_id)
        return replace(action, ids=tuple(kept))

    def _key(self, action: Action) -> str:
        subject = action.subject
        if action.kind == "settle_many":
            subject = "batch-" + keccak(b"".join(i.to_bytes(32, "big") for i in action.ids)).hex()[:32]
        parts = [action.kind]
        if action.kind not in ("stop", "free_bond", "anchor", "withdraw", "poke", "close_period"):
            parts.append(str(action.epoch))
        if action.kind == "redeem":
            parts = ["redeem", keccak(repr(action.periods).encode()).hex()[:8]]
        return f"settler:{subject}:{'-'.join(parts)}"

    def _call(self, action: Action) -> Call:
        escrow, standing = self._suite.escrow, self._suite.standing
        kind = action.kind
        if kind == "stop":
            return escrow.stop(action.ids[0], 0)
        if kind == "free_bond":
            return escrow.free_bond(action.ids[0])
        if kind == "anchor":
            return escrow.anchor(action.ids[0], *self._proof(action.node, action.epoch))
        if kind == "settle":
            return escrow.settle(action.ids[0], *self._proof(action.node, action.epoch), self._payee)
        if kind == "settle_first":
            assert action.first is not None
            first = self._proof(action.node, action.first)
            return escrow.settle_first(action.ids[0], *self._proof(action.node, action.epoch), self._payee, *first)
        if kind == "settle_many":
            return self._many(action)
        if kind == "stop_dark":
            assert action.first is not None
            first = self._proof(action.node, action.first)
            return escrow.stop_dark(action.ids[0], *first, *self._proof(action.node, action.epoch))
        if kind == "finish":
            if action.epoch == 0:
                return escrow.finish(action.ids[0], 0, 0, [])
            return escrow.finish(action.ids[0], *self._proof(action.node, action.epoch))
        if kind == "activate":
            return standing.activate(action.node, *self._proof(action.node, action.epoch))
        if kind == "unjail":
            return standing.unjail(action.node, *self._proof(action.node, action.epoch))
        if kind == "jail":
            assert action.first is not None
            first = self._proof(action.node, action.first)
            return standing.jail(action.node, *first, *self._proof(action.node, action.epoch))
        if kind == "redeem":
            return self._suite.engine.redeem(action.key, list(action.periods))
        if kind == "close_period":
            return Call("AttestationHub", "close_period", action.periods)
        if kind == "withdraw":
            return self._suite.pool.withdraw(action.provider, action.owner, action.ticket)
        assert kind == "poke", kind
        return self._suite.pool.poke(action.provider)

    def _proven(self, action: Action, done: _Done) -> tuple[Action, Call]:
        """The action with its call; a batch goes on without the leases whose proof cannot be read. Raises HearthError
        where nothing is left."""
        try:
            return action, self._call(action)
        except HearthError:
            if action.kind != "settle_many":
                raise
            faults = {lease_id: self._fault(self._node_of(lease_id), action.epoch) for lease_id in action.ids}
            left = tuple(lease_id for lease_id, fault in faults.items() if fault is None)
            if left in ((), action.ids):
                raise
            for lease_id, fault in faults.items():
                if fault is not None:
                    done.hold_up(replace(action, subject=lease_name(lease_id), ids=(lease_id,)), fault)
            action = replace(action, ids=left)
            return action, self._call(action)

    def _fault(self, node: int, epoch: int) -> HearthError | None:
        try:
            self._proof(node, epoch)
        except HearthError as error:
            return error
        return None

    def _many(self, action: Action) -> Call:
        """Leases sorted by node; each repeats its node's leaf; one positional multiproof over the distinct nodes."""
        pairs = sorted((self._node_of(lease_id), lease_id) for lease_id in action.ids)
        nodes = sorted({node for node, _ in pairs})
        with self._proofs.lock:
            proof = self._proofs.multiproof(nodes, action.epoch)
        leaves = dict(zip(proof.nodes, proof.leaves, strict=True))
        ids = [lease_id for _, lease_id in pairs]
        words = [leaves[node] for node, _ in pairs]
        return self._suite.escrow.settle_many(ids, proof.header, words, list(proof.siblings), self._payee)

    def _proof(self, node: int, epoch: int) -> tuple[int, int, list[bytes]]:
        with self._proofs.lock:
            return self._proofs.proof(node, epoch).args

    # ------------------------------------------------------------------ what was asked

    def _asked(self, subject: str) -> str | None:
        where = and_(_ASKED.c.who == self._who, _ASKED.c.subject == subject, _ASKED.c.action == "settle")
        with self._store.read() as connection:
            found = connection.execute(select(_ASKED.c.key).where(where)).scalar()
        return None if found is None else str(found)

    def _enqueue(self, connection: Connection, rows: Sequence[tuple[Action, Send]], now: int) -> None:
        connection.execute(delete(_ASKED).where(and_(_ASKED.c.who == self._who, _ASKED.c.at < now - KEEP_ASKED_S)))
        for action, send in rows:
            self._sender.enqueue(send, connection)
            if action.kind not in SETTLEMENTS:
                continue
            for lease_id in action.ids:
                subject = lease_name(lease_id)
                mine = and_(_ASKED.c.who == self._who, _ASKED.c.subject == subject, _ASKED.c.action == "settle")
                connection.execute(delete(_ASKED).where(mine))
                row = {"who": self._who, "subject": subject, "action": "settle", "key": send.key, "at": now}
                connection.execute(insert(_ASKED), [row])


def _covers(action: Action) -> list[tuple[str, str]]:
    """(subject, kind) pairs that an action satisfies: a batch settles each of its leases."""
    if action.kind == "settle_many":
        return [(lease_name(lease_id), "settle") for lease_id in action.ids]
    return [(action.subject, action.kind)]
