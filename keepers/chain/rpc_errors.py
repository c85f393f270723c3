"""What can go wrong between us and an endpoint, in our own words; nothing here talks to one.

The rest of the program knows these classes and no other: web3's and requests' exceptions end in `transport`.
"""

from __future__ import annotations

from typing import Any

from keepers.chain.reverts import Reverted, decode_revert
from keepers.protocol.errors import HearthError

# Server-side trouble by JSON-RPC code: another try, best elsewhere, may succeed.
RETRY_CODES = frozenset({-32005, -32016, -32603, -32097})
_BEHIND = (
    "header not found",
    "unknown block",
    "block not found",
    "missing trie node",
    "resource not found",
    "blockoutofrange",
)
_REVERT_CODES = frozenset({3, -32015})


class RpcError(HearthError):
    """An endpoint's own error answer. `rpc_code`, `text` and `data` are the endpoint's."""

    def __init__(self, method: str, rpc_code: int, text: str, data: Any = None) -> None:
        super().__init__(
            "H2001",
            f"{method}: the endpoint answers {text[:200]!r} ({rpc_code})",
            next=("try another --rpc",),
        )
        self.method, self.rpc_code, self.text, self.data = method, rpc_code, text, data

    @property
    def behind(self) -> bool:
        """Whether the endpoint only lacks a block that others have."""
        return any(word in self.text.lower() for word in _BEHIND)

    @property
    def worth_retry(self) -> bool:
        """Whether the same question may get an answer elsewhere or later."""
        text = self.text.lower()
        return self.rpc_code in RETRY_CODES or self.behind or "rate limit" in text or "timeout" in text


class MaybeSent(HearthError):
    """A transaction was handed over and no clear answer came back: it may be on its way."""

    def __init__(self, why: str) -> None:
        super().__init__("H2010", "the transaction was handed over, the answer is unclear", (why,))


class NotConnected(HearthError):
    """No connection came about: certainly nothing was sent."""

    def __init__(self, shown: str, error: Exception) -> None:
        super().__init__(
            "H2001",
            f"{shown} cannot be reached",
            (type(error).__name__,),
            ("check the URL and the network; retrying is safe",),
        )


class BadAnswer(HearthError):
    """An answer that is none: no JSON, another request's, too large, cut off, not of the type asked for."""

    def __init__(self, shown: str, what: str, name: str) -> None:
        super().__init__("H2001", f"{shown} gives {what} to {name}")


class Malformed(HearthError):
    """A result in which a value is not what the method promises."""

    def __init__(self, value: Any, wanted: str) -> None:
        super().__init__("H2001", f"an endpoint gives {str(value)[:80]!r} where {wanted} belongs")


def error_of(method: str, error: Any) -> HearthError:
    """The `error` member of an answer as RpcError, or as Reverted where it is a contract's refusal."""
    if not isinstance(error, dict):
        return RpcError(method, 0, str(error))
    code = error.get("code")
    code = code if isinstance(code, int) else 0
    text, data = str(error.get("message", error)), error.get("data")
    if method != "eth_sendRawTransaction" and (code in _REVERT_CODES or "revert" in text.lower()):
        raw = data.get("data") if isinstance(data, dict) else data
        return Reverted(decode_revert(raw if isinstance(raw, str) else None), method)
    return RpcError(method, code, text, data)
