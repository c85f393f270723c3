"""Opening a database by URL. SQLite (WAL) by default; another server by changing the URL.

Raises H1201 where the database cannot be opened, H1204 where a newer version wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from keepers.protocol.errors import HearthError
from keepers.store.faults import as_ours
from keepers.store.writer import Writer

T = TypeVar("T")
BUSY_MS = 30_000  # how long a process waits for another one's write lock


def open_engine(url: str) -> Engine:
    """An engine for `url` (`sqlite:///path`, `sqlite://` in memory, `postgresql+…`). Raises H1201."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise HearthError(
            "H1001",
            "the database URL cannot be read",
            why=("a URL looks like sqlite:////var/lib/hearth/state.db",),
            next=("hearth config show",),
        ) from error
    try:
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed, pool_pre_ping=True)
        memory = parsed.database in (None, "", ":memory:")
        if not memory:
            Path(str(parsed.database)).expanduser().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        options: dict[str, Any] = {"poolclass": StaticPool} if memory else {}
        engine = create_engine(parsed, connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000}, **options)
    except (SQLAlchemyError, OSError, ImportError) as error:
        raise _unopened(parsed.render_as_string(hide_password=True), error) from error
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # SQLAlchemy decides when a transaction begins (begin_write), not the driver's guess at statement kinds.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _unopened(url: str, error: BaseException) -> HearthError:
    return HearthError(
        "H1201",
        f"the database at {url} cannot be opened",
        why=(str(error).splitlines()[0],),
        next=("check that its folder exists, is yours and is not full",),
    )


class Store:
    """Database of one process: snapshot reads, and writes through the one writer."""

    def __init__(self, engine: Engine, threaded: bool = True) -> None:
        self.engine = engine
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("SELECT 1")
        except SQLAlchemyError as error:
            raise _unopened(engine.url.render_as_string(hide_password=True), error) from error
        sqlite = engine.dialect.name == "sqlite"
        memory = sqlite and isinstance(engine.pool, StaticPool)
        self._snapshots = sqlite and not memory  # SQLAlchemy begins for other databases
        self.writer = Writer(engine, threaded and not memory)  # in memory all share one connection, so one thread

    @classmethod
    def open(cls, url: str, threaded: bool = True) -> Store:
        """Open without migrating; `migrations.open_store` is what a process calls."""
        return cls(open_engine(url), threaded)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading, one snapshot for all its statements. Never write through it."""
        try:
            with self.engine.connect() as connection:
                if self._snapshots:
                    connection.exec_driver_sql("BEGIN")
                yield connection
        except DBAPIError as error:
            raise as_ours(error) from error

    def write(self, work: Callable[[Connection], T], durable: bool = False) -> T:
        """Run `work` in a write transaction and return its result after the commit."""
        return self.writer.write(work, durable)

    def submit(self, work: Callable[[Connection], T], durable: bool = False) -> Future[T]:
        """`write` without waiting; the future resolves after the commit."""
        return self.writer.submit(work, durable)

    def close(self) -> None:
        """Commit what is queued and let the database go."""
        self.writer.close()
        self.engine.dispose()
