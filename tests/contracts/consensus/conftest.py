"""The hub, ReportRefuter, NodeStanding and AttesterCommittee beside mocks of what they call."""

from __future__ import annotations

from collections.abc import Iterator

import boa
import pytest

from tests.support import suite as support
from tests.support.actors import GUARDIAN, OWNER
from tests.support.constants import Parameters
from tests.support.uptime import Uptime


def deploy(q: Parameters, feed: str = support.ZERO_ADDRESS) -> support.Suite:
    """Hub, refuter, standing; a registry of 8 nodes and a pool that only remember; no committee, entries paused."""
    boa.env.timestamp = q.start(1) - q.epoch
    registry = support.compiled("mocks/RegistryForHub.vy").deploy()
    pool = support.compiled("mocks/PoolForHub.vy").deploy()
    calendar = (q.genesis, q.slot, q.epochs_per_period)
    token = support.compiled("incentives/ComputeToken.vy").deploy(OWNER.address, OWNER.address, q.supply)
    refuter_at, seats_at = support.predicted(OWNER.address, 2), support.predicted(OWNER.address, 3)
    hub = support.compiled("consensus/AttestationHub.vy").deploy(
        registry.address, pool.address, *calendar, q.dispute, q.grace, q.abandon, q.price, q.bound, GUARDIAN.address,
        refuter_at, seats_at, feed, sender=OWNER.address,
    )  # fmt: skip
    standing = support.compiled("consensus/NodeStanding.vy").deploy(
        hub.address, registry.address, *calendar, sender=OWNER.address
    )
    refuter = support.compiled("consensus/ReportRefuter.vy").deploy(hub.address, *calendar, sender=OWNER.address)
    assert str(refuter.address) == refuter_at, "the refuter is not where it was predicted"
    seats = support.compiled("consensus/AttesterCommittee.vy").deploy(
        hub.address, refuter.address, token.address, *calendar, q.dispute, q.seat_bond, q.notice, q.unbonding,
        sender=OWNER.address,
    )  # fmt: skip
    assert str(seats.address) == seats_at, "the committee is not where it was predicted"
    registry.set_count(8)
    return support.Suite(
        q, token=token, pool=pool, registry=registry, hub=hub, standing=standing, escrow=None, market=None, engine=None,
        refuter=refuter, seats=seats, uptime=Uptime(slot=q.slot),
    )  # fmt: skip


@pytest.fixture(scope="session")
def _bare(parameters: Parameters) -> support.Suite:
    return deploy(parameters)


@pytest.fixture
def bare(_bare: support.Suite) -> Iterator[support.Suite]:
    """Before the first committee."""
    with boa.env.anchor():
        boa.env.timestamp = _bare.parameters.start(1) - _bare.parameters.epoch
        yield _bare.fresh()


@pytest.fixture
def net(bare: support.Suite) -> support.Suite:
    """With a committee of four from epoch 1 on."""
    bare.set_committee()
    return bare


@pytest.fixture
def opened(net: support.Suite) -> support.Suite:
    """Entries are open."""
    net.hub.open_entries(sender=OWNER.address)
    return net
