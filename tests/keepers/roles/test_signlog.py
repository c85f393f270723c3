"""The sign log: one digest a place, whatever happens to processes, files and machines."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import and_, delete

from keepers.chain.keys import LocalSigner
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.messages import SignedObservation
from keepers.roles.attester import locks
from keepers.roles.attester.interchange import export, take_over
from keepers.roles.attester.role import Attester
from keepers.roles.attester.sign import SignBook
from keepers.roles.attester.signlog import (
    LIVE,
    NEW,
    OBSERVATION,
    REPORT,
    RETIRED,
    ROWS,
    AlreadySigned,
    SignLog,
    scope_of,
)
from keepers.runtime.role import Fatal
from keepers.store.migrations import open_store
from keepers.wire.codec import ObsBody, SignedObs
from keepers.wire.signatures import recover
from tests.keepers.roles.town import Town, key

SEAT = LocalSigner(keccak(b"seat 0"))
SCOPE = scope_of(31_337, f"0x{os.getpid():040x}", SEAT.address)  # its lock is the machine's: one for each test process
A, B, C = (bytes([n]) * 32 for n in (1, 2, 3))
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's memory for marks, one for each test."""
    folder = tmp_path / "memory"
    folder.mkdir()
    monkeypatch.setattr(locks.Witness.of.__func__, "__defaults__", (folder,))  # type: ignore[attr-defined]
    return folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "signlog.db"


@pytest.fixture
def log(path: Path) -> Iterator[SignLog]:
    made = SignLog.at(path, SCOPE)
    yield made
    made.close()


def again(path: Path) -> SignLog:
    """The log after a restart, opened and let go: what it would say to the next process."""
    made = SignLog.at(path, SCOPE)
    made.close()
    return made


def record(log: SignLog, epoch: int, digest: bytes, view: int = 0, opens: float = 1.0) -> None:
    log.record(REPORT, epoch, view, digest, 7, opens)


# ---------------------------------------------------------------------- one digest a place


@pytest.mark.parametrize("where", ["file", "memory"])
@pytest.mark.attack("T57")
def test_one_digest_of_a_view_and_the_same_again(where: str, path: Path) -> None:
    store = open_store("sqlite://", threaded=False)
    log = SignLog.at(path, SCOPE) if where == "file" else SignLog.inside(store, SCOPE)
    book = SignBook(log)
    first = book.sign_once(REPORT, 5, 0, A, SEAT, 1, 1)
    assert recover(A, first) == SEAT.address
    assert book.sign_once(REPORT, 5, 0, A, SEAT, 2, 1) == first
    with pytest.raises(AlreadySigned) as caught:
        book.sign_once(REPORT, 5, 0, B, SEAT, 3, 1)
    assert caught.value.code == "H6405"
    book.sign_once(REPORT, 5, 1, B, SEAT, 3, 1)
    book.sign_once(OBSERVATION, 5, 0, C, SEAT, 3, 1)
    assert book.views(5) == {0, 1} and log.watermark() == 5
    assert log.signed(OBSERVATION, 5, 0) == C and log.verify() == 3
    log.close()


def test_scopes_do_not_meet(path: Path) -> None:
    one, two = SignLog.at(path, "chain 1"), SignLog.at(path, "chain 2")
    record(one, 5, A)
    assert two.watermark() == 0
    record(two, 5, B)
    assert (one.signed(REPORT, 5, 0), two.signed(REPORT, 5, 0)) == (A, B)
    one.close()
    two.close()


def test_file_is_whole_by_itself_and_synced_beyond_a_power_cut(log: SignLog, path: Path) -> None:
    record(log, 5, A)
    assert sorted(p.name for p in path.parent.iterdir() if p.suffix != ".lock") == ["signlog.db"]
    with log._ground.read() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert pragmas == ["delete", 3], "EXTRA: the journal's folder entry is synced as well"


def test_damaged_row_is_named(log: SignLog, path: Path) -> None:
    for epoch in (5, 6, 7):
        record(log, epoch, A)
    with log._ground.read() as connection:
        connection.execute(ROWS.update().where(ROWS.c.epoch == 6).values(digest=B))
    with pytest.raises(HearthError) as caught:
        log.verify()
    assert caught.value.code == "H6407" and "row 2" in caught.value.message


CRASH = """
import sys
from pathlib import Path
from keepers.chain.keys import LocalSigner
from keepers.protocol.hashing import keccak
from keepers.roles.attester import locks
from keepers.roles.attester.sign import SignBook
from keepers.roles.attester.signlog import REPORT, SignLog
locks.Witness.of.__func__.__defaults__ = (Path(sys.argv[3]),)
book = SignBook(SignLog.at(Path(sys.argv[1]), "scope"))
try:
    print(book.sign_once(REPORT, 9, 0, bytes([int(sys.argv[2])]) * 32, LocalSigner(keccak(b"seat 0")), 1, 1).hex())
except Exception as error:
    print(type(error).__name__)
if len(sys.argv) > 4:
    print("held", flush=True)
    sys.stdin.read()
"""


def started(path: Path, digest: int, memory: Path, *more: str, crash: str = "") -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HEARTH_CRASH_AT": crash}
    command = [sys.executable, "-c", CRASH, str(path), str(digest), str(memory), *more]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("point", ["before-row", "after-row", "after-signature"])
@pytest.mark.attack("T57")
def test_killed_at_any_step_never_two_digests(path: Path, memory: Path, point: str) -> None:
    """Killed between write and send, started again with other data: at most one digest is ever signed."""
    killed = started(path, 1, memory, crash=f"attester.sign.{point}")
    assert killed.communicate(timeout=60)[0] == "" and killed.returncode == -signal.SIGKILL
    signed = [started(path, digest, memory).communicate(timeout=60)[0].strip() for digest in (2, 1)]
    assert signed.count("AlreadySigned") == 1, "exactly one of the two digests is signed"
    assert (signed[0] == "AlreadySigned") == (point != "before-row"), "the row is written before the signature exists"


# ---------------------------------------------------------------------- a second process, another copy


def test_second_process_is_refused_and_so_is_one_with_a_copy_of_the_folder(
    path: Path, tmp_path: Path, memory: Path
) -> None:
    first = started(path, 1, memory, "stay")
    assert first.stdout is not None
    assert len(first.stdout.readline()) > 100 and first.stdout.readline() == "held\n"
    try:
        with pytest.raises(HearthError) as caught:
            SignLog.at(path, "scope")
        assert caught.value.code == "H6403" and str(first.pid) in caught.value.message
        shutil.copytree(path.parent, tmp_path / "copy")
        with pytest.raises(HearthError) as caught:
            SignLog.at(tmp_path / "copy" / "signlog.db", "scope")
        assert caught.value.code == "H6403" and "another copy" in caught.value.message
    finally:
        first.kill()
        first.communicate(timeout=60)
    SignLog.at(path, "scope").close()


@pytest.mark.attack("A17")
def test_copied_folder_listens_first(log: SignLog, path: Path, tmp_path: Path) -> None:
    log.settle()
    record(log, 5, A)
    log.close()
    assert again(path).state == LIVE
    shutil.copytree(path.parent, tmp_path / "copy")
    assert again(tmp_path / "copy" / "signlog.db").state == NEW


def test_log_that_was_let_go_signs_nothing(log: SignLog) -> None:
    log.close()
    with pytest.raises(HearthError) as caught:
        record(log, 5, A)
    assert caught.value.code == "H6403"


# ---------------------------------------------------------------------- an older copy


@pytest.mark.attack("A17")
def test_restart_on_the_newest_log_is_certain_and_on_a_restored_one_it_is_not(log: SignLog, path: Path) -> None:
    record(log, 5, A)
    backup = path.with_name("backup")
    shutil.copy(path, backup)
    record(log, 6, A)
    log.close()
    assert again(path).newest
    shutil.copy(backup, path)
    old = SignLog.at(path, SCOPE)
    assert not old.newest, "the mark in memory names a row that it lacks"
    old.guard = 1_000
    with pytest.raises(AlreadySigned):
        record(old, 6, B, opens=1_000)
    record(old, 5, A, opens=900)
    record(old, 7, B, opens=1_000.1)
    old.close()
    assert again(path).newest, "and from then on it is the newest"


def test_fork_of_the_log_is_no_continuation(log: SignLog, path: Path) -> None:
    """Same number of rows, other rows: a copy that went on by itself."""
    record(log, 5, A)
    shutil.copy(path, path.with_name("backup"))
    record(log, 6, A)
    log.close()
    shutil.copy(path, path.with_name("newest"))
    shutil.copy(path.with_name("backup"), path)
    fork = SignLog.at(path, SCOPE)
    record(fork, 6, B)
    fork.close()
    shutil.copy(path.with_name("newest"), path)
    assert not again(path).newest


def test_after_a_boot_nothing_is_certain(log: SignLog, path: Path, memory: Path) -> None:
    record(log, 5, A)
    log.close()
    for mark in memory.iterdir():
        mark.unlink()
    assert not again(path).newest


@pytest.mark.parametrize("spoil", ["others", "garbage", "link"])
def test_mark_of_somebody_else_is_no_mark(log: SignLog, path: Path, memory: Path, spoil: str) -> None:
    record(log, 5, A)
    log.close()
    (mark,) = memory.iterdir()
    if spoil == "others":
        mark.chmod(0o666)
    elif spoil == "garbage":
        mark.write_text("1\n")
    else:
        mark.rename(memory / "else")
        mark.symlink_to(memory / "else")
    old = SignLog.at(path, SCOPE)
    assert not old.newest
    record(old, 6, A)
    old.close()
    assert again(path).newest, "it is replaced by ours"


# ---------------------------------------------------------------------- moving, retiring, losing


def test_seat_moves_to_another_machine(log: SignLog, path: Path, tmp_path: Path) -> None:
    log.settle()
    for epoch in range(1, 80):
        record(log, epoch, keccak(bytes([epoch])))
    with pytest.raises(HearthError) as caught:
        take_over(log, export(log, SEAT))
    assert caught.value.code == "H1006" and "not retired" in caught.value.message
    log.retire()
    text = export(log, SEAT)
    with pytest.raises(HearthError) as caught:
        record(log, 80, A)
    assert caught.value.code == "H6404"
    log.close()
    assert again(path).state == RETIRED
    new = SignLog.at(tmp_path / "new" / "signlog.db", SCOPE)
    assert take_over(new, text) == 79
    assert (new.state, new.floor, new.verify()) == (NEW, 79, 64)
    assert new.signed(REPORT, 79, 0) == keccak(bytes([79])) and new.signed(REPORT, 10, 0) is None
    for epoch in (10, 79):
        with pytest.raises(AlreadySigned):
            record(new, epoch, B, view=3, opens=8)
    record(new, 79, keccak(bytes([79])))
    record(new, 79, B, view=9, opens=8.1)  # a view that opened after the old log's last signature
    record(new, 80, A, opens=9)
    with pytest.raises(HearthError) as caught:
        take_over(new, text)
    assert caught.value.code == "H1005", "only ever forward"
    new.close()


@pytest.mark.parametrize("change", ["scope", "digest", "signer", "json", "row"])
def test_interchange_is_taken_only_whole(log: SignLog, change: str) -> None:
    record(log, 5, A)
    log.retire()
    text = export(log, LocalSigner(keccak(b"other")) if change == "signer" else SEAT)
    file = json.loads(text)
    content = file["content"]
    if change == "scope":
        content["scope"] = scope_of(1, "0x" + "22" * 20, SEAT.address)
    elif change == "digest":
        content["rows"][0][3] = "0x" + B.hex()
    elif change == "row":
        content["rows"][0][1] = True
    with pytest.raises(HearthError) as caught:
        take_over(log, "[" * 100_000 if change == "json" else json.dumps(file))
    assert caught.value.code == "H1006" and log.state == RETIRED


def test_two_logs_that_signed_different_things_do_not_become_one(log: SignLog, tmp_path: Path) -> None:
    record(log, 5, A)
    log.retire()
    text = export(log, SEAT)
    log.close()
    other = SignLog.at(tmp_path / "other" / "signlog.db", SCOPE)
    record(other, 5, B)
    with pytest.raises(AlreadySigned):
        take_over(other, text)
    assert other.floor == 0 and other.verify() == 1
    other.close()


def test_watermark_moves_forward_only(log: SignLog) -> None:
    log.settle()
    record(log, 5, A)
    with pytest.raises(HearthError) as caught:
        log.raise_floor(5, 100)
    assert caught.value.code == "H1005"
    log.raise_floor(9, 100)
    assert (log.state, log.watermark(), log.unsure_until) == (NEW, 9, 100)
    for epoch in (9, 10):
        with pytest.raises(AlreadySigned):
            record(log, epoch, A, opens=100)
    record(log, 9, A, opens=101)  # an epoch that waits for its report must not wait for this seat for ever
    record(log, 10, A, opens=101)


# ---------------------------------------------------------------------- the seat at work


def forget(town: Town, seat: int, *where: object) -> None:
    """Take rows out of a seat's log, as if an older copy had been restored."""
    scope = town.attesters[seat].desk.sign_book.log.scope
    with town.kept.engine.begin() as connection:
        connection.execute(delete(ROWS).where(and_(ROWS.c.scope == scope, *where)))  # type: ignore[arg-type]


def start_again(town: Town, seat: int) -> Attester:
    made = Attester(town.seat_keys[seat], town.prices)
    made.mount(town.app.context)
    made.start()
    return made


@pytest.mark.parametrize(("left", "code"), [(0, "H6401"), (1, "H6402")])
def test_seat_whose_signatures_stand_on_chain_does_not_start_without_them(left: int, code: str) -> None:
    town = Town()
    town.run_epochs(3)
    forget(town, 0, ROWS.c.epoch > left)
    with pytest.raises(Fatal) as caught:
        start_again(town, 0)
    assert caught.value.error.code == code and "the chain has" in caught.value.error.why[0]


def test_seat_whose_signature_a_peer_holds_does_not_start_without_it() -> None:
    """Signed and sent, not on chain yet: only the other seats can tell."""
    town = Town()
    town.run(town.calendar.end(3) + 50)
    assert town.world.hub.last_epoch == 2
    forget(town, 0, ROWS.c.epoch == 3)
    with pytest.raises(Fatal) as caught:
        start_again(town, 0)
    assert caught.value.error.code == "H6402" and caught.value.error.exit_code == 6
    assert "holds an observation of epoch 3" in caught.value.error.why[0]


def test_new_seat_on_a_running_network_listens_one_whole_epoch() -> None:
    town = Town()
    town.run_epochs(3)
    new = Attester(key("newcomer"), town.prices)
    new.mount(town.app.context)
    new.start()
    now = town.calendar.epoch(town.clock.now())
    assert new.desk.listen_until == town.calendar.end(now + 1)
    assert not new._has_listened(new.desk.listen_until - 1) and new.desk.sign_book.log.state == NEW
    assert new._has_listened(new.desk.listen_until) and new.desk.sign_book.log.state == LIVE


def test_seat_that_is_not_sure_of_its_log_signs_only_what_opens_later() -> None:
    """Seat 0 comes back at T+20 s with a log that may be old: no observation of that epoch, no signature in a view that
    opens within a minute; then it is one of them again."""
    town = Town()
    town.run(town.calendar.end(3) + 20)
    town.restart(0)
    log = town.attesters[0].desk.sign_book.log
    log.newest = False
    town.attesters[0].start()
    assert log.guard == town.calendar.end(3) + 20 + 60
    town.run(town.calendar.end(3) + 200)
    assert town.world.hub.last_epoch == 3
    assert log.signed(OBSERVATION, 3, 0) is None and log.views(3) == {0}, "view 0 opens at T+90 s"
    town.run(town.calendar.end(4) + 200)
    assert log.signed(OBSERVATION, 4, 0) is not None


def test_seat_whose_key_signs_elsewhere_stops() -> None:
    """A twin on another machine: it never speaks to this seat, so the others are asked what they hold."""
    town = Town()
    town.run(town.calendar.end(3) + 50)
    twin = SignedObservation(1, 3, 0, keccak(b"else"), 9)
    domain = town.attesters[0].desk.domain
    signed = SignedObs(1, 3, 0, keccak(b"else"), 9, town.seat_keys[0].sign_digest(twin.digest(domain)))
    town.attesters[2].desk.exchange.take_observation(ObsBody(signed, b""))
    with pytest.raises(Fatal) as caught:
        town.run(town.calendar.end(3) + 80)
    assert caught.value.error.code == "H6403" and "seat 2 holds an observation" in caught.value.error.why[0]


def test_signature_of_an_earlier_self_does_not_stop_a_careful_seat() -> None:
    """Seat 0 comes back on a log without its newest row, and no peer tells at the start: what it hears of its own later
    is of the time of which it is not sure. It signs nothing there, and goes on."""
    town = Town()
    town.run(town.calendar.end(3) + 50)
    forget(town, 0, ROWS.c.epoch == 3)
    town.transport.down |= {f"seat-{n}" for n in range(1, 4)}
    town.restart(0)
    town.transport.down.clear()
    log = town.attesters[0].desk.sign_book.log
    log.guard = town.clock.precise() + 60
    town.run(town.calendar.end(3) + 200)
    assert town.world.hub.last_epoch == 3 and log.signed(OBSERVATION, 3, 0) is None and log.views(3) == set()
    town.run(town.calendar.end(4) + 200)
    assert town.world.hub.last_epoch == 4 and log.signed(OBSERVATION, 4, 0) is not None


def test_peer_cannot_make_up_a_signature() -> None:
    """A lying peer shows an observation in our name that we did not sign: nobody stops."""
    town = Town()
    town.run(town.calendar.end(3) + 50)
    exchange = town.attesters[2].desk.exchange
    honest = exchange.record
    forged = SignedObs(1, 3, 0, keccak(b"else"), 9, town.seat_keys[2].sign_digest(A))

    def lie(epoch: int, seat: int) -> object:
        told = honest(epoch, seat)
        told.observations.append(forged)
        return told

    exchange.record = lie  # type: ignore[method-assign, assignment]
    town.run(town.calendar.end(3) + 200)
    assert town.world.hub.last_epoch == 3


def test_seat_that_loses_its_log_while_it_runs_stops() -> None:
    town = Town()
    town.run_epochs(1)

    def lost(*_: object) -> None:
        raise HearthError("H6403", "the lock is gone")

    town.attesters[0].desk.sign_book.log.record = lost  # type: ignore[method-assign]
    with pytest.raises(Fatal) as caught:
        town.run_epochs(1)
    assert caught.value.error.code == "H6403"


def test_retired_log_does_not_start() -> None:
    town = Town()
    town.run_epochs(1)
    town.attesters[0].desk.sign_book.log.retire()
    with pytest.raises(Fatal) as caught:
        start_again(town, 0)
    assert caught.value.error.code == "H6404"
