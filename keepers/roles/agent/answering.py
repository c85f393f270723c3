"""`Answerer`: answers the challenge of an epoch for the nodes of this process.

The prover computes beside the heartbeats. A finished answer is stored before the first send: what is stored is what is
sent, for ever, so that no node signs two answers to the same seeds. Each seat gets it until it has acknowledged it and
all the rows that it asked for, or until the time for openings is over. Seats are served in parallel by a pool of
their own; without a pool (virtual time) in the caller's thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select, update

from keepers.chain.challenges import Challenges, Drawn, Size
from keepers.gpu.prover import Prover
from keepers.protocol.canary import LATE, SILENT, SPOILT, WITHHELD, spoilt
from keepers.protocol.challenge import OPENINGS, Place, Work
from keepers.protocol.errors import HearthError
from keepers.protocol.messages import Answer, Domain
from keepers.roles.agent.canaries import Canaries
from keepers.roles.agent.decide import Owed
from keepers.roles.agent.heartbeat import NodeKey
from keepers.roles.agent.tables import AgentAnswer
from keepers.runtime.role import Context
from keepers.store.engine import Store
from keepers.wire.attester_client import AttesterClient, Declined, Unreachable
from keepers.wire.codec import AskedRow, OpenedRow, SignedAnswer
from keepers.wire.committee import Committee

_ANSWERS: Any = AgentAnswer.__table__  # type: ignore[attr-defined]
_log = logging.getLogger("hearth.agent")
KEEP_EPOCHS = 1_000  # of stored answers, far beyond the time in which one can be refuted
OPENINGS_S = 60.0


@dataclass
class Task:
    """A node's answer on its way. Seats in `asked` have acknowledged it, those in `done` have their rows too. `canary`:
    how it fails on purpose; nothing is sent before `held_until`."""

    key: NodeKey
    work: Work
    drawn: Drawn
    deadline: int
    until: float
    seats: int
    answer: SignedAnswer | None = None
    asked: dict[int, list[AskedRow]] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    openable: bool = False
    failed: bool = False
    told: bool = False
    signed_after: float | None = None  # seconds from the seed
    canary: str = ""
    held_until: float = 0.0


class Answerer:
    """See the module's text. `clients(committee)` gives a client for each seat."""

    def __init__(
        self,
        context: Context,
        nodes: Sequence[NodeKey],
        prover: Prover,
        challenges: Challenges,
        clients: Callable[[Committee], Sequence[AttesterClient]],
        pool: Executor | None = None,
        canaries: Canaries | None = None,
    ) -> None:
        self.notes: dict[int, str] = {}  # node -> why its last challenge was not answered
        self._context = context
        self._keys = {key.node: key for key in nodes}
        self._prover = prover
        self._challenges = challenges
        self._clients = clients
        self._pool = pool
        self._canaries = canaries
        self._domain = Domain(context.deployment.chain_id, context.deployment.address("ComputeChallenge"))
        self._openings = float(getattr(context.deployment.allowances, "openings", OPENINGS_S))
        self._lock = threading.Lock()  # of the tasks: seats are served beside the role's thread
        self._tasks: dict[int, Task] = {}
        self._busy: set[int] = set()  # seats that are being served
        self._stopped = False
        self.drawn: Drawn | None = None  # the seeds that the tasks answer

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped = True

    def open(self) -> bool:
        """Whether anything is still to be computed or delivered."""
        return bool(self._tasks)

    # ---- the role's thread

    def take(
        self, drawn: Drawn | None, owed: Sequence[Owed], sizes: Mapping[int, tuple[int, Size]], seats: int
    ) -> None:
        """Begin what is owed to new seeds; `sizes`: class and its work by node. What answers other seeds of the same
        epoch, or of an epoch before, is dropped: a reorg took them back."""
        with self._lock:
            before, self._tasks = self._tasks, {}
        self.drawn = drawn
        if drawn is None:
            return
        now = self._context.clock.precise()
        for each in owed:
            node, free = each.facts.node, each.facts.free
            row = self._stored(node, drawn)
            _log.debug("challenge", extra={"node": node, "epoch": drawn.epoch, "reason": each.reason})
            if not free or node not in sizes or not (each.answer or row):
                continue
            class_id, size = sizes[node]
            work = Work(node, drawn.epoch, drawn.seed, drawn.seed_b, class_id, size.n, size.rounds, free)
            until = drawn.seed_time + size.deadline + self._openings
            task = Task(self._keys[node], work, drawn, size.deadline, until, seats)
            if self._canaries is not None and (how := self._canaries.how(node, drawn.epoch)):
                self._canaries.play(node, drawn.epoch)
                task.canary = how
                if how == SILENT:
                    continue
                if how == LATE:
                    task.held_until = drawn.seed_time + size.deadline + self._openings / 2
            if row is not None:
                task.answer = SignedAnswer(node, drawn.epoch, drawn.seed, drawn.seed_b, row.root, row.signature)
                task.done = {seat for seat in range(seats) if row.seats >> seat & 1}
                if len(task.done) == seats:
                    continue
                task.told = True
            if now >= until:
                continue
            if task.answer is None and now >= drawn.seed_time + size.deadline:
                self._fail(task, "late", f"the seed is {now - drawn.seed_time:.0f} s old, {size.deadline} s were given")
                continue
            same = before.get(node)
            try:
                if same is None or same.work != work or same.failed:
                    self._prover.start(work, task.key.devices[:free])
            except HearthError as error:
                self._fail(task, error.code, str(error))
                continue
            with self._lock:
                self._tasks[node] = task

    def step(self, committee: Committee) -> None:
        """Sign what is finished, serve the seats, drop what is over."""
        now = self._context.clock.precise()
        for task in list(self._tasks.values()):
            if self._over(task, now):
                continue
            if not task.openable and not task.failed:
                self._poll(task)
        for client in self._clients(committee):
            seat = client.endpoint.seat
            with self._lock:
                if seat in self._busy or self._next(seat, set()) is None:
                    continue
                self._busy.add(seat)
            if self._pool is None:
                self._serve(client)
            else:
                self._pool.submit(self._serve, client)
        for task in list(self._tasks.values()):
            self._tell(task)
            if len(task.done) == task.seats:
                self._drop(task)

    def _over(self, task: Task, now: float) -> bool:
        if now >= task.until:
            missing = sorted(set(range(task.seats)) - task.done)
            if task.answer is not None and not task.canary:
                self._tell(task, last=True)
                _log.warning(
                    "node %d: challenge of epoch %d: seats %s did not take the answer and all its rows",
                    task.key.node, task.work.epoch, missing,
                )  # fmt: skip
            self._drop(task)
            return True
        late = now >= task.drawn.seed_time + task.deadline
        if late and task.answer is None:
            self._fail(task, "late", f"it took more than {task.deadline} s")
            return True
        return False

    def _poll(self, task: Task) -> None:
        try:
            result = self._prover.result(task.work)
        except HearthError as error:
            self._fail(task, error.code, str(error))
            return
        if result is None:
            return
        if task.answer is None and not self._sign(task, result.list_root):
            return
        assert task.answer is not None
        if task.answer.root != result.list_root:
            # what was signed before a restart stands: a second answer to the same seeds is never signed
            self._fail(task, "differs", "computed again it is another answer than the one that was signed")
            return
        task.openable = True

    def _sign(self, task: Task, root: bytes) -> bool:
        """Sign and store, if the seeds still stand and the time is not over."""
        context, work = self._context, task.work
        fresh = self._challenges.of(work.epoch, context.reader.head())
        if fresh is None or (fresh.seed, fresh.seed_b) != (work.seed, work.seed_b):
            _log.warning("node %d: the seeds of epoch %d have changed: it computes anew", work.node, work.epoch)
            self._drop(task)
            self.drawn = None
            return False
        after = context.clock.precise() - task.drawn.seed_time
        if after >= task.deadline:
            self._fail(task, "late", f"it took {after:.0f} s of {task.deadline}")
            return False
        message = Answer(work.node, work.epoch, work.seed, work.seed_b, root)
        try:
            signature = task.key.signer.sign_digest(message.digest(self._domain))
        except HearthError as error:
            self._fail(task, error.code, str(error))
            return False
        answer = SignedAnswer(work.node, work.epoch, work.seed, work.seed_b, root, signature)
        _store(context.store, answer)
        task.answer, task.signed_after = answer, after
        self.notes.pop(work.node, None)
        if context.metrics is not None:
            group, network = context.metrics.agent, context.deployment.network
            group.challenge_seconds.labels(network, str(work.node)).set(after)
        return True

    def _tell(self, task: Task, last: bool = False) -> None:
        """One line an answer: when all seats have it, or when none can count it any more."""
        heard = len(task.asked.keys() | task.done)
        over = self._context.clock.precise() >= task.drawn.seed_time + task.deadline
        if task.told or task.signed_after is None or not (heard == task.seats or over or last):
            return
        task.told = True
        _log.log(
            logging.INFO if heard == task.seats else logging.WARNING,
            "node %d: challenge of epoch %d: answered in %.0f s of %d by %d/%d attesters",
            task.key.node, task.work.epoch, task.signed_after, task.deadline, heard, task.seats,
        )  # fmt: skip

    def _fail(self, task: Task, reason: str, why: str) -> None:
        """The node goes on beating; a signed answer is still delivered, its rows are not."""
        task.failed = True
        node, epoch = task.key.node, task.work.epoch
        self.notes[node] = f"did not answer the challenge of epoch {epoch}: {why}"
        _log.error("node %d: %s", node, self.notes[node], extra={"code": reason})
        if self._context.metrics is not None:
            network = self._context.deployment.network
            self._context.metrics.agent.challenge_failed.labels(network, str(node), reason).inc()
        if task.answer is None:
            self._drop(task)

    def _drop(self, task: Task) -> None:
        with self._lock:
            if self._tasks.get(task.key.node) is task:
                del self._tasks[task.key.node]
            rest = bool(self._tasks)
        if not rest:
            self._prover.forget(task.work.epoch)

    def _stored(self, node: int, drawn: Drawn) -> Any:
        with self._context.store.read() as connection:
            return connection.execute(
                select(_ANSWERS).where(_is(node, drawn.epoch, drawn.seed, drawn.seed_b))
            ).one_or_none()

    # ---- a thread for each seat

    def _next(self, seat: int, skipped: set[int]) -> tuple[Task, AskedRow | None] | None:
        """What a seat lacks: answers go first, they have a deadline. Call it with the lock held."""
        now = self._context.clock.precise()
        tasks = [
            t for t in self._tasks.values()
            if t.answer and seat not in t.done and id(t) not in skipped and now >= t.held_until
        ]  # fmt: skip
        for task in tasks:
            if seat not in task.asked:
                return task, None
        for task in tasks:
            if task.openable and not task.failed and task.asked[seat] and task.canary != WITHHELD:
                return task, task.asked[seat][0]
        return None

    def _serve(self, client: AttesterClient) -> None:
        seat = client.endpoint.seat
        skipped: set[int] = set()  # what this seat turned away: again at the next step
        try:
            while not self._stopped:
                with self._lock:
                    found = self._next(seat, skipped)
                if found is None:
                    return
                task, row = found
                try:
                    if row is None:
                        self._send_answer(client, task)
                    else:
                        self._send_row(client, task, row)
                except Declined as error:
                    skipped.add(id(task))
                    _refused(task, seat, error)
                except Unreachable as error:
                    _refused(task, seat, error)
                    return
        except Exception:  # of a thread that nobody waits for
            _log.exception("bug", extra={"code": "H9001"})
        finally:
            with self._lock:
                self._busy.discard(seat)

    def _send_answer(self, client: AttesterClient, task: Task) -> None:
        assert task.answer is not None
        # no more rows than the protocol has: each may cost a round
        rows = client.send_answer(task.answer)[:OPENINGS]
        with self._lock:
            task.asked[client.endpoint.seat] = list(rows)
        if not rows:
            self._has_all(task, client.endpoint.seat)

    def _send_row(self, client: AttesterClient, task: Task, row: AskedRow) -> None:
        seat, answer = client.endpoint.seat, task.answer
        assert answer is not None
        try:
            opening = self._prover.open(task.work, Place(row.gpu, row.round, row.row))
        except ValueError as error:
            _log.warning("seat %d asks node %d for what is not there: %s", seat, task.key.node, error)
        except HearthError as error:
            if self._tasks.get(task.key.node) is task and not task.failed:
                self._fail(task, error.code, str(error))
            return
        else:
            path, list_path = b"".join(opening.path), b"".join(opening.list_path)
            shown = spoilt(opening.row) if task.canary == SPOILT else opening.row
            client.send_opening(
                OpenedRow(answer.node, answer.epoch, answer.root, row, shown, path, opening.previous, list_path)
            )
        with self._lock:
            task.asked[seat].pop(0)
            left = len(task.asked[seat])
        if not left:
            self._has_all(task, seat)

    def _has_all(self, task: Task, seat: int) -> None:
        with self._lock:
            task.done.add(seat)
            mask = sum(1 << each for each in task.done)
        work = task.work
        where = _is(work.node, work.epoch, work.seed, work.seed_b)
        self._context.store.write(lambda c: c.execute(update(_ANSWERS).where(where).values(seats=mask)))


def _refused(task: Task, seat: int, error: Unreachable) -> None:
    _log.info(
        "node %d: challenge of epoch %d: seat %d: %s",
        task.key.node, task.work.epoch, seat, error.why[0] if error.why else error.message,
    )  # fmt: skip


def _store(store: Store, answer: SignedAnswer) -> None:
    row = {name: getattr(answer, name) for name in ("node", "epoch", "seed", "seed_b", "root", "signature")}

    def work(connection: Connection) -> None:
        old = and_(_ANSWERS.c.node == answer.node, _ANSWERS.c.epoch < answer.epoch - KEEP_EPOCHS)
        connection.execute(delete(_ANSWERS).where(old))
        connection.execute(insert(_ANSWERS).values(**row, seats=0))

    store.write(work, durable=True)


def _is(node: int, epoch: int, seed: int, seed_b: int) -> Any:
    columns = _ANSWERS.c
    return and_(columns.node == node, columns.epoch == epoch, columns.seed == seed, columns.seed_b == seed_b)
