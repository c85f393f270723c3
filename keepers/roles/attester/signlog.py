"""The sign log: what a seat has signed, in a database of its own (`signlog.db` beside the role's).

A row is on the disk before the signature it allows exists, and there is one row for each (kind, epoch, view). That is
enough while this log is the one that the seat used last. What makes it hold when it is not:

    second process   a lock on the file, one on the machine, on PostgreSQL an advisory lock (`locks`)
    older copy       rows are chained; a mark in memory that no backup holds names the newest row (`Witness`). A log
                     that lacks that row, or finds no mark, signs nothing of a place that was open when the process
                     started (`guard`): what an earlier self signed, it signed in places that had opened by then
    lost or moved    a new, imported or moved log is NEW: the seat listens one whole epoch first (`start`)
    moved away       an exported log is RETIRED and signs no more
    known loss       `closed`: nothing new is signed of a place that opened at or before it, for ever
    lost disk        a mirror on another one, where the operator has set one up (`mirror`)

The file uses a rollback journal and synchronous=EXTRA: no row is lost to a power cut, and no part of it lies in a
second file that a copy may lack.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    and_,
    delete,
    func,
    insert,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.roles.attester.locks import LogLock, MachineLock, ServerLock, Witness, machine_id
from keepers.runtime.crashpoints import cp
from keepers.store.engine import Store, open_engine
from keepers.store.faults import as_ours
from keepers.store.writer import begin_write

if TYPE_CHECKING:
    from keepers.roles.attester.mirror import Mirror

T = TypeVar("T")
NAME = "signlog.db"
NEW, LIVE, RETIRED = "new", "live", "retired"
OBSERVATION, REPORT = "obs", "report"
PRAGMAS = ("journal_mode=DELETE", "synchronous=EXTRA")

META = MetaData()
SEATS = Table(
    "signlog_seats",
    META,
    Column("scope", String, primary_key=True),
    Column("log", String, nullable=False),  # drawn once: another log of the same seat has another
    Column("place", String, nullable=False),  # where it lies
    Column("state", String, nullable=False),
    Column("floor", Integer, nullable=False),  # epochs up to it were declared lost, or came from another log
    Column("closed", Float, nullable=False),  # network time
)
ROWS = Table(
    "signlog_rows",
    META,
    Column("scope", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("view", Integer, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("at", Integer, nullable=False),
    Column("serial", Integer, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    UniqueConstraint("scope", "serial"),
)


MIRRORS = Table(
    "signlog_mirrors",
    META,
    Column("scope", String, primary_key=True),
    Column("path", String, nullable=False),  # a mirror that was there once, and must not be missed in silence
)


class AlreadySigned(HearthError):
    """Another digest of this (kind, epoch, view) was signed before, or may have been (H6405)."""


@dataclass(frozen=True)
class Row:
    """A signature that was allowed. `serial` counts from 1, `chain` binds all rows so far, `at` is unix time."""

    kind: str
    epoch: int
    view: int
    digest: bytes
    at: int
    serial: int
    chain: bytes


def chained(before: bytes, kind: str, epoch: int, view: int, digest: bytes) -> bytes:
    """What binds a row and all before it: keccak(before ‖ keccak(kind) ‖ epoch ‖ view ‖ digest)."""
    return keccak(before + keccak(kind.encode()) + epoch.to_bytes(8, "big") + view.to_bytes(8, "big") + digest)


def scope_of(chain_id: int, hub: str, seat: str) -> str:
    """Name of a seat's log: chain, hub and account."""
    return f"{chain_id}:{hub.lower()}:{seat.lower()}"


def file_beside(url: str | URL) -> Path | None:
    """Where the log of a role's SQLite file lies; None for a database in memory or on a server."""
    parsed = make_url(url)
    database = parsed.database
    if parsed.get_backend_name() != "sqlite" or not database or database == ":memory:":
        return None
    return Path(database).expanduser().with_name(NAME)


class SignLog:
    """The log of one seat, `scope`, held by this process until `close`. Thread-safe.

    Raises H6403 where another process holds it, H1201 where it cannot be opened.
    """

    def __init__(self, ground: _Ground, scope: str, place: str, witness: Witness | None) -> None:
        self._ground, self.scope, self._witness = ground, scope, witness
        self._seat = self._register(place)
        self._mirror: Mirror | None = None
        self._told: Callable[[HearthError | None], object] = lambda error: None
        self.guard = 0.0  # the same as `closed`, for this process
        self.newest = self._is_newest()
        """Whether nothing can have been signed that is not in this log: the mark in memory names one of its rows."""

    # ------------------------------------------------------------------ opening

    @classmethod
    def beside(cls, store: Store, scope: str, machine_wide: bool = True) -> SignLog:
        """The log that belongs to a role's database: a file beside a file, else tables in the same database."""
        path = file_beside(store.engine.url)
        if path is not None:
            return cls.at(path, scope, machine_wide)
        if store.engine.dialect.name == "sqlite":
            return cls.inside(store, scope)
        return cls.on_server(store.engine, scope)

    @classmethod
    def at(cls, path: Path, scope: str, machine_wide: bool = True) -> SignLog:
        """The log in a file; made if it is not there. `machine_wide` also finds a process that has a copy of it, and
        keeps its mark in the machine's memory; a local network, which dies with its folder, has it there."""
        path = path.expanduser().resolve()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        locks: list[Any] = [LogLock(path.parent, scope)] + ([MachineLock(scope)] if machine_wide else [])
        place = f"{machine_id()}:{path}"
        witness = Witness.of(scope) if machine_wide else Witness.of(scope, path.parent)
        return _opened(lambda: _Own(open_engine(f"sqlite:///{path}", PRAGMAS), locks), scope, place, witness)

    @classmethod
    def on_server(cls, engine: Engine, scope: str) -> SignLog:
        """The log in a PostgreSQL database. The lock is the connection's: who loses it cannot write either."""
        place = engine.url.render_as_string(hide_password=True)
        return _opened(lambda: _Own(engine, [], ServerLock(scope)), scope, place, Witness.of(scope))

    @classmethod
    def inside(cls, store: Store, scope: str) -> SignLog:
        """The log inside a database in memory: it lives and dies with its process, so it is always the newest."""
        META.create_all(store.engine)
        return cls(_Shared(store), scope, "", None)

    def _register(self, place: str) -> Any:
        """This seat's row: made if it is not there, NEW again if the file has come from elsewhere."""

        def work(connection: Connection) -> Any:
            seat = connection.execute(select(SEATS).where(SEATS.c.scope == self.scope)).first()
            if seat is None:
                fresh = {"log": secrets.token_hex(16), "place": place, "state": NEW, "floor": 0, "closed": 0.0}
                connection.execute(insert(SEATS).values(scope=self.scope, **fresh))
            elif seat.place != place:
                state = RETIRED if seat.state == RETIRED else NEW
                connection.execute(self._set(place=place, state=state))
            return connection.execute(select(SEATS).where(SEATS.c.scope == self.scope)).one()

        return self._ground.write(work)

    def _is_newest(self) -> bool:
        if self._witness is None:
            return True
        mark = self._witness.read()
        if mark is None:
            return False
        serial, chain = mark
        with self._ground.read() as connection:
            return _chain_at(connection, self.scope, self.log, serial) == chain

    def close(self) -> None:
        """Let file, connection and locks go."""
        self._ground.close()
        if self._witness is not None:
            self._witness.close()

    # ------------------------------------------------------------------ signing

    def record(self, kind: str, epoch: int, view: int, digest: bytes, now: int, opens: float) -> None:
        """Write that `digest` is signed at this place; returns once that is on the disk, and only then may it be
        signed. The same digest again is no news. Raises AlreadySigned where the place holds another digest, or had
        opened (`opens`, network time) by `unsure_until`; H6404 for a retired log.
        """

        def work(connection: Connection) -> tuple[int, bytes] | None:
            found = connection.execute(select(ROWS).where(self._place(kind, epoch, view))).first()
            if found is not None:
                if bytes(found.digest) != digest:
                    raise _another(kind, epoch, view, bytes(found.digest), digest)
                return None
            self._may_add(connection, kind, epoch, view, opens)
            serial, before = _newest(connection, self.scope, self.log)
            chain = chained(before, kind, epoch, view, digest)
            row = Row(kind, epoch, view, digest, now, serial + 1, chain)
            connection.execute(insert(ROWS).values(scope=self.scope, **vars(row)))
            return serial + 1, chain

        mark = self._ground.write(work)
        cp("attester.sign.before-mirror")
        self._copy()
        if mark is not None and self._witness is not None:
            self._witness.write(*mark)

    def _may_add(self, connection: Connection, kind: str, epoch: int, view: int, opens: float) -> None:
        seat = connection.execute(select(SEATS.c.state, SEATS.c.closed).where(SEATS.c.scope == self.scope)).one()
        if seat.state == RETIRED:
            raise retired()
        if opens <= max(self.guard, seat.closed):
            raise AlreadySigned(
                "H6405",
                f"this seat may have signed a {kind} of epoch {epoch}, view {view} before",
                why=["the place was open before this log was sure to be the only one"],
                next=["nothing: the next view brings another chance"],
            )

    # ------------------------------------------------------------------ the mirror

    def mirror_to(self, path: Path | None, told: Callable[[HearthError | None], object] = lambda error: None) -> None:
        """Keep a copy at `path` from now on, or none. `told` hears of each signature what became of its copy.

        Raises H6402 (H6401 for an empty log) where the mirror has rows that this log lacks and that were not declared
        lost, H6408 where it cannot be read or written, or was there and is gone.
        """
        from keepers.roles.attester.mirror import Mirror, broken

        where = MIRRORS.c.scope == self.scope
        with self._ground.read() as connection:
            known = connection.execute(select(MIRRORS.c.path).where(where)).scalar()
        if path is None:
            if known is not None:
                self._ground.write(lambda connection: connection.execute(delete(MIRRORS).where(where)))
            return
        path = path.expanduser().absolute()
        mirror = Mirror(path, self.scope, self.log)
        if mirror.exists():
            self._compare(mirror)
        elif known == str(path):
            raise broken(path, "it was there, and is gone: is its disk mounted?")
        else:
            mirror.begin(self.rows())
        if known != str(path):

            def remember(connection: Connection) -> None:
                connection.execute(delete(MIRRORS).where(where))
                connection.execute(insert(MIRRORS).values(scope=self.scope, path=str(path)))

            self._ground.write(remember)
        self._mirror, self._told = mirror, told
        told(None)

    def _compare(self, mirror: Mirror) -> None:
        """Bring a mirror that is there up to this log, unless it knows more."""
        name, theirs = mirror.rows()
        ours = {(row.kind, row.epoch, row.view, row.digest) for row in self.rows()}
        lacking = [row for row in theirs if (row.kind, row.epoch, row.view, row.digest) not in ours]
        ahead = [row for row in lacking if row.epoch > self.floor]
        if ahead:
            last = ahead[-1]
            held = f"its mirror at {mirror.path} has a {last.kind} of epoch {last.epoch}, view {last.view & 0xFFFF}"
            raise stale(self.watermark(), f"{held}; the log ends at")
        with self._ground.read() as connection:
            last_chain = _chain_at(connection, self.scope, self.log, len(theirs))
        if name != self.log or (theirs and theirs[-1].chain != last_chain):
            mirror.begin(self.rows())  # what it had beside this log was declared lost, or has come over
        else:
            mirror.follow(self.since)

    def since(self, serial: int) -> list[Row]:
        """Rows after one."""
        query = select(ROWS).where(and_(ROWS.c.scope == self.scope, ROWS.c.serial > serial)).order_by(ROWS.c.serial)
        with self._ground.read() as connection:
            return [_row(found) for found in connection.execute(query)]

    def _copy(self) -> None:
        if self._mirror is None:
            return
        try:
            self._mirror.follow(self.since)
        except HearthError as error:
            self._told(error)
        else:
            self._told(None)

    # ------------------------------------------------------------------ reading

    @property
    def log(self) -> str:
        """The log's own name."""
        return str(self._seat.log)

    @property
    def state(self) -> str:
        """NEW, LIVE or RETIRED."""
        return str(self._seat.state)

    @property
    def floor(self) -> int:
        """Epochs up to this one were declared lost, or came from another log."""
        return int(self._seat.floor)

    @property
    def unsure_until(self) -> float:
        """Network time: an earlier self may have signed in any place that had opened by then."""
        return max(self.guard, float(self._seat.closed))

    def rows(self, newest: int | None = None) -> list[Row]:
        """Rows by serial; only so many of the newest where `newest` is given."""
        query = select(ROWS).where(ROWS.c.scope == self.scope).order_by(ROWS.c.serial.desc()).limit(newest)
        with self._ground.read() as connection:
            found = connection.execute(query).all()
        return [_row(each) for each in reversed(found)]

    def signed(self, kind: str, epoch: int, view: int) -> bytes | None:
        """The digest at a place, None if there is none."""
        with self._ground.read() as connection:
            found = connection.execute(select(ROWS.c.digest).where(self._place(kind, epoch, view))).scalar()
        return None if found is None else bytes(found)

    def views(self, epoch: int) -> frozenset[int]:
        """Views of an epoch in which this seat has signed a report."""
        where = and_(ROWS.c.scope == self.scope, ROWS.c.kind == REPORT, ROWS.c.epoch == epoch)
        with self._ground.read() as connection:
            return frozenset(int(row.view) for row in connection.execute(select(ROWS.c.view).where(where)))

    def watermark(self) -> int:
        """Newest epoch of which something was signed, or may have been; 0 for none."""
        with self._ground.read() as connection:
            found = connection.execute(select(func.max(ROWS.c.epoch)).where(ROWS.c.scope == self.scope)).scalar()
        return max(int(found or 0), self.floor)

    def verify(self) -> int:
        """Number of rows, each bound to those before it. Raises H6407 that names the first that is not."""
        rows, before = self.rows(), keccak(self.log.encode())
        for number, row in enumerate(rows, 1):
            before = chained(before, row.kind, row.epoch, row.view, row.digest)
            if row.serial != number or row.chain != before:
                raise HearthError(
                    "H6407",
                    f"the sign log is damaged at row {number}",
                    why=(f"{row.kind} of epoch {row.epoch}, view {row.view} is not bound to the rows before it",),
                )
        return len(rows)

    # ------------------------------------------------------------------ changing

    def settle(self) -> None:
        """The seat has listened, or has nothing to fear: the log is LIVE."""
        self._change(state=LIVE)

    def retire(self) -> None:
        """It signs no more, whatever becomes of this process."""
        self._change(state=RETIRED)

    def raise_floor(self, epoch: int, closed: float) -> None:
        """What was signed through `epoch` is lost: sign nothing new in a place that opens by `closed`, and listen
        first. Places of these epochs that open later may be signed. Raises H1005 for a step back."""
        if epoch <= self.watermark():
            raise HearthError(
                "H1005", f"the log stands at epoch {self.watermark()} already: a watermark may only move forward"
            )
        self._change(floor=epoch, closed=max(closed, self.unsure_until), state=NEW)

    def adopt(self, rows: Sequence[Row], through: int, closed: float) -> None:
        """Take over another log's newest rows, its watermark, and the time of its last signature, and listen first.
        Raises H1005 for a step back, H6405 where the two hold different digests of one place."""
        if through < self.watermark():
            raise HearthError("H1005", f"the log here goes to epoch {self.watermark()}, the other only to {through}")

        def work(connection: Connection) -> None:
            for row in rows:
                found = connection.execute(
                    select(ROWS.c.digest).where(self._place(row.kind, row.epoch, row.view))
                ).scalar()
                if found is not None:
                    if bytes(found) != row.digest:
                        raise _another(row.kind, row.epoch, row.view, bytes(found), row.digest)
                    continue
                serial, before = _newest(connection, self.scope, self.log)
                chain = chained(before, row.kind, row.epoch, row.view, row.digest)
                mine = Row(row.kind, row.epoch, row.view, row.digest, row.at, serial + 1, chain)
                connection.execute(insert(ROWS).values(scope=self.scope, **vars(mine)))
            connection.execute(self._set(floor=through, closed=max(closed, self.unsure_until), state=NEW))

        self._ground.write(work)
        self._reload()

    def _change(self, **values: Any) -> None:
        self._ground.write(lambda connection: connection.execute(self._set(**values)))
        self._reload()

    def _set(self, **values: Any) -> Any:
        return update(SEATS).where(SEATS.c.scope == self.scope).values(**values)

    def _reload(self) -> None:
        with self._ground.read() as connection:
            self._seat = connection.execute(select(SEATS).where(SEATS.c.scope == self.scope)).one()

    def _place(self, kind: str, epoch: int, view: int) -> Any:
        return and_(ROWS.c.scope == self.scope, ROWS.c.kind == kind, ROWS.c.epoch == epoch, ROWS.c.view == view)


def retired() -> HearthError:
    """H6404."""
    return HearthError(
        "H6404",
        "this sign log is retired: the seat has moved to another machine",
        next=("start the seat there", "or bring it back: hearth signlog export --retire there, import here"),
    )


def stale(watermark: int, why: str) -> HearthError:
    """H6402, or H6401 for a log in which nothing stands. `why` ends where the watermark is named."""
    return HearthError(
        "H6402" if watermark else "H6401",
        "the sign log is older than what this seat has signed"
        if watermark
        else "this seat has signed before, and its sign log is not here",
        why=[f"{why} {watermark}"],
        next=[
            "bring the newest signlog.db, or move the seat: hearth signlog export --retire there, import here",
            "if it is lost: hearth signlog import --watermark EPOCH",
        ],
    )


def _row(found: Any) -> Row:
    digest, chain = bytes(found.digest), bytes(found.chain)
    return Row(found.kind, found.epoch, found.view, digest, found.at, found.serial, chain)


def _another(kind: str, epoch: int, view: int, logged: bytes, asked: bytes) -> AlreadySigned:
    return AlreadySigned(
        "H6405",
        f"this seat has signed another {kind} of epoch {epoch}, view {view}",
        why=[f"in the log 0x{logged.hex()[:16]}…, asked for 0x{asked.hex()[:16]}…"],
        next=["nothing: the next view brings another chance"],
    )


def _newest(connection: Connection, scope: str, log: str) -> tuple[int, bytes]:
    last = connection.execute(
        select(ROWS.c.serial, ROWS.c.chain).where(ROWS.c.scope == scope).order_by(ROWS.c.serial.desc()).limit(1)
    ).first()
    return (0, keccak(log.encode())) if last is None else (int(last.serial), bytes(last.chain))


def _chain_at(connection: Connection, scope: str, log: str, serial: int) -> bytes | None:
    if serial == 0:
        return keccak(log.encode())
    found = connection.execute(
        select(ROWS.c.chain).where(and_(ROWS.c.scope == scope, ROWS.c.serial == serial))
    ).scalar()
    return None if found is None else bytes(found)


# ---------------------------------------------------------------------- where it lies


class _Shared:
    """Inside a database that its own writer serves."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, work: Callable[[Connection], T]) -> T:
        return self._store.write(work, durable=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._store.read() as connection:
            yield connection

    def close(self) -> None:
        """The store is not ours."""


class _Own:
    """One connection of our own, under locks that are taken before it is opened and let go after it."""

    def __init__(self, engine: Engine, locks: Sequence[Any], server: ServerLock | None = None) -> None:
        self._locks, self._mutex, self._engine = [], threading.RLock(), engine
        self._connection: Connection | None = None
        self._owned = server is None
        try:
            for lock in locks:
                lock.acquire()
                self._locks.append(lock)
            self._connection = engine.connect()
            if server is not None:
                server.acquire(self._connection)
            META.create_all(self._connection)
            self._connection.commit()
        except BaseException:
            self.close()
            raise

    def write(self, work: Callable[[Connection], T]) -> T:
        with self._mutex:
            connection = self._open()
            try:
                begin_write(connection)
                if connection.dialect.name == "postgresql":
                    connection.execute(text("SET LOCAL synchronous_commit TO ON"))
                result = work(connection)
                connection.commit()
                return result
            except BaseException as error:
                self._undo(connection)
                raise as_ours(error) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._mutex:
            connection = self._open()
            try:
                yield connection
            except SQLAlchemyError as error:
                raise as_ours(error) from error
            finally:
                self._undo(connection)

    def _open(self) -> Connection:
        if self._connection is None or self._connection.closed or self._connection.invalidated:
            raise HearthError("H6403", "the sign log was let go, and its lock with it", next=("start the seat anew",))
        return self._connection

    @staticmethod
    def _undo(connection: Connection) -> None:
        if not connection.invalidated:
            connection.rollback()

    def close(self) -> None:
        with self._mutex:
            if self._connection is not None:
                if not self._owned and not self._connection.invalidated:
                    self._connection.invalidate()  # back in its pool the session would keep the lock
                self._connection.close()
                self._connection = None
            if self._owned:
                self._engine.dispose()
            while self._locks:
                self._locks.pop().release()


_Ground = _Shared | _Own


def _opened(ground: Callable[[], _Own], scope: str, place: str, witness: Witness | None) -> SignLog:
    try:
        opened = ground()
    except SQLAlchemyError as error:
        raise HearthError("H1201", "the sign log cannot be opened", why=(str(error).splitlines()[0],)) from error
    try:
        return SignLog(opened, scope, place, witness)
    except BaseException:
        opened.close()
        raise
