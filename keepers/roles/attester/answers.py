"""What nodes answered to the challenge of the present epoch, and what holds of it.

An answer counts by its arrival: the first root of a node and epoch, signed by the node's key, to the seeds that the
chain has, by T_seed + deadline on our clock. It is acknowledged with the rows that are to be opened, drawn from the
seat's secret and the answer's digest: the same ones for the same answer. Each row is checked when it comes, or, while
u of its class is still being computed, once that is at hand. All rows hold: passed. A wrong row: failed, and kept as
evidence with the signed answer. Both outlive a restart. Source: protocol.md §8, "Clock" and "Check".
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, delete, insert, select, update

from keepers.chain.challenges import Drawn
from keepers.protocol import challenge
from keepers.protocol.challenge import OPENINGS, Opening, Place, Work
from keepers.protocol.merge import FAILED, PASSED
from keepers.protocol.messages import Answer, Domain
from keepers.roles.attester.checker import Checker
from keepers.roles.attester.dues import Stage
from keepers.roles.attester.statistics import AnswerTimes
from keepers.roles.attester.tables import AttesterAnswer, AttesterOpening, AttesterSecret
from keepers.store.engine import Store
from keepers.wire.codec import AskedRow, OpenedRow, ShownRow, SignedAnswer, encode
from keepers.wire.routing import Refused
from keepers.wire.signatures import BadSignature, recover

_ANSWERS: Any = AttesterAnswer.__table__  # type: ignore[attr-defined]
_OPENINGS: Any = AttesterOpening.__table__  # type: ignore[attr-defined]
_SECRETS: Any = AttesterSecret.__table__  # type: ignore[attr-defined]
_ANSWER = msgspec.json.Decoder(SignedAnswer)
_OPENED = msgspec.json.Decoder(OpenedRow)
MAX_SHOWN, MAX_SHOWN_BYTES = 64, 1_000_000  # nodes on a page of false answers; three of n = 65,536
ALL = (1 << OPENINGS) - 1


@dataclass
class Held:
    """An answer that counts. `rows`: places (by order of asking) that hold; `wrong`: one was opened and is not."""

    signed: SignedAnswer
    work: Work
    places: list[Place]
    arrived: float
    seconds: float
    rows: int = 0
    wrong: bool = False
    waiting: dict[int, OpenedRow] = field(default_factory=dict)

    @property
    def bits(self) -> int:
        """Of the observation: passed, failed or neither."""
        return FAILED if self.wrong else PASSED if self.rows == ALL else 0


class Answers:
    """The books of one seat. Thread-safe. `stage_of(epoch)` is the challenge of the present epoch or None; `clock_ok`
    whether our clock is near enough; `openings` the seconds for them; `told(class_id, seconds)` feeds the metric."""

    def __init__(
        self,
        who: str,
        store: Store,
        domain: Domain,
        now: Callable[[], float],
        clock_ok: Callable[[], bool],
        stage_of: Callable[[int], Stage | None],
        openings: float,
        told: Callable[[int, float], None],
        inline: bool,
    ) -> None:
        self._who, self._store, self._domain, self._now = who, store, domain, now
        self._clock_ok, self._stage_of, self._openings = clock_ok, stage_of, openings
        self.times = AnswerTimes(told)
        self._lock = threading.RLock()
        self._held: dict[tuple[int, int], dict[tuple[int, int], Held]] = {}  # epoch, node: by the seeds answered
        self._secret = b""
        self._checker = Checker(self._judge_waiting, inline)

    def close(self) -> None:
        """Let the thread go."""
        self._checker.close()

    # ---- what comes

    def prepare(self, stage: Stage) -> None:
        """Begin what checking the answers of an epoch needs."""
        classes = {word.class_id for word, node in zip(stage.snapshot.words, stage.snapshot.nodes, strict=True)
                   if node.challenged_class}  # fmt: skip
        for class_id in classes:
            self._checker.prepare(self._my_secret(), stage.due.drawn.seed_b, class_id, stage.sizes[class_id].n)

    def take_answer(self, signed: SignedAnswer) -> list[AskedRow]:
        """The rows that are asked of an answer. Refused, by name, for one that does not count."""
        arrived = self._now()
        stage = self._stage(signed.epoch)
        drawn = stage.due.drawn
        if (signed.seed, signed.seed_b) != (drawn.seed, drawn.seed_b):
            raise Refused(409, "H6121", "the answer is to other seeds than the chain has")
        key = stage.snapshot.key_of(signed.node)
        work = stage.work_of(signed.node) if key is not None else None
        if work is None:
            raise Refused(403, "H6122", f"no answer is taken from node {signed.node} in epoch {signed.epoch}")
        digest = self._digest(signed)
        try:
            signer = recover(digest, signed.signature)
        except BadSignature:
            signer = ""
        if signer != key:
            raise Refused(403, "H6123", f"not signed by the key of node {signed.node}")
        with self._lock:
            held = self._of(signed.epoch, signed.node).get((signed.seed, signed.seed_b))
            if held is None:
                deadline = drawn.seed_time + stage.sizes[work.class_id].deadline
                if arrived > deadline:
                    raise Refused(403, "H6124", f"the answer came {arrived - deadline:.1f} s after the deadline")
                places = challenge.places(self._my_secret(), digest, work)
                held = Held(signed, work, places, arrived, arrived - drawn.seed_time)
                self._save(held)
                self._put(held)
                self.times.add(work.class_id, work.epoch, work.node, held.seconds)
            elif held.signed.root != signed.root:
                raise Refused(409, "H6125", "another answer of this node was taken")
            return [AskedRow(place.gpu, place.round, place.row) for place in held.places]

    def take_opening(self, opened: OpenedRow) -> None:
        """A row of an answer. Refused, by name, for one that cannot be judged."""
        now = self._now()
        held = self._find(opened)
        if now > held.arrived + self._openings:
            raise Refused(403, "H6127", f"the opening came {now - held.arrived - self._openings:.1f} s too late")
        place = Place(opened.place.gpu, opened.place.round, opened.place.row)
        asked = [i for i, each in enumerate(held.places) if each == place]
        if not asked:
            raise Refused(400, "H6128", f"GPU {place.gpu}, round {place.round}, row {place.row} was not asked for")
        opening = _opening(opened)
        try:
            root = challenge.opened_root(opening, held.work)
        except ValueError as error:
            raise Refused(400, "H6129", str(error)) from None
        if root != held.signed.root:
            raise Refused(400, "H6130", "the opening does not lead to the signed root")
        with self._lock:
            if all(held.rows >> i & 1 for i in asked):
                return
            if not self._checker.has(held.work):
                if asked[0] not in held.waiting:
                    self._keep(held, asked[0], opened, wrong=False)
                    held.waiting[asked[0]] = opened
                return
        self._judge(held, asked, opened, opening)

    # ---- what is asked

    def bits(self, epoch: int, drawn: Drawn) -> dict[int, int]:
        """Node -> passed or failed, of the answers to these seeds."""
        with self._lock:
            seeds = drawn.seed, drawn.seed_b
            return {
                node: by_seeds[seeds].bits
                for (held_epoch, node), by_seeds in self._held.items()
                if held_epoch == epoch and seeds in by_seeds
            }

    def state(self, epoch: int, node: int) -> dict[str, Any] | None:
        """What is known of a node's answer, for people."""
        with self._lock:
            held = next(reversed(self._of(epoch, node).values()), None)
            if held is None:
                return None
            verdict = {0: "open", PASSED: "passed", FAILED: "failed"}[held.bits]
            rows = held.rows.bit_count()
            return {"epoch": epoch, "node": node, "seconds": round(held.seconds, 3), "rows": rows, "state": verdict,
                    "advisory": True}  # fmt: skip

    def wrong(self, epoch: int, first: int = 0) -> list[ShownRow]:
        """A page of evidence of false answers of an epoch: a row a node, by node, from node `first` on."""
        chosen = and_(_OPENINGS.c.who == self._who, _OPENINGS.c.epoch == epoch, _OPENINGS.c.wrong.is_(True))
        joined = and_(
            _ANSWERS.c.who == self._who, _ANSWERS.c.epoch == _OPENINGS.c.epoch, _ANSWERS.c.node == _OPENINGS.c.node,
            _ANSWERS.c.root == _OPENINGS.c.root,
        )  # fmt: skip
        node = _OPENINGS.c.node
        nodes = select(node).where(chosen, node >= first).distinct().order_by(node).limit(MAX_SHOWN)
        # the newest of several: a reorg drew other seeds, and to the former ones nothing is a lie
        newest = _ANSWERS.c.arrived.desc()
        one = select(_ANSWERS.c.answer, _OPENINGS.c.opened).where(chosen).where(joined).order_by(newest).limit(1)
        shown: list[ShownRow] = []
        size = 0
        with self._store.read() as connection:
            for found in connection.execute(nodes).scalars().all():
                row = connection.execute(one.where(node == found)).first()
                if row is None:
                    continue
                size += len(row.answer) + len(row.opened)
                if shown and size > MAX_SHOWN_BYTES:
                    break
                shown.append(ShownRow(_ANSWER.decode(row.answer), _OPENED.decode(row.opened)))
        return shown

    # ---- the store

    def restore(self) -> None:
        """Remember what an earlier run had taken."""
        with self._store.read() as connection:
            answers = connection.execute(select(_ANSWERS).where(_ANSWERS.c.who == self._who)).all()
            openings = connection.execute(select(_OPENINGS).where(_OPENINGS.c.who == self._who)).all()
        with self._lock:
            by_root: dict[tuple[int, int, bytes], Held] = {}
            for row in answers:
                signed = _ANSWER.decode(row.answer)
                work = Work(signed.node, signed.epoch, signed.seed, signed.seed_b, row.class_id, row.n, row.rounds,
                            row.gpus)  # fmt: skip
                places = challenge.places(self._my_secret(), self._digest(signed), work)
                held = Held(signed, work, places, row.arrived, row.seconds, row.rows)
                by_root[signed.epoch, signed.node, signed.root] = held
                self._put(held)
                self.times.add(row.class_id, signed.epoch, signed.node, row.seconds, fresh=False)
            for row in openings:
                held_of = by_root.get((row.epoch, row.node, row.root))
                if held_of is not None and row.wrong:
                    held_of.wrong = True
                elif held_of is not None:
                    held_of.waiting[row.place] = _OPENED.decode(row.opened)

    def forget(self, connection: Connection, later: int, soon: int) -> None:
        """Drop answers of epochs before `soon`; evidence and what it needs before `later`."""
        mine = _OPENINGS.c.who == self._who
        connection.execute(delete(_OPENINGS).where(and_(mine, _OPENINGS.c.epoch < soon, _OPENINGS.c.wrong.is_(False))))
        connection.execute(delete(_OPENINGS).where(and_(mine, _OPENINGS.c.epoch < later)))
        kept = select(_OPENINGS.c.node).where(
            and_(mine, _OPENINGS.c.epoch == _ANSWERS.c.epoch, _OPENINGS.c.node == _ANSWERS.c.node)
        )
        old = and_(_ANSWERS.c.who == self._who, _ANSWERS.c.epoch < soon)
        connection.execute(delete(_ANSWERS).where(and_(old, ~kept.exists())))
        with self._lock:
            for key in [key for key in self._held if key[0] < soon]:
                del self._held[key]
        self.times.forget(soon)

    # ---- small parts

    def _stage(self, epoch: int) -> Stage:
        if not self._clock_ok():
            raise Refused(503, "H6001", "this attester's clock is off: it judges no answers")
        stage = self._stage_of(epoch)
        if stage is None:
            raise Refused(409, "H6120", f"nobody is asked for an answer in epoch {epoch} here")
        return stage

    def _of(self, epoch: int, node: int) -> dict[tuple[int, int], Held]:
        return self._held.get((epoch, node), {})

    def _put(self, held: Held) -> None:
        seeds = held.work.seed, held.work.seed_b
        self._held.setdefault((held.work.epoch, held.work.node), {})[seeds] = held

    def _digest(self, signed: SignedAnswer) -> bytes:
        message = Answer(signed.node, signed.epoch, signed.seed, signed.seed_b, signed.root)
        return message.digest(self._domain)

    def _find(self, opened: OpenedRow) -> Held:
        with self._lock:
            for held in self._of(opened.epoch, opened.node).values():
                if held.signed.root == opened.root:
                    return held
        raise Refused(404, "H6126", f"no answer of node {opened.node} in epoch {opened.epoch} with this root is held")

    def _judge(self, held: Held, asked: list[int], opened: OpenedRow, opening: Opening) -> None:
        holds = self._checker.holds(held.work, opening)
        with self._lock:
            if holds:
                held.rows |= sum(1 << i for i in asked)
                self._mark(held)
            elif not held.wrong:
                held.wrong = True
                self._keep(held, asked[0], opened, wrong=True)
            for i in asked:
                held.waiting.pop(i, None)

    def _judge_waiting(self, key: bytes) -> None:
        """u of a period and class is at hand: what waited for it is judged."""
        with self._lock:
            found = [
                (held, opened)
                for by_seeds in self._held.values()
                for held in by_seeds.values()
                for opened in list(held.waiting.values())
                if challenge.key_b(held.work.seed_b, held.work.class_id) == key
            ]  # fmt: skip
        for held, opened in found:
            opening = _opening(opened)
            self._judge(held, [i for i, p in enumerate(held.places) if p == opening.place], opened, opening)

    def _my_secret(self) -> bytes:
        with self._lock:
            if not self._secret:
                with self._store.read() as connection:
                    row = connection.execute(select(_SECRETS.c.secret).where(_SECRETS.c.who == self._who)).first()
                if row is None:
                    drawn = secrets.token_bytes(32)
                    values = {"who": self._who, "secret": drawn}
                    self._store.write(lambda c: c.execute(insert(_SECRETS).values(values)))
                    self._secret = drawn
                else:
                    self._secret = row.secret
            return self._secret

    def _save(self, held: Held) -> None:
        work = held.work
        row = {
            "who": self._who, "epoch": work.epoch, "node": work.node, "root": held.signed.root,
            "answer": encode(held.signed), "class_id": work.class_id, "n": work.n, "rounds": work.rounds,
            "gpus": work.gpus, "arrived": held.arrived, "seconds": held.seconds, "rows": 0,
        }  # fmt: skip
        self._store.write(lambda connection: connection.execute(insert(_ANSWERS).values(row)))

    def _mark(self, held: Held) -> None:
        mine = self._is(_ANSWERS, held)
        self._store.write(lambda connection: connection.execute(update(_ANSWERS).where(mine).values(rows=held.rows)))

    def _keep(self, held: Held, place: int, opened: OpenedRow, wrong: bool) -> None:
        row = {
            "who": self._who, "epoch": held.work.epoch, "node": held.work.node, "root": held.signed.root,
            "place": place, "opened": encode(opened), "wrong": wrong,
        }  # fmt: skip
        this = and_(self._is(_OPENINGS, held), _OPENINGS.c.place == place)

        def work(connection: Connection) -> None:
            connection.execute(delete(_OPENINGS).where(this))
            connection.execute(insert(_OPENINGS).values(row))

        self._store.write(work)

    def _is(self, table: Any, held: Held) -> Any:
        work = held.work
        return and_(
            table.c.who == self._who, table.c.epoch == work.epoch, table.c.node == work.node,
            table.c.root == held.signed.root,
        )  # fmt: skip


def _opening(opened: OpenedRow) -> Opening:
    """Raises Refused for paths that are no whole hashes."""
    place = Place(opened.place.gpu, opened.place.round, opened.place.row)
    if len(opened.path) % 32 or len(opened.list_path) % 32:
        raise Refused(400, "H6129", "a path is no whole number of hashes")
    return Opening(place, opened.row, _hashes(opened.path), opened.previous, _hashes(opened.list_path))


def _hashes(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[at : at + 32] for at in range(0, len(data), 32))
