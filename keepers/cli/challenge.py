"""`hearth challenge`: a bad answer to the compute challenge, judged, proven and refuted by whoever holds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from keepers.cli import output, units
from keepers.cli.canaries import canaries
from keepers.cli.files import read_bytes
from keepers.cli.options import FILE, Options, group
from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keepers.sdk.challenges import Bad, Refuted
    from keepers.sdk.client import Hearth
    from keepers.wire.refuting import Judged

FINDER = "watcher or renter"  # whose key pays for a refutation


@group()
def challenge() -> None:
    """Bad answers to the compute challenge: show, prove, refute; canaries, which look for seats that do not look."""


challenge.add_command(canaries)


def _read(hearth: Hearth, source: str, node: int | None) -> tuple[Bad, ...]:
    """The bad answers of a file, a URL, or (an epoch's number) of the seats."""
    from keepers.sdk.challenges import MAX_BYTES
    from keepers.sdk.fetch import fetch_url, is_url

    def fetch(url: str) -> bytes:
        return fetch_url(url, MAX_BYTES, "H1006", "give a file or a seat's /v1/answers/EPOCH/false")

    if source.isascii() and source.isdecimal() and not Path(source).exists():
        if len(source) > 9:
            raise HearthError("H1005", f"{source[:20]} is no epoch")
        return hearth.shown_by_seats(int(source), node, fetch)
    if is_url(source):
        found = hearth.read_bad(fetch(source))
    else:
        found = hearth.read_bad(read_bytes(Path(source), MAX_BYTES))
    return tuple(one for one in found if node in (None, one.answer.node))


def _data(hearth: Hearth, judged: Judged) -> dict[str, Any]:
    """A verdict as JSON data."""
    false = judged.proof is not None
    stake = hearth.at_stake(judged) if false else None
    place = judged.place
    return {
        "node": judged.answer.node,
        "epoch": judged.answer.epoch,
        "gpu": place.gpu,
        "round": place.round,
        "row": place.row,
        "col": judged.proof.shown.col if judged.proof else None,
        "refutable": false,
        "standing": judged.standing.value,
        "why": judged.why,
        "committed": judged.committed if false else None,
        "correct": judged.correct if false else None,
        "loss_wei": str(stake.loss_wei) if stake else None,
        "reward_wei": str(stake.reward_wei) if stake else None,
        "gas": judged.gas if false else None,
        "deadline_at": units.rfc3339(judged.facts.deadline) if judged.facts.deadline else None,
    }


def _text(rows: list[dict[str, Any]]) -> str:
    """Verdicts for people."""
    lines = []
    for row in rows:
        lines += [
            f" node {row['node']}  epoch {row['epoch']}  GPU {row['gpu']}, round {row['round']}, row {row['row']}",
            f"   {row['standing']}",
            f"   why    {row['why']}",
        ]
        if row["refutable"]:
            lines += [
                f"   pays   about {units.say_tokens(int(row['reward_wei']))} to the finder; the provider loses"
                f" {units.say_tokens(int(row['loss_wei']))}, the node is Faulted",
                f"   costs  about {row['gas']:,} gas · until {row['deadline_at']}",
            ]
    return "\n".join(lines) or "nothing is shown as false"


@challenge.command()
@click.argument("source", metavar="FILE|URL|EPOCH")
@click.argument("node", required=False, type=click.IntRange(0, 2**24 - 2))
@click.pass_obj
def show(options: Options, source: str, node: int | None) -> None:
    """Judge bad answers of a file, a URL, or what the seats of an EPOCH show as false (of NODE). Sends nothing."""
    hearth = options.hearth(FINDER)
    rows = [_data(hearth, one) for one in hearth.judge(_read(hearth, source, node))]
    options.emit("challenge", rows, lambda: _text(rows), hearth)
    if any(row["refutable"] for row in rows):
        options.note(f"next  hearth challenge refute {source if not source.isdecimal() else 'FILE'}")


@challenge.command()
@click.argument("file", type=FILE)
@click.option("-o", "--out", "out", required=True, type=FILE, help="Where the proof is written.")
@click.pass_obj
def prove(options: Options, file: Path, out: Path) -> None:
    """Write the proof that an answer of FILE is false, with its calldata. Needs no key and sends nothing."""
    from keepers.sdk.challenges import choose

    hearth = options.hearth(FINDER)
    judged = choose(hearth.judge(_read(hearth, str(file), None)))
    document = hearth.proof_document(judged)
    row = _data(hearth, judged)
    if options.planned(row, hearth):
        return
    try:
        out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        why = (error.strerror or type(error).__name__,)
        raise HearthError("H1006", f"{out} cannot be written", why=why) from None
    options.emit("proof-of-fault", {**row, "file": str(out)}, lambda: f"{_text([row])}\n wrote  {out}", hearth)
    options.note(f"next  hearth challenge refute {out}     whoever sends it must have committed a block before")


@challenge.command()
@click.argument("file", metavar="FILE|PROOF", type=FILE)
@click.pass_obj
def refute(options: Options, file: Path) -> None:
    """Commit, wait for a later block, then refute: the node is Faulted, a fifth of what is slashed is yours.

    Of a file with answers of several nodes each node is refuted, one after another. Run again, it goes on from what
    stands on chain.
    """
    hearth = options.hearth(FINDER)
    bad = _read(hearth, str(file), None)
    done = list(hearth.refuted(bad)) if hearth.has_key else []
    known = {(one.node, one.epoch) for one in done}
    rest = [one for one in bad if (one.answer.node, one.answer.epoch) not in known]
    chosen = _refutable(hearth, rest, bool(done))
    if chosen:
        rows = [_data(hearth, one) for one in chosen]
        options.note("\n".join(map(_plan, rows)))
        options.note(" risk  if another finder is first, the gas of the commitment is lost · cannot be taken back")
        if options.planned(rows, hearth):
            return
        _ = hearth.address
        options.confirm()
    for place, judged in enumerate(chosen):
        try:
            done.append(hearth.refute(judged, options.progress))
        except HearthError as error:
            if len(chosen) > 1:
                options.note(f" done  {place} of {len(chosen)} nodes, then {error.code}; run again, it goes on")
            raise
    options.emit("refuted", output.plain(done), lambda: "\n".join(map(_said, done)), hearth)


def _refutable(hearth: Hearth, bad: Sequence[Bad], some_done: bool) -> tuple[Judged, ...]:
    """What can be refuted. Raises why nothing can, unless something was done before."""
    from keepers.sdk.challenges import choose_all

    judged = hearth.judge(bad)
    if some_done and not any(one.proof for one in judged):
        return ()
    return choose_all(judged)


def _plan(row: dict[str, Any]) -> str:
    return (
        f" plan  commit, then refute the answer of node {row['node']} in epoch {row['epoch']}: {row['why']}\n"
        f" pays  about {units.say_tokens(int(row['reward_wei']))}; the provider loses"
        f" {units.say_tokens(int(row['loss_wei']))}, the node is Faulted\n"
        f" costs about {row['gas']:,} gas · until {row['deadline_at']}"
    )


def _said(made: Refuted) -> str:
    return (
        f"node {made.node} is Faulted for epoch {made.epoch}: {units.say_tokens(made.reward_wei)} came to"
        f" {units.short(made.finder)} in block {made.block}"
    )
