"""`hearth init ROLE`: a config and keys; sends nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from keepers.cli.config import write_setting, write_settings
from keepers.cli.keyfiles import make_password
from keepers.cli.options import Options, command
from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.cli.market import Machine

ROLES = ("renter", "provider", "attester", "settler", "watcher")


@command()
@click.argument("role", type=click.Choice(ROLES))
@click.option("--payout", metavar="ADDRESS", help="Provider: where pay goes; a cold wallet is advised.")
def init(options: Options, role: str, payout: str | None) -> None:
    """Make keys for a role and write its section of the config. What is there already is kept; nothing is sent."""
    from keepers.sdk.connect import load_settings

    if options.config and not Path(options.config).exists():
        write_settings({}, options.config)
    settings = load_settings(options.flags()).settings
    folder = settings.home_path / "keys"
    lines: list[str] = []
    data: dict[str, Any] = {"role": role}
    wanted = {"provider": ["renter", "node-0"]}
    for name in wanted.get(role, [role]):
        keystore, address, fresh = _key(folder, name)
        label = {"renter": "operator" if role == "provider" else "key", "node-0": "node"}.get(name, "key")
        lines.append(f"{label:<9} {address}   {keystore} (0600){'' if fresh else '  kept'}")
        data[label] = {"address": address, "keystore": str(keystore)}
        if name != "node-0":
            target = write_setting(f"{name}.keystore", str(keystore), options.config)
            write_setting(f"{name}.password_file", str(keystore.with_suffix(".pass")), options.config)
            data["config"] = str(target)
    if role == "provider":
        lines.insert(0, f"hardware  {_hardware()}")
    if options.network or options.manifest:
        place = str(options.manifest or options.network)
        write_setting("deployment", str(Path(place).absolute()) if place.endswith(".json") else place, options.config)
    if options.rpc:
        write_setting("rpc_urls", "[" + ", ".join(f'"{url}"' for url in options.rpc.split(",")) + "]", options.config)
    lines.append(f"wrote     {data['config']}")
    lines += _chain_lines(options, role, data)
    lines.append(
        "note      the password beside its keystore protects backups, not this disk: move it where only you read it"
    )
    nexts = {
        "renter": "fund the key with gas and tokens, then: hearth check renter",
        "provider": "fund the operator (gas, tokens), then: hearth check provider, hearth node register --price USD"
        + (f" --payout {payout}" if payout else ""),
        "attester": "fund the key, then: hearth check attester, hearth seat join --endpoint URL; once the owner has"
        " proposed it: hearth seat apply, hearth up --service",
        "settler": "fund the key with gas, then: hearth check settler, hearth up --service",
        "watcher": "hearth watcher --once looks without gas; to submit: fund the key, hearth config set watcher.submit"
        " true, hearth check watcher, hearth up --roles watcher --service",
    }
    options.emit("init", data, lambda: "\n".join(lines))
    options.note(f"next  {nexts[role]}")


def _chain_lines(options: Options, role: str, data: dict[str, Any]) -> list[str]:
    """How much the key needs and what the market asks: only looked up, and only where the chain answers."""
    from keepers.cli.market import fund_line, market_line

    account = data["operator" if role == "provider" else "key"]["address"]
    section = "renter" if role == "provider" else role
    machine = _machine() if role == "provider" else None
    try:
        hearth = options.hearth()
        fund, data["fund"] = fund_line(hearth, section, account, machine)
        lines = [f"fund      {fund}"]
        if machine is not None:
            market, data["market"] = market_line(hearth, machine)
            lines.append(f"market    {market}")
        return lines
    except HearthError as error:
        data["fund"] = None
        return [f"fund      {account} (how much is not known: {error.message}; later: hearth check {role})"]


def _machine() -> Machine | None:
    from keepers.cli.hardware import class_here, uuids_here
    from keepers.cli.market import Machine

    try:
        return Machine(class_here(), len(uuids_here()))
    except HearthError:
        return None


def _key(folder: Path, name: str) -> tuple[Path, str, bool]:
    from keepers.chain.keys import keystore_address, new_signer, write_keystore

    path = folder / f"{name}.json"
    if path.exists():
        return path, keystore_address(path), False
    password = make_password(path.with_suffix(".pass"))
    _, secret = new_signer()
    return path, write_keystore(path, secret, password), True


def _hardware() -> str:
    from keepers.gpu.classes import classify
    from keepers.gpu.sampler import UNKNOWN, Sampler

    sampler = Sampler()
    telemetry = sampler.sample()
    if telemetry.state == UNKNOWN:
        return f"unknown: {telemetry.cause}   (hearth check provider says more)"
    said = []
    for identity in sampler.identities():
        known = classify(identity.name, identity.pci_device, identity.memory_mib, identity.pci_vendor)
        said.append(f"{identity.name} -> {known.name if known else 'no class of ours'}")
    return " · ".join(said)
