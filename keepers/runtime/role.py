"""A role: what one key does for the network.

One cycle = `observe` (all reads pinned to one block) → `decide` (a pure function of the view) → `act` (one store
transaction: the role's own rows and the outbox rows). The base joins them, times them and sorts what goes wrong.
A role has one worker thread, so it needs no locks.
"""

from __future__ import annotations

import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from keepers.chain.contracts import Suite
from keepers.chain.ports import BlockRef, Reader, Sender
from keepers.protocol.epochs import Calendar
from keepers.protocol.errors import HearthError
from keepers.runtime.clock import Clock
from keepers.runtime.ticker import Timer, Trigger
from keepers.wire.routing import Route

if TYPE_CHECKING:
    import httpx

    from keepers.chain.attestations import Attestations
    from keepers.chain.deployment import Deployment
    from keepers.chain.keys import Signer
    from keepers.runtime.health import Health
    from keepers.runtime.metrics import Metrics
    from keepers.store.engine import Store

__all__ = ["Context", "Fatal", "Retry", "Role", "Route", "Skip"]

V = TypeVar("V")
P = TypeVar("P")


class Retry(Exception):
    """Not now: the next tick tries again. `code` is an H code."""

    def __init__(self, reason: str, code: str = "H2001") -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


class Skip(Exception):
    """Nothing to do, for a named reason (already done on chain counts as success)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Fatal(Exception):
    """The process must not go on; it ends with the exit code of `error`."""

    def __init__(self, error: HearthError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(slots=True)
class Context:
    """What a process lends its roles. `rng` is the only randomness; `transport` is handed to HTTP clients as it is.

    `senders` has one entry a signing key, by address. `attestations` is the process's one follower of reports.
    """

    reader: Reader
    clock: Clock
    calendar: Calendar
    deployment: Deployment
    suite: Suite
    store: Store
    senders: dict[str, Sender] = field(default_factory=dict)
    attestations: Attestations | None = None
    metrics: Metrics | None = None
    health: Health | None = None
    transport: httpx.BaseTransport | None = None
    rng: random.Random = field(default_factory=lambda: random.SystemRandom())
    dry: bool = False  # no key: decide and log, never act

    def epoch(self) -> int:
        """The epoch of this moment; 0, in which nobody observes or signs, for a clock that stands before genesis."""
        return self.calendar.epoch(max(self.clock.now(), self.calendar.genesis))


class Role(ABC, Generic[V, P]):
    """Base of every role. Subclasses say what they need and implement the three steps."""

    name: ClassVar[str] = ""

    def __init__(self) -> None:
        self._context: Context | None = None
        self.log = logging.getLogger(f"hearth.{self.name}")

    # what the app asks

    def signer(self) -> Signer | None:
        """The key that signs this role's transactions; None if it sends none. Gets an outbox in `Context.senders`."""
        return None

    def signers(self) -> Sequence[Signer]:
        """The same for a role that may send with several keys."""
        signer = self.signer()
        return () if signer is None else (signer,)

    def mount(self, context: Context) -> None:
        """Called once before `start`. Overrides call this first."""
        self._context = context

    def start(self) -> None:
        """Called after all roles are mounted and the handshake passed. Raises Fatal where it must not run."""

    def drain(self) -> None:
        """Called first when the process drains, beside the role's own threads: end what only waits."""

    def close(self) -> None:
        """Called last when the process drains: finish the answer in hand, release files and threads."""

    @abstractmethod
    def timers(self) -> Sequence[Timer]:
        """The wake-ups of this role."""

    def routes(self) -> Sequence[Route]:
        """HTTP endpoints of this role."""
        return ()

    # the cycle

    @abstractmethod
    def observe(self, trigger: Trigger, at: BlockRef) -> V:
        """Everything `decide` needs, read at one block. Raises Skip where the trigger needs no decision."""

    @abstractmethod
    def decide(self, view: V) -> P:
        """A pure function of the view; implementations call a module function of `decide.py`."""

    @abstractmethod
    def act(self, plan: P) -> None:
        """Carry the plan out: one store transaction, then messages. Never called in dry mode."""

    @property
    def context(self) -> Context:
        """The context given by `mount`. Raises RuntimeError before it."""
        if self._context is None:
            raise RuntimeError(f"role {self.name} is not mounted")
        return self._context

    def cycle(self, trigger: Trigger) -> str:
        """One observe → decide → act. Returns "done", "skipped", "retry" or "dry"; only Fatal leaves it.

        A mistake of ours (any other exception) is logged with its stack and counted as H9001: the role goes on, as
        the next tick reads the world anew.
        """
        context = self.context
        metrics = context.metrics
        timer = metrics.cycle(self.name) if metrics else None
        try:
            at = context.reader.head()
            view = self.observe(trigger, at)
            plan = self.decide(view)
            if context.dry:
                self.log.info("dry", extra={"timer": trigger.timer, "plan": str(plan)[:500]})
                return "dry"
            self.act(plan)
        except Skip as skip:
            self.log.debug("skip", extra={"timer": trigger.timer, "reason": skip.reason})
            if metrics:
                metrics.skipped(self.name, skip.reason)
                metrics.success(self.name, trigger.timer, context.clock.now())
            return "skipped"
        except Retry as retry:
            self._failed(trigger, retry.code, retry.reason)
            return "retry"
        except Fatal:
            raise
        except HearthError as error:
            self._failed(trigger, error.code, str(error))
            return "retry"
        except Exception as error:  # the role goes on: whatever it was, the next tick reads the world anew
            self.log.exception("bug", extra={"timer": trigger.timer, "code": "H9001"})
            self._failed(trigger, "H9001", f"{type(error).__name__}: {error}")
            return "retry"
        finally:
            if timer is not None:
                timer()
        if metrics:
            metrics.success(self.name, trigger.timer, context.clock.now())
        return "done"

    def _failed(self, trigger: Trigger, code: str, reason: str) -> None:
        self.log.warning("retry", extra={"timer": trigger.timer, "code": code, "reason": reason})
        if self.context.metrics:
            self.context.metrics.error(self.name, code)
