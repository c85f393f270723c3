"""What follows the creations: grants, the profile's classes and sheets, its committee, the opening of the entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_utils import to_checksum_address

from scripts._plan import Call, Ref
from scripts._profile import HardwareClass, Profile, committee_text

FIRST_EPOCH = 1  # a genesis committee signs from the first epoch that can be reported
# (who grants, to whom, rights): the challenge calls nodes Faulted and slashes their providers
GRANTS = (("NodeRegistry", "ComputeChallenge", 1), ("StakingPool", "ComputeChallenge", 1))


def class_row(row: HardwareClass) -> tuple[Any, ...]:
    """The registry's HardwareClass of a profile row, open."""
    return (
        *(row.name, row.kind, row.tier, row.vram_gib, row.flags, row.compute_units, row.min_stake_usd),
        *(row.n, row.rounds, row.deadline_s, False),
    )


def wiring(profile: Profile, open_entries: bool) -> list[Call]:
    """Calls in the order of their nonces. The opening comes last: what it lets in finds everything in place."""
    calls = [
        Call(f"grant:{contract}:{caller}", contract, "set_grant", (Ref(caller), rights), f"{contract} grants {caller}")
        for contract, caller, rights in GRANTS
    ]
    for i, row in enumerate(profile.classes):
        calls.append(Call(f"class:{i}", "NodeRegistry", "add_class", (class_row(row),), f"class {row.name}"))
    for i, sheet in enumerate(profile.sheets):
        args = (sheet.notice_s, sheet.min_seconds, sheet.prepay_s, sheet.dark_limit_s, sheet.table_word)
        calls.append(Call(f"sheet:{i}", "LeaseEscrow", "add_sheet", args, f"sheet {i}"))
    seats = profile.committee.attesters
    if seats:
        calls.append(committee_call([(str(to_checksum_address(seat.address)), seat.url) for seat in seats]))
    if open_entries:
        calls.append(Call("open", "AttestationHub", "open_entries", (), "entries open"))
    return calls


def committee_call(seats: Sequence[tuple[str, str]]) -> Call:
    """The first committee, (address, URL) a seat, in force from the first epoch."""
    note = f"{committee_text(len(seats))}, from epoch {FIRST_EPOCH}"
    args = (FIRST_EPOCH, [who for who, _ in seats], [url for _, url in seats])
    return Call("committee", "AttestationHub", "set_committee", args, note)
