"""The hub beside the golden reports: the same digests, headers and ring words as every other reader has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boa
import pytest

from tests.contracts.consensus.drafts import events
from tests.support.actors import GUARDIAN, OWNER, checksum
from tests.support.suite import ZERO_ADDRESS, Suite, compiled
from tests.support.vectors import rows


@pytest.fixture
def golden(bare: Suite) -> Iterator[Suite]:
    """A hub at the address and on the chain of the vectors."""
    domain, q = rows("reports", "domain"), bare.parameters
    with boa.env.evm.patch.anchor():
        boa.env.evm.patch.chain_id = domain["chain_id"]
        bare.hub = compiled("consensus/AttestationHub.vy").deploy(
            bare.registry.address, bare.pool.address, q.genesis, q.slot, q.epochs_per_period, q.dispute, q.grace,
            q.abandon, q.price, q.bound, GUARDIAN.address, bare.refuter.address, ZERO_ADDRESS, ZERO_ADDRESS,
            override_address=checksum(domain["contract"]), sender=OWNER.address,
        )  # fmt: skip
        bare.registry.set_count(2**24 - 1)
        bare.set_committee()
        yield bare


def test_domain(golden: Suite) -> None:
    assert golden.hub_domain.separator == rows("reports", "domain")["separator"]


def test_reports_and_a_void(golden: Suite) -> None:
    hub, q = golden.hub, golden.parameters
    reports: list[dict[str, Any]] = rows("reports", "reports")
    assert hub.ring_word(0) == rows("merkle", "genesis_ring_word") == reports[0]["previous"]
    for k, row in enumerate(reports):
        e, last = row["epoch"], row["parts"][-1]
        challenged_next = k + 1 < len(reports) and reports[k + 1]["header"] >> 173 & 1
        golden.at(q.end(e) + (0 if challenged_next else q.epoch // 3 + 1))
        parts = []
        for part in row["parts"][:-1]:
            hub.post(part["data"])
            parts += [part["hash"], part["root"]]
        hub.report(e, row["previous"], row["root"], row["facts"], parts, last["data"], *golden.sign(row["digest"]))
        (event,) = events(hub, "Report")
        assert (event.header, event.digest) == (row["header"], row["digest"])
        assert hub.ring_word(e) == row["ring_word"]
    void = rows("reports", "void")
    golden.at(q.end(void["last"]))
    header = reports[-1]["header"]
    signed = golden.sign(void["digest"])
    hub.report_void(void["last"], reports[-1]["root"], header, void["view"], *signed)
    (event,) = events(hub, "Voided")
    assert (event.first, event.header, event.digest) == (void["first"], void["header"], void["digest"])
    assert hub.ring_word(void["last"]) == void["ring_word"]


@pytest.mark.parametrize("row", rows("reports", "quorum"), ids=lambda row: str(row["n"]))
def test_quorum(bare: Suite, row: dict[str, int]) -> None:
    assert bare.hub.quorum(row["n"]) == row["q"]
