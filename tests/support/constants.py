"""Numbers of the contract tests: the default profile of docs/protocol.md, "Defaults and roundings"."""

from __future__ import annotations

from dataclasses import dataclass

WAD = 10**18
GWEI = 10**9
BPS = 10_000
PRICE_ONE = 10**12
DAY = 86_400
SLOTS = 12
RING = 2_048
M32 = 2**32 - 1
M64 = 2**64 - 1
# order of the group of secp256k1: n - s is the twin of a signature
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass(frozen=True)
class Parameters:
    """What the constructors take. Seconds unless said; the default profile."""

    genesis: int = 1_800_000_000
    slot: int = 300
    epochs_per_period: int = 24
    dispute: int = 24  # epochs
    grace: int = 24  # epochs
    abandon: int = 7 * DAY
    price: int = 2 * PRICE_ONE  # USD a token, 12 decimals
    bound: int = 1_000  # bps an epoch
    supply: int = 1_000_000_000 * WAD
    unbonding: int = 14 * DAY
    fee_node: int = 10 * WAD  # token wei burned a node
    answer_window: int = 7 * DAY
    cooldown: int = 7 * DAY
    escrow_bounty: int = 100  # bps
    claim: int = 3 * DAY
    spread: int = 25  # bps
    peg: int = 9_500
    cap: int = 9_900
    fee: int = 400
    attesters_share: int = 3_000  # bps of the fee
    builders_share: int = 2_000
    seats: int = 4
    seat_bond: int = 10_000 * WAD
    notice: int = 14 * DAY
    rate: int = 200  # bps of the nodes drawn an epoch

    @property
    def epoch(self) -> int:
        return self.slot * SLOTS

    @property
    def period(self) -> int:
        return self.epoch * self.epochs_per_period

    @property
    def max_age(self) -> int:
        return 2 * self.epoch

    @property
    def stake_price(self) -> int:
        """Tokens a USD, 12 decimals: the hub's and the pool's first S."""
        return 10**24 // self.price

    def start(self, e: int) -> int:
        return self.genesis + e * self.epoch

    def end(self, e: int) -> int:
        return self.start(e + 1)

    def epoch_of(self, t: int) -> int:
        return (t - self.genesis) // self.epoch
