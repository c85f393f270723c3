"""`hearth up`, `hearth agent`, `hearth attester`, `hearth settler`, `hearth watcher`: the daemons."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.exceptions import Exit

from keepers.cli.options import Options, command
from keepers.protocol.errors import HearthError
from keepers.protocol.units import GWEI, WAD

if TYPE_CHECKING:
    from keepers.chain.deployment import Deployment
    from keepers.chain.keys import Signer
    from keepers.runtime.role import Role
    from keepers.runtime.settings import Settings

ROLES = ("agent", "attester", "settler", "watcher")


@command()
@click.option("--roles", metavar="A,B", help="Which roles; those that the config has keys for by default.")
@click.option("--service", is_flag=True, help="Write a systemd unit of this user and start it, instead of running.")
def up(options: Options, roles: str | None, service: bool) -> None:
    """Run the roles of this config in one process, until SIGTERM."""
    names = roles.split(",") if roles else None
    if service:
        _service(options, names)
    else:
        _run(options, names)


@command()
def agent(options: Options) -> None:
    """Run an agent: samples the GPUs of its nodes and signs a heartbeat in every slot."""
    _run(options, ["agent"])


@command()
def attester(options: Options) -> None:
    """Run an attester: a seat of the committee."""
    _run(options, ["attester"])


@command()
def settler(options: Options) -> None:
    """Run a settler: permissionless upkeep for a bounty."""
    _run(options, ["settler"])


def _service(options: Options, names: list[str] | None) -> None:
    """Write the unit; start it where a systemd answers and the answer is yes. With --dry-run: print it."""
    from pathlib import Path

    from keepers.cli import service
    from keepers.cli.config import default_target
    from keepers.sdk.connect import chosen_record, load_settings

    settings = load_settings(options.flags()).settings
    wanted = _wanted(settings, names)
    chosen_record(options.flags())
    config = (Path(options.config) if options.config else default_target()).absolute()
    if not config.is_file():
        raise HearthError(
            "H1002", f"the service needs a config file, there is none at {config}", next=("hearth init ROLE",)
        )
    name = "provider" if "agent" in wanted else wanted[0]
    role = "agent" if "agent" in wanted else wanted[0]
    text = service.unit_text(wanted, config, settings.home_path.absolute(), role)
    path = service.unit_path(name)
    if options.dry_run:
        options.emit("unit", {"unit": str(path), "text": text}, lambda: text.rstrip())
        return
    service.write_unit(path, text)
    commands = [" ".join(command) for command in service.start_commands(path)]
    started = service.has_systemd() and (options.yes or sys.stdin.isatty())
    if started:
        options.note(" plan  " + " · ".join(commands))
        options.confirm()
        service.start(path)
    data = {"unit": str(path), "roles": wanted, "started": started, "commands": commands}
    said = "started" if started else "not started"
    options.emit("unit", data, lambda: f"wrote {path} · {said}")
    if started:
        options.note(f"next  journalctl --user -u {path.stem}")
    else:
        options.note("next  " + "\n      ".join(commands))


def _wanted(settings: Settings, names: list[str] | None) -> list[str]:
    """Which roles to run. Raises H1005 (an unknown one), H1101 (the config has a key for none)."""
    wanted = names or configured(settings)
    unknown = [name for name in wanted if name not in ROLES]
    if unknown:
        raise HearthError("H1005", f"there is no role {unknown[0]!r}", next=(f"--roles {','.join(ROLES)}",))
    if not wanted:
        raise HearthError("H1101", "the config has no key for any role", next=("hearth init ROLE",))
    return list(dict.fromkeys(wanted))


def _run(options: Options, names: list[str] | None) -> None:
    from keepers.sdk.connect import load_settings

    settings = load_settings(options.flags()).settings
    run_roles(options, settings, _wanted(settings, names))


def run_roles(options: Options, settings: Settings, wanted: list[str]) -> None:
    """These roles in one process, until SIGTERM or a fatal error."""
    from keepers.runtime import lifecycle
    from keepers.sdk.connect import resolve_network

    settings = settings.model_copy(update={"deployment": resolve_network(settings.deployment)})
    record = lifecycle.find_deployment(settings)
    roles = [build_role(name, settings, record) for name in wanted]
    dry = options.dry_run
    if dry:
        options.note("dry mode: decides and logs, sends nothing")
    app = lifecycle.build(settings, roles, deployment=record, dry=dry)
    code = app.run()
    if code:
        raise Exit(code)


def configured(settings: Settings) -> list[str]:
    """Roles for which the config has keys."""
    sections: Any = settings
    found = ["agent"] if sections.agent.nodes else []
    found += ["attester"] if sections.attester.keystore else []
    found += ["settler"] if sections.settler.keystore else []
    found += ["watcher"] if sections.watcher.keystore else []
    return found


def build_role(name: str, settings: Settings, record: Deployment) -> Role[Any, Any]:
    """A role from its section of the settings. Raises H1101 (no key), H1001 (stand-in on a public network)."""
    sections: Any = settings
    if name == "agent":
        return _agent(sections, record)
    from keepers.sdk.connect import key_of

    section = getattr(sections, name)
    key = key_of(section)
    if name == "watcher":
        return _watcher(section, key)
    if key is None:
        raise HearthError(
            "H1101",
            f"no key is configured for the {name}",
            next=("hearth key new", f"hearth config set {name}.keystore FILE"),
        )
    if name == "attester":
        from keepers.roles.attester.prices import build_sources
        from keepers.roles.attester.role import Attester
        from keepers.wire.attester_client import make_http

        sources = build_sources(section.prices, record.local, make_http())
        return Attester(key, sources, mirror=section.signlog_mirror)
    from keepers.roles.settler.decide import Policy
    from keepers.roles.settler.role import Settler

    policy = Policy(
        jail=section.jail,
        upkeep=section.upkeep,
        redeem=section.redeem,
        providers=frozenset(section.providers),
        native_usd=int(section.native_usd * 10**12),
    )
    return Settler(key, policy)


def _watcher(section: Any, key: Signer | None) -> Role[Any, Any]:
    """Without a key it looks and alarms. Raises H1101 where it is to send and has none."""
    from keepers.roles.watcher.role import Policy, Watcher

    if section.submit and key is None:
        raise HearthError(
            "H1101", "watcher.submit is set, and no key is configured for the watcher", next=("hearth init watcher",)
        )
    return Watcher(key, Policy(section.submit, section.unpaid, int(section.native_usd * 10**12)))


def _agent(sections: Any, record: Deployment) -> Role[Any, Any]:
    from keepers.chain.keys import open_keystore
    from keepers.gpu.prover import ChildProver
    from keepers.gpu.sampler import Sampler
    from keepers.gpu.stand_in import StandIn
    from keepers.roles.agent.decide import CheckInPolicy
    from keepers.roles.agent.heartbeat import NodeKey
    from keepers.roles.agent.role import Agent

    section = sections.agent
    if not section.nodes:
        raise HearthError(
            "H1101",
            "the agent has no node",
            why=("[agent] nodes and keystores are empty",),
            next=("hearth node register",),
        )
    password = section.password.get_secret_value() if section.password else None
    nodes = []
    for i, (index, path) in enumerate(zip(section.nodes, section.keystores, strict=True)):
        beside = path.expanduser().with_suffix(".pass")
        key = open_keystore(path, password, None if password else beside)
        declared = section.stand_in[i] if section.stand_in else ""
        if declared and not record.local:
            raise HearthError(
                "H1001", "agent.stand_in is for local networks: this one is public", next=("remove that setting",)
            )
        if declared:
            model, count, label = declared.split(":")
            nodes.append(NodeKey(index, key, StandIn(model, int(count), label)))
        else:
            chosen = section.gpus[i] if section.gpus else ""
            gpus = [int(gpu) for gpu in chosen.split(",")] if chosen else None
            nodes.append(NodeKey(index, key, Sampler(gpus=gpus), tuple(gpus or ())))
    policy = CheckInPolicy(int(section.check_in_daily * WAD), int(sections.fees.tip_gwei * GWEI))
    prover = None
    if section.prover != "off":
        # its child begins with the first challenge, so never where no node is of a challenged class
        prover = ChildProver(section.prover, int(section.prover_memory_gib * 2**30))
    return Agent(
        nodes, check_in=policy if section.check_in == "auto" else None, prover=prover, canary_bps=section.canary_bps
    )
