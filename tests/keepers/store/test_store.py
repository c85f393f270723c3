"""Writer, types, migrations: what is acknowledged is committed, what is newer is refused."""

from __future__ import annotations

import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, MetaData, Table, insert, select
from sqlalchemy.exc import IntegrityError

import keepers.outbox.tables
import keepers.roles.agent.tables
import keepers.roles.attester.tables
import keepers.roles.settler.tables
import keepers.roles.watcher.tables
import keepers.store.logs
from keepers.protocol.errors import HearthError
from keepers.store.engine import Store
from keepers.store.faults import StoreBroken
from keepers.store.logs import LogTables
from keepers.store.migrations import open_store, scripts
from keepers.store.migrations.draft import difference
from keepers.store.types import Address, Hash32, Uint256
from keepers.store.writer import WriterClosed

META = MetaData()
NUMBERS = Table("numbers", META, Column("id", Uint256, primary_key=True))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store.open(f"sqlite:///{tmp_path / 'a.db'}")
    META.create_all(made.engine)
    yield made
    made.close()


def put(store: Store, number: int, durable: bool = False) -> None:
    store.write(lambda connection: connection.execute(insert(NUMBERS).values(id=number)), durable)


def numbers(store: Store) -> list[int]:
    with store.read() as connection:
        return list(connection.execute(select(NUMBERS.c.id).order_by(NUMBERS.c.id)).scalars())


def test_write__resolved__committed_for_every_other_connection(store: Store, tmp_path: Path) -> None:
    future = store.submit(lambda connection: connection.execute(insert(NUMBERS).values(id=7)).rowcount)
    assert future.result(10) == 1
    other = sqlite3.connect(tmp_path / "a.db")
    assert other.execute("SELECT count(*) FROM numbers").fetchone() == (1,)


def test_write__one_of_many_fails__only_it_is_undone(store: Store) -> None:
    put(store, 1)
    futures = [
        store.submit(lambda connection, n=n: connection.execute(insert(NUMBERS).values(id=n))) for n in (2, 1, 3, 1, 4)
    ]
    outcomes = [future.exception(10) is None for future in futures]
    assert outcomes == [True, False, True, False, True]
    assert numbers(store) == [1, 2, 3, 4]


def test_write__many_threads__all_there(store: Store) -> None:
    threads = [threading.Thread(target=lambda k=k: [put(store, 1_000 * k + n) for n in range(25)]) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(numbers(store)) == 150


def test_write__inside_a_write__refused_instead_of_a_deadlock(store: Store) -> None:
    with pytest.raises(RuntimeError, match="pass the connection on"):
        store.write(lambda connection: put(store, 5))


def test_write__durable__synchronous_is_full_for_that_commit(store: Store) -> None:
    def level(connection: object) -> int:
        return connection.exec_driver_sql("PRAGMA synchronous").scalar()  # type: ignore[attr-defined, no-any-return]

    assert store.write(level, durable=True) == 2
    assert store.write(level) == 1
    assert store.write(level, durable=True) == 2


def test_close__queued_writes__committed_first(tmp_path: Path) -> None:
    made = Store.open(f"sqlite:///{tmp_path / 'b.db'}")
    META.create_all(made.engine)
    futures = [made.submit(lambda c, n=n: c.execute(insert(NUMBERS).values(id=n))) for n in range(200)]
    made.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(WriterClosed):
        made.write(lambda connection: None)


def test_read__one_snapshot__does_not_see_what_comes_meanwhile(store: Store) -> None:
    put(store, 1)
    with store.read() as connection:
        assert len(connection.execute(select(NUMBERS)).all()) == 1
        put(store, 2)
        assert len(connection.execute(select(NUMBERS)).all()) == 1
    assert len(numbers(store)) == 2


@given(st.lists(st.integers(0, 2**256 - 1), min_size=2, max_size=20))
def test_uint256__any_values__exact_and_text_order_is_number_order(values: list[int]) -> None:
    kind = Uint256()
    texts = [kind.process_bind_param(v, None) for v in values]
    assert [kind.process_result_value(t, None) for t in texts] == values
    assert [int(t) for t in sorted(texts)] == sorted(values)


@pytest.mark.parametrize("value", [-1, 2**256, 1.5, True, "7"])
def test_uint256__no_uint__refused(value: object) -> None:
    with pytest.raises(ValueError, match="no uint256"):
        Uint256().process_bind_param(value, None)  # type: ignore[arg-type]


def test_hash_and_address__wrong_size__refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Hash32().process_bind_param(b"short", None)
    with pytest.raises(ValueError, match="no address"):
        Address().process_bind_param("0x12", None)
    assert Address().process_bind_param("0x" + "AB" * 20, None) == "0x" + "ab" * 20


def test_open__no_folder_to_write__says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HearthError, match="cannot be opened") as caught:
        open_store(f"sqlite:///{tmp_path / 'file' / 'x.db'}")
    assert caught.value.code == "H1201" and caught.value.next
    with pytest.raises(HearthError, match="URL cannot be read") as unread:
        open_store("not a url")
    assert (unread.value.code, unread.value.exit_code) == ("H1001", 2)
    (tmp_path / "junk.db").write_bytes(b"this is no database, but long enough to be read as one" * 40)
    with pytest.raises(HearthError) as caught:
        open_store(f"sqlite:///{tmp_path / 'junk.db'}")
    assert caught.value.code == "H1201"


def test_migrate__newer_database__refused_and_untouched(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    open_store(url).close()
    raw = sqlite3.connect(tmp_path / "a.db")
    raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.commit()
    raw.close()
    with pytest.raises(HearthError, match="newer than this version") as caught:
        open_store(url)
    assert caught.value.code == "H1204"
    assert sqlite3.connect(tmp_path / "a.db").execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)


def test_migrate__older_database__copied_first_then_brought_up(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    first = open_store(url)
    first.close()
    raw = sqlite3.connect(tmp_path / "a.db")
    for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type='table' AND name LIKE 'settler%'").fetchall():
        raw.execute(f"DROP TABLE {name}")
    for (name,) in raw.execute(
        "SELECT name FROM sqlite_master WHERE type='table'"
        " AND (name LIKE 'agent%' OR name LIKE 'attester%' OR name LIKE 'watcher%')"
    ).fetchall():
        raw.execute(f"DROP TABLE {name}")
    raw.execute("INSERT INTO chain_marks VALUES ('final', 12)")
    raw.execute("UPDATE alembic_version SET version_num = '0001'")
    raw.commit()
    raw.close()
    second = open_store(url)
    assert LogTables(second).final() == 12, "rows are kept"
    second.close()
    copy = tmp_path / "a.db.bak-0001"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sqlite3.connect(copy).execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
    open_store(url).close()
    assert len(list(tmp_path.glob("*.bak-*"))) == 1, "no copy where nothing changes"


def test_migrations__all_tables_of_the_package__schema_matches_them() -> None:
    modules = (keepers.outbox.tables, keepers.store.logs, keepers.roles.agent.tables)
    modules += (keepers.roles.attester.tables, keepers.roles.settler.tables, keepers.roles.watcher.tables)
    store = open_store("sqlite://", threaded=False)
    with store.engine.connect() as connection:
        operations = difference(connection).upgrade_ops
    assert operations is not None
    missing = [str(getattr(op, "table_name", op)) for op in operations.ops]
    names = " ".join(m.__name__ for m in modules)
    assert not missing, f"write a migration: python -m keepers.store.migrations.draft {names}\n{missing}"
    store.close()


def test_migrations__one_line__no_branches() -> None:
    assert len(scripts().get_heads()) == 1


def test_log_tables__append_rollback_and_marks(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'c.db'}")
    tables = LogTables(store)
    assert tables.tip() is None and tables.final() == -1
    block = lambda n: (n, bytes([n]) * 32, bytes([n - 1]) * 32, 100 + n)  # noqa: E731
    topic = b"\x05" * 32
    log = (3, 0, b"\x01" * 32, "0x" + "11" * 20, topic + b"\x06" * 32, b"data")
    tables.append([block(n) for n in range(1, 6)], [log])
    assert tables.tip() == block(5)
    assert tables.blocks_down(4, 2) == [block(4), block(3)]
    assert tables.logs(1, 9, "0x" + "11" * 20, [topic]) == [log]
    assert tables.logs(1, 9, topics=[b"\x07" * 32]) == [] and tables.logs(4, 9) == []
    assert tables.hashes([3, 99]) == {3: (bytes([3]) * 32, 103)}
    tables.set_final(4, keep=3)
    tables.set_final(2, keep=0)
    assert tables.final() == 4
    assert [row[0] for row in tables.blocks_down(9, 9)] == [5, 4, 3], "old ones without logs are forgotten"
    tables.rollback(2)
    assert tables.logs(0, 9) == [] and tables.tip() is None
    store.close()


def test_write__disk_is_full__named_and_the_next_write_goes_on(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
    store.write(lambda c: c.exec_driver_sql("CREATE TABLE t (x BLOB)"))
    with store.engine.connect() as connection:
        pages = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())

    def limit(number: int) -> None:
        store.write(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={number}"))

    limit(pages + 2)
    with pytest.raises(StoreBroken, match="cannot be read or written") as caught:
        store.write(lambda c: c.exec_driver_sql("INSERT INTO t VALUES (zeroblob(1000000))"), durable=True)
    assert caught.value.code == "H1203" and caught.value.retryable and "full" in caught.value.why[0]
    limit(1_000_000)
    store.write(lambda c: c.exec_driver_sql("INSERT INTO t VALUES (zeroblob(1000000))"), durable=True)
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM t").scalar_one() == 1, "no half of the first"
    store.close()


def test_write__no_commit_in_time__named_and_comes_all_the_same(store: Store) -> None:
    """A disk that hangs is the database's trouble, not a bug of ours (H9001)."""
    hangs = threading.Event()
    first = store.submit(lambda connection: hangs.wait(10))
    with pytest.raises(HearthError, match="cannot be written") as caught:
        store.writer.write(lambda connection: "late", timeout=0.05)
    assert caught.value.code == "H1203" and caught.value.retryable
    hangs.set()
    assert first.result(10) and store.write(lambda connection: "in time") == "in time"


def test_write__work_that_times_out_itself__stays_the_callers(store: Store) -> None:
    def work(connection: Connection) -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        store.write(work)


def test_open__file_that_is_no_database__named(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"not SQLite at all" * 500)
    with pytest.raises(HearthError) as caught:
        open_store(f"sqlite:///{path}")
    assert caught.value.code == "H1201" and "not a database" in caught.value.why[0]
    assert path.read_bytes().startswith(b"not SQLite"), "left as it was"


def test_read__damaged_file__named_and_not_retried(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = open_store(f"sqlite:///{path}")
    store.write(lambda c: c.exec_driver_sql("CREATE TABLE t (x BLOB)"))
    store.write(lambda c: c.exec_driver_sql("INSERT INTO t VALUES (zeroblob(200000))"))
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    content = bytearray(path.read_bytes())
    content[-100_000:] = b"\xff" * 100_000
    path.write_bytes(bytes(content))
    again = Store.open(f"sqlite:///{path}")
    with pytest.raises(StoreBroken, match="damaged") as caught, again.read() as connection:
        connection.exec_driver_sql("SELECT * FROM t").all()
    assert caught.value.code == "H1205" and not caught.value.retryable
    again.close()


def test_write__own_mistake__stays_the_callers(store: Store) -> None:
    store.write(lambda c: c.exec_driver_sql("CREATE TABLE once (x INTEGER UNIQUE)"))
    store.write(lambda c: c.exec_driver_sql("INSERT INTO once VALUES (1)"))
    with pytest.raises(IntegrityError):
        store.write(lambda c: c.exec_driver_sql("INSERT INTO once VALUES (1)"))


def test_open__many_threads_at_once(tmp_path: Path) -> None:
    """Each has a database of its own; the migrations of one process take turns."""
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda i: open_store(f"sqlite:///{tmp_path / str(i)}.db"), range(8)))
    for store in stores:
        store.close()
    assert len(list(tmp_path.glob("*.db"))) == 8
