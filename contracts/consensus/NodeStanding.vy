# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title NodeStanding
@license AGPL-3.0-only
@notice May this node take leases? Turns proven leaves into node status; holds nothing and trusts no caller.
        Pending -activate-> Active -jail-> Jailed (or Faulted) -unjail-> Active.
        Source: docs/protocol.md, "network/ NodeRegistry", Status.
@custom:security No roles. In the worst case, a lie of the hub's quorum, nodes are kept out of work or let in.
@custom:kill Nothing to stop: no entry and no exit of money passes here.
"""

from ..interfaces import IAttestationHub
from ..interfaces import INodeRegistry
from ..interfaces import INodeStanding
from ..modules import epochs
from ..modules import merkle
from ..modules import uptime_leaf

implements: INodeStanding

initializes: epochs

####################################################################
# IMMUTABLES AND CONSTANTS
####################################################################

HUB: public(immutable(IAttestationHub))
REGISTRY: public(immutable(INodeRegistry))

VERSION: public(constant(String[8])) = "1"
PENDING: constant(uint256) = 1
ACTIVE: constant(uint256) = 2
JAILED: constant(uint256) = 3
FAULTED: constant(uint256) = 4
# The span that is judged and the time in jail: one day of hours.
SPAN: constant(uint256) = 24
# Half the slots of that span: a node that is down for longer serves nobody.
MAX_FAULT: constant(uint256) = 144
# Challenges missed in the span.
MAX_MISSED: constant(uint256) = 3
# Epochs after which an old failure is forgotten, so that nobody keeps proofs to strike later.
STALE: constant(uint256) = 72
U_BIT: constant(uint256) = 1 << 12
M16: constant(uint256) = 2**16 - 1
M24: constant(uint256) = 2**24 - 1
M32: constant(uint256) = 2**32 - 1


@deploy
def __init__(hub: address, registry: address, genesis: uint256, slot: uint256, epochs_per_period: uint256):
    """
    @notice Fixes the peers and the calendar.
    @param hub The suite's AttestationHub.
    @param registry The suite's NodeRegistry.
    @param genesis Unix seconds.
    @param slot Seconds.
    @param epochs_per_period Epochs.
    """
    assert hub != empty(address) and registry != empty(address), "standing: no peer"
    epochs.__init__(genesis, slot, epochs_per_period)
    HUB = IAttestationHub(hub)
    REGISTRY = INodeRegistry(registry)


####################################################################
# ANYONE
####################################################################


@external
def activate(node: uint256, header: uint256, leaf: uint256, proof: DynArray[bytes32, 24]):
    """
    @notice A Pending node that was up in every slot of a usable epoch since its first, and passed its challenge,
        becomes Active; its counters count against it from the end of the present epoch on. Before it took no lease, so
        nobody may choose an old proof and then jail it for the time since.
    @param node Its index.
    @param header Of that epoch.
    @param leaf The node's leaf at its end.
    @param proof Siblings from the leaf up.
    """
    word: uint256 = staticcall REGISTRY.node(node)
    assert (word >> 160) & 255 == PENDING, "standing: not pending"
    e: uint256 = header & M32
    assert e >= (word >> 128) & M32, "standing: before its first"
    self._prove_up(word, node, header, leaf, proof)
    self._set_active(node)
    log INodeStanding.Activated(node=node, epoch=e, by=msg.sender)


@external
def jail(
    node: uint256,
    header_a: uint256,
    leaf_a: uint256,
    proof_a: DynArray[bytes32, 24],
    header_b: uint256,
    leaf_b: uint256,
    proof_b: DynArray[bytes32, 24],
):
    """
    @notice An Active node with more than 144 fault slots or 3 missed challenges in the epochs a + 1 … b is Jailed.
    @param node Its index.
    @param header_a Of a usable epoch a, not before the node is clean.
    @param leaf_a The node's leaf at its end.
    @param proof_a Siblings from the leaf up.
    @param header_b Of a usable epoch b, at most 24 after a and at most 72 before the newest usable.
    @param leaf_b The node's leaf at its end.
    @param proof_b Siblings from the leaf up.
    """
    word: uint256 = staticcall REGISTRY.node(node)
    assert (word >> 160) & 255 == ACTIVE, "standing: not active"
    a: uint256 = header_a & M32
    b: uint256 = header_b & M32
    assert a >= (word >> 96) & M32, "standing: before it was clean"
    assert a < b and b <= a + SPAN, "standing: span"
    later: uint256 = staticcall HUB.usable_at(b + STALE + 1)
    assert later == 0 or block.timestamp < later, "standing: stale"
    fault_a: uint256 = 0
    missed_a: uint256 = 0
    fault_a, missed_a = self._account(a, header_a, node, leaf_a, proof_a)
    fault_b: uint256 = 0
    missed_b: uint256 = 0
    fault_b, missed_b = self._account(b, header_b, node, leaf_b, proof_b)
    assert fault_b - fault_a > MAX_FAULT * epochs.SLOT or missed_b - missed_a >= MAX_MISSED, "standing: no fault"
    extcall REGISTRY.set_status(node, JAILED, b, (word >> 96) & M32)
    log INodeStanding.JailedBy(node=node, first=a, last=b, by=msg.sender)


@external
def unjail(node: uint256, header: uint256, leaf: uint256, proof: DynArray[bytes32, 24]):
    """
    @notice A Jailed or Faulted node that was up in every slot of a usable epoch more than 24 after the one it was
        jailed for, and passed its challenge, becomes Active again with a clean record: its counters count from the end of
        the present epoch on.
    @param node Its index.
    @param header Of that epoch.
    @param leaf The node's leaf at its end.
    @param proof Siblings from the leaf up.
    """
    word: uint256 = staticcall REGISTRY.node(node)
    status: uint256 = (word >> 160) & 255
    assert status == JAILED or status == FAULTED, "standing: not jailed"
    e: uint256 = header & M32
    assert e > ((word >> 32) & M32) + SPAN, "standing: too early"
    self._prove_up(word, node, header, leaf, proof)
    self._set_active(node)
    log INodeStanding.Unjailed(node=node, epoch=e, by=msg.sender)


####################################################################
# VIEW
####################################################################


@external
@view
def read_leaf(
    e: uint256, header: uint256, node: uint256, leaf: uint256, proof: DynArray[bytes32, 24], t: uint256
) -> (uint256, uint256, uint256, uint256):
    """
    @notice One node's account through second t of a usable epoch e (start(e) … end(e)).
    @return D and F in seconds, U in epochs, missed challenges.
    """
    self._prove(e, header, node, leaf, proof)
    start: uint256 = epochs._start(e)
    assert t >= start and t <= epochs._end(e), "standing: time"
    offset: uint256 = unsafe_sub(t, start)
    return (
        uptime_leaf._down(header, leaf, offset, epochs.SLOT),
        uptime_leaf._fault(header, leaf, offset, epochs.SLOT),
        uptime_leaf._unproven(header, leaf),
        leaf >> 224,
    )


####################################################################
# INTERNAL
####################################################################


@internal
@view
def _prove(e: uint256, header: uint256, node: uint256, leaf: uint256, proof: DynArray[bytes32, 24]):
    """@notice Reverts unless e is usable and the leaf is the node's at its end."""
    word: bytes32 = empty(bytes32)
    since: uint256 = 0
    word, since = staticcall HUB.usable(e)
    assert keccak256(abi_encode(merkle._root(node, leaf, proof), header)) == word, "standing: proof"


@internal
def _set_active(node: uint256):
    """@notice Active since the present epoch, the first whose end may be the base of a jail."""
    now: uint256 = epochs._epoch(block.timestamp)
    extcall REGISTRY.set_status(node, ACTIVE, now, now)


@internal
@view
def _account(
    e: uint256, header: uint256, node: uint256, leaf: uint256, proof: DynArray[bytes32, 24]
) -> (uint256, uint256):
    """@notice Fault seconds and missed challenges through the end of a usable epoch; reverts unless the proof holds."""
    self._prove(e, header, node, leaf, proof)
    return uptime_leaf._fault(header, leaf, epochs.EPOCH, epochs.SLOT), leaf >> 224


@internal
@view
def _prove_up(word: uint256, node: uint256, header: uint256, leaf: uint256, proof: DynArray[bytes32, 24]):
    """@notice Reverts unless the epoch is usable, the leaf is the node's and says: up in every slot, and proven."""
    self._account(header & M32, header, node, leaf, proof)
    # beyond the count an index has no leaf, and no leaf looks live
    assert node < (header >> 128) & M24, "standing: not counted yet"
    assert uptime_leaf._mask(header, leaf) == 0, "standing: not up"
    row: INodeRegistry.HardwareClass = staticcall REGISTRY.class_of((word >> 216) & M16)
    # in a class without rounds every epoch counts as challenged and proven
    if row.rounds != 0:
        # an epoch with mask 0 has the u of the leaf, whether recorded in it or kept since
        assert header & uptime_leaf.CHALLENGED != 0 and leaf & U_BIT == 0, "standing: not proven"
