"""How many signed heartbeats one core of an attester takes over HTTP: a real socket, real signatures, a real database.

    python -m bench.ingest [--beats 40000]       a table; the four rows of `make bench` come from the same run

The server is a process of its own on one core: the attester's ingest, admission and store behind its HTTP server. The
sender is another process on another core, where there is one. Its beats are signed beforehand; every one must be
counted, and all that are counted must be on the disk. A rate is heartbeats a second of the server's processor time, all
its threads; the rate on the wall, which the sender and everything else on the machine share, stands beside it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import selectors
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from bench.row import Row, line, row
from keepers.chain.deployment import Allowances
from keepers.chain.keys import LocalSigner
from keepers.chain.ports import BlockRef
from keepers.protocol.epochs import Calendar
from keepers.protocol.hashing import keccak
from keepers.protocol.messages import Domain
from keepers.roles.attester.ingest import Ingest, beat_digester, make_admission
from keepers.roles.attester.observe import HeadLog, Seen
from keepers.roles.attester.tables import AttesterBeats
from keepers.store.migrations import open_store
from keepers.wire.codec import BEAT_BYTES, Beat, pack_beats
from keepers.wire.routing import Route, Router
from keepers.wire.server import Server

BATCH = 64
BATCH_RATE, SINGLE_RATE = 12_000, 5_000  # goals, heartbeats a second of one core
P99_MS, WIRE_BYTES = 50, 200
NODES = 4_096
CALENDAR = Calendar(1_000_000, 300, 24)
EPOCH = 3
NOW = float(CALENDAR.slot_start(EPOCH, 6))
HEAD = BlockRef(9, b"b" * 32, int(NOW) - 12)
DOMAIN = Domain(31_337, "0x" + "22" * 20)
WIDE = Allowances(early=10_000, late=10_000, head=20_000)  # all slots of the epoch are open, so that beats are distinct
HEADERS = (
    b"POST /v1/heartbeats HTTP/1.1\r\nhost: seat\r\nhearth-protocol: 1\r\n"
    b"content-type: application/octet-stream\r\ncontent-length: %d\r\n\r\n"
)


@dataclass(frozen=True)
class Measured:
    """A run: heartbeats counted, processor seconds of the server, seconds of the wall, latencies (ms, sorted)."""

    beats: int
    cpu_s: float
    wall_s: float
    latencies_ms: tuple[float, ...] = ()

    @property
    def per_core(self) -> float:
        """Heartbeats a second of one core that does nothing else."""
        return self.beats / self.cpu_s

    @property
    def p99_ms(self) -> float:
        """99 of 100 answers came within that."""
        return self.latencies_ms[int(len(self.latencies_ms) * 0.99)]


def signers() -> list[LocalSigner]:
    """A key a node."""
    return [LocalSigner(keccak(b"bench" + i.to_bytes(3, "big"))) for i in range(NODES)]


def beats(keys: Sequence[LocalSigner], count: int, first: int) -> list[Beat]:
    """`count` distinct signed beats, numbers first … of all that an epoch has (12 a node)."""
    digest = beat_digester(DOMAIN)
    made = []
    for number in range(first, first + count):
        slot, node = divmod(number, NODES)
        bare = Beat(node, EPOCH, slot, HEAD.number, HEAD.hash, b"t" * 32, bytes(65))
        signature = keys[node].sign_digest(digest(bare))
        made.append(Beat(node, EPOCH, slot, HEAD.number, HEAD.hash, b"t" * 32, signature))
    return made


# ---------------------------------------------------------------------- the attester's process


def serve(pipe: Connection, folder: str, addresses: Sequence[str], core: int | None) -> None:
    """Answers "cpu" with its processor seconds, "rows" with the beats on the disk; anything else ends it."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    store, seen = open_store(f"sqlite:///{folder}/state.db"), Seen()
    heads = HeadLog(lambda: HEAD, lambda number: HEAD, lambda: NOW, 1_000)
    admission = make_admission(CALENDAR, WIDE, DOMAIN, lambda node, epoch: addresses[node], heads, seen)
    ingest = Ingest("0xseat", store, seen, admission, lambda: NOW, lambda: True)
    route = Route("POST", "/v1/heartbeats", ingest.heartbeats, limit=262_144, bare=True, batch=ingest.many)
    server = Server(Router([route]))
    server.start()
    pipe.send(server.port)
    table: Any = AttesterBeats.__table__  # type: ignore[attr-defined]
    while True:
        asked = pipe.recv()
        if asked == "cpu":
            used = resource.getrusage(resource.RUSAGE_SELF)
            pipe.send(used.ru_utime + used.ru_stime)
        elif asked == "rows":
            with store.read() as connection:
                pipe.send(int(connection.execute(select(func.sum(func.length(table.c.beats)))).scalar() or 0) // 4)
        else:
            break
    server.stop()
    store.close()


class Seat:
    """The process and what it is asked."""

    def __init__(self, folder: Path, keys: Sequence[LocalSigner], core: int | None) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        addresses = [key.address for key in keys]
        self._process = spawn.Process(target=serve, args=(theirs, str(folder), addresses, core), daemon=True)
        self._process.start()
        self.port = int(self._pipe.recv())

    def ask(self, what: str) -> float:
        """Its processor seconds ("cpu"), or beats on the disk ("rows")."""
        self._pipe.send(what)
        return float(self._pipe.recv())

    def close(self) -> None:
        """End it."""
        self._pipe.send("end")
        self._process.join(20)


# ---------------------------------------------------------------------- the sender


def requests(given: Sequence[Beat], size: int) -> Iterator[bytes]:
    """HTTP requests of `size` beats each."""
    for first in range(0, len(given), size):
        body = pack_beats(given[first : first + size])
        yield HEADERS % len(body) + body


def send(port: int, given: Sequence[bytes], connections: int, every: float = 0.0) -> list[float]:
    """Send requests over so many connections, each when its connection is free, and not before its time where one
    falls due `every` seconds; milliseconds from due (or sent) to answered. Raises SystemExit where one is not counted.
    """
    waiting, latencies = deque(given), []
    chooser = selectors.DefaultSelector()
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    began = time.perf_counter()
    due = began
    busy: dict[socket.socket, float] = {}
    parts: dict[socket.socket, bytes] = {}
    while waiting or busy:
        now = time.perf_counter()
        while waiting and idle and due <= now:
            place = idle.pop()
            place.sendall(waiting.popleft())
            chooser.register(place, selectors.EVENT_READ)
            busy[place] = due if every else now
            due += every
        pause = max(0.0, due - time.perf_counter()) if waiting and idle else 5.0
        for key, _ in chooser.select(pause):
            place = key.fileobj
            answer = parts[place] = parts.pop(place, b"") + place.recv(65_536)  # type: ignore[index, union-attr]
            if not _whole(answer):
                continue
            del parts[place]  # type: ignore[arg-type]
            latencies.append((time.perf_counter() - busy.pop(place)) * 1e3)  # type: ignore[arg-type]
            chooser.unregister(place)
            idle.append(place)  # type: ignore[arg-type]
    for place in idle:
        place.close()
    return sorted(latencies)


def _whole(answer: bytes) -> bool:
    """Whether an answer is all there. Raises SystemExit where it counts not every heartbeat."""
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().rpartition(b"content-length:")[2].split(b"\r\n")[0] or 0) if body else 0
    if not body or len(body) < length:
        return False
    if not head.startswith(b"HTTP/1.1 200") or set(body.strip(b'[]"').split(b'","')) != {b"counted"}:
        raise SystemExit(f"bench: a heartbeat was not counted: {answer[:300]!r}")
    return True


def run(seat: Seat, given: Sequence[Beat], size: int, connections: int, rate: float = 0.0) -> Measured:
    """One measurement; `rate` requests a second, as fast as they are answered where it is 0."""
    ready = list(requests(given, size))
    before, cpu, began = seat.ask("rows"), seat.ask("cpu"), time.perf_counter()
    latencies = send(seat.port, ready, connections, 1 / rate if rate else 0.0)
    wall, cpu = time.perf_counter() - began, seat.ask("cpu") - cpu
    kept = int(seat.ask("rows") - before)
    if kept != len(given):
        raise SystemExit(f"bench: {len(given)} heartbeats were acknowledged and {kept} are on the disk")
    return Measured(len(given), cpu, wall, tuple(latencies))


def measure(count: int = 20_000) -> tuple[Measured, Measured, Measured]:
    """Batches of 64, single beats, and single beats at half the goal's rate."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    count = min(count, 12 * NODES * 2 // 5) // BATCH * BATCH
    keys = signers()
    parts = [beats(keys, count, 0), beats(keys, count, count), beats(keys, count // 2, 2 * count)]
    with tempfile.TemporaryDirectory() as folder:
        seat = Seat(Path(folder), keys, cores[0] if len(cores) > 1 else None)
        if len(cores) > 1:
            os.sched_setaffinity(0, set(cores[1:]))
        try:
            many = run(seat, parts[0], BATCH, 8)
            single = run(seat, parts[1], 1, 64)
            half = run(seat, parts[2], 1, 64, SINGLE_RATE / 2)
        finally:
            seat.close()
            if len(cores) > 1:
                os.sched_setaffinity(0, set(cores))
    return many, single, half


def rows(count: int = 20_000) -> list[Row]:
    """Rows of bench.json: heartbeats a second of one core, milliseconds, bytes."""
    many, single, half = measure(count)
    command = "python -m bench.ingest"
    at = f"at {SINGLE_RATE // 2:,} single heartbeats a second, half the goal"
    size = "one heartbeat as it is packed; a batch adds nothing, the head of its request is not counted"
    return [
        row("ingest.batch64_per_core", round(many.per_core), "1/s", BATCH_RATE, note=_said(many), command=command,
            at_least=True),
        row("ingest.single_per_core", round(single.per_core), "1/s", SINGLE_RATE, note=_said(single), command=command,
            at_least=True),
        row("ingest.p99_ms", round(half.p99_ms, 1), "ms", P99_MS, note=at, command=command),
        row("heartbeat.bytes", BEAT_BYTES, "bytes", WIRE_BYTES, note=size, command=command),
    ]  # fmt: skip


def _said(run_: Measured) -> str:
    wall = f"{run_.beats / run_.wall_s:,.0f}/s on the wall, which the sender and all else on the machine share"
    return f"a processor second of the server, all its threads; {wall}"


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__.splitlines()[0])
    parser.add_argument("--beats", type=int, default=20_000, help="heartbeats of a run")
    for made in rows(parser.parse_args().beats):
        print(line(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
