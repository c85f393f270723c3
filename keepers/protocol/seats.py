"""What stands behind a seat of the committee, and what it loses. Source: docs/protocol.md §7, "Seats and bonds".

seat      bond 128 @128 | fault 40 @88 | leaving 40 @48 | free 40 @8 | seated @0
The executable side of contracts/consensus/AttesterCommittee.vy; words as in its interface.
"""

from __future__ import annotations

from dataclasses import dataclass

from keepers.protocol.units import M40

MAX_BOND = 2**120  # wei of the token
LEAST_SEATS = 4  # of a table that nobody proposed as small
REPEAT = 30 * 86_400  # seconds between two faults within which the second costs all


@dataclass(frozen=True)
class Seat:
    """What stands behind an account: wei; times in seconds, 0 = none."""

    bond: int = 0
    fault: int = 0
    leaving: int = 0
    free: int = 0
    seated: bool = False

    def pack(self) -> int:
        """The seat word."""
        return self.bond << 128 | self.fault << 88 | self.leaving << 48 | self.free << 8 | self.seated

    @classmethod
    def unpack(cls, value: int) -> Seat:
        """Reads a seat word."""
        return cls(value >> 128, value >> 88 & M40, value >> 48 & M40, value >> 8 & M40, bool(value & 1))

    def penalty(self, at: int) -> int:
        """Wei that a report which fell at second `at` costs: a tenth, rounded up; all, near a fault of before."""
        repeated = self.fault != 0 and abs(self.fault - at) <= REPEAT
        return self.bond if repeated else -(-self.bond // 10)


def bounty(amount: int) -> int:
    """The finder's part of what seats lose, in wei: a fifth, rounded down."""
    return amount // 5
