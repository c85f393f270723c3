"""The process around roles: cycle outcomes, drain, fatal errors, health, logs, metrics, crash points."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
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
from keepers.runtime import checks, log
from keepers.runtime.app import App
from keepers.runtime.clock import Clock, SystemClock, VirtualClock
from keepers.runtime.health import Health
from keepers.runtime.lifecycle import find_deployment, notify
from keepers.runtime.metrics import Metrics
from keepers.runtime.role import Fatal, Retry, Role, Skip
from keepers.runtime.settings import load
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
    clock: Clock = VirtualClock(1_000) if virtual else SystemClock()
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
    role = Probe([Timer("slot", Slot())], say(Fatal(HearthError("H6402", "old log"), 9)))
    app = app_of(role, FakePorts(), store)
    app.start()
    with pytest.raises(Fatal):
        app.ticker.run_until(1_001)  # type: ignore[attr-defined]
    app.close()


def test_threaded__fatal_in_a_role__process_ends_with_its_code_after_a_drain(loopback: None, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
    role = Probe([Timer("tick", Every(0.05))], say(Fatal(HearthError("H6402", "old log"), 9)))
    ports = FakePorts()
    assert app_of(role, ports, store, virtual=False).run() == 9
    assert role.closed and ports.closed


def test_threaded__handshake_fails__nothing_starts(loopback: None, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
    ports = FakePorts()
    ports.trouble = HearthError("H2002", "another chain", exit_code=1)
    role = Probe([Timer("tick", Every(0.05))])
    assert app_of(role, ports, store, virtual=False).run() == 1
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


def test_start__two_roles_one_key__refused(store: Store) -> None:
    first, second = Probe([]), Probe([])
    second.name = "other"  # type: ignore[misc]
    first.key = second.key = LocalSigner(bytes(31) + b"\x05")
    app = app_of(first, FakePorts(), store)
    app.roles, app.threaded = (first, second), True
    with pytest.raises(HearthError, match="have the same key") as caught:
        app.start()
    assert caught.value.exit_code == 4


def test_health__failing_checks__named_and_a_broken_check_is_a_failed_one() -> None:
    health = Health()
    health.ready("chain", lambda: "no block seen yet")
    health.ready("broken", lambda: str(1 // 0))
    well, wrong = health.readyz()
    assert not well and wrong["chain"] == "no block seen yet" and "ZeroDivisionError" in wrong["broken"]
    assert wrong["process"] == "starting" and health.livez() == (True, {})


# names of docs/experience.md §5 that this suite's roles have
NAMES = {
    "probe": "cycle_seconds last_success_timestamp_seconds errors_total account_balance gas_days_left "
    "clock_skew_seconds build_info paused",
    "outbox": "pending oldest_seconds replaced_total dropped_total",
    "chain": "head_block final_block reorg_depth rpc_errors_total",
    "agent": "heartbeat_acks slot_counted_total slot_missed_total gpu_state gpu_temp_celsius xid_total gpus_leased "
    "stake_headroom_ratio unsettled_usd lease_runway_seconds",
    "attester": "heartbeats_total ingest_seconds nodes_observed peer_agreement_ratio report_digest_match "
    "report_signed_epoch report_submitted_epoch report_lag_epochs report_exceptions report_indeterminate_slots "
    "price_usd price_spread_ratio signlog_watermark signlog_mirror_ok",
    "settler": "due overdue_seconds bounty_usd_total unprofitable_total",
}


def test_metrics__every_name_of_the_documentation__exported() -> None:
    metrics = Metrics("test")
    for group in (
        metrics.role("probe"),
        metrics.outbox,
        metrics.chain,
        metrics.agent,
        metrics.attester,
        metrics.settler,
    ):
        assert group.network == "test"
    text = metrics.text().decode()
    for group, names in NAMES.items():
        for name in names.split():
            assert f"# TYPE hearth_{group}_{name} " in text, name


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
    found = checks.run_checks([lambda: checks.check_genesis(chain, DEPLOYMENT)])
    assert found[0].outcome == "fail" and found[0].error is not None


@pytest.mark.parametrize(("age", "outcome"), [(0, "ok"), (5, "warn"), (40, "fail")])
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
