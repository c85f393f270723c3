"""What a reader may rely on: words of providers, nodes, classes and GPUs."""

from __future__ import annotations

import boa

from tests.contracts.network.harness import FAULT, LIVENESS, MIN_STAKE, SLASHER, ZERO, Trio
from tests.support.actors import OPERATOR, OWNER, PROVIDER, node_key
from tests.support.constants import M32


def test_provider__operator_generation_units(trio: Trio) -> None:
    p = trio.provider()
    assert trio.registry.provider(p) == int(OPERATOR.address, 16) << 96
    trio.node(p)
    assert trio.registry.provider(p) == int(OPERATOR.address, 16) << 96 | MIN_STAKE
    assert (trio.registry.owner_of(p), trio.registry.owner_of(p + 1)) == (PROVIDER.address, ZERO)
    assert trio.registry.provider(p + 1) == 0


def test_key_of__from_its_first_epoch_on(trio: Trio) -> None:
    key = node_key(trio.nodes)
    i = trio.node(trio.provider())
    first = int(trio.registry.node(i)) >> 128 & M32
    assert trio.registry.key_of(i, first) == trio.registry.key_of(i, first + 1_000) == key.address
    assert trio.registry.key_of(i, first - 1) == trio.registry.key_of(i + 1, first) == ZERO


def test_class_of(trio: Trio) -> None:
    assert tuple(trio.registry.class_of(0)) == LIVENESS
    assert trio.registry.class_of(1).name == ""


def test_gpu_owner__until_it_is_free_again(trio: Trio) -> None:
    i = trio.node(trio.provider())
    (print_,) = trio.prints[i]
    assert trio.registry.gpu_owner(b"\1" * 32) == 0
    assert trio.registry.gpu_owner(print_) == i + 1
    trio.registry.retire_node(i, sender=PROVIDER.address)
    word = trio.registry.gpu_owner(print_)
    assert word & M32 == i + 1 and word >> 32 > trio.now
    trio.wait((word >> 32) - trio.now - 1)
    assert trio.registry.gpu_owner(print_) == word
    trio.wait(1)
    assert trio.registry.gpu_owner(print_) == 0


def test_grant_of__given_and_taken_back(trio: Trio) -> None:
    assert trio.registry.grant_of(SLASHER.address) == 0
    trio.registry.set_grant(SLASHER.address, FAULT, sender=OWNER.address)
    assert trio.registry.grant_of(SLASHER.address) == FAULT << 128 | FAULT
    trio.registry.set_grant(SLASHER.address, 0, sender=OWNER.address)
    assert trio.registry.grant_of(SLASHER.address) == FAULT << 128


def test_owner_and_domain(trio: Trio) -> None:
    r = trio.registry
    assert (r.owner(), r.pending_owner()) == (OWNER.address, ZERO)
    _, name, version, chain, contract, _, _ = r.eip712Domain()
    assert (name, version, chain, contract) == ("Hearth", "1", boa.env.evm.patch.chain_id, r.address)
