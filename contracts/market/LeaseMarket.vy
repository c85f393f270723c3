# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title LeaseMarket
@license AGPL-3.0-only
@notice Turns signed messages into leases: a provider's Ask and a renter's Take of it become one lease, or a cluster of up to
        8 that open together or not at all. Each lease's id is the digest of the Take plus its place, so no nonce is needed
        and no message opens twice. Source: docs/protocol.md, "LeaseMarket, LeaseEscrow".
@custom:security It holds no money, no state and no owner. Worst case of a bug here: bad leases paid from the purse of a renter;
        never a running lease, a tally, a token or free stake. The one foreign code it calls is an EIP-1271 wallet: static,
        with a gas cap, before a bond or a credit moves.
        Its functions are `@reentrant`: without state there is nothing that a lock could keep.
@custom:kill Entries stop by the hub's price word: paused, clamped or older than MAX_AGE, named in the error. `cancel` and
        `cancel_all` always work.
"""

from snekmate.utils import eip712_domain_separator

from ..interfaces import IAttestationHub
from ..interfaces import ILeaseEscrow
from ..interfaces import ILeaseMarket
from ..interfaces import INodeRegistry
from ..interfaces import IStakingPool
from ..modules import accrual
from ..modules import price_word
from ..modules import words

implements: ILeaseMarket
initializes: eip712_domain_separator
exports: eip712_domain_separator.eip712Domain


####################################################################
# Immutables
####################################################################

HUB: reentrant(public(immutable(IAttestationHub)))
REGISTRY: reentrant(public(immutable(INodeRegistry)))
POOL: reentrant(public(immutable(IStakingPool)))
ESCROW: reentrant(public(immutable(ILeaseEscrow)))
# seconds: no lease is shorter, for less could not be attested
SLOT: reentrant(public(immutable(uint256)))
# seconds: with an older price no lease opens
MAX_AGE: reentrant(public(immutable(uint256)))
# the domain's separator on the chain of the deployment; elsewhere (after a fork) it is computed anew
DOMAIN: immutable(bytes32)
CHAIN: immutable(uint256)

####################################################################
# Constants
####################################################################

VERSION: reentrant(public(constant(String[8]))) = "1"
ASK_TYPE: constant(bytes32) = keccak256("Ask(uint256 provider,uint256 nodes,uint256 class_id,uint256 rate,uint256 min_duration,uint256 max_duration,uint256 sheet,uint256 expiry,uint256 generation,uint256 salt)")
TAKE_TYPE: constant(bytes32) = keccak256("Take(address renter,bytes32 ask,uint256 nodes,uint256 gpus,uint256 duration,uint256 prepaid,uint256 deadline,uint256 salt)")
# what a wallet answers where a signature is its own (EIP-1271)
MAGIC: constant(bytes32) = 0x1626ba7e00000000000000000000000000000000000000000000000000000000
# gas for a wallet's answer: a dozen owners' signatures fit, a trap costs the caller no more
WALLET_GAS: constant(uint256) = 200_000
# nodes of one message: eight 24-bit places
MAX_NODES: constant(uint256) = 8
# GPUs of a node in the terms; the registry admits 16
M8: constant(uint256) = 2**8 - 1
M16: constant(uint256) = 2**16 - 1
M24: constant(uint256) = 2**24 - 1
# seconds: eight years and a half, the longest lease
M28: constant(uint256) = 2**28 - 1
M32: constant(uint256) = 2**32 - 1
M64: constant(uint256) = 2**64 - 1


@deploy
def __init__(hub: address, registry: address, pool: address, escrow: address, slot: uint256, max_age: uint256):
    """
    @notice Peers are addresses predicted from the deployer's nonce; none is called here.
    @param hub A peer for ever, as are registry, pool and escrow.
    @param slot Seconds, the calendar's. @param max_age Seconds; 2 epochs in the default profile.
    """
    assert empty(address) not in [hub, registry, pool, escrow], "market: zero peer"
    assert slot != 0, "market: zero slot"
    assert max_age != 0 and max_age <= M32, "market: age out of range"
    eip712_domain_separator.__init__("Hearth", "1")
    DOMAIN = eip712_domain_separator._domain_separator_v4()
    CHAIN = chain.id
    HUB = IAttestationHub(hub)
    REGISTRY = INodeRegistry(registry)
    POOL = IStakingPool(pool)
    ESCROW = ILeaseEscrow(escrow)
    SLOT = slot
    MAX_AGE = max_age


####################################################################
# RENTER, RELAYER
####################################################################

@external
@reentrant
def take(
    ask: ILeaseMarket.Ask, take_: ILeaseMarket.Take, ask_sig: Bytes[576], take_sig: Bytes[576], lapsed: DynArray[uint256, 4]
) -> uint256:
    """
    @notice Opens the leases of a Take, now, each with its deposit out of the renter's purse.
    @param ask The offer, signed by the provider's operator. @param take_ The acceptance.
    @param ask_sig 65 bytes r ‖ s ‖ v, or what the operator's wallet asks for.
    @param take_sig The renter's; not read where the renter calls.
    @param lapsed Leases whose lapse nobody recorded, stopped first so that their GPUs are free; a stopped one is passed over.
    @return Id of the first lease; those of a cluster follow.
    """
    # expiry, rate, ranges
    assert block.timestamp <= ask.expiry, "market: ask expired"
    assert block.timestamp <= take_.deadline, "market: take expired"
    assert unsafe_sub(ask.rate, 1) < M64, "market: rate out of range"
    assert unsafe_sub(take_.gpus, 1) < M8, "market: gpus out of range"
    duration: uint256 = take_.duration
    assert duration >= ask.min_duration and duration <= ask.max_duration and duration <= M28, "market: duration out of range"
    nodes: uint256 = take_.nodes
    n: uint256 = self._count(nodes)
    # sheet
    sheet: uint256 = staticcall ESCROW.sheet(ask.sheet)
    assert sheet != 0, "market: no such sheet"
    # signatures
    digest: bytes32 = self._digest(keccak256(abi_encode(ASK_TYPE, ask)))
    assert take_.ask == digest, "market: take of another ask"
    id: uint256 = convert(self._take_digest(take_), uint256)
    if msg.sender != take_.renter:
        self._check(take_.renter, convert(id, bytes32), take_sig)
    # price word
    price: uint256 = self._price()
    low: uint256 = min(price >> 192, (price >> 128) & M64)
    # nodes: status and capacity are the registry's own checks
    for lease: uint256 in lapsed:
        if staticcall ESCROW.terms(lease) & words.REASON == 0:
            extcall ESCROW.stop(lease, 0)
    rest: uint256 = nodes
    word: uint256 = 0
    provider: uint256 = 0
    for i: uint256 in range(n, bound=MAX_NODES):
        word, provider = extcall REGISTRY.reserve(unsafe_sub(rest & M24, 1), take_.gpus)
        assert word >> 232 == ask.provider, "market: node of another provider"
        if ask.nodes == 0:
            assert (word >> 216) & M16 == ask.class_id, "market: node of another class"
        else:
            assert self._has(ask.nodes, rest & M24), "market: node not offered"
        rest >>= 24
    # the provider's word came with its nodes
    assert ask.generation == (provider >> 64) & M32, "market: ask cancelled"
    self._check(convert(provider >> 96, address), digest, ask_sig)
    # stake >= required, bond
    per_second: uint256 = unsafe_mul(ask.rate, take_.gpus)
    share: uint256 = extcall POOL.lock(ask.provider, unsafe_mul(accrual._bond(sheet, per_second, low), n), (price >> 64) & M64)
    # prepaid
    prepaid: uint256 = take_.prepaid
    assert prepaid >= max((sheet >> 192) & M32, SLOT), "market: prepaid too short"
    assert prepaid <= min(duration, (sheet >> 160) & M32), "market: prepaid too long"
    # deposit; the first lease's bond carries what the division leaves, so that no locked share is nobody's
    terms: uint256 = ask.rate << 192 | take_.gpus << 184 | ask.provider << 136 | block.timestamp << 96 | duration << 68 | ask.sheet << 8
    bond: uint256 = share
    if n != 1:
        share = unsafe_div(bond, n)
        bond = unsafe_sub(bond, unsafe_mul(share, unsafe_sub(n, 1)))
        # of a single lease the escrow's Opened says all
        log ILeaseMarket.Filled(id=id, ask=digest, renter=take_.renter, leases=n)
    for i: uint256 in range(n, bound=MAX_NODES):
        extcall ESCROW.open(
            unsafe_add(id, i),
            terms | unsafe_sub(nodes & M24, 1) << 160,
            take_.renter,
            bond,
            unsafe_mul(per_second, prepaid),
            low,
            digest,
            skip_contract_check=True,
        )
        nodes >>= 24
        bond = share
    return id


@external
@reentrant
def cancel(take_: ILeaseMarket.Take):
    """
    @notice A tombstone at each id of the message: it can never open. Reverts once it has. By its renter.
    """
    assert msg.sender == take_.renter, "market: cancel is the renter's"
    id: uint256 = convert(self._take_digest(take_), uint256)
    for i: uint256 in range(self._count(take_.nodes), bound=MAX_NODES):
        extcall ESCROW.bar(unsafe_add(id, i))
    log ILeaseMarket.Cancelled(id=id, renter=msg.sender)


####################################################################
# OPERATOR
####################################################################

@external
@reentrant
def cancel_all(provider: uint256):
    """
    @notice Raises the provider's generation: no ask signed before can be taken. By its operator or owner.
    """
    extcall REGISTRY.bump_generation(provider, msg.sender)


####################################################################
# VIEW
####################################################################

@view
@external
@reentrant
def ask_digest(ask: ILeaseMarket.Ask) -> bytes32:
    """
    @notice EIP-712 digest that the operator signs.
    """
    return self._digest(keccak256(abi_encode(ASK_TYPE, ask)))


@view
@external
@reentrant
def take_digest(take_: ILeaseMarket.Take) -> bytes32:
    """
    @notice EIP-712 digest that the renter signs; as a number the id of the first lease.
    """
    return self._take_digest(take_)


@view
@external
@reentrant
def quote(ask: ILeaseMarket.Ask, take_: ILeaseMarket.Take) -> (uint256, uint256):
    """
    @notice Deposit (wei of a USD) and bond (gwei) of each lease at the newest price, whatever its flags and age.
    """
    assert ask.rate >> 64 == 0 and take_.gpus <= M8 and take_.prepaid <= M32, "market: quote out of range"
    per_second: uint256 = unsafe_mul(ask.rate, take_.gpus)
    low: uint256 = price_word._low(staticcall HUB.price())
    sheet: uint256 = staticcall ESCROW.sheet(ask.sheet)
    assert sheet != 0, "market: quote of no sheet"
    return unsafe_mul(per_second, take_.prepaid), accrual._bond(sheet, per_second, low)


####################################################################
# Internal
####################################################################

@internal
@view
def _take_digest(take_: ILeaseMarket.Take) -> bytes32:
    return self._digest(keccak256(abi_encode(TAKE_TYPE, take_)))


@internal
@view
def _digest(body: bytes32) -> bytes32:
    """@notice EIP-712 digest of a struct's hash."""
    domain: bytes32 = DOMAIN
    if chain.id != CHAIN:
        domain = eip712_domain_separator._domain_separator_v4()
    return keccak256(concat(b"\x19\x01", domain, body))


@internal
@pure
def _count(nodes: uint256) -> uint256:
    """@notice How many nodes are packed, 1 … 8; no place in between is empty."""
    n: uint256 = 0
    rest: uint256 = nodes
    for i: uint256 in range(MAX_NODES):
        if rest & M24 == 0:
            break
        n = unsafe_add(n, 1)
        rest >>= 24
    assert n != 0 and rest == 0, "market: nodes out of range"
    return n


@internal
@pure
def _has(nodes: uint256, place: uint256) -> bool:
    """@notice Whether a node is among those packed. @param place Its index + 1."""
    rest: uint256 = nodes
    for i: uint256 in range(10):
        if rest & M24 == place:
            return True
        rest >>= 24
        if rest == 0:
            break
    return False


@internal
@view
def _price() -> uint256:
    """@notice The entry gate. @return The hub's price word."""
    word: uint256 = staticcall HUB.price()
    if word & M24 != 0:
        assert word & price_word.PAUSED == 0, "market: paused"
        raise "market: clamped"
    assert block.timestamp <= unsafe_add((word >> 24) & price_word.M40, MAX_AGE), "market: stale price"
    return word


@internal
@view
def _check(signer: address, digest: bytes32, sig: Bytes[576]):
    """
    @notice Reverts unless the signature is the signer's: by ecrecover (a bad one recovers zero, which no signer is), else by
            the signer's own word if it is a contract (EIP-1271). The twin of a signature opens nothing new: an id is a
            digest, and opens once.
    """
    assert signer != empty(address), "market: signer is zero"
    if len(sig) == 65:
        # v is the last byte of the word that ends there
        v: uint256 = extract32(sig, 33, output_type=uint256) & 255
        r: uint256 = extract32(sig, 0, output_type=uint256)
        s: uint256 = extract32(sig, 32, output_type=uint256)
        if ecrecover(digest, v, r, s) == signer:
            return
    assert signer.is_contract, "market: wrong signature"
    done: bool = False
    answer: Bytes[32] = b""
    done, answer = raw_call(
        signer,
        abi_encode(digest, sig, method_id=method_id("isValidSignature(bytes32,bytes)")),
        max_outsize=32,
        gas=WALLET_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    assert done and len(answer) == 32 and convert(answer, bytes32) == MAGIC, "market: wallet refused"
