"""The child of `ChildProver`: reads works and questions from its standard input, answers on its standard output.

It lives as long as that input: its parent's end, however it comes, closes it. One thread computes, one opens rows.
"""

from __future__ import annotations

import argparse
import os
import queue
import signal
import sys
import threading
import time
from typing import BinaryIO

from keepers.gpu import chains
from keepers.gpu.backends import NAMES, load
from keepers.gpu.prover_wire import ASKED, Done, Failed, Forget, Open, Opened, Ready, Said, Start, body_of, frame
from keepers.protocol.challenge import Work
from keepers.protocol.errors import HearthError


class Child:
    """The works that stand, the answers that are finished, and who waits for what."""

    def __init__(self, pool: list[chains.Device], out: BinaryIO) -> None:
        self._pool, self._out = pool, out
        self._writes = threading.Lock()
        self._lock = threading.Lock()
        self._works: dict[int, Start] = {}  # by node: what it is to compute, or has
        self._answers: dict[int, chains.Answer] = {}
        self.to_compute: queue.Queue[Start] = queue.Queue()
        self.to_open: queue.Queue[Open] = queue.Queue()

    def say(self, message: Said) -> None:
        """One frame to the parent."""
        with self._writes:
            self._out.write(frame(message))
            self._out.flush()

    def hear(self, message: Start | Open | Forget) -> None:
        """One frame of the parent; never waits."""
        match message:
            case Start():
                with self._lock:
                    self._works[message.work.node] = message
                    self._answers.pop(message.work.node, None)
                self.to_compute.put(message)
            case Open():
                self.to_open.put(message)
            case Forget():
                with self._lock:
                    for node in [node for node, held in self._works.items() if held.work.epoch <= message.epoch]:
                        del self._works[node]
                        self._answers.pop(node, None)

    def compute_all(self) -> None:
        """Works one after the other, for ever. Those that were replaced meanwhile are passed over."""
        while True:
            self.compute(self.to_compute.get())

    def compute(self, start: Start) -> None:
        """One work; says `Done` or `Failed`, nothing where it was replaced."""
        if not self._stands(start):
            return
        try:
            answer = chains.compute(start.work, self._pool, start.devices, lambda: not self._stands(start))
        except chains.Stopped:
            return
        except Exception as error:
            self.say(Failed.of(error, work=start.work))
            return
        with self._lock:
            if self._works.get(start.work.node) is not start:
                return
            self._answers[start.work.node] = answer
        roots = b"".join(answer.roots)
        self.say(Done(start.work, roots, answer.levels[-1][0], answer.seconds, answer.repeats))

    def open_all(self) -> None:
        """Openings one after the other, for ever."""
        while True:
            asked = self.to_open.get()
            try:
                self.say(Opened(asked.ask, self._answer(asked.work).open(asked.place, self._pool)))
            except Exception as error:
                self.say(Failed.of(error, ask=asked.ask))

    def _stands(self, start: Start) -> bool:
        with self._lock:
            return self._works.get(start.work.node) is start

    def _answer(self, work: Work) -> chains.Answer:
        with self._lock:
            answer = self._answers.get(work.node)
        if answer is None or answer.work != work:
            raise HearthError("H3121", f"no finished work of node {work.node}, epoch {work.epoch}, with these seeds")
        return answer


def orphaned(parent: int, every_s: float = 1.0) -> None:
    """Ends this process once its parent is another: should anybody else hold the input open, the card is free all the
    same."""
    while os.getppid() == parent:
        time.sleep(every_s)
    os._exit(0)


def main() -> int:
    """Runs until the input ends."""
    parser = argparse.ArgumentParser(prog="python -m keepers.gpu.prover_child", description=__doc__.splitlines()[0])
    parser.add_argument("--backend", choices=NAMES, default="auto")
    parser.add_argument("--memory", type=int, default=0, help="bytes on the host; 0: half of the machine's")
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--parent", type=int, default=0, help="process id; 0: whoever started it")
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the agent, which then closes the input
    os.nice(given.nice)
    threading.Thread(target=orphaned, args=(given.parent or os.getppid(),), daemon=True).start()
    # Frames go to what was standard output; whatever a library prints must not get in between.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return serve(given.backend, given.memory, sys.stdin.buffer, out)


def serve(backend: str, memory: int, inward: BinaryIO, out: BinaryIO) -> int:
    """Loads the backends, then works and openings until the input ends."""
    try:
        pool = [chains.Device(made) for made in load(backend, memory)]
    except Exception as error:
        out.write(frame(Failed.of(error)))
        out.flush()
        while body_of(inward) is not None:  # stay: an end would pass for a crash, and be tried again
            out.write(frame(Failed.of(error)))
            out.flush()
        return 0
    child = Child(pool, out)
    child.say(Ready(tuple(device.backend.describe() for device in pool)))
    for loop in (child.compute_all, child.open_all):
        threading.Thread(target=loop, daemon=True).start()
    while (body := body_of(inward)) is not None:
        child.hear(ASKED.decode(body))
    out.flush()
    os._exit(0)  # a product may run for a minute more, and nobody wants it


if __name__ == "__main__":
    sys.exit(main())
