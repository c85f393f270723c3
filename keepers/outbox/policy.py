"""How much a transaction may pay and when it is replaced. Pure; fees in wei per gas, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from keepers.chain.fees import Fees, quote
from keepers.protocol.units import BPS, GWEI

BUMP_BPS = 11_100  # geth demands + 10 % on both caps; anvil + 5 %
PURGE_GAS = 21_000
TIP = GWEI // 10


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits of one key's outbox. `max_fee` is a hard cap: above it a row waits, however long."""

    max_fee: int = 100 * GWEI
    tip: int = TIP
    bump_after: int = 60
    resend_after: int = 20
    max_bumps: int = 12
    in_flight: int = 16
    gas_margin_bps: int = 12_500  # of the estimate: state may move between estimate and block
    gas_reserve: int = 40_000  # besides: the first settlement of a period writes two new tallies, 17,100 more each
    max_gas: int = 16_000_000
    funds_wait: int = 30
    foreign_after: int = 60  # seconds without a receipt after which a used nonce counts as another's
    revert_tries: int = 4  # estimates that may revert while the row that comes first is not seen everywhere

    def first(self, base_fee: int) -> Fees | None:
        """Fees of a first attempt; None while even the present base fee is above the cap."""
        if base_fee + self.tip > self.max_fee:
            return None
        fresh = quote(base_fee, self.tip)
        return Fees(min(fresh.max_fee, self.max_fee), min(fresh.priority_fee, self.max_fee))

    def bump(self, last: Fees, base_fee: int, bumps: int) -> Fees | None:
        """Fees of a replacement: both at least 11 % above the last, not below a fresh quote; None where that would
        pass the cap or the number of replacements is used up."""
        if bumps >= self.max_bumps:
            return None
        fresh = quote(base_fee, self.tip)
        least_max, least_tip = raised(last.max_fee), raised(last.priority_fee)
        if least_max > self.max_fee:
            return None
        tip = max(least_tip, fresh.priority_fee)
        return Fees(max(least_max, min(fresh.max_fee, self.max_fee), tip), tip) if tip <= self.max_fee else None

    def gas_limit(self, estimate: int) -> int:
        """Gas to allow for an estimate."""
        return min(self.max_gas, estimate * self.gas_margin_bps // BPS + self.gas_reserve)


def raised(fee: int) -> int:
    """A fee raised by 11 %, rounded up; at least 1 wei, or a zero tip could never be replaced."""
    return max(-(-fee * BUMP_BPS // BPS), fee + 1)


def above_cap(base_fee: int, policy: Policy) -> str:
    """The reason a row waits, for people."""
    return f"fee {(base_fee + policy.tip) / GWEI:.3f} gwei is above the cap of {policy.max_fee / GWEI:.3f} gwei"
