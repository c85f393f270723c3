"""`hearth challenge canaries`: challenges that the agent's nodes failed on purpose, and the seats that passed them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from keepers.cli import units
from keepers.cli.files import read_bytes
from keepers.cli.options import FILE, Options, command
from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.roles.agent.canaries import Stored
    from keepers.sdk.client import Hearth
    from keepers.wire.canary_file import Accused, Canary
    from keepers.wire.committee import Committees

MAX_BYTES = 16 << 20  # of a canary with the observations of a whole committee of a large network


@command()
@click.argument("file", required=False, type=FILE)
@click.option(
    "-o", "--out", "out", type=FILE, help="A folder: each opened canary that accuses a seat is written there."
)
def canaries(options: Options, file: Path | None, out: Path | None) -> None:
    """Canaries of this machine's agent, opened a day after their epoch, or the check of one in a FILE.

    A canary is evidence for the owner of the network that a seat passes who it has not looked at. Nobody is slashed.
    """
    if file is not None and out is not None:
        raise HearthError("H1005", "give a FILE to check, or --out to write, not both")
    hearth = options.hearth()
    if file is not None:
        _check(options, hearth, file)
        return
    from keepers.roles.agent.canaries import stored
    from keepers.sdk.connect import load_settings
    from keepers.store.migrations import open_store

    settings = load_settings(options.flags()).settings
    store = open_store(settings.database(hearth.deployment.network))
    try:
        found = [one for one in stored(store) if one.played]
    finally:
        store.close()
    committees = _committees(hearth)
    rows = [_row(hearth, one, committees) for one in found]
    written = _write(hearth, out, found, rows) if out is not None else []
    options.emit("canaries", rows, lambda: _text(rows), hearth)
    for path in written:
        options.note(f" wrote  {path}")
    if any(row["state"] == "accuses" for row in rows) and out is None:
        options.note(
            "next  hearth challenge canaries -o FOLDER     writes the evidence; its reader checks it the same way"
        )


def _check(options: Options, hearth: Hearth, file: Path) -> None:
    from keepers.wire import canary_file

    found = canary_file.read(read_bytes(file, MAX_BYTES), *_domains(hearth))
    accused = _accused(hearth, found, _committees(hearth))
    data = {**_opened(found), "state": "accuses", "accused": _data(accused)}
    options.emit("canaries", [data], lambda: _text([data]), hearth)


def _domains(hearth: Hearth) -> tuple[Any, Any]:
    from keepers.protocol.messages import Domain

    record = hearth.deployment
    return Domain(record.chain_id, record.address("AttestationHub")), hearth.challenge_domain


def _committees(hearth: Hearth) -> Committees:
    from keepers.wire.committee import Committees

    made = Committees(hearth.reader, hearth.deployment.first_block)
    made.refresh(hearth.reader.head())
    return made


def _accused(hearth: Hearth, found: Canary, committees: Committees) -> tuple[Accused, ...]:
    from keepers.wire import canary_file

    return canary_file.check(found, hearth.reader, committees, *_domains(hearth), hearth.reader.head())


def _opened(found: Canary) -> dict[str, Any]:
    return {"node": found.node, "epoch": found.epoch, "how": found.how}


def _data(accused: tuple[Accused, ...]) -> list[dict[str, Any]]:
    return [{"seat": one.seat, "account": one.account} for one in accused]


def _row(hearth: Hearth, one: Stored, committees: Committees) -> dict[str, Any]:
    """A canary as JSON data; of one that is younger than a day nothing but the commitment."""
    found, calendar = one.canary, hearth.calendar
    opens = calendar.end(found.epoch) + calendar.period_seconds
    commitment = "0x" + found.commitment(hearth.challenge_domain).hex()
    if hearth.reader.head().timestamp < opens:
        return {"state": "sealed", "commitment": commitment, "opens_at": units.rfc3339(opens)}
    if not one.collected:
        return {**_opened(found), "state": "not asked", "commitment": commitment, "accused": []}
    try:
        accused = _accused(hearth, found, committees) if found.observations else ()
    except HearthError as error:
        return {
            **_opened(found),
            "state": "proves nothing",
            "commitment": commitment,
            "accused": [],
            "why": error.why[0],
        }
    state = "accuses" if accused else "nobody"
    return {**_opened(found), "state": state, "commitment": commitment, "accused": _data(accused)}


def _text(rows: list[dict[str, Any]]) -> str:
    """Canaries for people."""
    lines = []
    for row in rows:
        if row["state"] == "sealed":
            lines.append(f" sealed  {row['commitment'][:18]}…  opens {row['opens_at']}")
            continue
        seats = ", ".join(f"seat {one['seat']} ({one['account']})" for one in row["accused"])
        said = {
            "accuses": f"passed by {seats}, which had not looked",
            "nobody": "no seat said that it passed",
            "not asked": "the seats could not be asked",
            "proves nothing": f"what was kept proves nothing: {row.get('why')}",
        }[row["state"]]
        lines.append(f" node {row['node']}  epoch {row['epoch']}  failed on purpose ({row['how']}): {said}")
    return "\n".join(lines) or "no canary was played: [agent] canary_bps says how many are"


def _write(hearth: Hearth, folder: Path, found: list[Stored], rows: list[dict[str, Any]]) -> list[Path]:
    """Writes the documents of those that accuse; their paths."""
    from keepers.wire.canary_file import document

    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for one, row in zip(found, rows, strict=True):
            if row["state"] == "accuses":
                path = folder / f"canary-{row['epoch']}-{row['node']}.json"
                path.write_text(json.dumps(document(one.canary, *_domains(hearth)), indent=1) + "\n", encoding="utf-8")
                paths.append(path)
    except OSError as error:
        why = (error.strerror or type(error).__name__,)
        raise HearthError("H1006", f"{folder} cannot be written", why=why) from None
    return paths
