"""One thread writes, in batches; a caller's future is resolved only after the commit that holds its write.

SQLite admits one writer at a time and a commit is what costs (129 a second one by one, 74,000 rows a second in
batches), so writes that wait together are committed together. Each has a savepoint of its own: one that fails is
undone alone. A batch with a durable write (sign log, outbox) is committed with synchronous=FULL, which survives a
power cut and not only a killed process.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, text

from keepers.store.faults import StoreBroken, as_ours

T = TypeVar("T")
Work = Callable[[Connection], Any]
MAX_BATCH = 1_000  # writes that one commit may hold: bounds both latency and what a power cut can take


class WriterClosed(RuntimeError):
    """A write came after `close`."""


@dataclass(slots=True)
class _Item:
    work: Work
    durable: bool
    future: Future[Any]


class Writer:
    """The only writer of a database. With `threaded=False` it writes on the caller's thread (replay, tools)."""

    def __init__(self, engine: Engine, threaded: bool = True) -> None:
        self._engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._closed = False
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._durable: bool | None = None
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._loop, name="hearth-writer", daemon=True)
            self._thread.start()

    def submit(self, work: Callable[[Connection], T], durable: bool = False) -> Future[T]:
        """Queue `work`; the future holds its result once committed, or its exception.

        `work` may run on another thread; it must use only the connection it is given and must not commit.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise WriterClosed("the store is closed")
            item = _Item(work, durable, future)
            if self._thread is None:
                self._run_batch([item])
            elif threading.current_thread() is self._thread:
                raise RuntimeError("a write inside a write: pass the connection on instead")
            else:
                self._queue.put(item)
        return future

    def write(self, work: Callable[[Connection], T], durable: bool = False, timeout: float | None = 60.0) -> T:
        """`submit` and wait for the commit, `timeout` seconds; H1203 when they are over: the write may still come."""
        future = self.submit(work, durable)
        try:
            return future.result(timeout)
        except TimeoutError as error:
            if future.done():  # the work's own
                raise
            raise StoreBroken(
                "H1203", "the database cannot be written", (f"no commit within {timeout:g} s: it may still come",)
            ) from error

    def close(self) -> None:
        """Commit what is queued, then stop."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _loop(self) -> None:
        while True:
            item = self._queue.get()
            if item is None:
                return
            batch = [item]
            stop = False
            while len(batch) < MAX_BATCH:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    stop = True
                    break
                batch.append(more)
            self._run_batch(batch)
            if stop:
                return

    def _open(self, durable: bool) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
            self._durable = None
        if self._sqlite and durable != self._durable:
            # Allowed only outside a transaction; SQLAlchemy's driver begins one with the first write.
            self._connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._connection.rollback()
            self._durable = durable
        return self._connection

    def _run_batch(self, batch: list[_Item]) -> None:
        results: list[tuple[_Item, Any, BaseException | None]] = []
        try:
            connection = self._open(any(item.durable for item in batch))
            begin_write(connection)
            for item in batch:
                savepoint = connection.begin_nested()
                try:
                    value = item.work(connection)
                    savepoint.commit()
                    results.append((item, value, None))
                except Exception as error:  # belongs to the caller of that write alone
                    ours = as_ours(error)
                    if ours is not error:
                        raise
                    savepoint.rollback()
                    results.append((item, None, error))
            connection.commit()
        except BaseException as error:  # disk full, database gone: nobody's write happened
            if self._connection is not None:
                self._connection.invalidate()
                self._connection.close()
                self._connection = None
            ours = as_ours(error)
            for item in batch:
                item.future.set_exception(ours)
            if not isinstance(error, Exception):
                raise
            return
        for item, value, failure in results:
            if failure is not None:
                item.future.set_exception(failure)
            else:
                item.future.set_result(value)


def begin_write(connection: Connection) -> None:
    """Take SQLite's write lock at once: a deferred one fails at its first write if another process wrote meanwhile."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("BEGIN IMMEDIATE"))
