"""What a transaction may pay for gas (EIP-1559). Fees in wei per gas."""

from __future__ import annotations

from dataclasses import dataclass

GWEI = 10**9


@dataclass(frozen=True, slots=True)
class Fees:
    """`max_fee` ≥ `priority_fee` ≥ 0."""

    max_fee: int
    priority_fee: int


def quote(base_fee: int, tip: int) -> Fees:
    """Fees that stay valid while the base fee at most doubles (six full blocks): max = 2·base + tip."""
    return Fees(2 * base_fee + tip, tip)


def effective(base_fee: int, fees: Fees) -> int:
    """What would be paid per gas at this base fee: min(max, base + tip)."""
    return min(fees.max_fee, base_fee + fees.priority_fee)
