"""Refuters with one check taken out or bent: each must be found, or the campaigns prove nothing.

    python -m tests.fuzz.refute --mutants --attempts 20000

A mutant is a change of one line of the sources, compiled from a copy. Some let an honest report fall
(`tests.fuzz.refute` finds those), others let a false one stand (`tests.fuzz.positions`).

Not in the list, because nothing changes without them: the bounds of `part` and `group` (beyond them the bytes are read
out of bounds, which reverts), the number of leaves beyond what is read, siblings left over (the proof can then be
written in more ways than one, and stays true), "not counted" (a node that no record names has no dark leaf), and the
check-in's epoch before (only a report that is false falls; `test_refute_checkin.py` shows what it takes along).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.positions import Survives, by_bytecode, network
from tests.fuzz.refute import Falls, campaign, docket
from tests.support.court import Court, code
from tools.compile import ROOT, Artifact, compile_one

HUB, REFUTER = "contracts/consensus/AttestationHub.vy", "contracts/consensus/ReportRefuter.vy"
RECORD = "contracts/modules/uptime_record.vy"


@dataclass(frozen=True)
class Mutant:
    """`old` stands once in `path`; `new` takes its place."""

    name: str
    path: str
    old: str
    new: str


# An honest report falls.
FELLING = (
    Mutant(
        "any header", REFUTER, "assert keccak256(abi_encode(report.root, report.header)) == word,",
        "assert word != empty(bytes32),",
    ),
    Mutant(
        "any report", REFUTER, "assert convert(digest, uint256) >> 64 == meta >> 64,",
        "assert digest != empty(bytes32),",
    ),
    Mutant("any data", REFUTER, "assert keccak256(data) == report.parts[at],", "assert report.generation != 0,"),
    Mutant("any leaves", REFUTER, "assert root == before,", "assert root != empty(bytes32),"),
    Mutant("leaves judged before they are proven", REFUTER, "refused = True", "return True"),
    Mutant("a record an epoch late", REFUTER, "(leaf >> 32) & M32 >= m:", "(leaf >> 32) & M32 >= unsafe_sub(m, 1):"),
    Mutant(
        "no deeper tree", REFUTER,
        "self._lifted(report.root_before, report.header_before >> 128 & M24, report.header >> 128 & M24)",
        "report.root_before",
    ),
    Mutant("a full group refused", RECORD, "rest <= RECORD_BYTES and", "rest < RECORD_BYTES and"),
    Mutant("only the part's root", REFUTER, "after = extract32(data, unsafe_add(offset, RECORD_BYTES))", "pass"),
    Mutant("missed challenges", RECORD, "unsafe_add(leaf >> 224, (record >> 13) & 1)", "leaf >> 224"),
    Mutant("indeterminate slots at fault", RECORD, "_pop(mask & ~(header >> 160))", "_pop(mask)"),
    Mutant("any leaf of a check-in", REFUTER, "proof), header)) == word,", "proof), header)) != empty(bytes32),"),
    Mutant("a void epoch", REFUTER, "assert header & uptime_leaf.VOID == 0,", "assert header != 0,"),
    Mutant("no check-in", REFUTER, "staticcall HUB.check_ins(e, node) & bit != 0,", "True,"),
    Mutant("reported up", REFUTER, "assert uptime_leaf._mask(header, leaf) & bit != 0,", "assert bit != 0,"),
    Mutant("anybody cancels", HUB, "assert msg.sender == REFUTER,", "assert REFUTER != empty(address),"),
)  # fmt: skip

# A false report stands.
SPARING = (
    Mutant("spare bits", REFUTER, "record & SPARE != 0 or ", ""),
    Mutant("no node", REFUTER, "node >= count or ", ""),
    Mutant("any order", REFUTER, " or (i != 0 and node <= last)", ""),
    Mutant("a second record", REFUTER, "(leaf >> 32) & M32 >= m:", "(leaf >> 32) & M32 > m:"),
    Mutant("any root after", REFUTER, "return refused or root_new != after", "return refused"),
    Mutant("half a record", RECORD, " and rest % BYTES == 0", ""),
)


def artifacts(mutant: Mutant) -> Mapping[str, Artifact]:
    """The court's contracts, with the mutant among them. Raises ValueError where its line is not there once."""
    name = Path(mutant.path).stem if mutant.path != RECORD else "ReportRefuter"
    source = HUB if name == "AttestationHub" else REFUTER
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "contracts", Path(folder) / "contracts")
        path = Path(folder) / mutant.path
        text = path.read_text(encoding="utf-8")
        if text.count(mutant.old) != 1:
            raise ValueError(f"mutant '{mutant.name}': its line stands {text.count(mutant.old)} times in {mutant.path}")
        path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        built = compile_one(name, str(Path(folder) / source), folder)
    return {**code(), name: Artifact(**built)}


def fells(mutant: Mutant, attempts: int, seed: int) -> str:
    """How an honest report falls to it; empty where it does not."""
    try:
        campaign(docket(Court(artifacts(mutant))), attempts, seed)
    except Falls as error:
        return str(error)
    return ""


def spares(mutant: Mutant, seed: int) -> str:
    """Which false report it lets stand; empty where it lets none."""
    contracts = artifacts(mutant)
    for records in (1, 65, 129):
        try:
            by_bytecode(network(records, seed, Court(contracts)), True)
        except Survives as error:
            return str(error)
    return ""


def hunt(attempts: int, seed: int) -> int:
    """Exit code 1 where a mutant is not found."""
    missed = 0
    finders: tuple[tuple[tuple[Mutant, ...], Callable[[Mutant], str]], ...] = (
        (FELLING, lambda mutant: fells(mutant, attempts, seed)),
        (SPARING, lambda mutant: spares(mutant, seed)),
    )
    for mutants, find in finders:
        for mutant in mutants:
            began = time.monotonic()
            how = find(mutant)
            missed += not how
            print(
                f"{'found' if how else 'MISSED':<8}{mutant.name:<38}{time.monotonic() - began:4.0f} s  {how}",
                flush=True,
            )
    if missed:
        print(f"{missed} mutants were not found", file=sys.stderr)
    return int(missed > 0)
