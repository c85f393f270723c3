"""The sign log on PostgreSQL. Needs a server and a driver that the lock does not bring:

TEST_POSTGRES_URL=postgresql+psycopg://user@host/database python -m pytest tests/keepers/roles/test_signlog_postgres.py
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from keepers.protocol.errors import HearthError
from keepers.roles.attester import locks
from keepers.roles.attester.signlog import META, REPORT, AlreadySigned, SignLog
from keepers.store.engine import open_engine

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
