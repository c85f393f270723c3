"""The process around roles: cycle outcomes, drain, fatal errors, health, logs, metrics, crash points."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from keepers.chain.deployment import parse_record
from keepers.chain.keys import LocalSigner
from keepers.chain.ports import BlockRef
from keepers.protocol.errors import HearthError
from keepers.protocol.price import PriceWord
from keepers.runtime import checks, log
from keepers.runtime import health as health_module
from keepers.runtime.app import DRAIN_S, App
from keepers.runtime.clock import Clock, SystemClock, VirtualClock
from keepers.runtime.gauges import Gauges, days_left
from keepers.runtime.health import Health, HealthServer
from keepers.runtime.lifecycle import find_deployment
from keepers.runtime.metrics import Metrics
from keepers.runtime.role import Fatal, Retry, Role, Skip
from keepers.runtime.settings import load
from keepers.runtime.systemd import notify, watchdog_interval
from keepers.runtime.ticker import Block, Every, Slot, Timer, Trigger, VirtualTicker
from keepers.store.engine import Store
from keepers.store.migrations import open_store
from tests.keepers.chain.test_deployment import record

DEPLOYMENT = parse_record(json.dumps(record()))
ROOT = Path(__file__).parents[3]


class FakePorts:
    """A chain that has one more block each time it is looked at."""

    def __init__(self) -> None:
        self.number = 0
        self.steps = 0
        self.trouble: Exception | None = None
        self.asked: list[str] = []
        self.closed = False
        self.word = 0  # the hub's price word: what every view gives
        self.gas = (0, 0)
        self.attestations = None
        self.reader: Any = self

    def head(self) -> BlockRef:
        return BlockRef(self.number, self.number.to_bytes(32, "big"), 1_000 + self.number)

    final = head

    def sender(self, signer: Any) -> Any:
        self.asked.append(signer.address)
        return object()

    def handshake(self) -> None:
        if self.trouble:
            raise self.trouble

    def poll(self) -> BlockRef:
        if self.trouble:
            raise self.trouble
        self.number += 1
        return self.head()

    def step(self) -> int:
        self.steps += 1
        return 0

    def read(self, call: Any, at: BlockRef) -> int:
        return self.word

    def balance(self, address: str, at: BlockRef) -> int:
        return 3 * 10**18

    def spent(self, address: str, since: int) -> tuple[int, int]:
        return self.gas

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True)
class View:
    timer: str
    block: int


class Probe(Role[View, str]):
    """A role that does what the test tells it."""

    name = "probe"

    def __init__(self, timers: Sequence[Timer], what: Callable[[View], str] = lambda view: "plan") -> None:
        super().__init__()
        self._timers, self._what = timers, what
        self.acted: list[str] = []
        self.threads: set[str] = set()
        self.key: LocalSigner | None = None
        self.closed = False

    def signer(self) -> Any:
        return self.key

    def timers(self) -> Sequence[Timer]:
        return self._timers

    def observe(self, trigger: Trigger, at: BlockRef) -> View:
        self.threads.add(threading.current_thread().name)
        return View(trigger.timer, at.number)

    def decide(self, view: View) -> str:
        return self._what(view)

    def act(self, plan: str) -> None:
        self.acted.append(plan)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def store() -> Iterator[Store]:
    made = open_store("sqlite://", threaded=False)
    yield made
    made.close()


def app_of(role: Role[Any, Any], ports: FakePorts, store: Store, virtual: bool = True, **more: Any) -> App:
    settings = load(env={}, files=[], flags={"poll_s": 0.02, "health_port": 0, "listen_port": 0}).settings
    clock: Clock = VirtualClock(1_000) if virtual else SystemClock(adopt=True)
    ticker = VirtualTicker(clock, DEPLOYMENT.clock()) if isinstance(clock, VirtualClock) else None
    return App(settings, DEPLOYMENT, [role], ports=ports, store=store, clock=clock, ticker=ticker, **more)


def say(error: Exception) -> Callable[[View], str]:
    def raises(view: View) -> str:
        raise error

    return raises


@pytest.mark.parametrize(
    ("what", "outcome", "code"),
    [
        (lambda view: "plan", "done", ""),
        (say(Skip("already done")), "skipped", ""),
        (say(Retry("endpoint down", "H2001")), "retry", "H2001"),
        (say(HearthError("H2006", "behind")), "retry", "H2006"),
        (say(ZeroDivisionError("oops")), "retry", "H9001"),
    ],
)
def test_cycle__each_ending__sorted_counted_and_the_role_goes_on(
    store: Store, what: Callable[[View], str], outcome: str, code: str
) -> None:
    role, ports = Probe([Timer("tick", Slot())], what), FakePorts()
    app = app_of(role, ports, store)
    app.start()
    assert role.cycle(Trigger("tick", 0)) == outcome
    assert role.acted == (["plan"] if outcome == "done" else [])
    text = app.metrics.text().decode()
    if code:
        assert f'hearth_probe_errors_total{{code="{code}",network="test"}} 1.0' in text
    else:
        assert 'hearth_probe_last_success_timestamp_seconds{loop="tick",network="test"}' in text
    if outcome == "skipped":
        assert 'hearth_probe_skipped_total{network="test",reason="already done"} 1.0' in text
    app.close()


def test_cycle__dry_mode__decides_and_never_acts(store: Store) -> None:
    role = Probe([Timer("tick", Slot())])
    app = app_of(role, FakePorts(), store, dry=True)
    app.start()
    assert role.cycle(Trigger("tick", 0)) == "dry" and role.acted == []
    app.close()


def test_virtual__slots_and_blocks__on_the_drivers_thread(store: Store) -> None:
    role = Probe([Timer("slot", Slot()), Timer("block", Block())], lambda view: f"{view.timer}@{view.block}")
    ports = FakePorts()
    app = app_of(role, ports, store)
    app.start()
    app.ticker.run_until(1_003)  # type: ignore[attr-defined]
    app.pulse()
    assert role.acted == ["slot@1"] * 4 + ["block@2"]
    assert role.threads == {threading.current_thread().name} and ports.steps == 1
    app.close()
    assert role.closed and ports.closed


def test_virtual__fatal__reaches_the_driver(store: Store) -> None:
    role = Probe([Timer("slot", Slot())], say(Fatal(HearthError("H6402", "old log"))))
    app = app_of(role, FakePorts(), store)
    app.start()
    with pytest.raises(Fatal):
        app.ticker.run_until(1_001)  # type: ignore[attr-defined]
    app.close()


def test_threaded__fatal_in_a_role__process_ends_with_its_code_after_a_drain(loopback: None, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
    role = Probe([Timer("tick", Every(0.05))], say(Fatal(HearthError("H6402", "old log"))))
    ports = FakePorts()
    assert app_of(role, ports, store, virtual=False).run() == 6
    assert role.closed and ports.closed


def test_threaded__handshake_fails__nothing_starts(loopback: None, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
    ports = FakePorts()
    ports.trouble = HearthError("H2002", "another chain")
    role = Probe([Timer("tick", Every(0.05))])
    assert app_of(role, ports, store, virtual=False).run() == 2
    assert role.acted == [] and role.threads == set()


def test_threaded__own_thread_timer__beats_while_the_other_work_hangs(loopback: None, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
    release = threading.Event()

    def what(view: View) -> str:
        if view.timer == "slow":
            release.wait(20)
        return view.timer

    role = Probe([Timer("slow", Every(0.05)), Timer("beat", Every(0.05), own_thread=True)], what)
    app = app_of(role, FakePorts(), store, virtual=False)
    app.start()
    end = time.monotonic() + 10
    while role.acted.count("beat") < 3 and time.monotonic() < end:
        time.sleep(0.01)
    assert role.acted.count("beat") >= 3 and "slow" not in role.acted
    answer = httpx.get(f"http://127.0.0.1:{app.health_port}/readyz", trust_env=False)
    assert answer.status_code == 200 and answer.json() == {"status": "ok", "state": "running", "wrong": {}}
    assert httpx.get(f"http://127.0.0.1:{app.health_port}/livez", trust_env=False).status_code == 200
    assert "hearth_chain_head_block" in httpx.get(f"http://127.0.0.1:{app.health_port}/metrics", trust_env=False).text
    assert httpx.get(f"http://127.0.0.1:{app.health_port}/x", trust_env=False).status_code == 404
    release.set()
    app.close()
    app.close()


class Waiter(Probe):
    """A role whose work waits for its moment, as a beat does within its slot."""

    def __init__(self, timers: Sequence[Timer]) -> None:
        super().__init__(timers)
        self.waits, self.ends = threading.Event(), threading.Event()

    def act(self, plan: str) -> None:
        self.waits.set()
        self.ends.wait(60)

    def drain(self) -> None:
        self.ends.set()


def test_close__role_that_only_waits__told_before_its_threads_are_waited_for(loopback: None, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
    role = Waiter([Timer("beat", Every(0.05), own_thread=True)])
    app = app_of(role, FakePorts(), store, virtual=False)
    app.start()
    assert role.waits.wait(20)
    began = time.monotonic()
    app.close()
    assert time.monotonic() - began < DRAIN_S / 2


class Systemd:
    """The socket that systemd would listen on; `states` in the order in which they came."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(10)

    def next(self) -> str:
        return self._socket.recv(100).decode()

    def rest(self) -> list[str]:
        self._socket.setblocking(False)
        out: list[str] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                out.append(self._socket.recv(100).decode())
        return out

    def close(self) -> None:
        self._socket.close()


def test_systemd__ready_after_the_start_then_signs_of_life_then_stopping(
    loopback: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Systemd(tmp_path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(listener.path))
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
    app = app_of(Probe([]), FakePorts(), store, virtual=False)
    assert listener.rest() == [], "built is not started"
    listener._socket.setblocking(True)
    app.start()
    assert [listener.next() for _ in range(3)] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
    app.health.live("broken", lambda: "a thread is gone")
    time.sleep(0.2)
    listener.rest()
    time.sleep(0.3)
    assert listener.rest() == [], "a process that is not alive does not say so"
    app.close()
    assert listener.rest() == ["STOPPING=1"]
    listener.close()


def test_systemd__start_that_fails__never_ready(
    loopback: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Systemd(tmp_path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(listener.path))
    ports = FakePorts()
    ports.trouble = HearthError("H2002", "another chain")
    store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
    assert app_of(Probe([]), ports, store, virtual=False).run() == 2
    assert listener.rest() == []
    listener.close()


@pytest.mark.parametrize(
    ("env", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "junk"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_watchdog_interval__environment__half_of_what_is_allowed(env: dict[str, str], seconds: float | None) -> None:
    assert watchdog_interval(env, 7) == seconds


def test_livez__a_loop_that_hangs__named(store: Store) -> None:
    app = app_of(Probe([]), FakePorts(), store)
    app.start()
    assert app.health.livez() == (True, {})
    app._turned["poll"] = time.monotonic() - 601
    assert app.health.livez()[1]["loops"].startswith("no turn for 600 s: poll")
    app.close()


def test_readyz__clock_off__says_so_and_the_gauge_shows_it(store: Store) -> None:
    clock = SystemClock(wall=lambda: 1_060.0, monotonic=lambda: 5.0)
    settings = load(env={}, files=[], flags={"poll_s": 0.02}).settings
    ticker = VirtualTicker(VirtualClock(1_000), DEPLOYMENT.clock())
    app = App(settings, DEPLOYMENT, [Probe([])], ports=FakePorts(), store=store, clock=clock, ticker=ticker)
    app.start()
    ready, wrong = app.health.readyz()
    assert not ready and wrong["clock"].startswith("the clock is 59.0 s ahead")
    assert 'hearth_probe_clock_skew_seconds{network="test"} 59.0' in app.metrics.text().decode()
    app.close()


def test_gauges__money_pause_and_build__set_every_five_minutes(store: Store) -> None:
    role, ports, now = Probe([]), FakePorts(), [10.0]
    role.key = LocalSigner(bytes(31) + b"\x05")
    metrics = Metrics("test")
    app = app_of(role, ports, store, metrics=metrics)
    gauges = Gauges(metrics, [role], DEPLOYMENT, monotonic=lambda: now[0])
    ports.word, ports.gas = PriceWord(1, 1, 1, 1, flags=1).pack(), (10**17, 1_000_000)

    def measure() -> bool:
        return gauges.now_and_then(ports.reader, app.context.suite, ports, ports.head(), 1_000_000 + 2 * 86_400)

    assert measure()
    text = metrics.text().decode()
    assert 'hearth_probe_account_balance{network="test"} 3.0' in text
    assert 'hearth_probe_gas_days_left{network="test"} 60.0' in text, "3 coins at a tenth in two days"
    assert 'hearth_probe_paused{network="test"} 1.0' in text
    assert f'suite="{DEPLOYMENT.suite_version}"' in text and "hearth_probe_build_info" in text
    ports.word = 0
    assert not measure(), "not again within five minutes"
    now[0] += 301
    assert measure() and 'hearth_probe_paused{network="test"} 0.0' in metrics.text().decode()
    app.close()


def test_several_keys_of_a_role__an_outbox_each__gauges_of_the_poorest(store: Store) -> None:
    role, ports = Probe([]), FakePorts()
    keys = [LocalSigner(bytes(31) + bytes([n])) for n in (5, 6)]
    role.signers = lambda: keys  # type: ignore[method-assign]
    metrics = Metrics("test")
    app = app_of(role, ports, store, metrics=metrics)
    app.start()
    assert set(app.context.senders) == {key.address for key in keys}
    ports.spent = lambda address, since: (10**17 * (1 + (address == keys[1].address)), 1_000_000)  # type: ignore[method-assign]
    ports.reader.balance = lambda address, at: 10**18 * (3 if address == keys[0].address else 4)  # type: ignore[method-assign]
    gauges = Gauges(metrics, [role], DEPLOYMENT, monotonic=lambda: 10.0)
    assert gauges.now_and_then(ports.reader, app.context.suite, ports, ports.head(), 1_000_000 + 2 * 86_400)
    text = metrics.text().decode()
    assert 'hearth_probe_account_balance{network="test"} 3.0' in text
    assert 'hearth_probe_gas_days_left{network="test"} 40.0' in text, "4 coins at a fifth in two days end sooner"
    app.close()


@pytest.mark.parametrize(
    ("balance", "spent", "seconds", "days"),
    [(10**18, 0, 86_400, None), (10**18, 10**17, 86_400, 10.0), (10**18, 10**17, 60, 10.0), (0, 1, 86_400, 0.0)],
)
def test_days_left__recent_rate__a_young_process_counts_as_a_day(
    balance: int, spent: int, seconds: float, days: float | None
) -> None:
    assert days_left(balance, spent, seconds) == days


def test_start__two_roles_one_key__refused(store: Store) -> None:
    first, second = Probe([]), Probe([])
    second.name = "other"  # type: ignore[misc]
    first.key = second.key = LocalSigner(bytes(31) + b"\x05")
    app = app_of(first, FakePorts(), store)
    app.roles, app.threaded = (first, second), True
    with pytest.raises(HearthError, match="have the same key") as caught:
        app.start()
    assert caught.value.exit_code == 2


def test_health__failing_checks__named_and_a_broken_check_is_a_failed_one() -> None:
    health = Health()
    health.ready("chain", lambda: "no block seen yet")
    health.ready("broken", lambda: str(1 // 0))
    well, wrong = health.readyz()
    assert not well and wrong["chain"] == "no block seen yet" and "ZeroDivisionError" in wrong["broken"]
    assert wrong["process"] == "starting" and health.livez() == (True, {})


def exported(metrics: Metrics) -> set[str]:
    """Names of all metrics, those of a role's own as if the role were called ROLE."""
    groups = (
        metrics.role("ROLE"),
        metrics.outbox,
        metrics.chain,
        metrics.agent,
        metrics.attester,
        metrics.settler,
        metrics.watcher,
    )
    assert {group.network for group in groups} == {"test"}
    return set(re.findall(r"^# TYPE (hearth_\w+?)(?:_created)? ", metrics.text().decode(), re.M))


@pytest.fixture
def health_server(loopback: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[HealthServer]:
    monkeypatch.setattr(health_module, "THREADS", 3)
    served = HealthServer(Health(), Metrics("here"), seconds=0.4)
    served.start()
    yield served
    served.stop()


def test_health_server__bytes_that_drip__hold_no_thread_for_ever(health_server: HealthServer) -> None:
    before = threading.active_count()
    with socket.create_connection(("127.0.0.1", health_server.port)) as slow:
        slow.settimeout(0.05)
        start = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() < start + 8:
                slow.sendall(b"G")
                with contextlib.suppress(TimeoutError):
                    if slow.recv(1) == b"":
                        break
        assert time.monotonic() - start < 5
    while threading.active_count() > before and time.monotonic() < start + 8:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_health_server__more_connections_than_threads__the_rest_is_closed_and_it_goes_on(
    health_server: HealthServer,
) -> None:
    where = ("127.0.0.1", health_server.port)
    silent = [socket.create_connection(where) for _ in range(3)]
    with socket.create_connection(where) as fourth:
        fourth.settimeout(5)
        assert fourth.recv(1) == b""
    time.sleep(0.6)
    url = f"http://127.0.0.1:{health_server.port}/livez"
    assert httpx.get(url, trust_env=False).status_code == 200
    for connection in silent:
        connection.close()


def test_metrics__documentation__names_exactly_those_that_are_exported() -> None:
    text = "".join(path.read_text() for path in (ROOT / "docs" / "operators").glob("*.md"))
    real = exported(Metrics("test"))
    named = set(re.findall(r"`(hearth_\w+)(?:\{[^`]*\})?`", text))
    anyone = {re.sub("hearth_(agent|attester|settler|watcher)_", "hearth_ROLE_", name) for name in named - real}
    assert (named & real) | anyone == real


def test_metrics__every_one__is_set_somewhere() -> None:
    source = "".join(p.read_text() for p in (ROOT / "keepers").rglob("*.py") if p.name != "metrics.py")
    own = (ROOT / "keepers" / "runtime" / "metrics.py").read_text()
    names = re.findall(r"self\.(\w+) = self\._(?:gauge|counter|histogram)", own)
    assert len(names) > 30
    for name in names:
        used = rf"\.{name}\b(?! = self\._)"
        assert re.search(used, source) or re.search(used, own), f"{name} is never set"


def test_log__json_line__masked_by_name_and_by_look() -> None:
    stream = io.StringIO()
    handler = log.setup("debug", "json", stream)
    try:
        extra = {
            "password": "hunter2", "url": "https://u:p@h/0123456789abcdef0123456789", "amount_wei": 10**30,
            "tx": b"\x01\x02", "inner": {"api_key": "k", "list": [1, "https://a:b@c/"]},
        }  # fmt: skip
        logging.getLogger("hearth.test").info("calling https://a:b@c/ private key: %s", "ab" * 32, extra=extra)
        try:
            raise ValueError("https://x:y@z/")
        except ValueError:
            logging.getLogger("hearth.test").exception("failed")
        logging.getLogger("httpx").info("GET https://secret")
    finally:
        logging.getLogger().removeHandler(handler)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 2
    assert lines[0]["password"] == "***" and lines[0]["inner"] == {"api_key": "***", "list": [1, "https://***@c/"]}
    assert lines[0]["amount_wei"] == str(10**30) and lines[0]["tx"] == "0x0102" and lines[0]["ts"].endswith("Z")
    assert "x:y@" not in lines[1]["exc"] and lines[1]["level"] == "error"
    for secret in ("hunter2", "a:b@", "u:p@", "ab" * 32, "0123456789abcdef"):
        assert secret not in stream.getvalue()


def test_log__text_for_people__same_masking() -> None:
    stream = io.StringIO()
    handler = log.setup("info", "text", stream)
    logging.getLogger("hearth.test").warning("x", extra={"token": "abc", "n": 3})
    logging.getLogger().removeHandler(handler)
    assert stream.getvalue().rstrip().endswith("warning hearth.test x token=*** n=3")


class CheckChain:
    """A chain for the handshake."""

    def __init__(self) -> None:
        self.genesis = bytes.fromhex("ab" * 32)
        self.codes = {c.address: b"\x60" for c in DEPLOYMENT.contracts.values()}
        self.version = f"{checks.MAJOR}.1.0".encode()

    def block_by(self, which: int | str) -> BlockRef | None:
        return BlockRef(0 if which == 0 else 9, self.genesis, 1_000)

    def code(self, address: str, at: BlockRef) -> bytes:
        return self.codes[address]

    def eth_call(self, to: str, data: bytes, at: BlockRef, sender: str | None = None, value: int = 0) -> bytes:
        return (32).to_bytes(32, "big") + len(self.version).to_bytes(32, "big") + self.version.ljust(32, b"\0")


def test_handshake__right_chain__passes_and_each_fault_has_its_code() -> None:
    chain = CheckChain()
    checks.handshake(chain, DEPLOYMENT)

    def code() -> str:
        with pytest.raises(HearthError) as caught:
            checks.handshake(chain, DEPLOYMENT)
        return caught.value.code

    chain.version = f"{checks.MAJOR + 1}.0.0".encode()
    assert code() == "H2004"
    chain.version = b"junk"
    assert code() == "H2006"
    chain.codes[DEPLOYMENT.address("StakingPool")] = b""
    assert code() == "H2003"
    chain.genesis = bytes(32)
    assert code() == "H2002"
    found = checks.check_genesis(chain, DEPLOYMENT)
    assert found.outcome == "fail" and found.error is not None


@pytest.mark.parametrize(("age", "outcome"), [(0, "ok"), (5, "warn"), (40, "fail")])
@pytest.mark.attack("A13")
def test_check_clock__skew__by_the_limits(age: int, outcome: str) -> None:
    clock = SystemClock(wall=lambda: 1_000.0)
    clock.saw(1_000 - age)
    assert checks.check_clock(clock).outcome == outcome


def test_find_deployment__none_named__no_default_network() -> None:
    with pytest.raises(HearthError, match="no network is chosen") as caught:
        find_deployment(load(env={}, files=[]).settings)
    assert caught.value.code == "H1003" and caught.value.exit_code == 2
    assert notify("READY=1") is False or "NOTIFY_SOCKET" in os.environ


def test_crashpoints__named_pass__killed_there_and_off_by_default(tmp_path: Path) -> None:
    code = "from keepers.runtime.crashpoints import cp\nfor _ in range(3): cp('a'); cp('b')\nprint('end')"

    def run(**env: str) -> subprocess.CompletedProcess[str]:
        # sockets are blocked in this process, pipes are not
        return subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=False
        )

    assert run().stdout == "end\n"
    trace = tmp_path / "trace"
    killed = run(HEARTH_CRASH_AT="b:2", HEARTH_CRASH_TRACE=str(trace))
    assert killed.returncode == -signal.SIGKILL and killed.stdout == ""
    assert trace.read_text().split() == ["a", "b", "a", "b"]


def test_imports__of_the_runtime__no_web_framework_and_no_numpy() -> None:
    code = "import sys, keepers.runtime.lifecycle; print(*{'starlette', 'fastapi', 'numpy', 'web3'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == ""
