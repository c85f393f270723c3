"""The domain."""

from __future__ import annotations

from typing import Any

import boa


def test_domain__is_eip712_of_the_name(token: Any) -> None:
    fields, name, version, chain, contract, salt, extensions = token.eip712Domain()
    assert (fields, name, version, salt, extensions) == (b"\x0f", "Hearth", "1", bytes(32), [])
    assert (chain, contract) == (boa.env.evm.patch.chain_id, token.address)
