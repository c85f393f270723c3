# pragma version 0.4.3
"""
@title Stand-in for NodeRegistry
@license AGPL-3.0-only
@notice What LeaseEscrow, LeaseMarket and BurnMintEngine use of the registry, set by the test. For tests only.
"""

event Reserved:
    node: indexed(uint256)
    reserved: uint256

MARKET: immutable(address)
ESCROW: immutable(address)

# provider 24 @232 | class 16 @216 | region 16 @200 | gpus 16 @184 | reserved 16 @168 | status 8 @160
node: public(HashMap[uint256, uint256])
# operator 160 @96 | generation 32 @64 | units 64 @0
provider: public(HashMap[uint256, uint256])
owner_of: public(HashMap[uint256, address])
payout: public(HashMap[uint256, address])


@deploy
def __init__(market: address, escrow: address):
    MARKET = market
    ESCROW = escrow


@external
def set_node(i: uint256, provider: uint256, class_id: uint256, gpus: uint256, status: uint256):
    reserved: uint256 = self.node[i] & (65535 << 168)
    self.node[i] = provider << 232 | class_id << 216 | 1 << 200 | gpus << 184 | reserved | status << 160


@external
def set_provider(p: uint256, owner: address, operator: address, payout: address):
    self.provider[p] = convert(operator, uint256) << 96 | 1 << 64 | 10**9
    self.owner_of[p] = owner
    self.payout[p] = payout


@external
def reserve(i: uint256, gpus: uint256) -> (uint256, uint256):
    assert msg.sender == MARKET, "registry: caller is not market"
    word: uint256 = self.node[i]
    assert (word >> 160) & 255 == 2, "registry: not active"
    reserved: uint256 = ((word >> 168) & 65535) + gpus
    assert reserved <= (word >> 184) & 65535, "registry: over capacity"
    self.node[i] = word + (gpus << 168)
    log Reserved(node=i, reserved=reserved)
    return word, self.provider[word >> 232]


@external
def release(i: uint256, gpus: uint256):
    assert msg.sender == ESCROW, "registry: caller is not escrow"
    word: uint256 = self.node[i]
    reserved: uint256 = ((word >> 168) & 65535) - gpus
    self.node[i] = word - (gpus << 168)
    log Reserved(node=i, reserved=reserved)


@external
def bump_generation(p: uint256, by: address):
    assert msg.sender == MARKET, "registry: caller is not market"
    word: uint256 = self.provider[p]
    assert by == convert(word >> 96, address) or by == self.owner_of[p], "registry: not the operator"
    self.provider[p] = word + (1 << 64)
