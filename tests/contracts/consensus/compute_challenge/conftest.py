"""A node that answered the challenge of an epoch, and how its answer is committed against and refuted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import boa
import pytest

from keepers.protocol.challenge import Place, Refutation, Work
from tests.support.actors import SETTLER, Actor, Domain, keccak, node_key
from tests.support.constants import GWEI
from tests.support.products import Answered, Change, Claim, pretended
from tests.support.suite import Suite

N, ROUNDS, GPUS = 256, 2, 3
MIN_STAKE = 100 * GWEI  # 1e-9 USD a GPU
STAKE = 1_000_000 * GWEI  # gwei of the token


@dataclass
class Court:
    """A node of a class of (n, rounds, gpus), drawn in an epoch whose seed stands."""

    suite: Suite
    provider: int
    node: int
    class_id: int
    n: int
    rounds: int
    gpus: int

    @classmethod
    def of(cls, suite: Suite, n: int = N, rounds: int = ROUNDS, gpus: int = GPUS) -> Court:
        class_id = suite.add_class(MIN_STAKE, n=n, rounds=rounds)
        provider = suite.register_provider()
        node = suite.register_node(provider, class_id, gpus)
        suite.stake(provider, STAKE)
        suite.report_until(3)
        return cls(suite, provider, node, class_id, n, rounds, gpus)

    @property
    def epoch(self) -> int:
        """The last one that has a seed."""
        return int(self.suite.hub.last_epoch()) + 1

    @property
    def domain(self) -> Domain:
        return Domain(self.suite.hub_domain.chain_id, self.suite.challenge.address)

    def work(self, epoch: int | None = None) -> Work:
        e = self.epoch if epoch is None else epoch
        seed, seed_b = self.suite.challenge.seeds(e)
        return Work(self.node, e, seed, seed_b, self.class_id, self.n, self.rounds, self.gpus)

    def answer(self, changes: Mapping[tuple[int, int], Change] | None = None, epoch: int | None = None) -> Answered:
        return Answered(self.work(epoch), changes or {})

    def claim(self, answer: Answered, gpu: int, round_: int, row: int, col: int, key: Actor | None = None) -> Claim:
        shown = answer.shown(gpu, round_, row, col)
        return Claim.of(answer.work, answer.root, shown, key or node_key(self.node), self.domain)

    def lie(self, gpu: int = 1, round_: int = 1, row: int = 5, col: int = 200, add: int = 1) -> Claim:
        """A claim against an answer wrong in this one entry."""

        def change(c: Any) -> None:
            c[row, col] += add

        return self.claim(self.answer({(gpu, round_): change}), gpu, round_, row, col)

    def pretended(self, gpu: int, round_: int, row: int, col: int) -> Claim:
        """A claim against an answer of which one chunk of garbage exists, and no more."""
        chunk = b"".join(keccak(bytes([i])) for i in range(12))
        work = self.work()
        return Claim.of(work, *pretended(work, gpu, round_, row, col, chunk), node_key(self.node), self.domain)

    def foreign(self, claim: Claim, key: Actor | None = None, **changes: int) -> Claim:
        """The claim with the signature of `key` under an answer whose fields are others."""
        work = replace(self.work(claim.arguments["epoch"]), **changes)
        shown = Refutation(
            Place(*(claim.arguments[k] for k in ("gpu", "round", "row"))),
            *(claim.arguments[k] for k in ("col", "chunk", "path", "previous", "list_path")),
        )
        return Claim.of(work, claim.arguments["root"], shown, key or node_key(self.node), self.domain)

    def commit(self, claim: Claim, finder: Actor = SETTLER) -> None:
        """A block before."""
        self.suite.challenge.commit(claim.commitment(finder), sender=finder.address)
        self.suite.at(self.suite.now + 1)

    def refute(self, claim: Claim, finder: Actor = SETTLER) -> None:
        self.suite.challenge.refute(*claim.calldata, sender=finder.address)

    def fell(self, claim: Claim, finder: Actor = SETTLER) -> None:
        """Both."""
        self.commit(claim, finder)
        self.refute(claim, finder)

    def refused(self, claim: Claim, why: str, finder: Actor = SETTLER) -> None:
        """Committed in time, it fails all the same, for this reason."""
        self.commit(claim, finder)
        with boa.reverts(why):
            self.refute(claim, finder)

    @property
    def status(self) -> int:
        return (int(self.suite.registry.node(self.node)) >> 160) & 255

    @property
    def own(self) -> int:
        """Gwei of the provider's bonded stake."""
        return int(self.suite.pool.own(self.provider)) >> 192


@pytest.fixture
def court(suite: Suite) -> Court:
    return Court.of(suite)
