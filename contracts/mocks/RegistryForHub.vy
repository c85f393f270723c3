# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title A registry for tests of the hub and of NodeStanding
@license AGPL-3.0-only
@notice Answers what they ask; anyone sets the answers.
"""

from ..interfaces import INodeRegistry

count: public(uint256)
node: public(HashMap[uint256, uint256])
rounds: HashMap[uint256, uint256]
keys: HashMap[uint256, address]


@external
def set_count(count: uint256):
    self.count = count


@external
def set_node(i: uint256, word: uint256):
    self.node[i] = word


@external
def set_key(i: uint256, key: address):
    self.keys[i] = key


@external
@view
def key_of(i: uint256, e: uint256) -> address:
    """@notice The key, from the node's first epoch on."""
    if e < self.node[i] >> 128 & (2**32 - 1):
        return empty(address)
    return self.keys[i]


@external
def set_rounds(class_id: uint256, rounds: uint256):
    self.rounds[class_id] = rounds


@external
@view
def class_of(class_id: uint256) -> INodeRegistry.HardwareClass:
    return INodeRegistry.HardwareClass(
        name="class",
        kind=0,
        tier=0,
        vram_gib=80,
        flags=0,
        compute_units=1,
        min_stake=1,
        n=0,
        rounds=self.rounds[class_id],
        deadline=0,
        closed=False,
    )


@external
def set_status(node: uint256, status: uint256, since: uint256, clean: uint256):
    """@notice Node word: status 8 @160 | clean 32 @96 | since 32 @32 replaced."""
    m32: uint256 = 2**32 - 1
    keep: uint256 = self.node[node] & ~(255 << 160 | m32 << 96 | m32 << 32)
    self.node[node] = keep | status << 160 | clean << 96 | since << 32
