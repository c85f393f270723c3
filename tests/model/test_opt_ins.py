"""Opting in and out: the reference model beside the bytecode, over nodes of a challenged and a liveness-only class."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from keepers.protocol.nodes import Node, Status
from keepers.simulate.registry import HardwareClass
from tests.model.driver import Call, Driver
from tests.model.driver.bootstrap import _register

SEQUENCES, STEPS = 60, 60
REFUSALS = {
    "registry: caller may not opt",
    "registry: node cannot opt in",
    "registry: class has no challenge",
    "registry: already opted in",
    "registry: not opted in",
}


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    """The bootstrap's six nodes of liveness-only classes, and four of a challenged one."""
    found = Driver()
    row = HardwareClass("C", min_stake=10**11, n=256, rounds=8, deadline=6)
    found.must("registry", "add_class", row, sender=found.owner)
    for i in range(4):
        _register(found, i % 2, 2)
    found.keep()
    yield found


def step(driver: Driver, rng: random.Random) -> None:
    """One call by somebody who may, mostly, on some node, which may not exist."""
    registry, calendar = driver.world.registry, driver.world.calendar
    node = rng.randrange(registry.count + 1)
    word = registry.nodes[node]
    owner = registry.owners[word.provider]
    x = rng.random()
    if x < 0.1:
        driver.warp(driver.memory.now + rng.choice((1, calendar.epoch_seconds)))
    elif x < 0.16:
        driver.make(Call("registry", "retire_node", (node,), owner), "retire")
    elif x < 0.2:
        driver.make(Call("registry", "fault", (node,), driver.finder), "fault")
    else:
        by = driver.someone(rng, rng.choice((owner, registry.providers[word.provider].operator)))
        driver.make(Call("registry", rng.choice(("opt_in", "opt_out")), (node,), by), "opt")


def test_model_and_bytecode_agree__every_refusal_and_both_ways(driver: Driver) -> None:
    seen: set[int] = set()
    for seed in range(SEQUENCES):
        driver.reset()
        rng = random.Random(seed)
        for _ in range(STEPS):
            step(driver, rng)
        nodes = [driver.world.registry.nodes[i] for i in range(driver.world.registry.count)]
        assert all(node.opt_in == 0 for node in nodes if node.class_id != 2)
        seen |= {int(node.status) for node in nodes if node.opt_in}
    assert seen >= {Status.PENDING, Status.FAULTED, Status.RETIRED}, "an opt-in outlives what becomes of the node"
    assert {why for kind, why in driver.refusals if kind == "opt"} == REFUSALS


def test_word_of_the_chain__opted_in__reads_as_the_models(driver: Driver) -> None:
    driver.reset()
    registry = driver.world.registry
    node = registry.count - 1
    owner = registry.owners[registry.nodes[node].provider]
    driver.must("registry", "opt_in", node, sender=owner)
    since = driver.world.calendar.epoch(driver.memory.now) + 1
    found = Node.unpack(driver.chain.view("registry", "node", node))
    assert found == registry.nodes[node] and found.opt_in == since
