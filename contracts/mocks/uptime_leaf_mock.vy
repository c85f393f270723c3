# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Reference wiring of modules/uptime_leaf.vy
@license AGPL-3.0-only
"""

from ..modules import uptime_leaf


@external
@pure
def pop(x: uint256) -> uint256:
    return uptime_leaf._pop(x)


@external
@pure
def mask(header: uint256, leaf: uint256) -> uint256:
    return uptime_leaf._mask(header, leaf)


@external
@pure
def down(header: uint256, leaf: uint256, offset: uint256, slot: uint256) -> uint256:
    return uptime_leaf._down(header, leaf, offset, slot)


@external
@pure
def fault(header: uint256, leaf: uint256, offset: uint256, slot: uint256) -> uint256:
    return uptime_leaf._fault(header, leaf, offset, slot)


@external
@pure
def unproven(header: uint256, leaf: uint256) -> uint256:
    return uptime_leaf._unproven(header, leaf)
