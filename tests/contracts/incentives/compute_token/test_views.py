"""The domain."""

from __future__ import annotations

from typing import Any

import boa

from tests.support.actors import keccak, words


def test_domain__is_eip712_of_the_name(token: Any) -> None:
    fields, name, version, chain, contract, salt, extensions = token.eip712Domain()
    assert (fields, name, version, salt, extensions) == (b"\x0f", "Hearth", "1", bytes(32), [])
    assert (chain, contract) == (boa.env.evm.patch.chain_id, token.address)


def test_domain_separator__is_the_hash_of_the_domain(token: Any) -> None:
    kind = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    domain = boa.env.evm.patch.chain_id, int(token.address, 16)
    assert token.DOMAIN_SEPARATOR() == keccak(kind + keccak(b"Hearth") + keccak(b"1") + words(*domain))
