# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title ReportRefuter
@license AGPL-3.0-only
@notice Is the root what the records give? Replays one group of at most 64 records of a report in dispute, from the root
        that stands before the group to the one that was signed after it. A group that does not give its root, or holds a
        record that the rules refuse, fells the report and all after it. No preimage of the false root is needed.
        Source: docs/protocol.md, "Dispute".
@custom:security No roles. In the worst case, a bug that lets an honest report fall, no root becomes usable any more:
        nobody is paid until the hub is replaced, and every exit that waits for a report ends after ABANDON.
@custom:kill Nothing to stop: no money passes here, and a refutation must never be stopped.
"""

from ..interfaces import IAttestationHub
from ..interfaces import IReportRefuter
from ..modules import epochs
from ..modules import merkle
from ..modules import uptime_leaf
from ..modules import uptime_record

implements: IReportRefuter

initializes: epochs

####################################################################
# IMMUTABLES AND CONSTANTS
####################################################################

HUB: public(immutable(IAttestationHub))

VERSION: public(constant(String[8])) = "1"

M12: constant(uint256) = 2**12 - 1
M24: constant(uint256) = 2**24 - 1
M32: constant(uint256) = 2**32 - 1
M40: constant(uint256) = 2**40 - 1
SPARE: constant(uint256) = 3 << 14      # bits of a record that no report may set
GROUP: constant(uint256) = 64           # records
GROUP_BYTES: constant(uint256) = 352    # 64 records and the running root
RECORD_BYTES: constant(uint256) = 320
MAX_DEPTH: constant(uint256) = 24

DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
REPORT_TYPE: constant(bytes32) = keccak256(
    "Report(uint256 generation,uint256 epoch,bytes32 previous,bytes32 root,uint256 facts,bytes32 records)"
)
NAME_HASH: constant(bytes32) = keccak256("Hearth")
VERSION_HASH: constant(bytes32) = keccak256("1")

####################################################################
# STORAGE
####################################################################

committed_at: public(HashMap[bytes32, uint256])
# finder 160 @96 | generation 16 @72 | who 32 @40 | time 40 @0, by epoch and number of its report
fault_of: public(HashMap[uint256, HashMap[uint256, uint256]])


@deploy
def __init__(hub: address, genesis: uint256, slot: uint256, epochs_per_period: uint256):
    """
    @notice Fixes the hub and the calendar.
    @param hub The suite's AttestationHub, of which this is the refuter.
    @param genesis Unix seconds.
    @param slot Seconds.
    @param epochs_per_period Epochs.
    """
    assert hub != empty(address), "refuter: no hub"
    epochs.__init__(genesis, slot, epochs_per_period)
    HUB = IAttestationHub(hub)


####################################################################
# FINDER
####################################################################


@external
def commit(commitment: bytes32):
    """
    @notice Claims a refutation before it is shown, so that nobody who copies it from the mempool is its finder.
    @param commitment keccak256(abi_encode(finder, digest, part, group, keccak256(leaves), keccak256(siblings))), where
        the digest is that of the report. It counts from the next block on; a second one of the same changes nothing.
    """
    assert self.committed_at[commitment] == 0, "refuter: committed already"
    self.committed_at[commitment] = block.timestamp
    log IReportRefuter.Committed(commitment=commitment)


####################################################################
# ANYONE
####################################################################


@external
def refute(
    report: IReportRefuter.Report,
    part: uint256,
    group: uint256,
    data: Bytes[63328],
    leaves: Bytes[2048],
    siblings: Bytes[36864],
):
    """
    @notice Fells a report in dispute one of whose groups is not what the records give, and all after it.
    @param report As the hub logged it, with the epoch before.
    @param part Which part, from 0.
    @param group Which group of the part, from 0; 0 where the length of the part is wrong.
    @param data The part.
    @param leaves Words of the group's nodes before it, 32 bytes each, in its order; none where a record is refused by
        itself (spare bits, an index beyond the count or not above the one before it).
    @param siblings Multiproof of these leaves against the root before the group, 32 bytes each: those that no leaf
        gives, level by level from the leaves up, left to right.
    """
    e: uint256 = report.header & M32
    meta: uint256 = staticcall HUB.meta(e)
    word: bytes32 = staticcall HUB.ring_word(e)
    assert keccak256(abi_encode(report.root, report.header)) == word, "refuter: header"
    digest: bytes32 = self._digest(report, e)
    # a void epoch has a digest of another kind
    assert convert(digest, uint256) >> 64 == meta >> 64, "refuter: other report"
    at: uint256 = unsafe_mul(part, 2)
    assert part < 33 and at + 1 < len(report.parts), "refuter: no such part"
    assert keccak256(data) == report.parts[at], "refuter: other part"

    if uptime_record._well_formed(len(data)):
        last: uint256 = uptime_record._last_group(len(data))
        assert group <= last, "refuter: no such group"
        offset: uint256 = unsafe_mul(group, GROUP_BYTES)
        before: bytes32 = empty(bytes32)
        if group != 0:
            before = extract32(data, unsafe_sub(offset, 32))
        elif part != 0:
            before = report.parts[unsafe_sub(at, 1)]
        else:
            before = self._lifted(report.root_before, report.header_before >> 128 & M24, report.header >> 128 & M24)
        after: bytes32 = report.parts[unsafe_add(at, 1)]
        n: uint256 = unsafe_sub(len(data), offset) // 5
        if group < last:
            n = GROUP
            after = extract32(data, unsafe_add(offset, RECORD_BYTES))
        records: uint256[GROUP] = empty(uint256[GROUP])
        for i: uint256 in range(n, bound=GROUP):
            end: uint256 = unsafe_add(offset, unsafe_mul(5, unsafe_add(i, 1)))
            if end < 32:
                records[i] = convert(slice(data, unsafe_sub(end, 5), 5), uint256)
            else:
                records[i] = convert(extract32(data, unsafe_sub(end, 32)), uint256) & M40
        assert self._is_false(
            records, n, report.header_before, report.header, leaves, siblings, before, after
        ), "refuter: the group holds"

    finder: address = empty(address)
    commitment: bytes32 = keccak256(
        abi_encode(msg.sender, digest, part, group, keccak256(leaves), keccak256(siblings))
    )
    committed: uint256 = self.committed_at[commitment]
    if committed != 0 and committed < block.timestamp:
        finder = msg.sender
    cancels: uint256 = staticcall HUB.cancels(e)
    who: uint256 = (meta >> 32) & M32
    self.fault_of[e][cancels] = (
        convert(finder, uint256) << 96 | report.generation << 72 | who << 40 | block.timestamp
    )
    log IReportRefuter.Refuted(
        epoch=e, cancels=cancels, generation=report.generation, who=who, finder=finder, part=part, group=group
    )
    extcall HUB.cancel(report.root_before, report.header_before)


@external
def refute_checkin(
    node: uint256,
    slot: uint256,
    header: uint256,
    leaf: uint256,
    proof: DynArray[bytes32, 24],
    header_before: uint256,
    root_before: bytes32,
):
    """
    @notice Fells a report in dispute that calls a node down in a slot in which its key checked in on chain. A reorg can
        cause it, so nobody is punished and nobody paid.
    @param node Its index.
    @param slot Of the epoch, 0 … 11.
    @param header Of the epoch.
    @param leaf The node's leaf at its end.
    @param proof Siblings from the leaf up.
    @param header_before Of the epoch before.
    @param root_before Of the epoch before.
    """
    e: uint256 = header & M32
    word: bytes32 = staticcall HUB.ring_word(e)
    assert keccak256(abi_encode(merkle._root(node, leaf, proof), header)) == word, "refuter: proof"
    assert header & uptime_leaf.VOID == 0, "refuter: void epoch"
    assert node < (header >> 128) & M24, "refuter: not counted"
    bit: uint256 = 1 << slot
    assert bit & M12 != 0 and staticcall HUB.check_ins(e, node) & bit != 0, "refuter: no check-in"
    assert uptime_leaf._mask(header, leaf) & bit != 0, "refuter: reported up"
    assert header_before & M32 == unsafe_sub(e, 1), "refuter: epoch before"
    log IReportRefuter.CheckInRefuted(epoch=e, node=node, slot=slot, by=msg.sender)
    extcall HUB.cancel(root_before, header_before)


####################################################################
# VIEW
####################################################################


@external
@view
def state(e: uint256) -> String[64]:
    """@notice What stands of an epoch, in words."""
    if e == 0:
        return "before the first epoch"
    if block.timestamp < epochs.GENESIS or epochs._epoch(block.timestamp) <= e:
        return "not over"
    since: uint256 = staticcall HUB.usable_at(e)
    if since == 0:
        if staticcall HUB.cancels(e) != 0:
            return "cancelled, waiting to be signed again"
        return "over, waiting for its report"
    if since == 1:
        return "was usable, has left the ring"
    if block.timestamp < since:
        return "reported, may be refuted"
    return "usable"


####################################################################
# INTERNAL
####################################################################


@internal
@view
def _digest(report: IReportRefuter.Report, e: uint256) -> bytes32:
    """@notice What the seats signed, in the domain of the hub on this chain."""
    domain: bytes32 = keccak256(abi_encode(DOMAIN_TYPE, NAME_HASH, VERSION_HASH, chain.id, HUB.address))
    previous: bytes32 = keccak256(abi_encode(report.root_before, report.header_before))
    # abi_encode puts an offset and a length before the words
    records: bytes32 = keccak256(slice(abi_encode(report.parts), 64, len(report.parts) << 5))
    message: bytes32 = keccak256(
        abi_encode(REPORT_TYPE, report.generation, e, previous, report.root, report.facts, records)
    )
    return keccak256(concat(x"1901", domain, message))


@internal
@pure
def _depth(count: uint256) -> uint256:
    """@notice Depth of the tree of so many nodes: max(1, bit length of max(count, 1) - 1)."""
    depth: uint256 = 1
    for i: uint256 in range(MAX_DEPTH):
        if count <= 1 << depth:
            break
        depth = unsafe_add(depth, 1)
    return depth


@internal
@pure
def _lifted(root: bytes32, count_before: uint256, count: uint256) -> bytes32:
    """@notice The root over the same leaves in the tree of `count` nodes."""
    depth: uint256 = self._depth(count)
    lifted: bytes32 = root
    old: uint256 = self._depth(count_before)
    zero: bytes32 = empty(bytes32)
    for d: uint256 in range(depth, bound=MAX_DEPTH):
        if d >= old:
            lifted = keccak256(abi_encode(lifted, zero))
        zero = keccak256(abi_encode(zero, zero))
    return lifted


@internal
@pure
def _is_false(
    records: uint256[GROUP],
    n: uint256,
    header_before: uint256,
    header: uint256,
    leaves: Bytes[2048],
    siblings: Bytes[36864],
    before: bytes32,
    after: bytes32,
) -> bool:
    """
    @notice Whether a group's records are refused, or do not lead from one root to the other. Leaves are proven before a
        record is judged by them, or an invented one would fell an honest report.
    """
    if n == 0:
        return before != after
    count: uint256 = (header >> 128) & M24
    m: uint256 = uptime_record._ordinal(header)
    provable: bool = len(leaves) == n << 5
    refused: bool = False
    last: uint256 = 0
    position: uint256[GROUP] = empty(uint256[GROUP])
    old: bytes32[GROUP] = empty(bytes32[GROUP])
    new: bytes32[GROUP] = empty(bytes32[GROUP])
    for i: uint256 in range(n, bound=GROUP):
        record: uint256 = records[i]
        node: uint256 = record >> 16
        if record & SPARE != 0 or node >= count or (i != 0 and node <= last):
            return True
        last = node
        position[i] = node
        if provable:
            leaf: uint256 = convert(extract32(leaves, i << 5), uint256)
            old[i] = merkle._leaf(node, leaf)
            if (leaf >> 32) & M32 >= m:
                refused = True
            else:
                new[i] = merkle._leaf(node, uptime_record._apply(leaf, record, header_before, header))
    assert provable, "refuter: leaves"
    root: bytes32 = empty(bytes32)
    root_new: bytes32 = empty(bytes32)
    root, root_new = self._roots(position, old, new, n, self._depth(count), siblings)
    assert root == before, "refuter: multiproof"
    return refused or root_new != after


@internal
@pure
def _roots(
    positions: uint256[GROUP],
    olds: bytes32[GROUP],
    news: bytes32[GROUP],
    n: uint256,
    depth: uint256,
    siblings: Bytes[36864],
) -> (bytes32, bytes32):
    """
    @notice The roots over two rows of leaf hashes at the same ascending positions below 2**depth, with the same siblings.
    """
    position: uint256[GROUP] = positions
    old: bytes32[GROUP] = olds
    new: bytes32[GROUP] = news
    rest: uint256 = n
    used: uint256 = 0
    for d: uint256 in range(depth, bound=MAX_DEPTH):
        j: uint256 = 0
        k: uint256 = 0
        for i: uint256 in range(GROUP):
            if j >= rest:
                break
            x: uint256 = position[j]
            a: bytes32 = old[j]
            b: bytes32 = new[j]
            j = unsafe_add(j, 1)
            if x & 1 == 0 and j < rest and position[j] == unsafe_add(x, 1):
                a = keccak256(abi_encode(a, old[j]))
                b = keccak256(abi_encode(b, new[j]))
                j = unsafe_add(j, 1)
            else:
                sibling: bytes32 = extract32(siblings, used)
                used = unsafe_add(used, 32)
                if x & 1 == 0:
                    a = keccak256(abi_encode(a, sibling))
                    b = keccak256(abi_encode(b, sibling))
                else:
                    a = keccak256(abi_encode(sibling, a))
                    b = keccak256(abi_encode(sibling, b))
            position[k] = x >> 1
            old[k] = a
            new[k] = b
            k = unsafe_add(k, 1)
        rest = k
    assert used == len(siblings), "refuter: siblings"
    return old[0], new[0]
