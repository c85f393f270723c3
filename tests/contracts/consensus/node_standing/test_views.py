"""One leaf, one proof: what `read_leaf` tells of a node, and what it refuses."""

from __future__ import annotations

import boa

from tests.support.suite import Suite
from tests.support.uptime import ALL


def test_read_leaf_through_any_second(net: Suite) -> None:
    net.report({3: 0b1010})
    net.report({3: ALL, 4: 1}, indet=0b11)
    net.report({3: ALL})
    net.report({5: 0b100000000001})
    header, start = net.uptime.header, net.parameters.start(4)
    net.make_usable()
    for node in (0, 3, 4, 5):
        leaf, proof = net.uptime.leaf(node), net.uptime.proof(node)
        for offset in (0, 1, 299, 300, 1_234, 3_599, 3_600):
            found = net.standing.read_leaf(4, header, node, leaf, proof, start + offset)
            assert found == (
                net.uptime.true_down(4, node, offset),
                net.uptime.true_fault(4, node, offset),
                net.uptime.true_unproven(4, node),
                0,
            )


def test_read_leaf_of_a_void_epoch(net: Suite) -> None:
    net.report({3: ALL})
    net.void()
    net.make_usable()
    header, leaf, proof = net.proof(3)
    found = net.standing.read_leaf(2, header, 3, leaf, proof, net.parameters.end(2))
    assert found[:2] == (7_200, 3_600), "void is down, not fault"
    header, leaf, proof = net.proof(0)
    assert net.standing.read_leaf(2, header, 0, leaf, proof, net.parameters.end(2))[:2] == (3_600, 0)


def test_read_leaf_needs_a_usable_epoch(net: Suite) -> None:
    net.report()
    header, leaf, proof = net.proof(0)
    with boa.reverts("hub: not usable yet"):
        net.standing.read_leaf(1, header, 0, leaf, proof, net.parameters.end(1))
    with boa.reverts("hub: not usable"):
        net.standing.read_leaf(2, header, 0, leaf, proof, net.parameters.end(2))


def test_read_leaf_refuses_what_does_not_prove(net: Suite) -> None:
    net.report({3: ALL})
    net.report()
    net.make_usable()
    header, leaf, proof = net.proof(3)
    end = net.parameters.end(2)
    for arguments in (
        (2, header + 1, 3, leaf, proof, end),
        (2, header, 2, leaf, proof, end),
        (2, header, 3, leaf + 1, proof, end),
        (2, header, 3, 0, proof, end),
        (2, header, 3, leaf, [*proof[:-1], bytes(32)], end),
        (1, header, 3, leaf, proof, net.parameters.end(1)),
    ):
        with boa.reverts("standing: proof"):
            net.standing.read_leaf(*arguments)
    for path in (proof[:1], []):
        with boa.reverts("merkle: proof"):
            net.standing.read_leaf(2, header, 3, leaf, path, end)


def test_read_leaf_only_within_the_epoch(net: Suite) -> None:
    net.report()
    net.make_usable()
    header, leaf, proof = net.proof(0)
    for t in (net.parameters.start(1) - 1, net.parameters.end(1) + 1, 0, 2**255):
        with boa.reverts("standing: time"):
            net.standing.read_leaf(1, header, 0, leaf, proof, t)
