"""Killed at any instruction, the outbox neither repeats nor loses an effect (T58, D13, D14).

A run is killed with SIGKILL at a crash point, at every name and as many passes as the time allows; then a fresh process
finishes the work. HEARTH_CRASH_TRIALS=500 kills at every single pass and adds that many random double and triple kills.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keepers.chain.codec import load_abi
from keepers.store.migrations import open_store
from tests.keepers.outbox.daemon import HOLDER, TOKEN, job
from tests.keepers.outbox.fake_chain import FakeChain, FakeServer

JOBS = 3
ROOT = Path(__file__).parents[3]
KILLED = -9
FAULTS = ["drop", "lost", "429", "500", "html"]
BUDGET_S = 25.0  # of the default run: half of it again for the random part


class Lives:
    """Starts and kills daemons, one after another."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.keepers.outbox.daemon"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: Any) -> int:
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps(arguments) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def close(self) -> None:
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait(10)


@pytest.fixture(scope="module")
def lives() -> Iterator[Lives]:
    made = Lives()
    yield made
    made.close()


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """In memory where the system offers it: what SIGKILL leaves behind is the same, and a commit takes no 10 ms."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def template(tmp_path: Path) -> bytes:
    """An empty database of this version."""
    path = tmp_path / "template.db"
    store = open_store(f"sqlite:///{path}", threaded=False)
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    return path.read_bytes()


class Trial:
    """One chain and one database; `run` is one life of the process."""

    def __init__(self, lives: Lives, folder: Path, template: bytes) -> None:
        folder.mkdir()
        (folder / "state.db").write_bytes(template)
        self.chain = FakeChain()
        self.server = FakeServer(self.chain)
        self._lives, self._folder = lives, folder

    def run(self, kill_at: int = 0, trace: str = "") -> int:
        return self._lives.run(self.server.url, f"sqlite:///{self._folder / 'state.db'}", JOBS, kill_at, trace)

    def check(self) -> None:
        wanted = [(TOKEN, load_abi("ComputeToken").encode("transfer", (HOLDER, k + 1))) for k in range(JOBS)]
        assert sorted(self.chain.effects()) == sorted(wanted), "every effect exactly once"
        senders = {m.tx.sender for m in self.chain.mined()}
        assert [self.chain.nonce(s) for s in senders] == [JOBS], "one nonce an effect, no gap"
        assert not self.chain.pool, "nothing is left in the pool"

    def close(self) -> None:
        self.server.close()


def points_of(lives: Lives, folder: Path, template: bytes) -> list[str]:
    trial = Trial(lives, folder, template)
    trace = folder / "trace"
    assert trial.run(trace=str(trace)) == 0
    trial.check()
    trial.close()
    return trace.read_text().split()


def test_every_crash_point__one_kill__each_effect_once(
    loopback: None, lives: Lives, tmp_path: Path, template: bytes
) -> None:
    names = points_of(lives, tmp_path / "trace", template)
    # the outbox's own seams, and every commit and request around them
    wanted = {"broadcast.decided", "broadcast.stored", "send.before", "send.after", "send.recorded", "confirm.seen"}
    assert wanted | {"confirm.mined", "confirm.final", "confirm.ended", "write.before", "send_raw.after"} <= set(names)
    # Every name at its first pass; then every other pass, as many as the time allows (all with HEARTH_CRASH_TRIALS).
    first = {name: number for number, name in reversed(list(enumerate(names, 1)))}
    order = sorted(range(1, len(names) + 1), key=lambda number: first[names[number - 1]] != number)
    end = time.monotonic() + (float("inf") if os.environ.get("HEARTH_CRASH_TRIALS") else BUDGET_S)
    killed = done = 0
    for number in order:
        if done >= len(first) and time.monotonic() > end:
            break
        done += 1
        trial = Trial(lives, tmp_path / f"p{number}", template)
        killed += trial.run(kill_at=number) == KILLED
        assert trial.run() == 0, f"not finished after a kill at pass {number} ({names[number - 1]})"
        trial.check()
        trial.close()
    assert killed >= done * 0.9, "the kills must hit"


@pytest.mark.attack("D13")
def test_repeated_kills__with_lost_answers__each_effect_once(
    loopback: None, lives: Lives, tmp_path: Path, template: bytes
) -> None:
    trials = int(os.environ.get("HEARTH_CRASH_TRIALS", "0"))
    end = time.monotonic() + BUDGET_S / 2
    draw = random.Random(20_261_124)
    done = killed = 0
    while (done < trials) if trials else (done < 12 or time.monotonic() < end):
        trial = Trial(lives, tmp_path / f"t{done}", template)
        faults = random.Random(draw.random())
        trial.server.fault = lambda method, f=faults: f.choice(FAULTS) if f.random() < 0.2 else ""
        for _ in range(draw.randint(1, 3)):
            killed += trial.run(kill_at=draw.randint(1, 60)) == KILLED
        assert trial.run() == 0, f"trial {done} not finished"
        trial.check()
        trial.close()
        done += 1
    assert killed >= done * 0.5, "the kills must hit"


def test_daemon__key_held_by_another_process__refused(loopback: None, tmp_path: Path) -> None:
    from keepers.outbox.lock import KeyLock
    from keepers.protocol.errors import HearthError

    first = KeyLock(tmp_path, 1, "0x" + "ab" * 20)
    first.acquire()
    with pytest.raises(HearthError, match="already sends with") as caught:
        KeyLock(tmp_path, 1, "0x" + "AB" * 20).acquire()
    assert caught.value.code == "H1202" and str(os.getpid()) in caught.value.message
    first.release()
    again = KeyLock(tmp_path, 1, "0x" + "ab" * 20)
    again.acquire()
    again.release()
    assert job(0).key == "test:job-0:transfer"
