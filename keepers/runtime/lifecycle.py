"""From settings to a running process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keepers.chain.deployment import Deployment, load_record
from keepers.protocol.errors import HearthError
from keepers.runtime import log
from keepers.runtime.app import App
from keepers.runtime.chainports import ChainPorts
from keepers.runtime.clock import Clock, SystemClock
from keepers.runtime.metrics import Metrics
from keepers.runtime.role import Role
from keepers.store.migrations import open_store

if TYPE_CHECKING:
    import httpx

    from keepers.runtime.settings import Settings


def find_deployment(settings: Settings) -> Deployment:
    """The record that the settings name. Raises H1003 where they name none (there is no default network), H1004."""
    if not settings.deployment:
        raise HearthError(
            "H1003",
            "no network is chosen",
            why=("there is no default, so that nothing is ever sent to the wrong chain",),
            next=("hearth -n NETWORK …", "hearth --manifest FILE …", "or set HEARTH_DEPLOYMENT"),
        )
    return load_record(settings.deployment)


def build(
    settings: Settings,
    roles: Sequence[Role[Any, Any]],
    *,
    deployment: Deployment | None = None,
    clock: Clock | None = None,
    transport: httpx.BaseTransport | None = None,
    dry: bool = False,
    logs: bool = True,
) -> App:
    """An App on a real chain: logging, migrated store, chain, metrics. Start it with `run`.

    `transport` is for the roles' HTTP clients, not for JSON-RPC. Raises H1001 … H1204 before anything is sent.
    """
    if logs:
        log.setup(settings.log_level, settings.log_style)
    record = deployment or find_deployment(settings)
    watch = clock or SystemClock(adopt=record.local)
    metrics = Metrics(record.network)
    store = open_store(settings.database(record.network))
    try:
        ports = ChainPorts(settings, record, store, watch, metrics=metrics)
    except BaseException:
        store.close()
        raise
    return App(
        settings, record, roles, ports=ports, store=store, clock=watch, transport=transport, metrics=metrics, dry=dry
    )
