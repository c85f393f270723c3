"""One deployment by the real scripts for all of these tests; each begins from its snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keepers.localnet.network import LocalNetwork, people
from tests.e2e.town import Town

TOKENS = 100_000  # whole test tokens a person
NAMES = ("provider", "other", "renter", "stranger", "seat", "watcher")


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNetwork]:
    """A local network of four seats; blocks come with transactions."""
    folder: Path = tmp_path_factory.mktemp("network")
    given = people(("provider", "other", "renter"), TOKENS)
    with LocalNetwork.start(folder=folder, seats=4, tokens=given, block_time=None) as made:
        made.chain.call("anvil_autoImpersonateAccount", True)
        for name in NAMES:  # before any snapshot, for the gas they are given must outlive it
            made.key(name)
        yield made


@pytest.fixture
def town(network: LocalNetwork) -> Iterator[Town]:
    """The deployed suite as it was when the scripts had ended."""
    chain = network.chain
    before = chain.call("evm_snapshot")
    owner = network.record.parameters["owner"]
    everybody = {name: network.key(name).address for name in NAMES} | {"owner": owner}
    yield Town(chain, network.record, [seat.key.signer() for seat in network.seats], everybody)
    chain.rewind(before)


@pytest.fixture
def blocks(town: Town) -> Iterator[Callable[[], None]]:
    """Called: from now on a block a second, as a chain has them; what is sent waits in the pool for it."""
    chain = town.chain

    def every_second() -> None:
        chain.call("evm_setAutomine", False)
        chain.call("evm_setIntervalMining", 1)

    yield every_second
    chain.call("evm_setIntervalMining", 0)
    chain.call("anvil_dropAllTransactions")
    chain.call("evm_setAutomine", True)
