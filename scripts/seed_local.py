"""ape run seed_local: test tokens, a committee and more classes for a local network. Refuses any other."""

from __future__ import annotations

from decimal import Decimal, DecimalException
from pathlib import Path

import click
from pydantic import ValidationError

from keepers.chain.deployment import CalendarRecord
from keepers.protocol import sizing
from keepers.protocol.epochs import SLOTS
from keepers.protocol.units import MAX_SUPPLY, WAD
from scripts import _ape
from scripts import _deployment as d
from scripts._errors import DeployError
from scripts._plan import Call
from scripts._profile import HardwareClass, size_fault
from scripts._record import read_record, with_attesters, write_record
from scripts._wiring import class_row, committee_call


def pairs(values: tuple[str, ...], option: str) -> list[tuple[str, str]]:
    """`A=B` of a repeated option. Raises H7114 with the value that is not one."""
    rows = []
    for value in values:
        left, equals, right = value.partition("=")
        if not equals or not left or not right:
            raise DeployError("H7114", f"--{option} {value!r} is not of the form A=B")
        rows.append((left, right))
    return rows


def wei(text: str) -> int:
    """Whole or decimal tokens as wei. Raises H7114."""
    try:
        amount = Decimal(text)
        if not 0 < amount <= MAX_SUPPLY // WAD or amount.scaleb(18) % 1:
            raise ValueError(text)
        return int(amount.scaleb(18))
    except (DecimalException, ValueError):
        form = "a number above 0 with at most 18 decimals, like 1000 or 0.5"
        raise DeployError("H7114", f"{text!r} is not an amount of tokens", next_=form) from None


def gpu_class(name: str, text: str, calendar: CalendarRecord, openings_s: float) -> HardwareClass:
    """The class of `USD`, liveness only, or of `USD:N:ROUNDS:DEADLINE`, challenged. Raises H7114 with what is wrong.

    Only what any network demands is checked: that the challenge is over by two thirds of an epoch. How long it honestly
    takes is a matter of the machine that plays the cards.
    """
    usd, *size = text.split(":")
    try:
        n, rounds, deadline = (int(part) for part in size) if size else (0, 0, 0)
        fault = size_fault(n, rounds, deadline) if size else ""
        if fault:
            raise ValueError(fault)
        row = HardwareClass(
            name=name,
            kind=0,
            tier=0,
            vram_gib=0,
            flags=0,
            compute_units=sizing.compute_units(n, rounds, deadline) if size else 1,
            min_stake_usd=usd,  # type: ignore[arg-type]
            n=n,
            rounds=rounds,
            deadline_s=deadline,
        )
    except ValidationError as error:
        why = " · ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise DeployError("H7114", f"--class {name!r}={text!r} is not a class", why) from None
    except ValueError as error:
        form = "NAME=USD, or NAME=USD:N:ROUNDS:DEADLINE in whole numbers"
        raise DeployError("H7114", f"--class {name!r}={text!r} is not a class", str(error), form) from None
    epoch_s = SLOTS * calendar.slot
    if size and not sizing.fits(deadline, epoch_s, openings_s):
        why = f"a deadline of {deadline} s and {openings_s:g} s for openings pass two thirds of {epoch_s} s, an epoch"
        raise DeployError("H7114", f"--class {name!r}={text!r} does not fit this network", why)
    return row


def address(text: str) -> str:
    """A checksummed address. Raises H7114."""
    from eth_utils import is_hex_address, to_checksum_address

    if not is_hex_address(text):
        raise DeployError("H7114", f"{text!r} is not an address")
    return str(to_checksum_address(text))


@click.command(short_help="Test tokens, committee and classes of a local network")
@click.option("--record", "record_file", required=True, type=click.Path(path_type=Path), help="The deployment record.")
@click.option("--network", help="URL of the local node. No default.")
@click.option("--account", "alias", help="The owner (default: the first development account).")
@click.option("--attester", "attesters", multiple=True, metavar="ADDRESS=URL", help="A seat, in order; repeat.")
@click.option("--tokens", "grants", multiple=True, metavar="ADDRESS=AMOUNT", help="Whole test tokens; repeat.")
@click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="NAME=USD[:N:ROUNDS:DEADLINE]",
    help="A GPU class by minimum stake, challenged if n, rounds and deadline follow; repeat.",
)
def cli(
    record_file: Path,
    network: str | None,
    alias: str | None,
    attesters: tuple[str, ...],
    grants: tuple[str, ...],
    classes: tuple[str, ...],
) -> None:
    """Seats a committee from epoch 1, adds classes and hands out the deployer's test tokens."""
    if network is None:
        raise DeployError("H1003", "--network is missing", "no script has a default network", "--network URL")
    record = read_record(str(record_file))
    if not record.local:
        raise DeployError("H7103", f"{record.network} is not a local network", "seed_local hands out play money")
    seats = [(address(who), url) for who, url in pairs(attesters, "attester")]
    calls: list[Call] = []
    if seats:
        calls.append(committee_call(seats))
    for name, text in pairs(classes, "class"):
        row = class_row(gpu_class(name, text, record.calendar, record.allowances.openings))
        calls.append(Call(f"class:{name}", "NodeRegistry", "add_class", (row,), f"class {name}"))
    for who, amount in pairs(grants, "tokens"):
        key = f"tokens:{who[:10]}"
        calls.append(Call(key, "ComputeToken", "transfer", (address(who), wei(amount)), f"{amount} tokens"))
    if not calls:
        raise DeployError("H7114", "nothing to do", "", "--attester, --class or --tokens")
    artifacts = d.artifacts_of_suite()
    with _ape.connected(network) as connection:
        account = _ape.load_account(alias, local=True)
        d.send_calls(connection, account, record, record_file, artifacts, calls, "seed")
    if seats:
        write_record(with_attesters(record, seats), record_file)
    click.echo(f"seeded    {len(calls)} calls; record {record_file}")
