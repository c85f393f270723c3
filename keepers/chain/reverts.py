"""Why the chain refused a call: revert data to words, words to a code.

`Error(string)` carries the contracts' own reasons ("escrow: not running"), `Panic(uint256)` a compiler check. Vyper's
own checks (overflow, bounds, `raise` without reason) revert with empty data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from keepers.protocol.errors import CODES, HearthError
from keepers.protocol.reverts import REVERTS, UNKNOWN

_ERROR = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")
REASON_LIMIT = 256  # bytes of a foreign contract's text that we repeat
PANICS = {
    0x01: "assertion",
    0x11: "overflow",
    0x12: "division by zero",
    0x21: "bad enum value",
    0x31: "pop of an empty array",
    0x32: "index out of bounds",
    0x41: "out of memory",
}


@dataclass(frozen=True, slots=True)
class Revert:
    """Decoded revert data. `reason` is for people and, for kind "reason", the contract's own string."""

    kind: Literal["reason", "panic", "custom", "empty"]
    reason: str


class Reverted(HearthError):
    """A call that the chain refuses, by the contract's own reason."""

    def __init__(self, revert: Revert, what: str = "the call") -> None:
        code, why, next_ = explain(revert)
        super().__init__(code, f"{what} is refused: {revert.reason}", why, next_)
        self.revert = revert

    @property
    def reason(self) -> str:
        """The contract's own string, e.g. "escrow: not running"."""
        return self.revert.reason


def decode_revert(data: bytes | str | None) -> Revert:
    """Words for revert data; never raises, as the data are foreign."""
    raw = _bytes(data)
    if not raw:
        return Revert("empty", "without a reason")
    if raw[:4] == _ERROR and len(raw) >= 68:
        length = int.from_bytes(raw[36:68], "big")
        text = raw[68 : 68 + min(length, REASON_LIMIT)].decode("utf-8", "replace")
        return Revert("reason", "".join(c if c.isprintable() else "?" for c in text))
    if raw[:4] == _PANIC and len(raw) >= 36:
        number = int.from_bytes(raw[4:36], "big")
        return Revert("panic", f"panic 0x{number:02x} ({PANICS.get(number, 'unknown')})")
    return Revert("custom", "0x" + raw[:36].hex())


def _bytes(data: bytes | str | None) -> bytes:
    if data is None or isinstance(data, bytes):
        return data or b""
    try:
        return bytes.fromhex(data.removeprefix("0x"))
    except ValueError:
        return b""


def explain(revert: Revert) -> tuple[str, str, str]:
    """(code, meaning, remedy) of a revert; H2900 where the reason is not one of ours."""
    if revert.kind == "reason" and revert.reason in REVERTS:
        return REVERTS[revert.reason]
    row = CODES[UNKNOWN]
    return row.code, row.meaning, row.remedy
