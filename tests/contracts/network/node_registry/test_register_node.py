from __future__ import annotations

import boa
import pytest

from tests.contracts.network.harness import LIVENESS, MIN_STAKE, PENDING, ZERO, Trio, deploy, only, write
from tests.support.actors import (
    OPERATOR,
    OTHER_PROVIDER,
    OWNER,
    PROVIDER,
    RENTER,
    STRANGER,
    Actor,
    Domain,
    keccak,
    node_key,
)
from tests.support.constants import CURVE_ORDER, M32, WAD, Parameters
from tests.support.suite import REGISTER_NODE


def test_register_node__pending_from_the_next_epoch(trio: Trio) -> None:
    p = trio.provider()
    trio.wait(5 * 3_600)
    trio.allow_fee()
    supply, balance = trio.token.totalSupply(), trio.token.balanceOf(PROVIDER.address)
    arguments = trio.registration(p, gpus=2, region=7)
    i = trio.registry.register_node(*arguments, sender=PROVIDER.address)
    log, units, burn = (only(trio.registry, name) for name in ("NodeRegistered", "UnitsSet", "Transfer"))
    assert (log.node, log.provider, log.key) == (0, p, node_key(0).address)
    assert (log.class_id, log.region, log.gpus, log.first) == (0, 7, 2, 6)
    assert list(log.fingerprints) == arguments[3]
    assert (units.provider, units.old, units.new) == (p, 0, 2 * MIN_STAKE)
    fee = trio.parameters.fee_node
    assert (burn.sender, burn.receiver, burn.amount) == (PROVIDER.address, ZERO, fee)
    assert trio.token.totalSupply() == supply - fee
    assert trio.token.balanceOf(PROVIDER.address) == balance - fee
    word = trio.registry.node(i)
    assert (word >> 232, word >> 216 & 65535, word >> 200 & 65535, word >> 184 & 65535) == (p, 0, 7, 2)
    assert (word >> 168 & 65535, word >> 160 & 255) == (0, PENDING)
    assert (word >> 128 & M32, word >> 96 & M32, word >> 64 & M32, word >> 32 & M32) == (6, 6, 0, 5)
    assert word & M32 == 0
    assert trio.registry.count() == 1
    assert trio.registry.provider(p) == int(OPERATOR.address, 16) << 96 | 2 * MIN_STAKE
    assert trio.registry.node_of_key(node_key(0).address) == 1
    assert [trio.registry.key_of(i, e) for e in (0, 5, 6, 7)] == [ZERO, ZERO, node_key(0).address, node_key(0).address]
    assert [trio.registry.gpu_owner(f) for f in arguments[3]] == [1, 1]


def test_register_node__units_add_up__indices_are_dense(trio: Trio) -> None:
    p, q = trio.provider(), trio.provider(OTHER_PROVIDER)
    assert [trio.node(p), trio.node(q, 3, OTHER_PROVIDER), trio.node(p, 16)] == [0, 1, 2]
    assert (trio.units(p), trio.units(q)) == (17 * MIN_STAKE, 3 * MIN_STAKE)


def test_register_node__compact_signature__is_taken(trio: Trio) -> None:
    p = trio.provider()
    trio.allow_fee()
    *head, sig = trio.registration(p)
    vs = int.from_bytes(sig[32:64], "big") | (sig[64] - 27) << 255
    assert trio.registry.register_node(*head, sig[:32] + vs.to_bytes(32, "big"), sender=PROVIDER.address) == 0


def test_register_node__without_a_fee__needs_no_allowance() -> None:
    with boa.env.anchor():
        trio = deploy(parameters=Parameters(fee_node=0))
        supply = trio.token.totalSupply()
        trio.registry.register_node(*trio.registration(trio.provider()), sender=PROVIDER.address)
        assert trio.token.totalSupply() == supply


@pytest.mark.parametrize("caller", [OPERATOR, OTHER_PROVIDER, OWNER])
def test_register_node__by_another__reverts(trio: Trio, caller: Actor) -> None:
    p = trio.provider()
    with boa.reverts("registry: not provider's owner"):
        trio.registry.register_node(*trio.registration(p), sender=caller.address)


def test_register_node__unknown_provider__reverts(trio: Trio) -> None:
    with boa.reverts("registry: not provider's owner"):
        trio.registry.register_node(*trio.registration(3), sender=PROVIDER.address)


def test_register_node__unknown_class__reverts(trio: Trio) -> None:
    with boa.reverts("registry: class not open"):
        trio.registry.register_node(*trio.registration(trio.provider(), class_id=1), sender=PROVIDER.address)


def test_register_node__region_too_large__reverts(trio: Trio) -> None:
    with boa.reverts("registry: region"):
        trio.registry.register_node(*trio.registration(trio.provider(), region=2**16), sender=PROVIDER.address)


def test_register_node__no_gpu__reverts(trio: Trio) -> None:
    with boa.reverts("registry: no GPU"):
        trio.registry.register_node(*trio.registration(trio.provider(), gpus=0), sender=PROVIDER.address)


def test_register_node__seventeen_gpus__do_not_decode(trio: Trio) -> None:
    p = trio.provider()
    trio.allow_fee()
    good = trio.registration(p, gpus=16)
    data = trio.registry.register_node.prepare_calldata(*good)
    at = 4 + int.from_bytes(data[4 + 96 : 4 + 128], "big")
    bad = data[:at] + (17).to_bytes(32, "big") + data[at + 32 :]
    failed = boa.env.execute_code(to_address=trio.registry.address, sender=PROVIDER.address, data=bad)
    assert failed.is_error and trio.registry.count() == 0


def test_register_node__indices_used_up__reverts(trio: Trio) -> None:
    p = trio.provider()
    write(trio.registry, "count", 2**24 - 2)
    assert trio.node(p) == 2**24 - 2
    with boa.reverts("registry: too many nodes"):
        trio.registry.register_node(*trio.registration(p), sender=PROVIDER.address)


def test_register_node__zero_key__reverts(trio: Trio) -> None:
    p, class_id, region, prints, _, sig = trio.registration(trio.provider())
    with boa.reverts("registry: key is zero"):
        trio.registry.register_node(p, class_id, region, prints, ZERO, sig, sender=PROVIDER.address)


def test_register_node__signed_by_another_key__reverts(trio: Trio) -> None:
    p, class_id, region, prints, _, sig = trio.registration(trio.provider())
    with boa.reverts("registry: not signed by the key"):
        trio.registry.register_node(p, class_id, region, prints, RENTER.address, sig, sender=PROVIDER.address)


@pytest.mark.parametrize(("field", "value"), [(0, 1), (1, 1), (2, 2), (3, [keccak(b"another")])])
def test_register_node__any_field_changed__reverts(trio: Trio, field: int, value: object) -> None:
    trio.provider()
    trio.provider()
    trio.add_class()
    arguments = list(trio.registration(0))
    arguments[field] = value
    with boa.reverts("registry: not signed by the key"):
        trio.registry.register_node(*arguments, sender=PROVIDER.address)


def test_register_node__signature_of_another_chain_or_contract__reverts(trio: Trio) -> None:
    p = trio.provider()
    _, class_id, region, prints, key, _ = trio.registration(p)
    chain = boa.env.evm.patch.chain_id
    for domain in (Domain(chain + 1, trio.registry.address), Domain(chain, trio.pool.address)):
        digest = domain.digest(REGISTER_NODE, p, PROVIDER.address, class_id, region, keccak(b"".join(prints)), key)
        sig = node_key(0).sign(digest)
        with boa.reverts("registry: not signed by the key"):
            trio.registry.register_node(p, class_id, region, prints, key, sig, sender=PROVIDER.address)


@pytest.mark.parametrize("length", [0, 1, 63])
def test_register_node__signature_of_no_length__reverts(trio: Trio, length: int) -> None:
    *head, sig = trio.registration(trio.provider())
    with boa.reverts("registry: not signed by the key"):
        trio.registry.register_node(*head, sig[:length], sender=PROVIDER.address)


def test_register_node__twin_with_the_high_s__reverts(trio: Trio) -> None:
    *head, sig = trio.registration(trio.provider())
    twin = sig[:32] + (CURVE_ORDER - int.from_bytes(sig[32:64], "big")).to_bytes(32, "big") + bytes([55 - sig[64]])
    with boa.reverts("ecdsa: invalid signature `s` value"):
        trio.registry.register_node(*head, twin, sender=PROVIDER.address)


@pytest.mark.attack("T11")
def test_register_node__key_used_before__reverts_for_ever(trio: Trio) -> None:
    """T11: by its own provider or another one, after retirement and after every cooldown."""
    p, q = trio.provider(), trio.provider(OTHER_PROVIDER)
    i = trio.node(p)
    key = node_key(0)
    for provider, owner in ((p, PROVIDER), (q, OTHER_PROVIDER)):
        with boa.reverts("registry: key was used before"):
            trio.registry.register_node(*trio.registration(provider, key=key), sender=owner.address)
    trio.registry.retire_node(i, sender=PROVIDER.address)
    trio.wait(400 * 86_400)
    with boa.reverts("registry: key was used before"):
        trio.registry.register_node(*trio.registration(p, key=key), sender=PROVIDER.address)


def test_register_node__empty_fingerprint__reverts(trio: Trio) -> None:
    arguments = trio.signed(trio.provider(), 0, 1, [bytes(32)], node_key(0))
    with boa.reverts("registry: empty fingerprint"):
        trio.registry.register_node(*arguments, sender=PROVIDER.address)


def test_register_node__a_gpu_twice__reverts(trio: Trio) -> None:
    arguments = trio.signed(trio.provider(), 0, 1, [keccak(b"a"), keccak(b"b"), keccak(b"a")], node_key(0))
    with boa.reverts("registry: GPU stands in a node"):
        trio.registry.register_node(*arguments, sender=PROVIDER.address)


def test_register_node__gpu_of_another_node__free_a_cooldown_after_its_retirement(trio: Trio) -> None:
    p, q = trio.provider(), trio.provider(OTHER_PROVIDER)
    i = trio.node(p)
    gpu = trio.prints[i][0]
    arguments = trio.signed(q, 0, 1, [gpu], node_key(77))
    trio.allow_fee(OTHER_PROVIDER)

    def refused() -> None:
        with boa.reverts("registry: GPU stands in a node"):
            trio.registry.register_node(*arguments, sender=OTHER_PROVIDER.address)

    refused()
    trio.registry.retire_node(i, sender=PROVIDER.address)
    refused()
    free = trio.parameters.end(trio.epoch) + trio.parameters.cooldown
    assert trio.registry.gpu_owner(gpu) == free << 32 | i + 1
    trio.wait(free - trio.now - 1)
    refused()
    trio.wait(1)
    assert trio.registry.gpu_owner(gpu) == 0
    j = trio.registry.register_node(*arguments, sender=OTHER_PROVIDER.address)
    assert trio.registry.gpu_owner(gpu) == j + 1


def test_register_node__units_overflow__reverts(trio: Trio) -> None:
    p = trio.provider()
    trio.add_class((*LIVENESS[:6], 2**60, *LIVENESS[7:]))
    trio.allow_fee()
    with boa.reverts("registry: stake units"):
        trio.registry.register_node(*trio.registration(p, class_id=1, gpus=16), sender=PROVIDER.address)
    trio.registry.register_node(*trio.registration(p, class_id=1, gpus=15), sender=PROVIDER.address)
    assert trio.units(p) == 15 * 2**60


def test_register_node__no_allowance_for_the_fee__reverts(trio: Trio) -> None:
    trio.fund(PROVIDER, 100 * WAD)
    with boa.reverts("token: allowance"):
        trio.registry.register_node(*trio.registration(trio.provider()), sender=PROVIDER.address)
    assert trio.registry.count() == 0


def test_register_node__before_genesis__reverts(trio: Trio) -> None:
    p = trio.provider()
    trio.allow_fee()
    boa.env.timestamp = trio.parameters.genesis - 1
    with boa.reverts():
        trio.registry.register_node(*trio.registration(p), sender=PROVIDER.address)


@pytest.mark.attack("T10")
def test_register_node__stranger_cannot_use_a_seen_signature(trio: Trio) -> None:
    """T10: the signature names the provider, so nobody carries it to another one."""
    p, q = trio.provider(), trio.provider(STRANGER)
    arguments = list(trio.registration(p))
    arguments[0] = q
    with boa.reverts("registry: not signed by the key"):
        trio.registry.register_node(*arguments, sender=STRANGER.address)


@pytest.mark.attack("T10")
def test_register_node__stranger_who_took_the_expected_id__cannot_use_a_seen_signature(trio: Trio) -> None:
    """T10: ids are dense, so a key may sign for the id that its owner is about to get; whoever registers first gets
    that id, and the signature still serves the owner it names only."""
    with boa.env.anchor():
        mine = trio.registration(trio.provider())
    assert trio.provider(STRANGER) == mine[0]
    trio.allow_fee(STRANGER)
    with boa.reverts("registry: not signed by the key"):
        trio.registry.register_node(*mine, sender=STRANGER.address)
    p = trio.provider()
    trio.allow_fee()
    assert trio.registry.register_node(*trio.registration(p), sender=PROVIDER.address) == 0


def test_register_node__signed_for_the_owner_before__reverts(trio: Trio) -> None:
    """A provider that changed hands takes no registration that was signed for the old owner."""
    p = trio.provider()
    arguments = trio.registration(p)
    trio.registry.transfer_provider(p, OTHER_PROVIDER.address, sender=PROVIDER.address)
    trio.registry.accept_provider(p, sender=OTHER_PROVIDER.address)
    with boa.reverts("registry: not signed by the key"):
        trio.registry.register_node(*arguments, sender=OTHER_PROVIDER.address)


def test_register_node__fingerprint_taken_by_a_front_runner__registers_with_a_salted_one(trio: Trio) -> None:
    """L1: a squatter copies a fingerprint that it saw on its way, at the price of FEE and the gas of a node. The
    victim's call fails whole: no fee is burned, its key stays unused. Its way out is another fingerprint of the same
    GPU."""
    p, q = trio.provider(), trio.provider(STRANGER)
    uuid, salt = b"GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77", b"any"
    mine = trio.signed(p, 0, 1, [keccak(uuid)], node_key(0))
    trio.allow_fee()
    trio.allow_fee(STRANGER)
    squatted = trio.token.balanceOf(STRANGER.address)
    trio.registry.register_node(*trio.signed(q, 0, 1, [keccak(uuid)], node_key(1)), sender=STRANGER.address)
    assert squatted - trio.token.balanceOf(STRANGER.address) == trio.parameters.fee_node
    before = trio.token.balanceOf(PROVIDER.address)
    with boa.reverts("registry: GPU stands in a node"):
        trio.registry.register_node(*mine, sender=PROVIDER.address)
    assert trio.token.balanceOf(PROVIDER.address) == before
    assert trio.registry.node_of_key(node_key(0).address) == 0
    again = trio.signed(p, 0, 1, [keccak(uuid + salt)], node_key(0))
    i = trio.registry.register_node(*again, sender=PROVIDER.address)
    assert trio.registry.gpu_owner(keccak(uuid + salt)) == i + 1
