"""The refuter beside the golden refutations: the proofs that every other reader builds, and what a finder commits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boa
import pytest

from tests.contracts.consensus.drafts import events
from tests.support.actors import GUARDIAN, OWNER, checksum, keccak, word
from tests.support.suite import ZERO_ADDRESS, Suite, compiled
from tests.support.uptime import header_word, pick
from tests.support.vectors import rows

ROWS = rows("refutations", "refutations")


@pytest.fixture
def golden(bare: Suite) -> Iterator[Suite]:
    """A hub at the address and on the chain of the vectors, two epochs before the false one."""
    domain, q = rows("refutations", "domain"), bare.parameters
    with boa.env.evm.patch.anchor():
        boa.env.evm.patch.chain_id = domain["chain_id"]
        refuter = boa.env.generate_address()
        bare.hub = compiled("consensus/AttestationHub.vy").deploy(
            bare.registry.address, bare.pool.address, q.genesis, q.slot, q.epochs_per_period, q.dispute, q.grace,
            q.abandon, q.price, q.bound, GUARDIAN.address, refuter, ZERO_ADDRESS, ZERO_ADDRESS,
            override_address=checksum(domain["contract"]), sender=OWNER.address,
        )  # fmt: skip
        bare.refuter = compiled("consensus/ReportRefuter.vy").deploy(
            bare.hub.address, q.genesis, q.slot, q.epochs_per_period, override_address=refuter
        )
        bare.registry.set_count(300)
        bare.set_committee()
        yield bare


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["kind"])
def test_falls(golden: Suite, row: dict[str, Any]) -> None:
    q, hub = golden.parameters, golden.hub
    for e in (1, 2):
        golden.at(q.end(e))
        report(golden, e, row)
    golden.at(q.end(3))
    parts = [keccak(row["data"]), row["root"]]
    who, sigs = golden.sign(row["digest"])
    hub.report(3, hub.ring_word(2), row["root"], row["facts"], [], row["data"], who, sigs)
    finder = checksum(word(row["finder"])[12:])
    golden.refuter.commit(row["commitment"])
    golden.at(golden.now + 1)
    struct = (1, row["header"], row["root"], row["facts"], parts, row["header_before"], row["root_before"])
    golden.refuter.refute(struct, row["part"], row["group"], row["data"], row["leaves"], row["siblings"], sender=finder)
    (event,) = events(golden.refuter, "Refuted")
    assert event.finder == finder
    assert hub.last_epoch() == 2


def report(golden: Suite, e: int, row: dict[str, Any]) -> None:
    """Epoch 1 or 2 of the golden chain: its own account gives the same roots."""
    previous = golden.uptime.word
    down = dict.fromkeys(range(1, 300, 7), 4095) if e == 1 else {i: 0xFFF for i in range(300) if i % 7 in (1, 2)}
    data = golden.uptime.report(down, 300, 0, e > 1)
    root = golden.uptime.root
    facts = 300 | 10**12 << 64
    if e == 2:
        assert (golden.uptime.header, root) == (row["header_before"], row["root_before"])
        assert golden.uptime.header == header_word(2, 0, 1, 0, 300, challenged=True)
        assert pick(row["header"], 0) == 3
    digest = golden.report_digest(1, e, previous, root, facts, keccak(keccak(data) + root))
    who, sigs = golden.sign(digest)
    golden.hub.report(e, previous, root, facts, [], data, who, sigs)
