from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.contracts.network.harness import LIVENESS, Trio, only, write
from tests.support.actors import OWNER, STRANGER

FIELDS = (
    "name", "kind", "tier", "vram_gib", "flags", "compute_units", "min_stake", "n", "rounds", "deadline", "closed",
)  # fmt: skip
LARGEST = ("x" * 32, 4, 2, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**60, 65_536, 2**31, 2**32 - 1, False)


def row(**changes: Any) -> tuple[Any, ...]:
    return tuple((dict(zip(FIELDS, LIVENESS, strict=True)) | changes).values())


def test_add_class__ids_count_from_zero__the_row_reads_back(trio: Trio) -> None:
    assert trio.registry.add_class(LARGEST, sender=OWNER.address) == 1
    log = only(trio.registry, "ClassAdded")
    assert (log.class_id, tuple(log.class_row)) == (1, LARGEST)
    assert tuple(trio.registry.class_of(0)) == LIVENESS
    assert tuple(trio.registry.class_of(1)) == LARGEST
    assert trio.registry.class_count() == 2
    assert trio.registry.class_of(2).name == ""


@pytest.mark.parametrize("n", [256, 65_536])
def test_add_class__challenged__bounds_hold(trio: Trio, n: int) -> None:
    trio.registry.add_class(row(n=n, rounds=1, deadline=1), sender=OWNER.address)
    assert trio.registry.class_of(1).n == n


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": ""}, "registry: class name"),
        ({"kind": 5}, "registry: class kind"),
        ({"tier": 3}, "registry: class tier"),
        ({"vram_gib": 2**16}, "registry: class VRAM"),
        ({"flags": 2**16}, "registry: class flags"),
        ({"compute_units": 2**32}, "registry: class compute units"),
        ({"min_stake": 2**60 + 1}, "registry: class stake"),
        ({"closed": True}, "registry: new class is closed"),
        ({"n": 256}, "registry: liveness-only class"),
        ({"deadline": 1}, "registry: liveness-only class"),
        ({"rounds": 4, "n": 128, "deadline": 1}, "registry: class n"),
        ({"rounds": 4, "n": 131_072, "deadline": 1}, "registry: class n"),
        ({"rounds": 4, "n": 384, "deadline": 1}, "registry: class n"),
        ({"rounds": 3, "n": 256, "deadline": 1}, "registry: class rounds"),
        ({"rounds": 2**32, "n": 256, "deadline": 1}, "registry: class rounds"),
        ({"rounds": 4, "n": 256, "deadline": 0}, "registry: class deadline"),
        ({"rounds": 4, "n": 256, "deadline": 2**32}, "registry: class deadline"),
    ],
)
def test_add_class__bad_row__reverts(trio: Trio, changes: dict[str, Any], reason: str) -> None:
    with boa.reverts(reason):
        trio.registry.add_class(row(**changes), sender=OWNER.address)


def test_add_class__table_full__reverts(trio: Trio) -> None:
    write(trio.registry, "class_count", 65536)
    with boa.reverts("registry: too many classes"):
        trio.registry.add_class(LIVENESS, sender=OWNER.address)


def test_add_class__by_another__reverts(trio: Trio) -> None:
    with boa.reverts("ownable: caller is not the owner"):
        trio.registry.add_class(LIVENESS, sender=STRANGER.address)
