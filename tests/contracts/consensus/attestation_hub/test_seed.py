"""seed: drawn by the transaction that reports or voids the epoch before, kept for a turn of the ring."""

from __future__ import annotations

import boa

from tests.support.actors import keccak, words
from tests.support.suite import Suite
from tests.support.uptime import pick


def test_binds_randomness_root_and_epoch(net: Suite) -> None:
    boa.env.evm.patch.prevrandao = b"\x5a" * 32
    net.report()
    seed, at = net.hub.seed(2)
    assert seed == int.from_bytes(keccak(b"\x5a" * 32 + net.hub.ring_word(1) + words(2)), "big") >> 200
    assert at == net.now


def test_a_void_draws_for_each_of_its_epochs(net: Suite) -> None:
    net.void(3)
    seeds = [net.hub.seed(e) for e in (2, 3, 4)]
    assert len({s for s, _ in seeds}) == 3
    assert {at for _, at in seeds} == {net.now}
    net.report()
    assert net.uptime.header >> 173 & 1, "the last of them came in time for the next epoch"


def test_a_void_in_the_past_leaves_its_epochs_unchallenged(net: Suite) -> None:
    net.go(10)
    net.void(3)
    net.report()
    assert pick(net.uptime.header, 64) == 0


def test_none_for_epoch_one_or_those_to_come(net: Suite) -> None:
    net.report()
    assert net.hub.seed(0) == net.hub.seed(1) == (0, 0)
    assert net.hub.seed(3) == net.hub.seed(2**40) == net.hub.seed(2**256 - 1) == (0, 0)
