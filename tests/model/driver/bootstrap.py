"""The market in which every sequence begins."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from keepers.protocol.hashing import keccak, word
from keepers.protocol.leases import NO_LIMIT
from keepers.protocol.messages import RegisterNode, address_text, fingerprints_hash
from keepers.simulate.registry import HardwareClass

if TYPE_CHECKING:
    from tests.model.driver import Driver


def bootstrap(driver: Driver) -> None:
    """A small market: committee, classes, sheets, two staked providers with Active nodes, three renters."""
    addresses = driver.chain.addresses
    driver.must("hub", "set_committee", 1, driver.seats[:4], ["https://s"] * 4, sender=driver.owner)
    driver.must("hub", "open_entries", sender=driver.owner)
    driver.must("pool", "set_grant", driver.finder, 1, sender=driver.owner)
    driver.must("registry", "set_grant", driver.finder, 1, sender=driver.owner)
    for row in (HardwareClass("A", min_stake=10**11), HardwareClass("B", min_stake=3 * 10**11, vram_gib=80)):
        driver.must("registry", "add_class", row, sender=driver.owner)
    for notice, least, prepay, limit in ((120, 0, 2**32 - 1, NO_LIMIT), (120, 60, 600, 40), (240, 240, 1_200, 30)):
        driver.must("escrow", "add_sheet", notice, least, prepay, limit, 0, sender=driver.owner)
    table = 9_900 << 112 | 1_000 << 96
    driver.must("escrow", "add_sheet", 120, 0, 10_000, 50, table, sender=driver.owner)
    for person in (*driver.renters, *driver.owners, driver.finder):
        driver.must("token", "transfer", person, 10**26, sender=driver.holder)
        for spender in ("engine", "pool", "registry"):
            driver.must("token", "approve", addresses[spender], 2**256 - 1, sender=person)
    for i in range(2):
        driver.must(
            "registry", "register_provider", driver.operators[i], driver.owners[i], "x", sender=driver.owners[i]
        )
        driver.must("pool", "stake_own", i, 10**16, sender=driver.owners[i])
    for i in range(6):
        _register(driver, i % 2, i % 3 // 2)
    for _ in range(4):
        driver.quiet_report()
    driver.do_usable(random.Random(0))
    for i in range(6):
        driver.must("standing", "activate", i, *driver.proof(2, i), sender=driver.settlers[0])
    for renter in driver.renters:
        driver.must("engine", "buy", 10**24, 0, sender=renter)


def _register(driver: Driver, p: int, class_id: int) -> None:
    memory = driver.memory
    memory.keys += 1
    key = driver.signer.new(memory.keys)
    prints = [keccak(b"gpu" + word(memory.keys * 16 + j)) for j in range(4)]
    message = RegisterNode(
        p, address_text(driver.owners[p]), class_id, 276, fingerprints_hash(prints), address_text(key)
    )
    signature = driver.signer.sign(key, message.digest(driver.world.registry.domain))
    driver.must("registry", "register_node", p, class_id, 276, prints, key, signature, sender=driver.owners[p])
    memory.nodes += 1
