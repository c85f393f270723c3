"""The provers: inline, and in a child process that is killed, replaced, restarted, refused and orphaned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keepers.gpu.backends.cpu import CpuBackend
from keepers.gpu.prover import ChildProver, InlineProver, Prover
from keepers.protocol.challenge import Place, list_levels, opened_root
from keepers.protocol.errors import HearthError
from tests.support import honest

LONG = 60.0


@pytest.fixture(params=["inline", "child"])
def prover(request: pytest.FixtureRequest) -> Iterator[Prover]:
    made: Prover = InlineProver(CpuBackend()) if request.param == "inline" else ChildProver("numpy", threads=1)
    yield made
    made.close()


@pytest.fixture
def child() -> Iterator[ChildProver]:
    made = ChildProver("numpy", threads=1)
    yield made
    made.close()


def until(condition: Callable[[], object], limit_s: float = 30.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(HearthError) as stop:
        call()
    return stop.value.code


def test_prover__several_nodes__have_the_answers_of_the_specification(prover: Prover) -> None:
    works = [honest.work(node=1), honest.work(node=2, rounds=1, gpus=2)]
    for work in works:
        prover.start(work)
    for work in works:
        result = prover.result(work, LONG)
        assert result is not None
        assert result.roots == honest.roots_of(work)
        assert result.list_root == list_levels(result.roots)[-1][0]
        assert result.repeats == 0 and result.seconds > 0
        opening = prover.open(work, Place(work.gpus - 1, work.rounds - 1, 200))
        assert opened_root(opening, work) == result.list_root


def test_prover__a_newer_work__replaces_the_nodes_older_one(prover: Prover) -> None:
    old, new = honest.work(epoch=9), honest.work(epoch=10)
    prover.start(old)
    prover.start(new)
    result = prover.result(new, LONG)
    assert result is not None and result.roots == honest.roots_of(new)
    assert code_of(lambda: prover.result(old)) == "H3121"
    assert code_of(lambda: prover.open(old, Place(0, 0, 0))) == "H3121"


def test_prover__other_seeds_of_the_same_epoch__are_another_work(prover: Prover) -> None:
    work = honest.work()
    prover.start(work)
    other = type(work)(work.node, work.epoch, work.seed + 1, work.seed_b, work.class_id, work.n, work.rounds, work.gpus)
    assert code_of(lambda: prover.result(other)) == "H3121"


def test_prover__forget__drops_the_epoch_and_keeps_later_ones(prover: Prover) -> None:
    old, new = honest.work(node=1, epoch=9), honest.work(node=2, epoch=10)
    prover.start(old)
    prover.start(new)
    prover.forget(9)
    assert code_of(lambda: prover.result(old)) == "H3121"
    assert prover.result(new, LONG) is not None


def test_prover__a_place_outside_the_work__raises(prover: Prover) -> None:
    work = honest.work()
    prover.start(work)
    assert prover.result(work, LONG) is not None
    with pytest.raises(ValueError, match="no such place"):
        prover.open(work, Place(0, 2, 0))


def test_inline__a_backend_with_another_answer__is_refused() -> None:
    class Wrong(CpuBackend):
        def prepare(self, n: int, kb: bytes) -> None:
            super().prepare(n, bytes(32))

    assert code_of(lambda: InlineProver(Wrong())) == "H3123"


def test_child__of_a_long_work__returns_at_once_and_is_none_while_it_runs(child: ChildProver) -> None:
    began = time.monotonic()
    work = honest.work(n=2_048, rounds=256)
    child.start(work)
    assert child.result(work) is None and child.result(work, 0.05) is None
    assert time.monotonic() - began < 5


def test_child__runs__at_a_lower_priority_and_says_what_computes(child: ChildProver) -> None:
    child.start(honest.work())
    assert child.result(honest.work(), LONG) is not None
    assert child.pid is not None
    assert os.getpriority(os.PRIO_PROCESS, child.pid) >= min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
    assert child.backends[0].startswith("NumPy")


def test_child__killed_while_it_computes__is_started_again_and_answers(child: ChildProver) -> None:
    work = honest.work(n=512, rounds=8)
    child.start(work)
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    result = child.result(work, LONG)
    assert result is not None and result.roots == honest.roots_of(work)
    assert child.pid not in (None, first)


def test_child__killed_after_its_answer__opens_all_the_same(child: ChildProver) -> None:
    work = honest.work()
    child.start(work)
    result = child.result(work, LONG)
    assert result is not None and child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    assert child.result(work) == result
    assert opened_root(child.open(work, Place(0, 1, 3)), work) == result.list_root


def test_child__killed_twice__fails_the_work_and_not_the_next(child: ChildProver) -> None:
    work = honest.work(n=2_048, rounds=256)
    child.start(work)
    for _ in range(2):
        pid = child.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: child.pid != pid)  # type: ignore[misc]
    assert code_of(lambda: child.result(work, LONG)) == "H3122"
    child.start(honest.work())
    assert child.result(honest.work(), LONG) is not None


def test_child__replaced_within_a_long_work__calls_it_off(child: ChildProver) -> None:
    child.start(honest.work(n=2_048, rounds=256))
    until(lambda: child.backends)
    newer = honest.work(epoch=10)
    child.start(newer)
    assert child.result(newer, 20.0) is not None  # all of the old one would take minutes


def test_child__that_says_no_frames__is_killed_and_fails_the_work(child: ChildProver) -> None:
    program = "import sys; sys.stdout.write('garbage' * 9); sys.stdout.flush(); sys.stdin.read()"
    child._command = [sys.executable, "-c", program]
    child.start(honest.work())
    assert code_of(lambda: child.result(honest.work(), LONG)) == "H3122"


def test_orphaned__of_another_parent__ends_the_process() -> None:
    program = "from keepers.gpu.prover_child import orphaned; orphaned(0, every_s=0.01); print('still here')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (0, "")


def test_child__a_class_beyond_its_memory__fails_with_h3124() -> None:
    made = ChildProver("numpy", memory=1 << 29)
    try:
        work = honest.work(n=65_536, rounds=1)
        made.start(work)
        assert code_of(lambda: made.result(work, LONG)) == "H3124"
        made.start(honest.work(node=6))
        assert made.result(honest.work(node=6), LONG) is not None
    finally:
        made.close()


def test_child__a_backend_that_is_not_there__says_so_for_every_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('not here')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])]))
    made = ChildProver("torch")
    try:
        for node in (1, 2):
            made.start(honest.work(node=node))
            assert code_of(lambda node=node: made.result(honest.work(node=node), LONG)) == "H3125"  # type: ignore[misc]
    finally:
        made.close()


def test_child__closed__ends_its_process_within_a_long_work(child: ChildProver) -> None:
    child.start(honest.work(n=2_048, rounds=256))
    pid = child.pid
    assert pid is not None
    until(lambda: child.backends)
    child.close()
    assert gone(pid)
    assert code_of(lambda: child.start(honest.work())) == "H3122"


def test_child__parent_killed__ends() -> None:
    program = (
        "import sys, time\n"
        "from keepers.gpu.prover import ChildProver\n"
        "from tests.support import honest\n"
        "prover = ChildProver('numpy')\n"
        "prover.start(honest.work(n=2_048, rounds=256))\n"
        "while not prover.backends: time.sleep(0.01)\n"
        "print(prover.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert not gone(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: gone(pid))


def test_child__settings_of_ours__do_not_reach_it(child: ChildProver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTH_KEYS__NODE__PASSWORD", "secret")
    child.start(honest.work())
    until(lambda: child.backends)
    assert child.pid is not None
    assert b"HEARTH_" not in Path(f"/proc/{child.pid}/environ").read_bytes()


def test_prover__imported__brings_no_numpy_and_no_torch() -> None:
    program = "import sys, keepers.gpu.prover; print(*{'numpy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
