"""The figures that are measured, what each may cost, and what peers do that is most like it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """A gas figure: `most` in gas; `peer` = (suite, action) of the peers' harness, of which the cheapest is taken."""

    id: str
    what: str
    most: float
    peer: tuple[str, str] | None = None


CLAIM = ("streaming", "claim (later)")
GAS = (
    Goal("gas.lease.take", "take a signed ask and open a lease", 147_000, ("streaming", "open (known provider)")),
    Goal("gas.lease.settle", "settle, proof of depth 17", 68_000, CLAIM),
    Goal("gas.lease.settle_bounty", "settle with a bounty", 73_000, CLAIM),
    Goal(
        "gas.lease.settle_anchor",
        "first settlement, with the anchor",
        88_000,
        ("streaming", "claim (first, provider balance 0)"),
    ),
    Goal("gas.lease.settle_32_near", "a lease in a batch of 32, neighbours", 20_000),
    Goal("gas.lease.settle_32_far", "a lease in a batch of 32, scattered", 37_000),
    Goal("gas.lease.stop", "stop", 56_000, ("streaming", "stop only (refund to tenant)")),
    Goal("gas.lease.finish", "finish", 86_000, ("streaming", "close (settle + refund)")),
    Goal("gas.lease.top_up", "top up", 47_000, ("streaming", "top-up")),
    Goal("gas.lease.pay", "pay as you go", 70_000, ("streaming", "top-up")),
    Goal("gas.credits.buy", "buy credits", 64_000, ("streaming", "deposit (wrap to SuperToken)")),
    Goal("gas.credits.refund", "refund", 61_000, ("staking", "unstake, paid at once")),
    Goal("gas.credits.redeem", "redeem a period", 76_000, ("staking", "claim rewards")),
    Goal("gas.credits.redeem_next", "each further period in the same call", 10_000),
    Goal("gas.report.1k_k3", "report of 1,000 nodes, 10 changed, 4 seats", 77_000, ("oracle", "report k=3")),
    Goal("gas.report.10k_k5", "report of 10,000 nodes, 100 changed, 5 of 7 seats", 96_000),
    Goal("gas.report.10k_k11", "the same, 11 of 16 seats", 124_000),
    Goal("gas.report.100k_k5", "report of 100,000 nodes, 1,000 changed, 5 of 7 seats", 250_000),
    Goal("gas.post_per_record", "a record of a posted part", 225),
    Goal("gas.refute.root_10k", "fell a garbage root, 10,000 nodes", 1_300_000),
    Goal("gas.refute.root_100k", "fell a garbage root, 100,000 nodes", 1_700_000),
    Goal("gas.refute.element_1k", "refute an entry of a product, n = 1,024, R = 8", 125_000),
    Goal("gas.refute.element_4k", "refute an entry, n = 4,096, R = 64", 150_000),
    Goal("gas.refute.element_16k", "refute an entry, n = 16,384, R = 512", 220_000),
    Goal("gas.refute.element_64k", "refute an entry, n = 65,536, R = 512", 480_000),
    Goal("gas.dot_per_element", "an entry more in the referee's product", 5.9),
    Goal("gas.leaf.read", "D(t) from one proof of depth 17, execution", 9_000),
    Goal("gas.node.register", "register a node", 165_000, ("staking", "register+stake node operator")),
)

SIZE_ID, SIZE_WHAT, SIZE_MOST = "size.max_runtime_bytes", "largest contract, bytes", 22_528
REPLAY_ID, REPLAY_MOST = "replay.day_50_s", 600  # seconds on 2 cores
