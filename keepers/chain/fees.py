"""What a transaction may pay for gas (EIP-1559). Fees in wei per gas."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fees:
    """`max_fee` ≥ `priority_fee` ≥ 0."""

    max_fee: int
    priority_fee: int


def quote(base_fee: int, tip: int) -> Fees:
    """Fees that stay valid while the base fee at most doubles (six full blocks): max = 2·base + tip."""
    return Fees(2 * base_fee + tip, tip)
