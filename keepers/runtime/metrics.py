"""Prometheus metrics by the names of docs/operators. One `Metrics` a process, on a registry of its own.

Groups are made at first use, so that an agent does not export an attester's names. Money is in tokens or USD, times
in seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CYCLE_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0)
ANSWER_BUCKETS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 200.0, 250.0, 300.0, 600.0)


class _Group:
    """Metrics of one prefix, all labelled with the network."""

    def __init__(self, registry: CollectorRegistry, network: str, prefix: str) -> None:
        self._registry, self._network, self._prefix = registry, network, prefix

    def _counter(self, name: str, doc: str, *labels: str) -> Counter:
        return Counter(f"{self._prefix}_{name}", doc, ("network", *labels), registry=self._registry)

    def _gauge(self, name: str, doc: str, *labels: str) -> Gauge:
        return Gauge(f"{self._prefix}_{name}", doc, ("network", *labels), registry=self._registry)

    def _histogram(self, name: str, doc: str, *labels: str, buckets: tuple[float, ...] = CYCLE_BUCKETS) -> Histogram:
        return Histogram(f"{self._prefix}_{name}", doc, ("network", *labels), registry=self._registry, buckets=buckets)

    @property
    def network(self) -> str:
        """Value of the `network` label."""
        return self._network


class RoleMetrics(_Group):
    """What every role has: hearth_<role>_…"""

    def __init__(self, registry: CollectorRegistry, network: str, role: str) -> None:
        super().__init__(registry, network, f"hearth_{role}")
        self.cycle_seconds = self._histogram("cycle_seconds", "Length of a cycle")
        self.last_success = self._gauge("last_success_timestamp_seconds", "Chain time of the last success", "loop")
        self.errors = self._counter("errors", "Failed cycles by error code", "code")
        self.skipped = self._counter("skipped", "Cycles with nothing to do, by reason", "reason")
        self.balance = self._gauge("account_balance", "Native coin of the signing key")
        self.gas_days_left = self._gauge("gas_days_left", "Days that the balance lasts at the recent rate")
        self.clock_skew = self._gauge("clock_skew_seconds", "Seconds by which the clock is ahead of the chain")
        self.build_info = self._gauge("build_info", "Always 1", "version", "suite")
        self.paused = self._gauge("paused", "1 while entries are paused on chain")


class OutboxMetrics(_Group):
    """hearth_outbox_…"""

    def __init__(self, registry: CollectorRegistry, network: str) -> None:
        super().__init__(registry, network, "hearth_outbox")
        self.pending = self._gauge("pending", "Rows that are not settled", "kind")
        self.oldest_seconds = self._gauge("oldest_seconds", "Age of the oldest open row", "kind")
        self.replaced = self._counter("replaced", "Attempts that replaced an earlier one", "kind")
        self.dropped = self._counter("dropped", "Rows dropped as superseded or late", "kind")


class ChainMetrics(_Group):
    """hearth_chain_…"""

    def __init__(self, registry: CollectorRegistry, network: str) -> None:
        super().__init__(registry, network, "hearth_chain")
        self.head_block = self._gauge("head_block", "Newest block seen")
        self.final_block = self._gauge("final_block", "Newest final block")
        self.reorg_depth = self._gauge("reorg_depth", "Blocks that the last reorg undid")
        self.rpc_errors = self._counter("rpc_errors", "Failed requests by endpoint", "endpoint")


class AgentMetrics(_Group):
    """hearth_agent_…"""

    def __init__(self, registry: CollectorRegistry, network: str) -> None:
        super().__init__(registry, network, "hearth_agent")
        self.heartbeat_acks = self._gauge("heartbeat_acks", "Slot ordinal last acknowledged", "node", "attester")
        self.slot_counted = self._counter("slot_counted", "Slots acknowledged by enough attesters", "node")
        self.slot_missed = self._counter("slot_missed", "Slots that were not", "node")
        self.gpu_state = self._gauge("gpu_state", "1 well, 0 degraded, -1 unknown", "node", "gpu")
        self.gpu_temp = self._gauge("gpu_temp_celsius", "Temperature", "node", "gpu")
        self.gpus_leased = self._gauge("gpus_leased", "GPUs under lease", "node")
        self.check_ins = self._counter(
            "check_ins", "Slots that few attesters heard, by what was done", "node", "result"
        )
        self.check_in_spent = self._gauge("check_in_spent", "Native coin that check-ins cost in 24 hours", "node")
        self.challenge_seconds = self._gauge("challenge_seconds", "From the seed to the last signed answer", "node")
        self.challenge_failed = self._counter(
            "challenge_failed", "Challenges that were not answered, by reason", "node", "reason"
        )


class AttesterMetrics(_Group):
    """hearth_attester_…"""

    def __init__(self, registry: CollectorRegistry, network: str) -> None:
        super().__init__(registry, network, "hearth_attester")
        self.heartbeats = self._counter("heartbeats", "Heartbeats by what became of them", "seat", "result")
        self.ingest_seconds = self._histogram("ingest_seconds", "Arrival to commit of a batch", "seat")
        self.answer_seconds = self._histogram(
            "answer_seconds", "Seed to arrival of an answer", "seat", "class", buckets=ANSWER_BUCKETS
        )
        self.nodes_observed = self._gauge("nodes_observed", "Nodes seen in the last slot", "seat")
        self.peer_agreement = self._gauge("peer_agreement_ratio", "Slots that a peer saw as we did", "seat", "peer")
        self.report_digest_match = self._gauge("report_digest_match", "1 if ours was the digest reported", "seat")
        self.report_signed_epoch = self._gauge("report_signed_epoch", "Newest epoch signed", "seat")
        self.report_submitted_epoch = self._gauge("report_submitted_epoch", "Newest epoch submitted by us", "seat")
        self.report_lag_epochs = self._gauge("report_lag_epochs", "Ended epochs without a report", "seat")
        self.report_exceptions = self._gauge("report_exceptions", "Records of the last report", "seat")
        self.report_indeterminate = self._gauge("report_indeterminate_slots", "Of the last report", "seat")
        self.price_usd = self._gauge("price_usd", "Token price by source", "seat", "source")
        self.price_spread = self._gauge("price_spread_ratio", "Highest source over lowest, less 1", "seat")
        self.signlog_watermark = self._gauge("signlog_watermark", "Newest epoch in the sign log", "seat")
        self.signlog_mirror_ok = self._gauge("signlog_mirror_ok", "1 if the mirror took the last signature", "seat")


class SettlerMetrics(_Group):
    """hearth_settler_…"""

    def __init__(self, registry: CollectorRegistry, network: str) -> None:
        super().__init__(registry, network, "hearth_settler")
        self.due = self._gauge("due", "Work that is due", "kind")
        self.overdue_seconds = self._gauge("overdue_seconds", "Age of the oldest due work", "kind")
        self.bounty_usd = self._counter("bounty_usd", "Bounties earned")
        self.unprofitable = self._counter("unprofitable", "Due work left because gas costs more", "kind")


class WatcherMetrics(_Group):
    """hearth_watcher_…"""

    def __init__(self, registry: CollectorRegistry, network: str) -> None:
        super().__init__(registry, network, "hearth_watcher")
        self.epochs_checked = self._gauge("epochs_checked", "Reports judged since the start of the process")
        self.findings = self._counter("findings", "What was found false", "kind")
        self.deadline = self._gauge("evidence_deadline_seconds", "Until the first window closes, +Inf for none")


class Metrics:
    """All metrics of one process."""

    def __init__(self, network: str, registry: CollectorRegistry | None = None) -> None:
        self.network = network
        self.registry = registry or CollectorRegistry()
        self._roles: dict[str, RoleMetrics] = {}

    def role(self, name: str) -> RoleMetrics:
        """The common metrics of a role."""
        if name not in self._roles:
            self._roles[name] = RoleMetrics(self.registry, self.network, name)
        return self._roles[name]

    @cached_property
    def outbox(self) -> OutboxMetrics:
        """hearth_outbox_…"""
        return OutboxMetrics(self.registry, self.network)

    @cached_property
    def chain(self) -> ChainMetrics:
        """hearth_chain_…"""
        return ChainMetrics(self.registry, self.network)

    @cached_property
    def agent(self) -> AgentMetrics:
        """hearth_agent_…"""
        return AgentMetrics(self.registry, self.network)

    @cached_property
    def attester(self) -> AttesterMetrics:
        """hearth_attester_…"""
        return AttesterMetrics(self.registry, self.network)

    @cached_property
    def settler(self) -> SettlerMetrics:
        """hearth_settler_…"""
        return SettlerMetrics(self.registry, self.network)

    @cached_property
    def watcher(self) -> WatcherMetrics:
        """hearth_watcher_…"""
        return WatcherMetrics(self.registry, self.network)

    def cycle(self, role: str) -> Callable[[], None]:
        """Start timing a cycle; call the result at its end."""
        start = time.monotonic()

        def done() -> None:
            self.role(role).cycle_seconds.labels(self.network).observe(time.monotonic() - start)

        return done

    def success(self, role: str, loop: str, now: int) -> None:
        """A loop succeeded at chain time `now`."""
        self.role(role).last_success.labels(self.network, loop).set(now)

    def error(self, role: str, code: str) -> None:
        """A cycle failed."""
        self.role(role).errors.labels(self.network, code).inc()

    def skipped(self, role: str, reason: str) -> None:
        """A cycle had nothing to do."""
        self.role(role).skipped.labels(self.network, reason).inc()

    def text(self) -> bytes:
        """The exposition format, for GET /metrics."""
        return bytes(generate_latest(self.registry))
