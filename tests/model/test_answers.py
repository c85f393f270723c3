"""Answers that fall: the reference model beside the bytecode, with finders of wrong entries and of right ones."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from keepers.protocol.nodes import Status
from tests.model.answers import WEIGHTS, AnswerDriver
from tests.model.driver import Call, failing, sequence

# More for a night: HEARTH_ANSWER_SEQUENCES=2000.
SEQUENCES = int(os.environ.get("HEARTH_ANSWER_SEQUENCES", "16"))
LENGTH = 200
BATCH = 8


@pytest.fixture(scope="module")
def driver() -> Iterator[AnswerDriver]:
    found = AnswerDriver()
    yield found
    rows = [f"{k} {found.successes[k]}/{n}" for k, n in sorted(found.attempts.items())]
    print(f"\nanswers: {found.steps} steps; succeeded of attempted: " + ", ".join(rows))


@pytest.mark.parametrize("batch", range((SEQUENCES + BATCH - 1) // BATCH))
def test_model_and_bytecode_agree(driver: AnswerDriver, batch: int) -> None:
    """Same refusals, events, fault words, statuses and stake, in a market that lives."""
    for seed in range(batch * BATCH, min(SEQUENCES, (batch + 1) * BATCH)):
        assert failing(driver, sequence(seed, LENGTH, WEIGHTS)) is None, f"sequence {seed}"


def test_every_step_succeeds_and_is_refused(driver: AnswerDriver) -> None:
    """All words of the contract but two: no node without a key can sign, no constructor runs here."""
    for seed in range(900_000, 900_024):
        driver.run(sequence(seed, 60, {"answer": 50, "report": 3, "claim": 3, "warp": 1, "node": 2}))
    kinds = ("answer", "claim")
    assert [k for k in kinds if not driver.successes[k]] == []
    assert [k for k in kinds if driver.successes[k] == driver.attempts[k]] == []
    reasons = {reason for _, reason in driver.refusals if reason.startswith("challenge: ")}
    assert reasons == {
        "challenge: " + words
        for words in (
            "committed already", "no seed", "window closed", "same fault", "not committed", "signature length",
            "signature", "not the node's key", "liveness-only class", "no such GPU", "no such round", "no such row",
            "no such column", "chunk length", "path length", "previous in round 0", "list path is short", "list path",
            "not of this root", "element is right",
        )
    }  # fmt: skip


def committed(driver: AnswerDriver, node: int, add: int) -> Call:
    """A claim against an answer of the last epoch, committed in time."""
    epoch = driver.world.hub.last_epoch + 1
    arguments = driver.signed(driver.claim(random.Random(3), driver.work(node, epoch), add))
    driver.must("challenge", "commit", driver.commitment(arguments, driver.finder), sender=driver.finder)
    driver.warp(driver.memory.now + 1)
    return Call("challenge", "refute", tuple(arguments), driver.finder)


def test_a_wrong_entry__faults_the_node_and_costs_stake(driver: AnswerDriver) -> None:
    driver.reset()
    world, node = driver.world, driver.answering[0]
    before = world.pool.bucket[0].assets
    assert driver.make(committed(driver, node, 1), "answer")
    assert world.registry.nodes[node].status == Status.FAULTED
    assert world.pool.bucket[0].assets < before
    assert world.challenge.fault_of(node) == world.calendar.epoch(world.now)


def test_a_second_fault__in_a_later_epoch__asks_for_twice(driver: AnswerDriver) -> None:
    driver.reset()
    asked = []
    for _ in range(2):
        assert driver.make(committed(driver, driver.answering[0], 1), "answer")
        asked += [e.values[-1] for e in driver.world.events[-9:] if e.name == "Refuted"]
        for _ in range(2):
            driver.quiet_report()
    assert asked[1] == 2 * asked[0] > 0


def test_an_honest_entry__is_refused_and_costs_nothing(driver: AnswerDriver) -> None:
    driver.reset()
    world, node = driver.world, driver.answering[0]
    before, status = world.pool.bucket[0], world.registry.nodes[node]
    refused = driver.refusals["answer", "challenge: element is right"]
    assert not driver.make(committed(driver, node, 0), "answer")
    assert driver.refusals["answer", "challenge: element is right"] == refused + 1
    assert (world.pool.bucket[0], world.registry.nodes[node], world.challenge.fault_of(node)) == (before, status, 0)


def test_a_wrong_rate__is_noticed(driver: AnswerDriver) -> None:
    """The lot is compared: a model that draws oftener than the bytecode is caught."""
    original = driver.world.challenge.rate
    driver.world.challenge.rate = 9_999
    try:
        assert failing(driver, sequence(1, 40, WEIGHTS)) is not None
    finally:
        driver.world.challenge.rate = original
