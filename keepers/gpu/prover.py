"""`Prover`: what answers challenges. `ChildProver` computes in a process of its own, below the agent's heartbeats;
`InlineProver` in the caller, for virtual time, tests and replays. Both answer for many nodes.

Neither imports NumPy or PyTorch: an agent stays small, the child is not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from keepers.gpu import chains, known_answer
from keepers.gpu.backends import Backend
from keepers.gpu.prover_wire import SAID, Done, Failed, Forget, Open, Opened, Ready, Said, Start, body_of, frame
from keepers.protocol.challenge import Opening, Place, Work
from keepers.protocol.errors import HearthError

NICE = 10  # of the child: heartbeats and signatures go first
CRASHES = 2  # of the child while a work runs, and the work has failed
OPEN_S = 60.0  # an opening is waited for so long: what an attester gives


@dataclass(frozen=True)
class Result:
    """A finished work: roots GPU by GPU and round by round, their list root, seconds it took, parts done twice."""

    roots: tuple[bytes, ...]
    list_root: bytes
    seconds: float
    repeats: int


class Prover(Protocol):
    """Answers challenges of one or more nodes."""

    def start(self, work: Work, devices: Sequence[int] = ()) -> None:
        """Begin; returns at once. Replaces whatever the node had before. `devices`: the physical device of each chain,
        0, 1, … where none are named."""

    def result(self, work: Work, wait_s: float = 0.0) -> Result | None:
        """The result, None while it runs (after waiting so long). Raises HearthError: H3121 for a work that was never
        started, replaced or forgotten, else why it failed."""

    def open(self, work: Work, place: Place) -> Opening:
        """A row of a work. Raises HearthError as `result` does, ValueError for a place outside the work."""

    def forget(self, epoch: int) -> None:
        """Drop what belongs to this epoch and earlier ones."""

    def close(self) -> None:
        """End."""


def unknown(work: Work) -> HearthError:
    """H3121 for a work that is not held."""
    return HearthError("H3121", f"the prover holds no work of node {work.node}, epoch {work.epoch}, with these seeds")


class InlineProver:
    """Computes when the result is first asked for, in the caller's thread. Each backend is held to the known answer."""

    def __init__(self, backends: Backend | Sequence[Backend]) -> None:
        given = backends if isinstance(backends, Sequence) else [backends]
        for backend in given:
            known_answer.check(backend)
        self._pool = [chains.Device(backend) for backend in given]
        self._works: dict[int, tuple[Work, tuple[int, ...], chains.Answer | None]] = {}

    def start(self, work: Work, devices: Sequence[int] = ()) -> None:
        self._works[work.node] = work, tuple(devices), None

    def result(self, work: Work, wait_s: float = 0.0) -> Result | None:
        answer = self._answer(work)
        return Result(answer.roots, answer.levels[-1][0], answer.seconds, answer.repeats)

    def open(self, work: Work, place: Place) -> Opening:
        return self._answer(work).open(place, self._pool)

    def forget(self, epoch: int) -> None:
        self._works = {node: held for node, held in self._works.items() if held[0].epoch > epoch}

    def close(self) -> None:
        self._works.clear()

    def _answer(self, work: Work) -> chains.Answer:
        held, devices, answer = self._works.get(work.node, (None, (), None))
        if held != work:
            raise unknown(work)
        if answer is None:
            answer = chains.compute(work, self._pool, devices)
            self._works[work.node] = work, devices, answer
        return answer


@dataclass
class _Job:
    """A work of the child as its parent sees it."""

    work: Work
    devices: tuple[int, ...]
    done: bool = False  # in the child that lives now
    result: Result | None = None  # once known it stays so, also while a new child computes it again for openings
    error: HearthError | None = None
    crashes: int = 0


class ChildProver:
    """The backends in a child: `python -m keepers.gpu.prover_child`. It begins with the first work, runs at a lower
    priority, ends with its parent, and is started again when it dies: a work that saw two deaths has failed (H3122).

    `backend`: auto, numpy or torch. `memory`: bytes that it may hold on the host, half of the machine's where it is 0;
    a class that needs more is refused with H3124. `threads` of its products, all CPUs where it is 0.
    """

    def __init__(self, backend: str = "auto", memory: int = 0, threads: int = 0, nice: int = NICE) -> None:
        self._command = [sys.executable, "-m", "keepers.gpu.prover_child", f"--backend={backend}", f"--nice={nice}"]
        self._command += [f"--memory={memory}", f"--parent={os.getpid()}"]
        self._threads = threads
        self._news = threading.Condition()
        self._jobs: dict[int, _Job] = {}
        self._opened: dict[int, Opening | HearthError | None] = {}  # None: asked, and not answered yet
        self._asks = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self.backends: tuple[str, ...] = ()  # what computes, once the child has said it

    @property
    def pid(self) -> int | None:
        """Process id of the child that lives now."""
        return self._process.pid if self._process is not None else None

    def start(self, work: Work, devices: Sequence[int] = ()) -> None:
        with self._news:
            if self._closed:
                raise HearthError("H3122", "the prover is closed")
            job = self._jobs[work.node] = _Job(work, tuple(devices))
            if self._process is None:
                self._spawn()
            else:
                self._send(Start(job.work, job.devices))
            self._news.notify_all()

    def result(self, work: Work, wait_s: float = 0.0) -> Result | None:
        with self._news:
            self._news.wait_for(lambda: self._settled(work), wait_s)
            job = self._held(work)
            if job.result is None and job.error is not None:
                raise job.error
            return job.result

    def open(self, work: Work, place: Place) -> Opening:
        if not (0 <= place.gpu < work.gpus and 0 <= place.round < work.rounds and 0 <= place.row < work.n):
            raise ValueError(f"GPU {place.gpu}, round {place.round}, row {place.row}: no such place in this work")
        with self._news:
            while True:
                # a child that has just been started again computes first
                if not self._news.wait_for(lambda: self._openable(work), OPEN_S):
                    raise HearthError("H3122", f"the work of node {work.node} was not finished in {OPEN_S:.0f} s")
                job = self._held(work)
                if job.error is not None:
                    raise job.error
                self._asks += 1
                ask = self._asks
                self._opened[ask] = None
                self._send(Open(ask, work, place))
                # what was asked of a child that died is no more in the table: ask the next one
                answered = self._news.wait_for(lambda: self._opened.get(ask, work) is not None, OPEN_S)  # noqa: B023
                found = self._opened.pop(ask, work)
                if not answered:
                    raise HearthError("H3122", f"the prover did not open a row in {OPEN_S:.0f} s")
                if isinstance(found, HearthError):
                    raise found
                if isinstance(found, Opening):
                    return found

    def forget(self, epoch: int) -> None:
        with self._news:
            self._jobs = {node: job for node, job in self._jobs.items() if job.work.epoch > epoch}
            self._send(Forget(epoch))
            self._news.notify_all()

    def close(self) -> None:
        with self._news:
            self._closed = True
            process, self._process = self._process, None
            self._jobs.clear()
            self._news.notify_all()
        if process is None:
            return
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    # ---- with the lock held

    def _held(self, work: Work) -> _Job:
        job = self._jobs.get(work.node)
        if job is None or job.work != work:
            raise unknown(work)
        return job

    def _settled(self, work: Work) -> bool:
        job = self._jobs.get(work.node)
        return job is None or job.work != work or job.error is not None or job.result is not None

    def _openable(self, work: Work) -> bool:
        job = self._jobs.get(work.node)
        return job is None or job.work != work or job.error is not None or job.done

    def _spawn(self) -> None:
        """A child, told of all works. Raises HearthError H3122 where it cannot be started."""
        # No setting of ours reaches it: some name secrets.
        env = {name: value for name, value in os.environ.items() if not name.startswith("HEARTH_")}
        if self._threads:
            env["OPENBLAS_NUM_THREADS"] = env["OMP_NUM_THREADS"] = str(self._threads)
        try:
            process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        except OSError as error:
            raise HearthError("H3122", "the prover cannot be started", why=(str(error),)) from error
        self._process = process
        assert process.stdout is not None
        threading.Thread(target=self._listen, args=(process, process.stdout), name="prover", daemon=True).start()
        for job in self._jobs.values():
            if job.error is None:
                self._send(Start(job.work, job.devices))

    def _send(self, message: Start | Open | Forget) -> None:
        if self._process is None or self._process.stdin is None:
            return
        # A child that is gone is seen by the one who listens to it, who tells the next one all of this again.
        with suppress(OSError):
            self._process.stdin.write(frame(message))
            self._process.stdin.flush()

    # ---- the thread that listens

    def _listen(self, process: subprocess.Popen[bytes], stream: BinaryIO) -> None:
        try:
            while (body := body_of(stream)) is not None:
                message = SAID.decode(body)
                with self._news:
                    if process is self._process:
                        self._hear(message)
                        self._news.notify_all()
        except ValueError:  # msgspec's too: not a frame, so not our child any more
            process.kill()
        code = process.wait()
        stream.close()
        with self._news:
            if process is self._process:
                self._process = None
                self._bury(code)
                self._news.notify_all()

    def _hear(self, message: Said) -> None:
        match message:
            case Ready():
                self.backends = message.backends
            case Done():
                job = self._jobs.get(message.work.node)
                if job is not None and job.work == message.work:
                    roots = tuple(message.roots[i : i + 32] for i in range(0, len(message.roots), 32))
                    job.done = True
                    job.result = job.result or Result(roots, message.list_root, message.seconds, message.repeats)
            case Opened():
                if message.ask in self._opened:
                    self._opened[message.ask] = message.opening
            case Failed(ask=int()):
                if message.ask in self._opened:
                    self._opened[message.ask] = message.error()
            case Failed():
                for job in self._jobs.values():
                    if message.work is None or job.work == message.work:
                        job.error = message.error()

    def _bury(self, code: int) -> None:
        """The child is dead: those that it was to open are asked again, its works are done again by a new one."""
        self._opened = {ask: found for ask, found in self._opened.items() if found is not None}
        alive = False
        for job in self._jobs.values():
            if job.error is not None:
                continue
            job.crashes += 1
            job.done = False
            if job.crashes >= CRASHES:
                how = f"signal {-code}" if code < 0 else f"exit status {code}"
                job.error = HearthError("H3122", f"the prover died {CRASHES} times ({how})")
            else:
                alive = True
        if alive:
            try:
                self._spawn()
            except HearthError as error:
                for job in self._jobs.values():
                    job.error = job.error or error
