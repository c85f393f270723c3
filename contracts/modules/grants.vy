# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Grants for later callers
@license AGPL-3.0-only
@notice Which contracts beside the immutable peers may call. A right is one bit that the importing contract names. A grant
        has two halves: ENTER (new slashes, faults, locks, under the callee's own ceiling), which the owner gives and takes
        back; EXIT (undo what the caller once did), implied by the record that ENTER was ever given and never revocable, so
        that a caller which lost ENTER drains by its own exits.
        Source: docs/architecture.md, "Wiring".
@dev The importing contract authorises its owner before `_set` and wraps it; nothing is exported.
"""

event GrantSet:
    caller: indexed(address)
    old: uint256    # rights that could ENTER before
    new: uint256    # rights that can ENTER from now on

# Rights are the low 128 bits; the high half remembers each right ever given.
HALF: constant(uint256) = 128
M128: constant(uint256) = 2**128 - 1

# caller -> rights ever given 128 @128 | rights that may ENTER now 128 @0
word: HashMap[address, uint256]


@internal
def _set(caller: address, rights: uint256):
    """
    @notice Replaces the rights of `caller`; what was given once stays in the EXIT half.
    @param rights Bits below 2**128; the importing contract refuses bits it has no name for.
    """
    old: uint256 = self.word[caller]
    self.word[caller] = ((old >> HALF) | rights) << HALF | rights
    log GrantSet(caller=caller, old=old & M128, new=rights)


@internal
@view
def _may_enter(caller: address, right: uint256) -> bool:
    """
    @notice Whether `caller` holds the right now.
    """
    return self.word[caller] & right != 0


@internal
@view
def _may_exit(caller: address, right: uint256) -> bool:
    """
    @notice Whether `caller` ever held the right, and so may undo what it did.
    """
    return (self.word[caller] >> HALF) & right != 0
