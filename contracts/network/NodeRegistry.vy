# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title NodeRegistry
@license AGPL-3.0-only
@notice Who owns which machine: providers, hardware classes, nodes with their signing keys, capacity and life time.
        Times are seconds, epochs count from GENESIS (modules/epochs.vy), units 1e-9 USD of required stake.
        Source: docs/protocol.md, "NodeRegistry". Words: interfaces/INodeRegistry.vyi.

        Life of a node: Pending (registered) - Active - Jailed or Faulted - Active ... - Retired, for ever. Only STANDING
        activates, jails and unjails (from proven leaves), only a granted caller faults, only the owner retires. Index,
        class and GPUs of a node never change, an index is never used again, a signing key is used once for ever. What a
        report depends on (first epoch, key in force, epoch of a status) takes effect with the next epoch.

        A provider's owner and its stake units are one word, need[p] of the pool, which only this contract writes: kept
        once, the two contracts cannot disagree, and registering a node saves 6,700 gas.
@custom:security Worst case of OWNER: classes nobody should trust, and a grant to fault without cause (a faulted node takes
        no lease until it is unjailed; stake is the pool's matter, under its own ceiling). Of MARKET: reservations without
        a lease, and bumped generations. Of ESCROW: capacity freed too early. Of STANDING: nodes kept out of work, or let in. No caller
        here can move a token but the fee that the registering owner allowed.
@custom:kill close_class stops new nodes of a class. Nothing stops retire_node once no lease is open, nor a change of owner.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.utils import ecdsa
from snekmate.utils import eip712_domain_separator

from ..interfaces import IComputeToken
from ..interfaces import INodeRegistry
from ..interfaces import IStakingPool
from ..modules import epochs
from ..modules import grants

implements: INodeRegistry

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: eip712_domain_separator
initializes: epochs
initializes: grants

# They write the owner's two words and call nobody, so they need no lock.
exports: ownable_2step.owner
exports: ownable_2step.pending_owner
exports: ownable_2step.transfer_ownership
exports: ownable_2step.accept_ownership
exports: eip712_domain_separator.eip712Domain


####################################################################
# Immutables
####################################################################

POOL: public(immutable(IStakingPool))
TOKEN: public(immutable(IComputeToken))
MARKET: public(immutable(address))
ESCROW: public(immutable(address))
STANDING: public(immutable(address))
FEE: public(immutable(uint256))             # wei of the token, burned for each node
ANSWER_WINDOW: public(immutable(uint256))   # seconds in which a signed answer can be refuted
COOLDOWN: public(immutable(uint256))        # seconds after retirement in which a GPU cannot stand in a new node


####################################################################
# Constants
####################################################################

VERSION: public(constant(String[8])) = "1"

# The right that a grant of this contract can give.
FAULT: constant(uint256) = 1

# Status of a node.
PENDING: constant(uint256) = 1
ACTIVE: constant(uint256) = 2
JAILED: constant(uint256) = 3
FAULTED: constant(uint256) = 4
RETIRED: constant(uint256) = 5

# GPUs of a node: a machine has at most 16, and the bound keeps the calldata arrays cheap.
MAX_GPUS: constant(uint256) = 16
# Ids have 24 bits; a packed list of nodes stores index + 1 in 24 bits, so the largest index is one less.
MAX_NODES: constant(uint256) = 2**24 - 1
MAX_PROVIDERS: constant(uint256) = 2**24
MAX_CLASSES: constant(uint256) = 2**16
# Units of one GPU: 16 GPUs of 2**24 nodes stay below 2**88, and the sum of a provider is checked against 2**64.
MAX_MIN_STAKE: constant(uint256) = 2**60
# Wei. 1e6 tokens: a fee beyond it is a mistake of the profile.
MAX_FEE: constant(uint256) = 10**24
# Seconds. Keeps every time below 2**40.
MAX_LENGTH: constant(uint256) = 2**30

M16: constant(uint256) = 2**16 - 1
M32: constant(uint256) = 2**32 - 1
M40: constant(uint256) = 2**40 - 1
M64: constant(uint256) = 2**64 - 1

# Fields of the node word.
PROVIDER_AT: constant(uint256) = 232
CLASS_AT: constant(uint256) = 216
REGION_AT: constant(uint256) = 200
GPUS_AT: constant(uint256) = 184
RESERVED_AT: constant(uint256) = 168
STATUS_AT: constant(uint256) = 160
FIRST_AT: constant(uint256) = 128
CLEAN_AT: constant(uint256) = 96
OPT_IN_AT: constant(uint256) = 64
SINCE_AT: constant(uint256) = 32
RESERVED_ONE: constant(uint256) = 1 << 168
# status 8, clean 32 and since 32: what a change of status writes
STATUS_FIELDS: constant(uint256) = 255 << 160 | (2**32 - 1) << 96 | (2**32 - 1) << 32
GENERATION_ONE: constant(uint256) = 1 << 64

# Class word: min_stake 64 @192 | compute units 32 @160 | deadline 32 @128 | n 32 @96 | rounds 32 @64 | VRAM 16 @48
#             | flags 16 @32 | tier 8 @24 | kind 8 @16 | exists 1 @1 | closed 1 @0
OPEN: constant(uint256) = 2
CLOSED: constant(uint256) = 1
MAX_KIND: constant(uint256) = 4             # SoC
MAX_TIER: constant(uint256) = 2             # edge
MIN_N: constant(uint256) = 256              # docs/protocol.md, "ComputeChallenge": n is 256 to 65,536
MAX_N: constant(uint256) = 65_536

REGISTER_TYPE: constant(bytes32) = keccak256(
    "RegisterNode(uint256 provider,address owner,uint256 class_id,uint256 region,bytes32 fingerprints,address key)"
)
ROTATE_TYPE: constant(bytes32) = keccak256("RotateKey(uint256 node,address key)")


####################################################################
# Storage
####################################################################

node: public(HashMap[uint256, uint256])
# operator 160 @96 | bid generation 32 @64; the view adds the units
prov: HashMap[uint256, uint256]
pending_owner_of: public(HashMap[uint256, address])
payout: public(HashMap[uint256, address])

count: public(uint256)
provider_count: public(uint256)
class_count: public(uint256)

# key 160 @96 | since 32 @64 (first epoch in which it signs) | rotated at 40 @24 (seconds; 0 = never)
keys: HashMap[uint256, uint256]
# key 160 @96 | since 32 @64 of the key before
previous_key: HashMap[uint256, uint256]
node_of_key: public(HashMap[address, uint256])

# fingerprint -> node + 1; whether it is free again follows from that node's word
gpu: HashMap[bytes32, uint256]

class_word: public(HashMap[uint256, uint256])
class_name: HashMap[uint256, String[32]]


####################################################################
# Constructor
####################################################################

@deploy
def __init__(
    pool: address, token: address, market: address, escrow: address, standing: address,
    genesis: uint256, slot: uint256, epochs_per_period: uint256,
    fee: uint256, answer_window: uint256, cooldown: uint256
):
    """
    @notice Peers are addresses predicted from the deployer's nonce; none is called here. The deployer owns classes and grants.
    @param fee Wei of the token burned for each node registered.
    @param answer_window Seconds, ANSWER_WINDOW of the profile.
    @param cooldown Seconds, COOLDOWN of the profile.
    """
    for peer: address in [pool, token, market, escrow, standing]:
        assert peer != empty(address), "registry: peer is zero"
    assert fee <= MAX_FEE, "registry: fee"
    assert answer_window <= MAX_LENGTH, "registry: answer window"
    assert cooldown <= MAX_LENGTH, "registry: cooldown"
    ownable.__init__()
    ownable_2step.__init__()
    eip712_domain_separator.__init__("Hearth", "1")
    epochs.__init__(genesis, slot, epochs_per_period)
    POOL = IStakingPool(pool)
    TOKEN = IComputeToken(token)
    MARKET = market
    ESCROW = escrow
    STANDING = standing
    FEE = fee
    ANSWER_WINDOW = answer_window
    COOLDOWN = cooldown


####################################################################
# OWNER
####################################################################

@external
def add_class(row: INodeRegistry.HardwareClass) -> uint256:
    """
    @notice Adds a hardware class; its row never changes but for closing.
    @param row Fields as in INodeRegistry; `closed` must be False. rounds 0 makes a liveness-only class (n and deadline 0);
               else n is a power of two of 256 to 65,536, rounds a power of two below 2**32, deadline not 0.
    @return Its id.
    """
    ownable._check_owner()
    assert len(row.name) != 0, "registry: class name"
    assert row.kind <= MAX_KIND, "registry: class kind"
    assert row.tier <= MAX_TIER, "registry: class tier"
    assert row.vram_gib <= M16, "registry: class VRAM"
    assert row.flags <= M16, "registry: class flags"
    assert row.compute_units <= M32, "registry: class compute units"
    assert row.min_stake <= MAX_MIN_STAKE, "registry: class stake"
    assert not row.closed, "registry: new class is closed"
    if row.rounds == 0:
        assert row.n == 0 and row.deadline == 0, "registry: liveness-only class"
    else:
        assert row.n >= MIN_N and row.n <= MAX_N and row.n & (row.n - 1) == 0, "registry: class n"
        assert row.rounds <= M32 and row.rounds & (row.rounds - 1) == 0, "registry: class rounds"
        assert row.deadline != 0 and row.deadline <= M32, "registry: class deadline"
    class_id: uint256 = self.class_count
    assert class_id < MAX_CLASSES, "registry: too many classes"
    self.class_count = class_id + 1
    self.class_name[class_id] = row.name
    self.class_word[class_id] = (
        row.min_stake << 192 | row.compute_units << 160 | row.deadline << 128 | row.n << 96 | row.rounds << 64
        | row.vram_gib << 48 | row.flags << 32 | row.tier << 24 | row.kind << 16 | OPEN
    )
    log INodeRegistry.ClassAdded(class_id=class_id, class_row=row)
    return class_id


@external
def close_class(class_id: uint256):
    """
    @notice Closes a class to new nodes, for ever; nodes of it go on.
    """
    ownable._check_owner()
    row: uint256 = self.class_word[class_id]
    assert row & (OPEN | CLOSED) == OPEN, "registry: no open class"
    self.class_word[class_id] = row | CLOSED
    log INodeRegistry.ClassClosed(class_id=class_id)


@external
def set_grant(caller: address, rights: uint256):
    """
    @notice Gives `caller` the right to fault nodes (1) or takes it back (0).
    """
    ownable._check_owner()
    assert caller != empty(address), "registry: grant to zero"
    assert rights <= FAULT, "registry: unknown right"
    grants._set(caller, rights)


####################################################################
# PROVIDER
####################################################################

@external
def register_provider(operator: address, payout: address, metadata: String[256]) -> uint256:
    """
    @notice Makes the caller the owner of a new provider and opens its pool.
    @param operator Signs asks; may bump the bid generation; may do nothing else here.
    @param payout Receives what the provider redeems.
    @param metadata URI; kept in the log only.
    @return Its id, from 0.
    """
    assert operator != empty(address), "registry: operator is zero"
    assert payout != empty(address), "registry: payout is zero"
    p: uint256 = self.provider_count
    assert p < MAX_PROVIDERS, "registry: too many providers"
    self.provider_count = p + 1
    self.prov[p] = convert(operator, uint256) << 96
    self.payout[p] = payout
    log INodeRegistry.ProviderRegistered(provider=p, owner=msg.sender, operator=operator, payout=payout, metadata=metadata)
    extcall POOL.open_pool(p, msg.sender)
    return p


@external
def set_operator(provider: uint256, operator: address):
    """
    @notice Replaces the operator key. Every ask signed before is void, for ever: a key that is operator again later, or stays
            it, starts anew.
    """
    self._check_provider(provider)
    assert operator != empty(address), "registry: new operator is zero"
    word: uint256 = self.prov[provider]
    generation: uint256 = self._next_generation(word)
    self.prov[provider] = convert(operator, uint256) << 96 | generation << 64 | word & M64
    log INodeRegistry.ProviderOperatorSet(provider=provider, old=convert(word >> 96, address), new=operator)
    log INodeRegistry.GenerationBumped(provider=provider, generation=generation)


@external
def set_payout(provider: uint256, payout: address):
    """
    @notice Replaces the address that receives redemptions from now on.
    """
    self._check_provider(provider)
    assert payout != empty(address), "registry: new payout is zero"
    log INodeRegistry.ProviderPayoutSet(provider=provider, old=self.payout[provider], new=payout)
    self.payout[provider] = payout


@external
def set_metadata(provider: uint256, metadata: String[256]):
    """
    @notice Announces a new metadata URI; kept in the log only.
    """
    self._check_provider(provider)
    log INodeRegistry.ProviderMetadataSet(provider=provider, metadata=metadata)


@external
def transfer_provider(provider: uint256, to: address):
    """
    @notice Offers the provider, with its nodes and its bonded own stake, to `to`, which must accept it. The zero address takes a
            pending offer back.
    """
    self._check_provider(provider)
    self.pending_owner_of[provider] = to
    log INodeRegistry.ProviderTransferStarted(provider=provider, owner=msg.sender, to=to)


@external
def accept_provider(provider: uint256):
    """
    @notice The caller, to whom the provider was offered, becomes its owner here and in the pool, its operator and its payout
            address, and every ask signed before is void: no key of the old owner keeps a power. Tickets of the old owner stay
            the old owner's; what the provider earned and nobody has redeemed yet goes to the new payout address.
    """
    # the caller is never the zero address, which stands for "offered to nobody"
    assert self.pending_owner_of[provider] == msg.sender, "registry: not offered to caller"
    self.pending_owner_of[provider] = empty(address)
    old: address = self._owner(provider)
    word: uint256 = self.prov[provider]
    # an operator that stays the same (the buyer ran the machines before) must not be bound by its old asks either
    generation: uint256 = self._next_generation(word)
    self.prov[provider] = convert(msg.sender, uint256) << 96 | generation << 64
    log INodeRegistry.ProviderTransferred(provider=provider, old=old, new=msg.sender)
    log INodeRegistry.ProviderOperatorSet(provider=provider, old=convert(word >> 96, address), new=msg.sender)
    log INodeRegistry.ProviderPayoutSet(provider=provider, old=self.payout[provider], new=msg.sender)
    log INodeRegistry.GenerationBumped(provider=provider, generation=generation)
    self.payout[provider] = msg.sender
    extcall POOL.set_owner(provider, msg.sender)


@external
def register_node(
    provider: uint256, class_id: uint256, region: uint256, fingerprints: DynArray[bytes32, MAX_GPUS], key: address, sig: Bytes[65]
) -> uint256:
    """
    @notice Registers a machine of the caller's provider; it is Pending, and its first epoch is the next one. Burns FEE from the
            caller's allowance and raises the stake that the provider needs.
    @param region Code below 2**16.
    @param fingerprints One a GPU: keccak256 of its UUID. None may stand in another node.
    @param key Signs the node's heartbeats; never used before.
    @param sig RegisterNode (EIP-712) by `key`: 65 bytes, or 64 by EIP-2098. It names the provider and its owner, so it serves
               nobody else, whoever gets the provider's id.
    @return Index of the node: its place in the uptime tree, for ever.
    """
    need: uint256 = staticcall POOL.need(provider)
    assert need >> 96 == convert(msg.sender, uint256), "registry: not provider's owner"
    row: uint256 = self.class_word[class_id]
    assert row & (OPEN | CLOSED) == OPEN, "registry: class not open"
    assert region <= M16, "registry: region"
    gpus: uint256 = len(fingerprints)
    assert gpus != 0, "registry: no GPU"
    i: uint256 = self.count
    assert i < MAX_NODES, "registry: too many nodes"
    self.count = unsafe_add(i, 1)

    # keccak256 of the concatenated words: the encoding less its length word
    prints: bytes32 = keccak256(slice(abi_encode(fingerprints, ensure_tuple=False), 32, unsafe_mul(gpus, 32)))
    self._use_key(key, i, keccak256(abi_encode(REGISTER_TYPE, provider, msg.sender, class_id, region, prints, key)), sig)
    first: uint256 = epochs._epoch(block.timestamp) + 1
    self.keys[i] = convert(key, uint256) << 96 | first << 64

    # a fingerprint given twice meets the node that has no word yet
    for fingerprint: bytes32 in fingerprints:
        assert fingerprint != empty(bytes32), "registry: empty fingerprint"
        taken: uint256 = self.gpu[fingerprint]
        assert taken == 0 or self._is_free(self.node[unsafe_sub(taken, 1)]), "registry: GPU stands in a node"
        self.gpu[fingerprint] = unsafe_add(i, 1)

    self.node[i] = (
        provider << PROVIDER_AT | class_id << CLASS_AT | region << REGION_AT | gpus << GPUS_AT | PENDING << STATUS_AT
        | first << FIRST_AT | first << CLEAN_AT | unsafe_sub(first, 1) << SINCE_AT
    )
    # min_stake <= MAX_MIN_STAKE, gpus <= 16 and units < 2**64: no overflow before the check
    units: uint256 = unsafe_add(need & M64, unsafe_mul(row >> 192, gpus))
    assert units <= M64, "registry: stake units"
    log INodeRegistry.NodeRegistered(
        node=i, provider=provider, key=key, class_id=class_id, region=region, gpus=gpus, first=first, fingerprints=fingerprints
    )
    extcall POOL.set_units(provider, units)
    if FEE != 0:
        extcall TOKEN.burnFrom(msg.sender, FEE)
    return i


@external
def rotate_key(node: uint256, key: address, sig: Bytes[65]):
    """
    @notice Replaces a node's signing key from the next epoch on. At most once in ANSWER_WINDOW + EPOCH, so that the one
            previous key that is kept answers for every epoch that can still be refuted.
    @param sig RotateKey (EIP-712) by the new key.
    """
    word: uint256 = self.node[node]
    self._check_node(word)
    assert (word >> STATUS_AT) & 255 != RETIRED, "registry: key of a retired node"
    old: uint256 = self.keys[node]
    rotated: uint256 = (old >> 24) & M40
    assert rotated == 0 or block.timestamp >= rotated + ANSWER_WINDOW + epochs.EPOCH, "registry: rotated too recently"
    self._use_key(key, node, keccak256(abi_encode(ROTATE_TYPE, node, key)), sig)
    since: uint256 = epochs._epoch(block.timestamp) + 1
    # less the time of its rotation
    self.previous_key[node] = old >> 64 << 64
    self.keys[node] = convert(key, uint256) << 96 | since << 64 | block.timestamp << 24
    log INodeRegistry.NodeKeyRotated(node=node, old=convert(old >> 96, address), new=key, since=since)


@external
def retire_node(node: uint256):
    """
    @notice Takes a node without open leases out for ever, from the next epoch on, and lowers the stake that the provider
            needs. Its GPUs may stand in a new node COOLDOWN after the end of this epoch.
    """
    word: uint256 = self.node[node]
    p: uint256 = word >> PROVIDER_AT
    self._check_node(word)
    assert (word >> STATUS_AT) & 255 != RETIRED, "registry: already retired"
    assert (word >> RESERVED_AT) & M16 == 0, "registry: a lease is open"
    epoch: uint256 = epochs._epoch(block.timestamp)
    self.node[node] = self._with_status(word, RETIRED, epoch, (word >> CLEAN_AT) & M32)
    # the provider's units are the sum over its nodes, this one included
    stake: uint256 = unsafe_mul(self.class_word[(word >> CLASS_AT) & M16] >> 192, (word >> GPUS_AT) & M16)
    units: uint256 = (staticcall POOL.need(p) & M64) - stake
    log INodeRegistry.NodeRetired(node=node, epoch=epoch)
    extcall POOL.set_units(p, units)


@external
def opt_in(node: uint256):
    """
    @notice From the next epoch on the node owes an answer whenever a GPU of it is free at the seed, and may earn
            availability pay. By the provider's owner or operator, whatever the node's status but Retired.
    """
    word: uint256 = self.node[node]
    self._check_opt(word)
    status: uint256 = (word >> STATUS_AT) & 255
    # 0: no node of this index, whose word reads as one of provider 0
    assert status != 0 and status != RETIRED, "registry: node cannot opt in"
    assert (self.class_word[(word >> CLASS_AT) & M16] >> 64) & M32 != 0, "registry: class has no challenge"
    assert (word >> OPT_IN_AT) & M32 == 0, "registry: already opted in"
    since: uint256 = epochs._epoch(block.timestamp) + 1
    self.node[node] = word | since << OPT_IN_AT
    log INodeRegistry.OptInSet(node=node, old=0, new=since)


@external
def opt_out(node: uint256):
    """
    @notice Undoes `opt_in` from the next epoch on; what is owed for this one stays owed. By the provider's owner or
            operator. A node that comes back counts from then, not from its first time.
    """
    word: uint256 = self.node[node]
    self._check_opt(word)
    old: uint256 = (word >> OPT_IN_AT) & M32
    assert old != 0, "registry: not opted in"
    self.node[node] = word ^ old << OPT_IN_AT
    log INodeRegistry.OptInSet(node=node, old=old, new=0)


####################################################################
# MARKET
####################################################################

@external
@reentrant
def reserve(node: uint256, gpus: uint256) -> (uint256, uint256):
    """
    @notice Reserves GPUs of an Active node for a lease. It calls nobody, so it needs no lock.
    @return The node's word as it was before, and its provider's word without the units.
    """
    assert msg.sender == MARKET, "registry: caller is not market"
    word: uint256 = self.node[node]
    assert (word >> STATUS_AT) & 255 == ACTIVE, "registry: node is not active"
    reserved: uint256 = (word >> RESERVED_AT) & M16
    assert gpus != 0 and gpus <= unsafe_sub((word >> GPUS_AT) & M16, reserved), "registry: not enough free GPUs"
    self.node[node] = unsafe_add(word, unsafe_mul(gpus, RESERVED_ONE))
    log INodeRegistry.Reserved(node=node, reserved=unsafe_add(reserved, gpus))
    return word, self.prov[word >> PROVIDER_AT]


@external
def bump_generation(provider: uint256, by: address):
    """
    @notice Voids every ask of the present generation, on behalf of the provider's operator or owner.
    """
    assert msg.sender == MARKET, "registry: bump by market only"
    word: uint256 = self.prov[provider]
    assert convert(word >> 96, address) == by or self._owner(provider) == by, "registry: not operator or owner"
    # a provider that does not exist has the zero address for both
    assert by != empty(address), "registry: nobody bumps"
    generation: uint256 = self._next_generation(word)
    self.prov[provider] = word + GENERATION_ONE
    log INodeRegistry.GenerationBumped(provider=provider, generation=generation)


####################################################################
# ESCROW
####################################################################

@external
def release(node: uint256, gpus: uint256):
    """
    @notice Frees GPUs of a lease that stopped, whatever the node's status.
    """
    assert msg.sender == ESCROW, "registry: caller is not escrow"
    word: uint256 = self.node[node]
    reserved: uint256 = (word >> RESERVED_AT) & M16
    assert gpus <= reserved, "registry: not reserved"
    self.node[node] = unsafe_sub(word, unsafe_mul(gpus, RESERVED_ONE))
    log INodeRegistry.Reserved(node=node, reserved=unsafe_sub(reserved, gpus))


####################################################################
# STANDING
####################################################################

@external
def set_status(node: uint256, status: uint256, since: uint256, clean: uint256):
    """
    @notice A change that STANDING proved: Pending, Jailed or Faulted to Active, Active to Jailed.
    @param since Epoch of the new status.
    @param clean Earliest epoch whose counters may count against the node.
    """
    assert msg.sender == STANDING, "registry: caller is not standing"
    word: uint256 = self.node[node]
    old: uint256 = (word >> STATUS_AT) & 255
    if status == ACTIVE:
        assert old == PENDING or old == JAILED or old == FAULTED, "registry: cannot activate"
    else:
        assert status == JAILED and old == ACTIVE, "registry: cannot jail"
    assert since <= M32 and clean <= M32, "registry: epoch too large"
    self.node[node] = self._with_status(word, status, since, clean)
    log INodeRegistry.StatusSet(node=node, old=old, new=status, since=since, clean=clean)


####################################################################
# GRANTED
####################################################################

@external
def fault(node: uint256):
    """
    @notice An objective fault was proven: the node is Faulted from this epoch on, and its word keeps that epoch for ever. A
            Retired node stays retired (it is slashed only). A node that was already out of work gets `clean` = this epoch as well, so that no claim reaches
            back over the time in which it was jailed or faulted.
    """
    assert grants._may_enter(msg.sender, FAULT), "registry: caller may not fault"
    word: uint256 = self.node[node]
    old: uint256 = (word >> STATUS_AT) & 255
    assert old != 0, "registry: no such node"
    epoch: uint256 = epochs._epoch(block.timestamp)
    # kept here and not by the caller: the word is written anyway, and one of its own would cost a fault 22,000 gas
    word = word & ~M32 | epoch
    if old == RETIRED:
        self.node[node] = word
        return
    clean: uint256 = (word >> CLEAN_AT) & M32
    if old == JAILED or old == FAULTED:
        clean = epoch
    self.node[node] = self._with_status(word, FAULTED, epoch, clean)
    log INodeRegistry.StatusSet(node=node, old=old, new=FAULTED, since=epoch, clean=clean)


####################################################################
# VIEW
####################################################################

@view
@external
def provider(p: uint256) -> uint256:
    """
    @notice Operator, bid generation and stake units of a provider, packed as in INodeRegistry.
    """
    return self.prov[p] | staticcall POOL.need(p) & M64


@view
@external
def owner_of(p: uint256) -> address:
    """
    @notice Owner of a provider; zero if there is none.
    """
    return self._owner(p)


@view
@external
def key_of(i: uint256, e: uint256) -> address:
    """
    @notice Key that signs for node `i` in epoch `e`; zero before its first epoch. Of keys before the last rotation only one
            is kept, which is enough for every epoch that can still be refuted; before that one's first epoch the answer is
            zero, too.
    """
    word: uint256 = self.keys[i]
    if e < (word >> 64) & M32:
        word = self.previous_key[i]
        if e < (word >> 64) & M32:
            return empty(address)
    return convert(word >> 96, address)


@view
@external
def class_of(class_id: uint256) -> INodeRegistry.HardwareClass:
    """
    @notice Row of a hardware class; an empty name means that there is none.
    """
    row: uint256 = self.class_word[class_id]
    return INodeRegistry.HardwareClass(
        name=self.class_name[class_id],
        kind=(row >> 16) & 255,
        tier=(row >> 24) & 255,
        vram_gib=(row >> 48) & M16,
        flags=(row >> 32) & M16,
        compute_units=(row >> 160) & M32,
        min_stake=row >> 192,
        n=(row >> 96) & M32,
        rounds=(row >> 64) & M32,
        deadline=(row >> 128) & M32,
        closed=row & CLOSED != 0,
    )


@view
@external
def gpu_owner(fingerprint: bytes32) -> uint256:
    """
    @notice Node in which the GPU stands: index + 1 @0 | second from which it is free again @32 (0 while the node is not
            retired); 0 = free.
    """
    taken: uint256 = self.gpu[fingerprint]
    if taken == 0:
        return 0
    word: uint256 = self.node[taken - 1]
    if self._is_free(word):
        return 0
    if (word >> STATUS_AT) & 255 == RETIRED:
        return self._free_at(word) << 32 | taken
    return taken


@view
@external
def grant_of(caller: address) -> uint256:
    """
    @notice Rights of `caller`: ever given 128 @128, in force now 128 @0 (1 = fault).
    """
    return grants.word[caller]


####################################################################
# Internal
####################################################################

@internal
@view
def _owner(p: uint256) -> address:
    """
    @notice Owner of a provider, as this contract pushed it to the pool; zero for one that does not exist.
    """
    return convert(staticcall POOL.need(p) >> 96, address)


@internal
@pure
def _next_generation(word: uint256) -> uint256:
    """
    @notice The bid generation after that of a provider's word.
    """
    generation: uint256 = ((word >> 64) & M32) + 1
    assert generation <= M32, "registry: generations used up"
    return generation


@internal
@view
def _check_provider(p: uint256):
    """
    @notice Reverts unless the caller owns the provider; nobody owns one that does not exist.
    """
    assert self._owner(p) == msg.sender, "registry: not its owner"


@internal
@view
def _check_node(word: uint256):
    """
    @notice Reverts unless the node exists (the word of one that does not reads as provider 0) and the caller owns its provider.
    """
    assert word != 0, "registry: no node of this index"
    self._check_provider(word >> PROVIDER_AT)


@internal
@view
def _check_opt(word: uint256):
    """
    @notice Reverts unless the caller is owner or operator of the provider of a node's word.
    """
    p: uint256 = word >> PROVIDER_AT
    assert self.prov[p] >> 96 == convert(msg.sender, uint256) or self._owner(p) == msg.sender, "registry: caller may not opt"


@internal
def _use_key(key: address, i: uint256, message: bytes32, sig: Bytes[65]):
    """
    @notice Checks that `key` signed the struct hash `message` and was never used, and marks it as used by node `i`.
    """
    assert key != empty(address), "registry: key is zero"
    signer: address = ecdsa._recover_sig(eip712_domain_separator._hash_typed_data_v4(message), sig)
    assert signer == key, "registry: not signed by the key"
    assert self.node_of_key[key] == 0, "registry: key was used before"
    self.node_of_key[key] = unsafe_add(i, 1)


@internal
@pure
def _with_status(word: uint256, status: uint256, since: uint256, clean: uint256) -> uint256:
    """
    @notice The node word with another status (8 bits), since and clean (32 bits each).
    """
    return word & ~STATUS_FIELDS | status << STATUS_AT | clean << CLEAN_AT | since << SINCE_AT


@internal
@view
def _free_at(word: uint256) -> uint256:
    """
    @notice Second from which the GPUs of a retired node's word may stand in a new one.
    """
    return epochs._end((word >> SINCE_AT) & M32) + COOLDOWN


@internal
@view
def _is_free(word: uint256) -> bool:
    """
    @notice Whether the GPUs of a node's word may stand in a new one.
    """
    return (word >> STATUS_AT) & 255 == RETIRED and block.timestamp >= self._free_at(word)
