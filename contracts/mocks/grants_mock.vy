# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title grants_mock
@license AGPL-3.0-only
@notice Reference wiring of modules/grants.vy: one counter that granted callers raise (ENTER) and lower again (EXIT).
"""

from snekmate.auth import ownable
from ..modules import grants

initializes: ownable
initializes: grants
exports: ownable.owner

COUNT: constant(uint256) = 1

raised: public(HashMap[address, uint256])


@deploy
def __init__():
    ownable.__init__()


@external
def set_grant(caller: address, rights: uint256):
    ownable._check_owner()
    grants._set(caller, rights)


@external
def raise_one():
    assert grants._may_enter(msg.sender, COUNT), "mock: not granted"
    self.raised[msg.sender] += 1


@external
def lower_one():
    assert grants._may_exit(msg.sender, COUNT), "mock: never granted"
    self.raised[msg.sender] -= 1


@view
@external
def grant_of(caller: address) -> uint256:
    return grants.word[caller]


@view
@external
def may_enter(caller: address, right: uint256) -> bool:
    return grants._may_enter(caller, right)


@view
@external
def may_exit(caller: address, right: uint256) -> bool:
    return grants._may_exit(caller, right)
