"""The sign log on PostgreSQL, and whole seats on it. Needs a server and a driver that the lock does not bring: `make
postgres` has both, or

TEST_POSTGRES_URL=postgresql+psycopg://user@host/database python -m pytest tests/keepers/roles/test_signlog_postgres.py
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from keepers.protocol.errors import HearthError
from keepers.roles.attester import locks
from keepers.roles.attester.signlog import META, REPORT, AlreadySigned, SignLog
from keepers.store.engine import open_engine
from keepers.store.migrations import open_store
from tests.keepers.roles.town import Town

URL = os.environ.get("TEST_POSTGRES_URL", "")
pytestmark = pytest.mark.skipif(not URL, reason="TEST_POSTGRES_URL names no server")
A, B = b"a" * 32, b"b" * 32


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SignLog]:
    monkeypatch.setattr(locks.Witness.of.__func__, "__defaults__", (tmp_path,))  # type: ignore[attr-defined]
    META.drop_all(open_engine(URL))
    made = SignLog.on_server(open_engine(URL), "seat")
    yield made
    made.close()


def test_one_digest_a_place(log: SignLog) -> None:
    log.record(REPORT, 1, 0, A, 1, 1)
    log.record(REPORT, 1, 0, A, 1, 1)
    with pytest.raises(AlreadySigned):
        log.record(REPORT, 1, 0, B, 1, 1)
    assert log.verify() == 1


def test_second_session_is_refused_and_other_seats_are_not(log: SignLog) -> None:
    with pytest.raises(HearthError) as caught:
        SignLog.on_server(open_engine(URL), "seat")
    assert caught.value.code == "H6403"
    SignLog.on_server(open_engine(URL), "other seat").close()


def test_session_that_loses_its_lock_writes_no_more_and_the_next_one_may(log: SignLog) -> None:
    log.record(REPORT, 1, 0, A, 1, 1)
    with open_engine(URL).connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"))
        connection.commit()
    for _ in range(2):
        with pytest.raises(HearthError) as caught:
            log.record(REPORT, 2, 0, B, 1, 1)
        assert caught.value.code in ("H1203", "H6403")
    second = SignLog.on_server(open_engine(URL), "seat")
    assert second.newest and second.watermark() == 1
    with pytest.raises(HearthError):
        log.record(REPORT, 2, 0, B, 1, 1)
    second.close()


def test_mirror_is_kept_and_a_database_that_was_put_back_is_noticed(log: SignLog, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    log.mirror_to(mirror)
    log.record(REPORT, 1, 0, A, 1, 1)
    assert len(mirror.read_text().splitlines()) == 2
    log.close()
    META.drop_all(open_engine(URL))
    empty = SignLog.on_server(open_engine(URL), "seat")
    with pytest.raises(HearthError) as caught:
        empty.mirror_to(mirror)
    assert caught.value.code == "H6401"
    empty.close()


_PROCESS = """
import sys, time
from pathlib import Path
from keepers.protocol.errors import HearthError
from keepers.roles.attester import locks
from keepers.roles.attester.signlog import REPORT, AlreadySigned, SignLog
from keepers.store.engine import open_engine
locks.Witness.of.__func__.__defaults__ = (Path(sys.argv[2]),)
try:
    log = SignLog.on_server(open_engine(sys.argv[1]), "seat")
    log.record(REPORT, 1, 0, sys.argv[3].encode() * 32, 1, 1)
    print("signed", flush=True)
    time.sleep(600)
except HearthError as error:
    print(error.code, flush=True)
"""


def _process(folder: Path, letter: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _PROCESS, URL, str(folder), letter]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _says(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_second_process_signs_nothing_and_a_third_after_a_kill_nothing_else(tmp_path: Path) -> None:
    META.drop_all(open_engine(URL))
    first = _process(tmp_path, "a")
    assert _says(first) == "signed"
    second = _process(tmp_path, "b")
    assert _says(second) == "H6403", "the lock is the first one's"
    first.send_signal(signal.SIGKILL)
    first.wait()
    for letter, word in (("b", "H6405"), ("a", "signed")):
        third = _process(tmp_path, letter)
        assert _says(third) == word, "the lock died with its holder, what it signed did not"
        third.kill()
        third.wait()
    second.wait()


def test_seats_agents_and_settler_live_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrations, writers, sign logs and outboxes of a whole network in one database; a seat starts anew in it."""
    monkeypatch.setattr(locks.Witness.of.__func__, "__defaults__", (tmp_path,))  # type: ignore[attr-defined]
    engine = open_engine(URL)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    store = open_store(URL, threaded=False)
    town = Town(nodes=1, store=store)
    town.run_epochs(1)
    town.attesters[0].close()
    town.restart(0)
    town.run_epochs(1)
    attestations = town.app.context.attestations
    assert attestations is not None and attestations.last == 2
    assert [attestations.report(epoch).header.void for epoch in (1, 2)] == [False, False]
    for attester in town.attesters:
        log = attester.desk.sign_book.log
        assert log.verify() >= 3 and log.watermark() == 2, "two observations, and reports until there was a quorum"
        attester.close()
    store.close()
