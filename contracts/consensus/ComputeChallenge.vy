# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title ComputeChallenge
@license AGPL-3.0-only
@notice Was the product right? A node that owes an answer multiplies matrices that its seed draws, commits to every entry
        and signs. One wrong entry, opened from the signed root, is computed again here: if it differs, the node is Faulted
        and its provider slashed. Round by round the root before seeds the next, and each round is judged alone.
        Source: docs/protocol.md, "ComputeChallenge".
@custom:security No roles. In the worst case, a bug that refutes a right answer, each node that answered in ANSWER_WINDOW is
        Faulted and slashed, as far as the pool's own ceiling admits; the owners of registry and pool take the grants back
        and nothing more falls. The hub's quorum chooses seeds, never answers: it can make nobody guilty.
@custom:kill Revoking the grants of NodeRegistry or StakingPool stops every refutation. Nothing here holds money.
"""

from ..interfaces import IAttestationHub
from ..interfaces import IComputeChallenge
from ..interfaces import INodeRegistry
from ..interfaces import IStakingPool
from ..modules import epochs
from ..modules import matrix

implements: IComputeChallenge

initializes: epochs

####################################################################
# IMMUTABLES AND CONSTANTS
####################################################################

HUB: public(immutable(IAttestationHub))
REGISTRY: public(immutable(INodeRegistry))
POOL: public(immutable(IStakingPool))
EPOCHS_PER_PERIOD: public(immutable(uint256))
ANSWER_WINDOW: public(immutable(uint256))   # seconds after an epoch in which its answers can be refuted
RATE: public(immutable(uint256))            # bps of the nodes on which the lot of an epoch falls

VERSION: public(constant(String[8])) = "1"

MAX_RATE: constant(uint256) = 10_000
MAX_LENGTH: constant(uint256) = 2**30       # seconds; keeps every time below 2**40
# the first epoch that can have a seed: it is drawn by the report of the epoch before
FIRST_SEEDED: constant(uint256) = 2
# PERIODs in which a second fault asks for twice the units
REPEAT: constant(uint256) = 30
CHUNK_BYTES: constant(uint256) = 384
SIG_BYTES: constant(uint256) = 65

M16: constant(uint256) = 2**16 - 1
M32: constant(uint256) = 2**32 - 1
M56: constant(uint256) = 2**56 - 1

DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
ANSWER_TYPE: constant(bytes32) = keccak256(
    "Answer(uint256 node,uint256 epoch,uint256 seed,uint256 seed_b,bytes32 root)"
)
NAME_HASH: constant(bytes32) = keccak256("Hearth")
VERSION_HASH: constant(bytes32) = keccak256("1")

####################################################################
# STORAGE
####################################################################

committed_at: public(HashMap[bytes32, uint256])


@deploy
def __init__(
    hub: address, registry: address, pool: address, genesis: uint256, slot: uint256, epochs_per_period: uint256,
    answer_window: uint256, rate: uint256
):
    """
    @notice Fixes the peers, the calendar and the lot. It refutes once NodeRegistry and StakingPool have granted it.
    @param hub The suite's AttestationHub.
    @param registry The suite's NodeRegistry.
    @param pool The suite's StakingPool.
    @param genesis Unix seconds.
    @param slot Seconds.
    @param epochs_per_period Epochs.
    @param answer_window Seconds, ANSWER_WINDOW of the profile.
    @param rate Basis points.
    """
    for peer: address in [hub, registry, pool]:
        assert peer != empty(address), "challenge: no peer"
    assert answer_window <= MAX_LENGTH, "challenge: answer window"
    assert rate <= MAX_RATE, "challenge: rate"
    epochs.__init__(genesis, slot, epochs_per_period)
    HUB = IAttestationHub(hub)
    REGISTRY = INodeRegistry(registry)
    POOL = IStakingPool(pool)
    EPOCHS_PER_PERIOD = epochs_per_period
    ANSWER_WINDOW = answer_window
    RATE = rate


####################################################################
# FINDER
####################################################################


@external
def commit(commitment: bytes32):
    """
    @notice Claims a refutation before it is shown, so that nobody can take it from the mempool.
    @param commitment keccak256(abi_encode(finder, digest, gpu, round, row, col)), where the digest is that of the answer.
        It counts from the next block on; a second one of the same changes nothing.
    """
    assert self.committed_at[commitment] == 0, "challenge: committed already"
    self.committed_at[commitment] = block.timestamp
    log IComputeChallenge.Committed(commitment=commitment)


@external
def refute(
    node: uint256,
    epoch: uint256,
    root: bytes32,
    sig: Bytes[65],
    gpu: uint256,
    round: uint256,
    row: uint256,
    col: uint256,
    chunk: Bytes[384],
    path: DynArray[bytes32, 25],
    previous: bytes32,
    list_path: DynArray[bytes32, 64],
):
    """
    @notice Shows one wrong entry of a signed answer: the node is Faulted, its provider slashed by the class's stake for
        each GPU of the node, twice that within 30 PERIODs of its last fault. Answers of epochs up to that of the last
        fault are the same fault. The caller, who must have committed in an earlier block, is the finder.
    @param node Its index.
    @param epoch Of the answer.
    @param root Of the list of rounds, as signed.
    @param sig Of the key that the node had in that epoch: r ‖ s ‖ v.
    @param gpu Whose chain, from 0.
    @param round Of the chain, from 0.
    @param row Of C, from 0.
    @param col Of C, from 0.
    @param chunk The 128 entries with (row, col), 3 bytes each.
    @param path Siblings of the chunk, up to the root of C.
    @param previous Root of the round before; zero in round 0.
    @param list_path Siblings of the two rounds' leaves (in round 0 of the one) up to `root`: modules/matrix.vy.
    """
    seed: uint256 = 0
    seed_b: uint256 = 0
    seed, seed_b = self._seeds(epoch)
    assert block.timestamp <= epochs._end(epoch) + ANSWER_WINDOW, "challenge: window closed"
    word: uint256 = staticcall REGISTRY.node(node)
    last: uint256 = word & M32
    assert epoch > last, "challenge: same fault"

    digest: bytes32 = self._digest(node, epoch, seed, seed_b, root)
    commitment: bytes32 = keccak256(abi_encode(msg.sender, digest, gpu, round, row, col))
    committed: uint256 = self.committed_at[commitment]
    assert committed != 0 and committed < block.timestamp, "challenge: not committed"
    # used up: its word is given back
    self.committed_at[commitment] = 0
    assert len(sig) == SIG_BYTES, "challenge: signature length"
    signer: address = ecrecover(
        digest, convert(slice(sig, 64, 1), uint256), convert(extract32(sig, 0), uint256),
        convert(extract32(sig, 32), uint256)
    )
    assert signer != empty(address), "challenge: signature"
    assert signer == staticcall REGISTRY.key_of(node, epoch), "challenge: not the node's key"

    assert word != 0, "challenge: no such node"
    class_id: uint256 = (word >> 216) & M16
    gpus: uint256 = (word >> 184) & M16
    class_word: uint256 = staticcall REGISTRY.class_word(class_id)
    n: uint256 = (class_word >> 96) & M32
    rounds: uint256 = (class_word >> 64) & M32
    assert rounds != 0, "challenge: liveness-only class"
    assert gpu < gpus, "challenge: no such GPU"
    assert round < rounds, "challenge: no such round"
    assert row < n, "challenge: no such row"
    assert col < n, "challenge: no such column"
    assert len(chunk) == CHUNK_BYTES, "challenge: chunk length"
    # the tree has n · n / 128 chunks
    assert 1 << unsafe_add(len(path), 7) == unsafe_mul(n, n), "challenge: path length"
    assert round != 0 or previous == empty(bytes32), "challenge: previous in round 0"

    index: uint256 = unsafe_add(unsafe_mul(row, n), col) >> matrix.CHUNK_AT
    c_root: bytes32 = matrix._c_root(keccak256(chunk), index, path)
    index = unsafe_add(unsafe_mul(gpu, rounds), round)
    assert matrix._list_root(previous, c_root, index, round != 0, list_path) == root, "challenge: not of this root"

    said: uint256 = matrix._entry(chunk, col)
    correct: uint256 = matrix._dot(
        matrix._line(matrix._key_a(seed, node, gpu, round, previous), row),
        matrix._line(matrix._key_b(seed_b, class_id), col),
        n,
    )
    assert said != correct, "challenge: element is right"

    units: uint256 = unsafe_mul(class_word >> 192, gpus)
    if last != 0 and epochs._epoch(block.timestamp) <= unsafe_add(last, unsafe_mul(REPEAT, EPOCHS_PER_PERIOD)):
        units = unsafe_mul(units, 2)
    log IComputeChallenge.Refuted(
        node=node,
        epoch=epoch,
        finder=msg.sender,
        place=gpu << 96 | round << 64 | row << 32 | col,
        committed=said,
        correct=correct,
        units=units,
    )
    extcall REGISTRY.fault(node)
    extcall POOL.slash(word >> 232, units, msg.sender)


####################################################################
# VIEW
####################################################################


@external
@view
def fault_of(node: uint256) -> uint256:
    """@notice Epoch in which the node's last fault was recorded; 0 = none."""
    return staticcall REGISTRY.node(node) & M32


@external
@view
def is_challenged(e: uint256, node: uint256) -> bool:
    """@notice Whether the lot of epoch e falls on the node; False where there is no seed (any more)."""
    seed: uint256 = 0
    drawn: uint256 = 0
    seed, drawn = staticcall HUB.seed(e)
    return drawn != 0 and convert(keccak256(abi_encode(seed, node)), uint256) % MAX_RATE < RATE


@external
@view
def seeds(e: uint256) -> (uint256, uint256):
    """@notice Seed and seed_B of an epoch (56 bits each); zeros where one of them is not there (any more)."""
    seed: uint256 = 0
    seed_b: uint256 = 0
    drawn: bool = False
    seed, seed_b, drawn = self._drawn(e)
    if not drawn:
        return 0, 0
    return seed, seed_b


@external
@view
def keys(
    node: uint256, epoch: uint256, gpu: uint256, round: uint256, previous: bytes32, row: uint256, col: uint256
) -> (uint256, uint256):
    """@notice Row key and column key of an element of a node's work. `previous`: root of the round before, 0 in round 0."""
    seed: uint256 = 0
    seed_b: uint256 = 0
    seed, seed_b = self._seeds(epoch)
    class_id: uint256 = (staticcall REGISTRY.node(node) >> 216) & M16
    return (
        matrix._line(matrix._key_a(seed, node, gpu, round, previous), row),
        matrix._line(matrix._key_b(seed_b, class_id), col),
    )


@external
@view
def dot(a: uint256, b: uint256, n: uint256) -> uint256:
    """@notice The element at a row key and a column key. n: a power of two of 256 to 65,536."""
    assert matrix._sized(n), "challenge: size"
    return matrix._dot(a, b, n)


####################################################################
# INTERNAL
####################################################################


@internal
@view
def _drawn(e: uint256) -> (uint256, uint256, bool):
    """@notice Seed and seed_B of an epoch, and whether both are there. seed_B is the first seed of the epoch's PERIOD."""
    seed: uint256 = staticcall HUB.draw(e)
    first: uint256 = max(FIRST_SEEDED, unsafe_sub(e, e % EPOCHS_PER_PERIOD))
    seed_b: uint256 = seed
    if first != e and seed != 0:
        seed_b = staticcall HUB.draw(first)
    return seed & M56, seed_b & M56, seed != 0 and seed_b != 0


@internal
@view
def _seeds(e: uint256) -> (uint256, uint256):
    """@notice Seed and seed_B of an epoch; reverts without."""
    seed: uint256 = 0
    seed_b: uint256 = 0
    drawn: bool = False
    seed, seed_b, drawn = self._drawn(e)
    assert drawn, "challenge: no seed"
    return seed, seed_b


@internal
@view
def _digest(node: uint256, epoch: uint256, seed: uint256, seed_b: uint256, root: bytes32) -> bytes32:
    """@notice What the node signed, in the domain of this contract on this chain."""
    domain: bytes32 = keccak256(abi_encode(DOMAIN_TYPE, NAME_HASH, VERSION_HASH, chain.id, self))
    return keccak256(
        concat(x"1901", domain, keccak256(abi_encode(ANSWER_TYPE, node, epoch, seed, seed_b, root)))
    )
