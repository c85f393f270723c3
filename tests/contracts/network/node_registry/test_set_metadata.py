"""set_metadata: the owner's, and nobody else's."""

from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import Trio, only
from tests.support.actors import OPERATOR, OWNER, PAYOUT, PROVIDER, STRANGER, Actor


def test_set_metadata__is_logged(trio: Trio) -> None:
    p = trio.provider()
    trio.registry.set_metadata(p, "x" * 256, sender=PROVIDER.address)
    log = only(trio.registry, "ProviderMetadataSet")
    assert (log.provider, log.metadata) == (p, "x" * 256)


def test_set_metadata__longer_than_256_bytes__does_not_decode(trio: Trio) -> None:
    p = trio.provider()
    call = trio.registry.set_metadata.prepare_calldata(p, "x" * 256)
    longer = call[:68] + (257).to_bytes(32, "big") + b"x" * 288
    before = trio.registry.provider(p)
    failed = boa.env.execute_code(to_address=trio.registry.address, sender=PROVIDER.address, data=longer)
    assert failed.is_error and trio.registry.provider(p) == before


@pytest.mark.parametrize("caller", [OPERATOR, PAYOUT, OWNER, STRANGER])
@pytest.mark.parametrize("p", [0, 1, 2**250])
def test_set_metadata__by_another_or_of_nobody__reverts(trio: Trio, caller: Actor, p: int) -> None:
    trio.provider()
    with boa.reverts("registry: not its owner"):
        trio.registry.set_metadata(p, "", sender=caller.address)
