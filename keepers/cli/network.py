"""`hearth network`: the networks this machine knows."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from keepers.cli import output, units
from keepers.cli.options import FILE, Options, group
from keepers.protocol.errors import HearthError


@group(default="list")
def network() -> None:
    """Networks: list, show, add, use."""


def folder() -> Path:
    """Where added records lie."""
    from keepers.runtime.settings import default_files

    return default_files()[1].parent / "networks"


@network.command("list")
@click.pass_obj
def list_(options: Options) -> None:
    """Records that come with the package, and those added here."""
    from keepers.chain.deployment import load_record, shipped

    places = [(name, "shipped") for name in shipped()]
    places += [(str(path), "added") for path in sorted(folder().glob("*.json"))] if folder().is_dir() else []
    rows = []
    for place, origin in places:
        try:
            record = load_record(place)
            rows.append(
                {
                    "network": record.network,
                    "chain_id": record.chain_id,
                    "local": record.local,
                    "origin": origin,
                    "place": place,
                }
            )
        except HearthError as error:
            rows.append(
                {
                    "network": Path(place).stem,
                    "chain_id": 0,
                    "local": False,
                    "origin": f"damaged: {error.message}",
                    "place": place,
                }
            )
    table = [
        [r["network"], str(r["chain_id"]), "local" if r["local"] else "public", r["origin"], r["place"]] for r in rows
    ]
    options.emit(
        "networks",
        rows,
        lambda: (
            output.table(["network", "chain", "kind", "origin", "record"], [[str(c) for c in r] for r in table])
            if table
            else "no network is known yet\nnext  hearth network add FILE    or    hearth demo"
        ),
    )


@network.command()
@click.argument("name", required=False)
@click.pass_obj
def show(options: Options, name: str | None) -> None:
    """A record: contracts, lengths, parameters."""
    from keepers.chain.deployment import load_record

    place = name or options.manifest or options.network
    if place is None:
        from keepers.sdk.connect import chosen_record

        place = chosen_record(options.flags())
    record = load_record(_resolve(place))
    calendar = record.clock()

    def text() -> str:
        lines = [
            f"{record.network}  chain {record.chain_id} · {'local' if record.local else 'public'} · suite"
            f" {record.suite_version}"
            f" · finality {record.finality.kind} {record.finality.value}",
            f"slot {calendar.slot} s · epoch {calendar.epoch_seconds} s · period"
            f" {units.say_duration(calendar.period_seconds)}"
            f" · genesis {units.say_when(calendar.genesis)}",
        ]
        rows = [[name, c.address, str(c.block)] for name, c in record.contracts.items()]
        return "\n".join([*lines, output.table(["contract", "address", "block"], rows)])

    options.emit("network", record.model_dump(by_alias=True), text)


@network.command()
@click.argument("file", type=FILE)
@click.pass_obj
def add(options: Options, file: Path) -> None:
    """Check a record and keep a copy, by its network's name."""
    from keepers.chain.deployment import load_record

    place = f"./{file}" if "/" not in str(file) else str(file)
    record = load_record(place)
    target = folder() / f"{record.network}.json"
    if target.exists() and target.read_text(encoding="utf-8") != record.dump():
        options.confirm(f"{target} holds another record of {record.network}. Replace it?")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(record.dump(), encoding="utf-8")
    options.emit(
        "network", {"network": record.network, "record": str(target)}, lambda: f"added {record.network}: {target}"
    )
    options.note(f"next  hearth network use {record.network}")


@network.command()
@click.argument("name")
@click.pass_obj
def use(options: Options, name: str) -> None:
    """Make a network the default of this user."""
    from keepers.chain.deployment import load_record
    from keepers.cli.config import write_setting

    place = _resolve(name)
    record = load_record(place)
    path = write_setting("deployment", place, options.config)
    options.emit(
        "network",
        {"network": record.network, "chain_id": record.chain_id, "config": str(path)},
        lambda: f"{record.network} (chain {record.chain_id}) is the default: {path}",
    )
    options.note("next  hearth init ROLE, or hearth check")


def _resolve(name: str) -> str:
    """An added network by its name, else what was given."""
    added = folder() / f"{name}.json"
    return str(added) if "/" not in name and added.is_file() else name
