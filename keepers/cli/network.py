"""`hearth network`: the networks this machine knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from keepers.cli import output, units
from keepers.cli.options import FILE, Options, group
from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.sdk.types import HubView


@group(default="list")
def network() -> None:
    """Networks: list, show, status, add, use."""


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
@click.option("--epochs", type=click.IntRange(1, 200), default=6, show_default=True, help="How many to show.")
@click.pass_obj
def status(options: Options, epochs: int) -> None:
    """How the network stands: entries, price, reports and who signed them, committee."""
    hearth = options.hearth()
    view = hearth.hub_status(epochs)
    options.emit("hub", _hub_data(view), lambda: _hub_text(view), hearth)


def _hub_data(view: HubView) -> dict[str, Any]:
    rows = [
        {**output.plain(row), "usable_at": units.rfc3339(row.usable_at) if row.usable_at > 1 else None}
        for row in view.epochs
    ]
    times = {name: getattr(view, name) for name in ("now", "paused_until", "stamp_at", "due_at")}
    said = {name: units.rfc3339(second) if second else None for name, second in times.items()}
    return {**output.plain(view), **said, "epochs": rows}


def _hub_text(view: HubView) -> str:
    age = units.say_duration(max(0, view.now - view.stamp_at))
    flags = [word for word, on in (("clamped", view.clamped), ("stale", view.stale)) if on]
    lines = [
        f" entries   {f'CLOSED: {view.closed}' if view.closed else 'open'}"
        + (f" · {_lifted(view)}" if view.paused else ""),
        f" price     ${view.price / 1e12:.4f} · average ${view.twap / 1e12:.4f} · {age} old"
        + "".join(f" · {flag}" for flag in flags),
        f" reports   {_reports(view)}",
        f" committee {_committee(view)}",
    ]
    if view.clamped:
        lines.append(
            " clamped   the last median lay outside of what the price may move in an epoch: the next report moves on"
        )
    rows = [
        [
            str(row.epoch),
            row.state + (": void, nobody was observed" if row.void else ""),
            units.say_time(row.usable_at) if row.usable_at > 1 else "-",
            f"{len(row.signers)}/{row.seats}" if row.seats else "-",
            str(row.cancels) if row.cancels else "-",
            " ".join(units.short(who) for who in row.signers),
        ]
        for row in view.epochs
    ]
    headers = ["epoch", "state", "usable from", "signed", "fell", "by"]
    return "\n".join([*lines, "", output.table(headers, rows, 160)] if rows else lines)


def _lifted(view: HubView) -> str:
    if not view.paused_until:
        return "only the owner opens them"
    if view.paused_until <= view.now:
        return "anyone may lift the pause now (AttestationHub.unpause)"
    return f"anyone may lift the pause from {units.say_time(view.paused_until)}"


def _reports(view: HubView) -> str:
    due = f"epoch {view.due_epoch} is next"
    if view.now < view.due_at:
        due += f", over in {units.say_duration(view.due_at - view.now)}"
    elif view.behind > 1:
        due += f", BEHIND: {view.behind} epochs are over and not reported"
    else:
        due += f", over for {units.say_duration(view.now - view.due_at)}"
    usable = f"through epoch {view.newest_usable}" if view.newest_usable else "none yet"
    return f"epoch {view.epoch} runs · reported through {view.last_epoch} · usable {usable} · {due}"


def _committee(view: HubView) -> str:
    if view.present is None:
        return "none is in force: nothing can be reported"
    faulty = (view.present.seats - 1) // 3
    said = (
        f"{view.present.seats} seats, {view.quorum} sign, {faulty} may fail · generation {view.present.generation}"
        f" since epoch {view.present.start}"
    )
    coming = view.coming
    return said + (f" · generation {coming.generation}: {coming.seats} from epoch {coming.start}" if coming else "")


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
