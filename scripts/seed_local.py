"""ape run seed_local: test tokens, a committee and more classes for a local network. Refuses any other."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from scripts import _ape
from scripts import _deployment as d
from scripts._errors import DeployError
from scripts._plan import Call
from scripts._profile import HardwareClass
from scripts._record import read_record, with_attesters, write_record
from scripts._wiring import class_row, committee_call


def pairs(values: tuple[str, ...], option: str) -> list[tuple[str, str]]:
    """`A=B` of a repeated option. Raises H7114 with the value that is not one."""
    rows = []
    for value in values:
        left, equals, right = value.partition("=")
        if not equals or not left or not right:
            raise DeployError("H7114", f"--{option} {value!r} is not of the form A=B", exit_code=2)
        rows.append((left, right))
    return rows


def wei(text: str) -> int:
    """Whole or decimal tokens as wei."""
    try:
        return int(Decimal(text).scaleb(18))
    except (InvalidOperation, ValueError):
        raise DeployError("H7114", f"{text!r} is not an amount of tokens", exit_code=2) from None


def address(text: str) -> str:
    """A checksummed address. Raises H7114."""
    from eth_utils import is_hex_address, to_checksum_address

    if not is_hex_address(text):
        raise DeployError("H7114", f"{text!r} is not an address", exit_code=2)
    return str(to_checksum_address(text))


@click.command(short_help="Test tokens, committee and classes of a local network")
@click.option("--record", "record_file", required=True, type=click.Path(path_type=Path), help="The deployment record.")
@click.option("--network", help="URL of the local node. No default.")
@click.option("--account", "alias", help="The owner (default: the first development account).")
@click.option("--attester", "attesters", multiple=True, metavar="ADDRESS=URL", help="A seat, in order; repeat.")
@click.option("--tokens", "grants", multiple=True, metavar="ADDRESS=AMOUNT", help="Whole test tokens; repeat.")
@click.option("--class", "classes", multiple=True, metavar="NAME=USD", help="A GPU class by minimum stake; repeat.")
def cli(
    record_file: Path,
    network: str | None,
    alias: str | None,
    attesters: tuple[str, ...],
    grants: tuple[str, ...],
    classes: tuple[str, ...],
) -> None:
    """Seats a committee from epoch 1, adds liveness-only classes and hands out the deployer's test tokens."""
    if network is None:
        raise DeployError("H7116", "--network is missing", "no script has a default network", exit_code=2)
    record = read_record(str(record_file))
    if not record.local:
        raise DeployError("H7103", f"{record.network} is not a local network", "seed_local hands out play money", "", 6)
    seats = [(address(who), url) for who, url in pairs(attesters, "attester")]
    calls: list[Call] = []
    if seats:
        calls.append(committee_call(seats))
    for name, usd in pairs(classes, "class"):
        row: Any = HardwareClass(
            name=name,
            kind=0,
            tier=0,
            vram_gib=0,
            flags=0,
            compute_units=1,
            min_stake_usd=usd,  # type: ignore[arg-type]
        )
        calls.append(Call(f"class:{name}", "NodeRegistry", "add_class", (class_row(row),), f"class {name}"))
    for who, amount in pairs(grants, "tokens"):
        key = f"tokens:{who[:10]}"
        calls.append(Call(key, "ComputeToken", "transfer", (address(who), wei(amount)), f"{amount} tokens"))
    if not calls:
        raise DeployError("H7114", "nothing to do", "", "--attester, --class or --tokens", 2)
    artifacts = d.artifacts_of_suite()
    with _ape.connected(network) as connection:
        account = _ape.load_account(alias, local=True)
        d.send_calls(connection, account, record, record_file, artifacts, calls, "seed")
    if seats:
        write_record(with_attesters(record, seats), record_file)
    click.echo(f"seeded    {len(calls)} calls; record {record_file}")
