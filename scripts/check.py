"""ape run check: re-reads the chain and compares it with a deployment record. Reads only; exit 9 on a difference."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from scripts import _ape
from scripts._check import DIFFERS, NOTE, check_all, short
from scripts._deployment import artifacts_of_suite
from scripts._errors import DeployError
from scripts._record import read_record


@click.command(short_help="Compare a deployment with its record")
@click.option("--record", "record_file", required=True, type=click.Path(path_type=Path), help="The deployment record.")
@click.option("--network", help="eco:net:provider as ape knows it, or the URL of a node. No default.")
@click.option("--all", "all_", is_flag=True, help="Print what agrees too.")
@click.option("--json", "as_json", is_flag=True, help="Findings as JSON.")
def cli(record_file: Path, network: str | None, all_: bool, as_json: bool) -> None:
    """Compares code, immutables both ways, roles and parameters of a deployed suite with its record."""
    if network is None:
        raise DeployError(
            "H1003", "--network is missing", "no script has a default network", "--network eco:net:provider or URL"
        )
    record = read_record(str(record_file))
    artifacts = artifacts_of_suite()
    with _ape.connected(network) as connection:
        findings = check_all(connection, record, artifacts)
    different = [f for f in findings if f.status == DIFFERS]
    if as_json:
        click.echo(json.dumps({"schema": "hearth.check/1", "data": [asdict(f) for f in findings]}, indent=1))
    else:
        shown = findings if all_ else [f for f in findings if f.status in (DIFFERS, NOTE)]
        for f in shown:
            line = f" {f.status:<8} {f.contract:<16} {f.what:<30}"
            click.echo(
                line + (f" {f.chain}" if f.status == NOTE else f" record {short(f.record)} · chain {short(f.chain)}")
            )
        click.echo(f"check  {record.network} ({record.chain_id}): {len(findings)} compared, {len(different)} differ")
    if different:
        names = ", ".join(dict.fromkeys(f"{f.contract} {f.what}" for f in different[:4]))
        raise DeployError("H7115", "the chain differs from the record", names, "do not use this network")
