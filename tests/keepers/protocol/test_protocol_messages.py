"""Digests of typed messages against eth_account; packing of nodes."""

import dataclasses
import random
from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from eth_utils import keccak as eth_keccak

from keepers.protocol import messages
from keepers.protocol.messages import (
    Ask,
    Domain,
    Heartbeat,
    Message,
    ProposedSet,
    RegisterNode,
    Report,
    RotateKey,
    SignedObservation,
    Take,
    VoidReport,
    fingerprints_hash,
    pack_nodes,
    unpack_nodes,
)

DOMAIN = Domain(31_337, "0x" + "12" * 20)
TYPES = [Ask, Take, RegisterNode, RotateKey, Report, VoidReport, Heartbeat, SignedObservation, ProposedSet]


def example(kind: type[Message], seed: int) -> Message:
    rng = random.Random(seed)
    make = {
        "uint256": lambda: rng.choice((0, 1, 2**256 - 1, rng.getrandbits(256))),
        "address": lambda: "0x" + rng.randbytes(20).hex(),
        "bytes32": lambda: rng.randbytes(32),
    }
    return kind(*[make[t]() for t, _ in messages.members(kind.TYPE)])


@pytest.mark.parametrize("kind", TYPES, ids=lambda k: k.__name__)
@pytest.mark.parametrize("seed", range(3))
def test_digest_is_what_a_wallet_signs(kind: type[Message], seed: int) -> None:
    message = example(kind, seed)
    members = messages.members(kind.TYPE)
    values: dict[str, Any] = {
        name: getattr(message, f.name) for (_, name), f in zip(members, dataclasses.fields(message), strict=True)
    }
    data = {
        "types": {
            "EIP712Domain": [{"name": n, "type": t} for t, n in messages.members(messages.DOMAIN_TYPE)],
            kind.TYPE.split("(")[0]: [{"name": n, "type": t} for t, n in members],
        },
        "primaryType": kind.TYPE.split("(")[0],
        "domain": {"name": "Hearth", "version": "1", "chainId": DOMAIN.chain_id, "verifyingContract": DOMAIN.contract},
        "message": values,
    }
    signable = encode_typed_data(full_message=data)
    assert message.digest(DOMAIN) == eth_keccak(b"\x19" + signable.version + signable.header + signable.body)
    assert DOMAIN.separator == signable.header


@pytest.mark.parametrize("kind", TYPES, ids=lambda k: k.__name__)
def test_field_names_follow_the_type_string(kind: type[Message]) -> None:
    assert [f.name for f in dataclasses.fields(kind)] == [n for _, n in messages.members(kind.TYPE)]  # type: ignore[arg-type]


def test_another_chain_contract_or_field_is_another_digest() -> None:
    """T08, C01, C03"""
    ask = example(Ask, 1)
    other = dataclasses.replace(ask, salt=5)  # type: ignore[type-var]
    digests = {
        ask.digest(DOMAIN),
        other.digest(DOMAIN),
        ask.digest(Domain(1, DOMAIN.contract)),
        ask.digest(Domain(31_337, "0x" + "13" * 20)),
    }
    assert len(digests) == 4


def test_lease_ids_follow_the_digest() -> None:
    take = example(Take, 2)
    assert isinstance(take, Take)
    first = int.from_bytes(take.digest(DOMAIN), "big")
    assert [take.lease_id(DOMAIN, i) for i in range(3)] == [(first + i) % 2**256 for i in range(3)]


def test_fields_that_are_no_words_are_refused() -> None:
    with pytest.raises(OverflowError):
        RotateKey(2**256, DOMAIN.contract).digest(DOMAIN)
    with pytest.raises(OverflowError):
        RotateKey(-1, DOMAIN.contract).digest(DOMAIN)
    with pytest.raises(ValueError, match="20 bytes"):
        RotateKey(1, "0x12").digest(DOMAIN)
    with pytest.raises(ValueError, match="body has 31 bytes"):
        SignedObservation(1, 1, 1, bytes(31), 1).digest(DOMAIN)


def test_packed_nodes() -> None:
    assert pack_nodes([]) == 0 and unpack_nodes(0) == []
    assert pack_nodes([0, 5]) == 6 << 24 | 1
    for nodes in ([0], [3, 1, 2], list(range(8)), [2**24 - 2]):
        assert unpack_nodes(pack_nodes(nodes)) == nodes
    with pytest.raises(ValueError, match="at most 8"):
        pack_nodes(list(range(9)))
    with pytest.raises(ValueError, match="index"):
        pack_nodes([2**24 - 1])
    for bad in (1 << 24, 1 << 192):
        with pytest.raises(ValueError, match="gap"):
            unpack_nodes(bad)


def test_fingerprints_are_hashed_as_words() -> None:
    assert fingerprints_hash([bytes(32)]) == eth_keccak(bytes(32))
    with pytest.raises(ValueError, match="32 bytes"):
        fingerprints_hash([b"x"])
