"""`hearth signlog`: what the attester's seat has signed; how a seat moves to another machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from keepers.cli import output, units
from keepers.cli.options import Options, group
from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.chain.deployment import Deployment
    from keepers.chain.keys import Signer
    from keepers.roles.attester.signlog import SignLog

_FILE = click.Path(path_type=Path)
SHOWN = 10
_SAID = {"new": "new: listens one epoch before it signs", "retired": "retired: signs no more"}


@group(default="show")
def signlog() -> None:
    """The seat's sign log: show, verify, export, import. It is what keeps the seat from signing twice."""


@signlog.command()
@click.option("--rows", type=click.IntRange(1, 1_000), default=SHOWN, help="Newest signatures to show.")
@click.pass_obj
def show(options: Options, rows: int) -> None:
    """Where the log stands and what was signed last. Needs the attester to be stopped: the log has one holder."""
    with _opened(options) as (log, _):
        newest = log.rows(rows)
        data = {
            "scope": log.scope,
            "log": log.log,
            "state": log.state,
            "watermark": log.watermark(),
            "floor": log.floor,
            "newest_of_this_boot": log.newest,
            "rows": [output.plain(row) for row in newest],
        }

    def text() -> str:
        lines = [
            f" seat       {data['scope']}",
            f" state      {_SAID.get(str(data['state']), data['state'])}",
            f" watermark  epoch {data['watermark']}"
            + (f", declared lost or taken over through epoch {data['floor']}" if data["floor"] else ""),
        ]
        table = [[r.kind, str(r.epoch), str(r.view & 0xFFFF), "0x" + r.digest.hex(), str(r.serial)] for r in newest]
        return "\n".join([*lines, "", output.table(["kind", "epoch", "view", "digest", "row"], table, 120)])

    options.emit("signlog", data, text)


@signlog.command()
@click.pass_obj
def verify(options: Options) -> None:
    """Check that every row is bound to those before it, and that the mirror, if one is set, has no others."""
    mirror = _settings(options).attester.signlog_mirror
    with _opened(options) as (log, _):
        data = {"rows": log.verify(), "watermark": log.watermark(), "mirror": None if mirror is None else str(mirror)}
        if mirror is not None:
            log.mirror_to(mirror)
    same = "" if mirror is None else f"; {mirror} has the same"
    options.emit("signlog", data, lambda: f"ok  {data['rows']} rows, each bound to those before it{same}")


@signlog.command()
@click.argument("file", type=_FILE)
@click.option("--retire", is_flag=True, help="From now on this machine signs no more for the seat.")
@click.pass_obj
def export(options: Options, file: Path, retire: bool) -> None:
    """Write the log for another machine, signed by the seat's key. Refused while the attester runs."""
    from keepers.chain.keys import write_private
    from keepers.roles.attester import interchange

    with _opened(options) as (log, signer):
        if retire:
            options.note(f" plan  retire the log of {log.scope}: this machine will sign no more for the seat")
            if options.planned({"scope": log.scope, "retire": True}):
                return
            options.confirm_name(signer.address[:10], "retiring the sign log")
            log.retire()  # before the file exists: whoever has the file may sign
        data = {"file": str(file), "watermark": log.watermark(), "state": log.state}
        write_private(file, interchange.export(log, signer))
    options.emit("signlog", data, lambda: f"wrote {file}: through epoch {data['watermark']}, {data['state']}")
    options.note(
        f"next  on the new machine: hearth signlog import {file.name}"
        if retire
        else "note  this log is still in use; only one that is retired can be imported elsewhere"
    )


@signlog.command("import")
@click.argument("file", type=_FILE, required=False)
@click.option("--watermark", type=click.IntRange(1, 2**32 - 1), metavar="EPOCH", help="Declare all before it lost.")
@click.pass_obj
def import_(options: Options, file: Path | None, watermark: int | None) -> None:
    """Take over a retired log, or declare a lost one through EPOCH. Only ever forward.

    Either way the seat then listens for one whole epoch before it signs.
    """
    from keepers.roles.attester import interchange

    if (file is None) == (watermark is None):
        raise HearthError("H1005", "give a FILE, or --watermark EPOCH")
    with _opened(options, fresh=True) as (log, _):
        if watermark is not None:
            closed = _ahead(options, watermark)
            options.note(
                f" plan  {log.scope}: nothing is signed where it may have signed through epoch {watermark}\n"
                f" risk  the seat signs nothing before {units.say_when(int(closed))}; a watermark cannot be taken back"
            )
            if options.planned({"scope": log.scope, "watermark": watermark}):
                return
            options.confirm()
            log.raise_floor(watermark, closed)
        else:
            assert file is not None
            interchange.take_over(log, _read(file))
        data = {"watermark": log.watermark(), "state": log.state}
    options.emit("signlog", data, lambda: f"ok  through epoch {data['watermark']}; it listens one epoch, then signs")
    options.note("next  hearth check attester, then start it")


def in_words(options: Options) -> str:
    """State of the log of [attester], for `hearth seat`; empty where the config has no attester."""
    from keepers.sdk.connect import load_settings

    if load_settings(options.flags()).section("attester").keystore is None:
        return ""
    try:
        with _opened(options) as (log, _):
            return f"{_SAID.get(log.state, log.state)}, through epoch {log.watermark()}"
    except HearthError as error:
        if error.code == "H6403":
            return "in use: the attester of this machine runs"
        if error.code == "H1006":
            return "none yet: the first start makes it, and listens for one epoch"
        return f"{error.message} ({error.code})"


def _ahead(options: Options, watermark: int) -> float:
    """The time at which the observation of that epoch is due: what opens later is free again.

    Raises H1005 unless the epoch is the present one or later: an earlier self may have signed up to now.
    """
    hearth = options.hearth()
    calendar = hearth.deployment.clock()
    present = calendar.epoch(hearth.reader.head().timestamp)
    if watermark < present:
        raise HearthError(
            "H1005",
            f"epoch {watermark} has passed: what was lost may have signed up to epoch {present}",
            next=(f"hearth signlog import --watermark {present}",),
        )
    return float(calendar.end(watermark) + hearth.deployment.allowances.freeze)


def _read(file: Path) -> str:
    from keepers.roles.attester.interchange import MAX_BYTES

    try:
        with file.open("rb") as source:
            return source.read(MAX_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HearthError("H1006", f"{file} cannot be read", why=(str(error),)) from None


def _settings(options: Options) -> Any:
    from keepers.sdk.connect import load_settings

    return load_settings(options.flags()).settings


@contextmanager
def _opened(options: Options, fresh: bool = False) -> Iterator[tuple[SignLog, Signer]]:
    """The log of the attester that the settings name, locked; made where there is none if `fresh`.

    Raises H1101 (no key), H6403 (it is running), H1006 (no log).
    """
    from keepers.roles.attester.signlog import file_beside
    from keepers.runtime.lifecycle import find_deployment
    from keepers.sdk.connect import key_of, resolve_network

    settings = _settings(options)
    signer = key_of(settings.attester)
    if signer is None:
        raise HearthError("H1101", "[attester] has no keystore", next=("hearth init attester",))
    record = find_deployment(settings.model_copy(update={"deployment": resolve_network(settings.deployment)}))
    url = settings.database(record.network)
    path = file_beside(url)
    if path is not None and not path.exists() and not fresh:
        raise HearthError("H1006", f"there is no sign log at {path} yet", next=("hearth attester makes it",))
    with opened(url, record, signer.address) as log:
        yield log, signer


@contextmanager
def opened(url: str, record: Deployment, seat: str) -> Iterator[SignLog]:
    """The log of a seat that belongs to the role's database at `url`, locked. Raises H6403 where it is in use."""
    from keepers.roles.attester.signlog import SignLog, file_beside, scope_of
    from keepers.store.engine import open_engine

    scope = scope_of(record.chain_id, record.address("AttestationHub"), seat)
    path = file_beside(url)
    if path is not None:
        log = SignLog.at(path, scope, machine_wide=not record.local)
    else:
        log = SignLog.on_server(open_engine(url), scope)
    try:
        yield log
    finally:
        log.close()
