"""`hearth check [ROLE]`: is this set-up ready? Exit 9 on any fault."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.exceptions import Exit

from keepers.cli import units
from keepers.cli.options import Options, command
from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.chain.deployment import Deployment
    from keepers.runtime.checks import Finding
    from keepers.runtime.settings import Settings

ROLES = ("renter", "provider", "agent", "attester", "settler")
FREE_BYTES = 1 << 30  # a node's database of a year; below it a check warns
GAS_LEAST = 10**15  # wei of the native coin: a few transactions on a cheap chain


@command()
@click.argument("role", type=click.Choice(ROLES), required=False)
@click.option("--quick", is_flag=True, help="Without the hardware: for a service's start.")
def check(options: Options, role: str | None, quick: bool) -> None:
    """Test a set-up: settings, record, endpoints, contracts, clock, keys, funds, database, ports, GPUs."""
    findings = run_all(options, role, quick)
    counts = {outcome: sum(f.outcome == outcome for f in findings) for outcome in ("ok", "warn", "fail")}
    data = [
        {"check": f.name, "outcome": f.outcome, "detail": f.detail, "code": f.error.code if f.error else None}
        for f in findings
    ]

    def text() -> str:
        lines = []
        for f in findings:
            lines.append(f" {f.outcome:<5} {f.name:<18} {f.detail}")
            if f.error is not None:
                lines += [f"       next  {fix}" for fix in f.error.next]
        lines.append(" · ".join(f"{name} = {n}" for name, n in counts.items()))
        return "\n".join(lines)

    options.emit("check", {"findings": data, **counts}, text)
    if counts["fail"]:
        raise Exit(9)


def run_all(options: Options, role: str | None, quick: bool) -> list[Finding]:
    """Every finding; what cannot be reached because something before it failed is not listed."""
    from keepers.runtime.checks import Finding
    from keepers.runtime.lifecycle import find_deployment
    from keepers.sdk.connect import load_settings, resolve_network

    found: list[Finding] = []
    try:
        settings = load_settings(options.flags()).settings
    except HearthError as error:
        return [Finding("settings", "fail", error.message, error)]
    found.append(Finding("settings", "ok", "no unknown key"))
    _one(found, "database", lambda: _disk(settings))
    for name in _sections(role, settings):
        _one(found, f"key {name}", lambda name=name: _key(settings, name))  # type: ignore[misc]
    if role in ("provider", "agent") and not quick:
        _one(found, "gpu", _gpu)
    try:
        settings = settings.model_copy(update={"deployment": resolve_network(settings.deployment)})
        record = find_deployment(settings)
    except HearthError as error:
        return [*found, Finding("record", "fail", error.message, error)]
    found.append(Finding("record", "ok", f"{record.network}, chain {record.chain_id}, suite {record.suite_version}"))
    found += _chain(settings, record, role)
    if role == "attester":
        _one(found, "port", lambda: _port(settings))
        _one(found, "prices", lambda: _prices(settings, record))
    return found


def _one(found: list[Finding], name: str, test: Callable[[], tuple[str, str]]) -> None:
    from keepers.runtime.checks import Finding

    try:
        outcome, detail = test()
        found.append(Finding(name, outcome, detail))  # type: ignore[arg-type]
    except HearthError as error:
        found.append(Finding(name, "fail", error.message, error))


def _sections(role: str | None, settings: Any) -> list[str]:
    if role in ("renter", "provider"):
        return ["renter"]
    if role in ("attester", "settler"):
        return [role]
    if role == "agent":
        return ["agent"]
    found = [name for name in ("renter", "attester", "settler") if getattr(settings, name).keystore is not None]
    return found + (["agent"] if settings.agent.nodes else [])


def _key(settings: Any, name: str) -> tuple[str, str]:
    from keepers.sdk.connect import key_of

    if name == "agent":
        section = settings.agent
        if not section.nodes:
            raise HearthError("H1101", "[agent] has no node", next=("hearth node register",), exit_code=4)
        from keepers.chain.keys import open_keystore

        password = section.password.get_secret_value() if section.password else None
        keys = [
            open_keystore(p, password, None if password else p.expanduser().with_suffix(".pass"))
            for p in section.keystores
        ]
        return "ok", ", ".join(f"node {i} {units.short(k.address)}" for i, k in zip(section.nodes, keys, strict=True))
    key = key_of(getattr(settings, name))
    if key is None:
        raise HearthError("H1101", f"[{name}] has no keystore: dry mode", next=(f"hearth init {name}",), exit_code=4)
    return "ok", f"{key.address} opens"


def _disk(settings: Settings) -> tuple[str, str]:
    home = settings.home_path
    place = next(p for p in (home, *home.parents) if p.exists())
    free = shutil.disk_usage(place).free
    return ("ok" if free >= FREE_BYTES else "warn"), f"{home}, {free / 2**30:.1f} GiB free"


def _gpu() -> tuple[str, str]:
    from keepers.cli.hardware import uuids_here

    return "ok", f"{len(uuids_here())} GPUs answer"


def _port(settings: Settings) -> tuple[str, str]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.listen_host, settings.listen_port))
        except OSError as error:
            return (
                "warn",
                f"{settings.listen_host}:{settings.listen_port} {error.strerror}: is the attester running already?",
            )
    return "ok", f"{settings.listen_host}:{settings.listen_port} is free"


def _prices(settings: Any, record: Deployment) -> tuple[str, str]:
    import time

    from keepers.roles.attester.prices import build_sources, median_price
    from keepers.wire.attester_client import make_http

    quote = median_price(build_sources(settings.attester.prices, record.local, make_http()), int(time.time()))
    said = ", ".join(f"{name} {value / 1e12:g}" for name, value in quote.by_source.items())
    return ("warn" if quote.failed else "ok"), f"median {quote.price / 1e12:g} USD of {said}"


def _chain(settings: Settings, record: Deployment, role: str | None) -> list[Finding]:
    from keepers.chain.rpc import ChainRpc, EndpointPool
    from keepers.runtime import checks
    from keepers.runtime.clock import SystemClock

    try:
        pool = EndpointPool(settings.rpc_urls, record.chain_id, timeout=settings.rpc_timeout_s)
    except HearthError as error:
        return [checks.Finding("endpoints", "fail", error.message, error)]
    rpc = ChainRpc(pool)
    found: list[checks.Finding] = []
    for shown, verdict in pool.check_all().items():
        found.append(checks.Finding("endpoint", "ok" if verdict == "ok" else "warn", f"{shown}: {verdict}"))
    try:
        head = rpc.block_by("latest")
        if head is None:
            raise HearthError("H2001", "no endpoint has a block", exit_code=7, retryable=True)
    except HearthError as error:
        return [*found, checks.Finding("chain", "fail", error.message, error)]
    clock = SystemClock(adopt=record.local)
    clock.saw(head.timestamp)
    found += checks.run_checks(
        [
            lambda: checks.check_genesis(rpc, record),
            lambda: checks.check_code(rpc, record, head),
            lambda: checks.check_version(rpc, record, head),
            lambda: checks.check_clock(clock),
        ]
    )
    for name in _sections(role, settings):
        if name != "agent":
            _one(found, f"gas {name}", lambda name=name: _gas(settings, name, rpc, head))  # type: ignore[misc]
    return found


def _gas(settings: Any, name: str, rpc: Any, head: Any) -> tuple[str, str]:
    from keepers.chain.keys import keystore_address

    keystore = getattr(settings, name).keystore
    if keystore is None:
        return "warn", "no key, so nothing to fund"
    address = keystore_address(keystore)
    balance = rpc.balance(address, head)
    return ("ok" if balance >= GAS_LEAST else "warn"), f"{balance / 1e18:.6f} of the native coin at {address}"
