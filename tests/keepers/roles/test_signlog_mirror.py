"""The sign log's mirror: written before each signature, missed loudly, and never behind a log that was put back."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keepers.chain.keys import LocalSigner
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.roles.attester import locks
from keepers.roles.attester.role import Attester
from keepers.roles.attester.signlog import REPORT, SignLog
from keepers.runtime.role import Fatal
from tests.keepers.roles.town import Town

SCOPE = f"1:hub:seat-{os.getpid()}"  # its lock is the machine's: one for each test process
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
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "other disk"
    folder.mkdir()
    return folder / "mirror"


class Open:
    """A log with its mirror; `said` is what was heard of each copy ("" for a good one)."""

    def __init__(self, path: Path, mirror: Path | None) -> None:
        self.said: list[str] = []
        self.log = SignLog.at(path, SCOPE)
        try:
            self.log.mirror_to(mirror, lambda error: self.said.append("" if error is None else error.code))
        except BaseException:
            self.log.close()
            raise

    def record(self, epoch: int, digest: bytes, view: int = 0) -> None:
        self.log.record(REPORT, epoch, view, digest, 7, 1.0)


@pytest.fixture
def made(path: Path, mirror: Path) -> Iterator[Open]:
    found = Open(path, mirror)
    yield found
    found.log.close()


def lines(mirror: Path) -> list[str]:
    return mirror.read_text().splitlines()[1:]


def refused(path: Path, mirror: Path | None) -> str:
    with pytest.raises(HearthError) as caught:
        Open(path, mirror)
    return caught.value.code


def starts(path: Path, mirror: Path | None) -> None:
    Open(path, mirror).log.close()


def test_every_row_is_there_once_and_only_its_owner_may_read(made: Open, mirror: Path) -> None:
    for epoch, digest in ((1, A), (2, B), (2, B)):
        made.record(epoch, digest)
    assert [line.split()[:5] for line in lines(mirror)] == [
        ["1", REPORT, "1", "0", A.hex()], ["2", REPORT, "2", "0", B.hex()]
    ]  # fmt: skip
    assert mirror.stat().st_mode & 0o777 == 0o600 and made.said == ["", "", "", ""]


def test_mirror_of_a_log_that_has_rows_already_begins_with_them(path: Path, mirror: Path) -> None:
    bare = Open(path, None)
    bare.record(1, A)
    bare.log.close()
    starts(path, mirror)
    assert len(lines(mirror)) == 1


# ---------------------------------------------------------------------- a log that was put back


def test_older_copy_of_the_log_does_not_start(made: Open, path: Path, mirror: Path, memory: Path) -> None:
    """Nothing else would know: the mark in memory is gone with the machine, chain and peers have not seen it yet."""
    made.record(1, A)
    shutil.copy(path, path.with_suffix(".backup"))
    made.record(2, B)
    made.log.close()
    shutil.rmtree(memory)
    memory.mkdir()
    shutil.copy(path.with_suffix(".backup"), path)
    assert refused(path, mirror) == "H6402"
    path.unlink()
    assert refused(path, mirror) == "H6401", "no log at all"


def test_fork_of_the_log_does_not_start(made: Open, path: Path, mirror: Path) -> None:
    made.record(1, A)
    made.log.close()
    path.unlink()
    other = Open(path, None)
    other.record(1, B)
    other.log.close()
    assert refused(path, mirror) == "H6402"


def test_loss_that_was_declared_lets_it_start_and_the_mirror_begins_anew(made: Open, path: Path, mirror: Path) -> None:
    made.record(1, A)
    made.record(5, B)
    made.log.close()
    path.unlink()
    fresh = SignLog.at(path, SCOPE)
    fresh.raise_floor(4, 10.0)
    fresh.close()
    assert refused(path, mirror) == "H6402", "epoch 5 was not declared"
    fresh = SignLog.at(path, SCOPE)
    fresh.raise_floor(5, 10.0)
    fresh.close()
    starts(path, mirror)
    assert lines(mirror) == []


# ---------------------------------------------------------------------- killed on the way

CRASH = """
import sys
from pathlib import Path
from keepers.chain.keys import LocalSigner
from keepers.protocol.hashing import keccak
from keepers.roles.attester import locks
from keepers.roles.attester.sign import SignBook
from keepers.roles.attester.signlog import REPORT, SignLog
path, mirror, memory, digest, scope = sys.argv[1:]
locks.Witness.of.__func__.__defaults__ = (Path(memory),)
log = SignLog.at(Path(path), scope)
try:
    log.mirror_to(Path(mirror))
    book = SignBook(log)
    print(book.sign_once(REPORT, 9, 0, bytes([int(digest)]) * 32, LocalSigner(keccak(b"seat")), 1, 1).hex())
except Exception as error:
    print(getattr(error, "code", error))
"""


def run(path: Path, mirror: Path, memory: Path, digest: int, crash: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HEARTH_CRASH_AT": crash}
    command = [sys.executable, "-c", CRASH, str(path), str(mirror), str(memory), str(digest), SCOPE]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("point", ["before-row", "before-mirror", "after-row", "after-signature"])
def test_killed_between_log_mirror_and_signature(path: Path, mirror: Path, memory: Path, point: str) -> None:
    """Killed at every step, and started on the log as it was before, on another machine: whatever may have been signed
    is in the mirror, so that start is refused; where nothing was, it signs."""
    starts(path, mirror)
    before = path.read_bytes()
    killed = run(path, mirror, memory, 1, crash=f"attester.sign.{point}")
    assert killed.stdout == "" and killed.returncode == -signal.SIGKILL
    after = path.read_bytes()
    in_mirror = point in ("after-row", "after-signature")
    assert len(lines(mirror)) == in_mirror
    shutil.rmtree(memory)
    memory.mkdir()
    path.write_bytes(before)
    said = run(path, mirror, memory, 2).stdout.strip()
    if in_mirror:
        assert said == "H6401"
        path.write_bytes(after)
        assert len(run(path, mirror, memory, 1).stdout.strip()) == 130, "on the log itself the same digest is signed"
        assert run(path, mirror, memory, 2).stdout.strip() == "H6405"
    else:
        assert len(said) == 130, "no signature was lost"
    assert len(lines(mirror)) == 1


def test_row_that_a_kill_kept_from_the_mirror_is_made_up_for(path: Path, mirror: Path, memory: Path) -> None:
    starts(path, mirror)
    run(path, mirror, memory, 1, crash="attester.sign.before-mirror")
    assert lines(mirror) == []
    starts(path, mirror)
    assert len(lines(mirror)) == 1


def test_line_that_was_cut_off_is_written_again(made: Open, path: Path, mirror: Path) -> None:
    made.record(1, A)
    made.record(2, B)
    made.log.close()
    whole = mirror.read_bytes()
    for cut in (1, 20, 100):
        mirror.write_bytes(whole[:-cut])
        starts(path, mirror)
        assert mirror.read_bytes() == whole


# ---------------------------------------------------------------------- a mirror that breaks


def test_mirror_that_goes_away_is_said_at_each_signature_and_made_up_for(made: Open, path: Path, mirror: Path) -> None:
    made.record(1, A)
    away = mirror.with_suffix(".away")
    mirror.rename(away)
    made.record(2, B)
    made.record(3, C)
    assert made.said[-2:] == ["H6408", "H6408"], "signed, and said"
    assert not mirror.exists(), "nothing is made on a disk that is not there"
    away.rename(mirror)
    made.record(4, A)
    assert made.said[-1] == "" and len(lines(mirror)) == 4


def test_mirror_that_hangs_holds_no_signature_up(made: Open, mirror: Path) -> None:
    assert made.log._mirror is not None
    made.log._mirror._timeout = 0.2
    kept = mirror.with_suffix(".kept")
    made.record(1, A)
    mirror.rename(kept)
    os.mkfifo(mirror)  # who opens it waits for ever
    made.record(2, B)
    made.record(3, C)
    assert made.said[-2:] == ["H6408", "H6408"]
    with mirror.open("rb"):  # the one that waited goes on
        pass
    made.log._mirror._stuck.join(5)  # type: ignore[union-attr]
    mirror.unlink()
    kept.rename(mirror)
    made.record(4, A)
    assert made.said[-1] == "" and [line.split()[0] for line in lines(mirror)] == ["1", "2", "3", "4"]


def test_start_without_the_mirror_that_there_was_is_refused_until_it_is_given_up(
    made: Open, path: Path, mirror: Path
) -> None:
    made.record(1, A)
    made.log.close()
    mirror.unlink()
    assert refused(path, mirror) == "H6408"
    starts(path, None)
    starts(path, mirror)
    assert len(lines(mirror)) == 1


@pytest.mark.parametrize("spoil", ["other seat", "row", "order", "bytes", "folder"])
def test_file_that_is_no_mirror_of_this_log_is_not_touched(made: Open, path: Path, mirror: Path, spoil: str) -> None:
    made.record(1, A)
    made.record(2, B)
    made.log.close()
    text = mirror.read_text()
    if spoil == "folder":
        mirror.unlink()
        mirror.mkdir()
    elif spoil == "bytes":
        mirror.write_bytes(b"\xff\x00\n" * 9)
    else:
        head, first, second = text.splitlines()
        spoilt = {
            "other seat": [head.replace("seat", "tent"), first, second],
            "row": [head, first.replace(A.hex(), C.hex()), second],
            "order": [head, second, first],
        }[spoil]
        mirror.write_text("\n".join(spoilt) + "\n")
    before = None if mirror.is_dir() else mirror.read_bytes()
    assert refused(path, mirror) == "H6408"
    assert before is None or mirror.read_bytes() == before


def test_mirror_that_became_another_logs_is_not_written(made: Open, mirror: Path) -> None:
    made.record(1, A)
    mirror.write_text(f"hearth sign log mirror 1 {SCOPE} {'ab' * 16}\n")
    made.log._mirror._serial = None  # type: ignore[union-attr]
    made.record(2, B)
    assert made.said[-1] == "H6408" and lines(mirror) == []


# ---------------------------------------------------------------------- the seat


def test_seat_goes_on_without_its_mirror_and_says_so(mirror: Path, caplog: pytest.LogCaptureFixture) -> None:
    town = Town(nodes=1)
    old = town.attesters[0]
    town.attesters[0] = new = Attester(old.key, old.prices, mirror=mirror)
    town._take_over(old, new)
    town.run_epochs(1)
    rows = len(new.desk.sign_book.log.rows())
    assert len(lines(mirror)) == rows >= 1
    metrics = town.app.context.metrics
    assert metrics is not None and "hearth_attester_signlog_mirror_ok" in metrics.text().decode()
    mirror.unlink()
    with caplog.at_level(logging.ERROR, "hearth"):
        town.run_epochs(1)
    assert len(new.desk.sign_book.log.rows()) > rows
    told = [record for record in caplog.records if getattr(record, "code", "") == "H6408"]
    assert len(told) == len(new.desk.sign_book.log.rows()) - rows, "once for every signature"
    assert 'signlog_mirror_ok{network="town",seat="0"} 0.0' in metrics.text().decode()
    again = Attester(LocalSigner(keccak(b"seat 0")), old.prices, mirror=mirror)
    again.mount(town.app.context)
    with pytest.raises(Fatal) as caught:
        again.start()
    assert caught.value.error.code == "H6408"
