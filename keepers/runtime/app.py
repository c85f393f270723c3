"""The process around one or more roles.

`hearth agent` is App([Agent]), `hearth up --roles a,b` is App([A, B]): same code, one database, one view of the chain,
one outbox a key. With a virtual ticker the same App runs on the driver's thread (`pulse`), which is the replay.

    app = App(settings, deployment, [role], ports=…); sys.exit(app.run())
"""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from keepers.chain.contracts import Suite
from keepers.chain.ports import BlockRef, Reader, Sender
from keepers.protocol.errors import HearthError
from keepers.runtime import checks
from keepers.runtime.clock import Clock, SystemClock
from keepers.runtime.gauges import Gauges
from keepers.runtime.health import Health, HealthServer
from keepers.runtime.metrics import Metrics
from keepers.runtime.role import Context, Fatal, Role
from keepers.runtime.systemd import notify, watchdog_interval
from keepers.runtime.ticker import ApsTicker, Mailbox, Ticker, Timer, Trigger, VirtualTicker
from keepers.store.faults import StoreBroken

if TYPE_CHECKING:
    import httpx

    from keepers.chain.attestations import Attestations
    from keepers.chain.deployment import Deployment
    from keepers.chain.keys import Signer
    from keepers.runtime.settings import Settings
    from keepers.store.engine import Store

DRAIN_S = 15.0  # for cycles in hand at SIGTERM; systemd is told 20
HEAD_STALE_POLLS = 30  # looks at the chain without success before /readyz says so
STUCK_S = 600.0  # a loop that has not come round for so long hangs: every endpoint has timed out many times by then
log = logging.getLogger("hearth.app")


class Ports(Protocol):
    """A process's way to the chain: `chainports.ChainPorts`, or the reference model in tests."""

    @property
    def reader(self) -> Reader: ...

    @property
    def attestations(self) -> Attestations | None: ...

    def sender(self, signer: Signer) -> Sender:
        """The outbox of a key; the same object for the same key."""
        ...

    def handshake(self) -> None:
        """Raises HearthError where this chain or this record must not be used."""
        ...

    def poll(self) -> BlockRef:
        """Look at the chain once: head, logs, proofs."""
        ...

    def step(self) -> int:
        """Let every outbox send and confirm once; returns how many rows moved."""
        ...

    def spent(self, address: str, since: int) -> tuple[int, int]:
        """(wei of gas that a key paid since then, chain time of its first transaction since then)."""
        ...

    def close(self) -> None: ...


class App:
    """Builds once, starts in order, drains on SIGTERM. `run` blocks and returns the exit code."""

    def __init__(
        self,
        settings: Settings,
        deployment: Deployment,
        roles: Sequence[Role[Any, Any]],
        *,
        ports: Ports,
        store: Store,
        clock: Clock | None = None,
        ticker: Ticker | None = None,
        transport: httpx.BaseTransport | None = None,
        rng: random.Random | None = None,
        metrics: Metrics | None = None,
        dry: bool = False,
    ) -> None:
        self.settings, self.deployment, self.roles = settings, deployment, tuple(roles)
        self.ports, self.store = ports, store
        self.clock = clock or SystemClock(adopt=deployment.local)
        self.calendar = deployment.clock()
        self.ticker: Ticker = ticker or ApsTicker(self.clock, self.calendar)
        self.threaded = not isinstance(self.ticker, VirtualTicker)
        self.metrics = metrics or Metrics(deployment.network)
        self.health = Health()
        self.gauges = Gauges(self.metrics, self.roles, deployment)
        self.context = Context(
            reader=ports.reader,
            clock=self.clock,
            calendar=self.calendar,
            deployment=deployment,
            suite=Suite.over(ports.reader),
            store=store,
            attestations=ports.attestations,
            metrics=self.metrics,
            health=self.health,
            transport=transport,
            rng=rng or random.SystemRandom(),
            dry=dry,
        )
        self._stop = threading.Event()
        self._exit = 0
        self._head: BlockRef | None = None
        self._failed_polls = 0
        self._mailboxes: list[Mailbox] = []
        self._threads: list[threading.Thread] = []
        self._server: Any = None
        self._health_server: HealthServer | None = None
        self._closed = False
        self._turned: dict[str, float] = {}  # loop -> when it came round last

    # life

    def start(self) -> None:
        """Handshake, mount, timers, threads, HTTP. Raises HearthError or Fatal; `close` is then still owed."""
        self.ports.handshake()
        names = [role.name for role in self.roles]
        if len(set(names)) != len(names) and self.threaded:
            raise HearthError("H1001", f"a role is named twice: {', '.join(names)}")
        self._mount_keys()
        for role in self.roles:
            role.mount(self.context)
        self._look()
        self._tell_wait()
        for role in self.roles:
            role.start()
        for role in self.roles:
            self._add_timers(role)
        self.health.live("threads", self._dead_thread)
        self.health.live("loops", self._stuck_loop)
        self.health.ready("chain", self._stale_chain)
        self.health.ready("clock", self._wrong_clock)
        if self.threaded:
            self._serve()
            self._thread("poll", self._poll_loop)
            self._thread("outbox", self._outbox_loop)
        self.ticker.start()
        self.health.set_state("running")
        if self.threaded:
            self._tell_systemd()
        log.info("started", extra={"roles": [role.name for role in self.roles], "network": self.deployment.network})

    def run(self) -> int:
        """Start, work until SIGTERM, SIGINT or a fatal error, drain. Returns the exit code."""
        previous = {s: signal.signal(s, lambda *_: self.stop()) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            self.start()
            self._stop.wait()
        except Fatal as fatal:
            self._fatal(fatal.error)
        except HearthError as error:
            self._fatal(error)
        finally:
            self.close()
            for number, handler in previous.items():
                signal.signal(number, handler)
        return self._exit

    def stop(self, exit_code: int = 0) -> None:
        """Ask the process to end; safe from signal handlers and any thread."""
        if not self._stop.is_set():
            self._exit = exit_code
            self._stop.set()

    def close(self) -> None:
        """Drain: no intake, finish cycles in hand, save, let go. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        if self.health.state == "running" and self.threaded:
            notify("STOPPING=1")
        self.health.set_state("draining")
        self.ticker.close()
        if self._server is not None:
            self._server.stop()
        for mailbox in self._mailboxes:
            mailbox.close()
        for role in self.roles:
            self._quietly(role.drain, f"drain {role.name}")
        deadline = time.monotonic() + DRAIN_S
        for thread in self._threads:
            thread.join(max(0.1, deadline - time.monotonic()))
        for role in self.roles:
            self._quietly(role.close, f"close {role.name}")
        if self._exit == 0 and self.health.state == "draining" and self._head is not None:
            self._quietly(self.ports.step, "flush the outbox")  # what waits is durable; this only saves a restart
        self._quietly(self.ports.close, "close the chain")
        self._quietly(self.store.close, "close the store")
        if self._health_server is not None:
            self._health_server.stop()

    # virtual time

    def pulse(self) -> BlockRef:
        """One look at the chain and one step of every outbox, on this thread (replay, tests)."""
        head = self._look()
        self.ports.step()
        return head

    # inside

    def _mount_keys(self) -> None:
        seen: dict[str, str] = {}
        for role in self.roles:
            for signer in role.signers():
                if signer.address in seen and self.threaded:
                    raise HearthError(
                        "H1001",
                        f"roles {seen[signer.address]} and {role.name} have the same key {signer.address}",
                        why=("one key has one writer, or nonces collide",),
                        next=("give each role a keystore of its own: hearth key new",),
                    )
                seen[signer.address] = role.name
                self.context.senders[signer.address] = self.ports.sender(signer)

    def _add_timers(self, role: Role[Any, Any]) -> None:
        if not self.threaded:
            owner = f"{role.name}#{self.roles.index(role)}"
            for timer in role.timers():
                self.ticker.add(owner, timer, self._inline(role))
            return
        shared = [timer for timer in role.timers() if not timer.own_thread]
        if shared:
            self._worker(role, role.name, shared)
        for timer in role.timers():
            if timer.own_thread:
                self._worker(role, f"{role.name}.{timer.name}", [timer])

    def _worker(self, role: Role[Any, Any], name: str, timers: Sequence[Timer]) -> None:
        mailbox = Mailbox()
        self._mailboxes.append(mailbox)
        for timer in timers:
            self.ticker.add(role.name, timer, mailbox.put)

        def loop() -> None:
            while not mailbox.closed:
                trigger = mailbox.get(1.0)
                if trigger is not None:
                    self._cycle(role, trigger)

        self._thread(name, loop)

    def _inline(self, role: Role[Any, Any]) -> Callable[[Trigger], None]:
        def sink(trigger: Trigger) -> None:
            role.cycle(trigger)  # on virtual time a Fatal reaches the driver

        return sink

    def _cycle(self, role: Role[Any, Any], trigger: Trigger) -> None:
        try:
            role.cycle(trigger)
        except Fatal as fatal:
            self._fatal(fatal.error)

    def _look(self) -> BlockRef:
        head = self.ports.poll()
        new = self._head is None or head.hash != self._head.hash
        self._head = head
        self._failed_polls = 0
        self.metrics.chain.head_block.labels(self.deployment.network).set(head.number)
        if new:
            self.clock.saw(head.timestamp)
            self.gauges.block(self.clock)
            self.metrics.chain.final_block.labels(self.deployment.network).set(self.ports.reader.final().number)
            self.ticker.block(head)
        return head

    def _measure(self, head: BlockRef) -> None:
        self.gauges.now_and_then(self.ports.reader, self.context.suite, self.ports, head, self.clock.now())

    def _poll_loop(self) -> None:
        while not self._stop.wait(self.settings.poll_s):
            self._turned["poll"] = time.monotonic()
            try:
                self._measure(self._look())
            except Fatal as fatal:
                self._fatal(fatal.error)
            except HearthError as error:
                self._failed_polls += 1
                self._waits("chain not read", error)

    def _outbox_loop(self) -> None:
        while not self._stop.wait(self.settings.poll_s):
            self._turned["outbox"] = time.monotonic()
            try:
                self.ports.step()
            except Fatal as fatal:
                self._fatal(fatal.error)
            except HearthError as error:
                self._waits("outbox waits", error)

    def _waits(self, words: str, error: HearthError) -> None:
        """The next turn tries again, but a database that is damaged only gets worse."""
        if isinstance(error, StoreBroken) and not error.retryable:
            self._fatal(error)
        log.warning(words, extra={"code": error.code, "reason": error.message})

    def _serve(self) -> None:
        routes = [route for role in self.roles for route in role.routes()]
        if routes:
            from keepers.wire.routing import Router
            from keepers.wire.server import Server  # brings a web framework, which an agent never loads

            self._server = Server(Router(routes), self.settings.listen_host, self.settings.listen_port)
            self._server.start()
        self._health_server = HealthServer(
            self.health, self.metrics, self.settings.health_host, self.settings.health_port
        )
        self._health_server.start()

    @property
    def health_port(self) -> int | None:
        """Port of /livez, /readyz and /metrics, once started."""
        return None if self._health_server is None else self._health_server.port

    def _thread(self, name: str, target: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                target()
            except Exception as error:  # a worker that is gone must take the process with it
                log.exception("a worker died", extra={"worker": name})
                self._fatal(HearthError("H9001", f"worker {name} died: {type(error).__name__}"))

        thread = threading.Thread(target=guarded, name=f"hearth-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _fatal(self, error: HearthError) -> None:
        log.error("fatal", extra={"code": error.code, "reason": error.message, "why": list(error.why)})
        self.stop(error.exit_code)

    def _quietly(self, what: Callable[[], Any], name: str) -> None:
        try:
            what()
        except Exception as error:  # draining goes on: the other parts still have to be let go
            log.warning("drain", extra={"step": name, "reason": f"{type(error).__name__}: {error}"})

    def _tell_systemd(self) -> None:
        """Ready, and from now on a sign of life while every check of /livez is well."""
        notify("READY=1")
        interval = watchdog_interval(os.environ, os.getpid())
        if interval is None:
            return

        def loop() -> None:
            while not self._stop.wait(interval):
                if self.health.livez()[0]:
                    notify("WATCHDOG=1")

        self._thread("watchdog", loop)

    def _stuck_loop(self) -> str | None:
        now = time.monotonic()
        stuck = [name for name, turned in self._turned.items() if now - turned > STUCK_S]
        return f"no turn for {STUCK_S:.0f} s: {', '.join(stuck)}" if stuck and not self._stop.is_set() else None

    def _tell_wait(self) -> None:
        """Before the first epoch nothing is observed, signed or settled; the process runs and waits for it."""
        first = self.calendar.start(1)
        wait = first - self.clock.precise()
        if wait > 0:
            log.log(
                logging.INFO if wait <= self.calendar.epoch_seconds else logging.WARNING,
                "epoch 1 begins at %s UTC, %d s from now by this clock: nothing is observed or signed before it",
                datetime.fromtimestamp(first, UTC).strftime("%Y-%m-%d %H:%M:%S"), wait,
            )  # fmt: skip

    def _wrong_clock(self) -> str | None:
        error = checks.check_clock(self.clock).error
        return None if error is None else error.message

    def _dead_thread(self) -> str | None:
        dead = [t.name for t in self._threads if not t.is_alive()]
        return f"ended: {', '.join(dead)}" if dead and not self._stop.is_set() else None

    def _stale_chain(self) -> str | None:
        if self._head is None:
            return "no block seen yet"
        if self._failed_polls >= HEAD_STALE_POLLS:
            return f"no endpoint answered {self._failed_polls} times"
        return None
