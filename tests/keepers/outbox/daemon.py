"""The process that the crash harness kills: an outbox with a few jobs against a fake chain, to the end.

Every crash point of the outbox counts, and every commit and every request to the chain, before and after: `kill_at`
is the number of the pass at which the process kills itself (0 = never). It counts them all up in the exit.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keepers.chain.codec import Codec
from keepers.chain.heads import Finality
from keepers.chain.keys import LocalSigner
from keepers.chain.ports import Call, Send
from keepers.chain.rpc import ChainRpc, EndpointPool, RpcReader
from keepers.outbox.outbox import Outbox
from keepers.outbox.policy import Policy
from keepers.protocol.errors import HearthError
from keepers.store.engine import Store
from tests.keepers.outbox.fake_chain import CHAIN_ID

SECRET = bytes(31) + b"\x07"
TOKEN = "0x" + "11" * 20
HOLDER = "0x" + "22" * 20


class Points:
    """Counts passes; kills at one of them."""

    def __init__(self, kill_at: int, trace: Path | None) -> None:
        self.kill_at, self.passed, self.trace = kill_at, 0, trace

    def __call__(self, name: str) -> None:
        self.passed += 1
        if self.trace:
            with self.trace.open("a") as out:
                out.write(name + "\n")
        if self.passed == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, method: str) -> None:
        inner: Callable[..., Any] = getattr(owner, method)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self(f"{method}.before")
            result = inner(*args, **kwargs)
            self(f"{method}.after")
            return result

        setattr(owner, method, wrapped)


def job(number: int) -> Send:
    """Job k moves k + 1 wei: its calldata names it."""
    return Send(f"test:job-{number}:transfer", "transfer", Call("ComputeToken", "transfer", (HOLDER, number + 1)))


def work(url: str, database: str, jobs: int, kill_at: int = 0, trace: str = "", seconds: float = 30.0) -> None:
    """Enqueue the jobs (again) and step until all are done."""
    points = Points(kill_at, Path(trace) if trace else None)
    store = Store.open(database, threaded=False)
    pool = EndpointPool([url], CHAIN_ID, timeout=5.0, sleep=lambda s: time.sleep(min(s, 0.01)))
    rpc = ChainRpc(pool)
    codec = Codec({"ComputeToken": TOKEN})
    reader = RpcReader(rpc, codec, Finality("depth", 2))
    outbox = Outbox(
        store,
        rpc,
        reader,
        LocalSigner(SECRET),
        codec,
        CHAIN_ID,
        lambda: int(time.time()),
        policy=Policy(resend_after=0, bump_after=600, foreign_after=0),
        lock_folder=Path(database.removeprefix("sqlite:///")).parent,
        crash=points,
    )
    points.around(store, "write")
    for method in ("nonce", "estimate", "send_raw", "receipts"):
        points.around(rpc, method)
    for number in range(jobs):
        outbox.enqueue(job(number))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            outbox.step(reader.heads.poll())
        except HearthError:
            time.sleep(0.005)
        if all(row is not None and row.settled for row in (outbox.status(job(k).key) for k in range(jobs))):
            os._exit(0)
    os._exit(3)


def serve() -> None:
    """One life a line of stdin: fork, work, print the exit code (negative: the signal that ended it).

    Forking a process that has imported everything takes 20 ms; starting one takes two seconds.
    """
    for line in sys.stdin:
        url, database, jobs, kill_at, trace = json.loads(line)
        child = os.fork()
        if child == 0:
            work(url, database, jobs, kill_at, trace)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
