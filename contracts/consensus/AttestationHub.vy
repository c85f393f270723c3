# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title AttestationHub
@license AGPL-3.0-only
@notice Was the node online? A committee of at most 31 seats signs one report an epoch: a Merkle root over deviations,
        the records behind it, a price. Reports become usable when their dispute window has passed; the price word
        with its flags is the one gate of every entry.
        cfg      epoch 32 @0 | V 32 @32 | Q 32 @64 | I 32 @96 | count 24 @128 (the header of the last epoch, without
                 its indet, void and challenged bits) | ahead 16 @152 (epochs after the last that once stood and were
                 cancelled) | start 32 @168 | generation 16 @200 | n 5 @216
                 | bound 14 @221 | paused @235 | clamped @236 | challenged @237 | due 3 @238 (period word of
                 the period before, of the one before that, stake price)
        prices   P 64 @192 | TWAP 64 @128 | stake price 64 @64 | draw 56 @8 (the seed of the epoch after) | age 8 @0
                 (void epochs since the report that set the price, 255 = that many or more)
        A cancelled epoch keeps its words in the rings until it is signed again: so the seed that it drew stays.
        Source: docs/protocol.md, "AttestationHub and AttesterCommittee".
@custom:security Owner: sets the committee that signs from a later epoch on, so in the worst case it can have any
        uptime and any price (within the bound an epoch) signed; it can neither undo a usable root nor touch money.
        Guardian: can stop entries once in 30 days, for 14 days. A quorum that lies: running rent of open leases and
        one period of emission. Refuter (a contract without roles): takes back epochs in dispute, only those. Feed:
        can clamp the price, which stops entries. Anyone: can carry what was signed, and post parts at its own cost.
@custom:kill `pause_entries` stops entries; reports, views and every exit go on. A stuck committee is replaced by the
        owner, and from 24 epochs after an epoch's end the committee in force when sent may report it.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.utils import eip712_domain_separator

from ..interfaces import IAttestationHub
from ..interfaces import INodeRegistry
from ..interfaces import IStakingPool
from ..modules import aggregator
from ..modules import epochs
from ..modules import price_feed
from ..modules import price_word
from ..modules import quorum as signatures
from ..modules import uptime_leaf

implements: IAttestationHub

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: eip712_domain_separator
initializes: epochs

exports: (
    ownable.owner,
    ownable_2step.pending_owner,
    eip712_domain_separator.eip712Domain,
)

####################################################################
# IMMUTABLES AND CONSTANTS
####################################################################

REGISTRY: public(immutable(INodeRegistry))
POOL: public(immutable(IStakingPool))
REFUTER: public(immutable(address))     # the suite's ReportRefuter
COMMITTEE: public(immutable(address))   # the suite's AttesterCommittee, which sets tables beside the owner; zero = none
FEED: public(immutable(address))        # an outside price, Chainlink's interface; zero = none
FEED_ONE: immutable(uint256)            # 1 USD in its answers
DISPUTE: public(immutable(uint256))     # seconds in which a report may be refuted
GRACE: public(immutable(uint256))       # epochs after a period's end from which a clamped price closes it too
PER: immutable(uint256)                 # epochs of a period
CHAIN: immutable(uint256)
RLP_HEAD: immutable(bytes22)            # rlp([self, nonce]) without a nonce below 0x80
DOMAIN: immutable(bytes32)              # of that chain
ABANDON: public(immutable(uint256))     # seconds after a period's end from which the last price closes it

VERSION: public(constant(String[8])) = "1"
# 85 days of hours: the longest lease that can still be settled in one proof; one turn costs a word only once.
RING: public(constant(uint256)) = 2_048
# Epochs after which the committee in force when sent may report what a dead one left.
LATE: constant(uint256) = 24
# Epochs that one transaction may void: 24 · 4 fresh words fit the gas limit of a transaction.
MAX_VOID: constant(uint256) = 24
# Indeterminate slots of an epoch; more would let a quorum excuse whole outages.
MAX_INDET: constant(uint256) = 3
# A pause stops entries at most 14 of any 30 days.
PAUSE_EVERY: constant(uint256) = 30 * 86_400
PAUSE_LENGTH: constant(uint256) = 14 * 86_400

M12: constant(uint256) = 2**12 - 1
M16: constant(uint256) = 2**16 - 1
M24: constant(uint256) = 2**24 - 1
M32: constant(uint256) = 2**32 - 1
M40: constant(uint256) = 2**40 - 1
# A seed is one of 2**56: whoever would prepare for it pays a whole chain of work a guess. So it fits beside the price
# it was drawn with, and a report writes four ring words and no fifth.
M56: constant(uint256) = 2**56 - 1
DRAW: constant(uint256) = M56 << 8
SEED_SHIFT: constant(uint256) = 200
MAX_VOIDS_KEPT: constant(uint256) = 255
COUNTERS: constant(uint256) = 2**152 - 1
BOUND_MASK: constant(uint256) = 2**14 - 1
PAUSED: constant(uint256) = 1 << 235
CLAMPED: constant(uint256) = 1 << 236
CHALLENGED: constant(uint256) = 1 << 237
STAKE_DUE: constant(uint256) = 1 << 240
DUE_AT: constant(uint256) = 238
# cfg without the flags that each report sets anew
STEADY: constant(uint256) = 2**236 - 1
AHEAD_AT: constant(uint256) = 152
AHEAD_ONE: constant(uint256) = 1 << 152
# the fields of cfg that no report changes: tables, bound, pause
SETTINGS: constant(uint256) = 2**236 - 2**168
# in metas, above the 31 seats: the report moved the price to its bound
CLAMPED_THEN: constant(uint256) = 1 << 63
RETIRED: constant(uint256) = 5          # status of a node word

REPORT_TYPE: constant(bytes32) = keccak256(
    "Report(uint256 generation,uint256 epoch,bytes32 previous,bytes32 root,uint256 facts,bytes32 records)"
)
VOID_TYPE: constant(bytes32) = keccak256(
    "VoidReport(uint256 generation,uint256 first,uint256 last,bytes32 previous,uint256 view)"
)
# Init code of a data contract of 993 bytes: PUSH2 993, DUP1, PUSH1 10, and 0, CODECOPY, 0, RETURN.
TABLE_INIT: constant(Bytes[11]) = x"6103e180600a3d393df300"
# rlp([address, nonce]) without either, for nonces of one byte from 0x80 on, and of two
RLP_2: constant(uint256) = 55_188 << 176 | 129 << 8         # d7 94 … 81
RLP_3: constant(uint256) = 55_444 << 184 | 130 << 16        # d8 94 … 82
# Z_1 = keccak256 of 64 zero bytes: the root of a tree of depth 1 without a deviation.
Z_1: constant(bytes32) = 0xad3228b676f7d3cd4284a5443f17f1962b36e491b30a40b2405849e597ba5fb5

####################################################################
# STORAGE
####################################################################

cfg: uint256
ring: bytes32[RING]                     # w[e] = keccak256(root ‖ header)
metas: uint256[RING]                    # digest >> 64 << 64 | clamped @63 | who 31 @32 | time 32 @0
prices: uint256[RING]
periods: HashMap[uint256, uint256]      # R_p 64 @72 | epoch 32 @40 | time 40 @0
posted: HashMap[bytes32, bool]
# of an epoch that was signed again: how often @32 | time 32 @0 at which it first drew the seed of the epoch after
resigned: HashMap[uint256, uint256]
check_ins: public(HashMap[uint256, HashMap[uint256, uint256]])     # epoch, node: slots in which its key did, 12 bits
# the two tables before the last: start 32 @0 | n 8 @32 | generation 16 @40 of the later, the same @64 of the earlier
older: uint256
guardian: public(address)
paused_at: public(uint256)              # of the guardian's last pause; 0 = none yet


@deploy
def __init__(
    registry: address,
    pool: address,
    genesis: uint256,
    slot: uint256,
    epochs_per_period: uint256,
    dispute: uint256,
    grace: uint256,
    abandon: uint256,
    price: uint256,
    bound: uint256,
    guardian: address,
    refuter: address,
    committee: address,
    feed: address,
):
    """
    @notice Entries start paused, until the owner opens them.
    @param registry The suite's NodeRegistry.
    @param pool The suite's StakingPool; takes 1e24 // price as its first stake price.
    @param genesis Unix seconds, one epoch before the first.
    @param slot Seconds.
    @param epochs_per_period Epochs.
    @param dispute Epochs.
    @param grace Epochs.
    @param abandon Seconds.
    @param price USD a token, 12 decimals.
    @param bound Widest step of it, bps an epoch.
    @param guardian May pause entries; zero = nobody.
    @param refuter The suite's ReportRefuter.
    @param committee The suite's AttesterCommittee; zero = the owner alone sets tables.
    @param feed An outside price of the token in USD with Chainlink's interface; zero = none.
    """
    assert registry != empty(address) and pool != empty(address) and refuter != empty(address), "hub: no peer"
    epochs.__init__(genesis, slot, epochs_per_period)
    ownable.__init__()
    ownable_2step.__init__()
    eip712_domain_separator.__init__("Hearth", "1")
    # as wide as the ring at most, or no epoch would ever be usable; an abandon within it keeps I8's bound
    assert dispute != 0 and dispute < RING and grace != 0 and grace < RING, "hub: window"
    assert abandon >= dispute * epochs.EPOCH and abandon < 2**32, "hub: abandon"
    REGISTRY = INodeRegistry(registry)
    POOL = IStakingPool(pool)
    REFUTER = refuter
    COMMITTEE = committee
    FEED = feed
    FEED_ONE = aggregator._one(feed)
    DISPUTE = dispute * epochs.EPOCH
    GRACE = grace
    ABANDON = abandon
    PER = epochs_per_period
    CHAIN = chain.id
    RLP_HEAD = convert(concat(x"d694", convert(self, bytes20)), bytes22)
    DOMAIN = eip712_domain_separator._domain_separator_v4()
    # epoch 1 is the first report of its period
    self.cfg = PAUSED | STAKE_DUE
    self.ring[0] = keccak256(abi_encode(Z_1, empty(bytes32)))
    self.prices[0] = price_feed._first(price, 0)
    self._set_price_bound(bound)
    self._set_guardian(guardian)
    log IAttestationHub.EntriesPaused(by=msg.sender, at=block.timestamp)


####################################################################
# OWNER
####################################################################


@external
def set_committee(start: uint256, seats: DynArray[address, 31], endpoints: DynArray[String[96], 31]):
    """
    @notice The next committee, in force for epochs from `start` on, which lies in the future (but for the very first).
        A start up to that of the last change replaces that change, which has not begun: the same notice holds, and
        no table that signed is touched. A later one comes after it, only when every reported epoch before the start
        of the last change is usable, so that a cancelled report can always be signed again, and no epoch still
        waits for a table that would be forgotten.
    @param start First epoch of which it signs.
    @param seats Distinct addresses, seat 0 first.
    @param endpoints Where each seat answers, in the same order.
    """
    if msg.sender != COMMITTEE:
        ownable._check_owner()
    n: uint256 = len(seats)
    assert n != 0 and len(endpoints) == n, "hub: seats"
    for i: uint256 in range(n, bound=31):
        assert seats[i] != empty(address), "hub: seat zero"
        for j: uint256 in range(i, bound=31):
            assert seats[j] != seats[i], "hub: seat twice"
    c: uint256 = self.cfg
    generation: uint256 = (c >> 200) & M16
    begun: uint256 = (c >> 168) & M32
    present: uint256 = 0
    if block.timestamp > epochs.GENESIS:
        present = epochs._epoch(block.timestamp)
    # a start beyond one ring is a mistake that would lock the table
    assert start != 0 and start <= present + RING, "hub: start"
    if generation != 0:
        assert start > present, "hub: start passed"
        if start > begun:
            settled: uint256 = min(c & M32, begun - 1)
            assert block.timestamp >= self._usable_at(c, settled), "hub: in dispute"
            older: uint256 = self.older
            if older >> 64 != 0:
                # epochs before it are the forgotten table's, until they are late
                kept: uint256 = older & M32
                assert (c & M32) + 1 >= kept or block.timestamp >= epochs._start(kept + LATE), "hub: unreported"
            self.older = older << 64 & (2**128 - 1) | generation << 40 | ((c >> 216) & 31) << 32 | begun
    generation += 1
    table: address = raw_create(concat(TABLE_INIT, self._table_words(seats)))
    # the hub creates nothing else: its nonce is the generation, and reports need not store where a table lies
    assert table == self._table(generation), "hub: table"
    keep: uint256 = c & ~(M32 << 168 | M16 << 200 | 31 << 216)
    self.cfg = keep | start << 168 | generation << 200 | n << 216
    log IAttestationHub.CommitteeSet(
        generation=generation, start=start, table=table, seats=seats, endpoints=endpoints
    )


@external
def set_price_bound(bps: uint256):
    """@notice How far a report may move the price, bps an epoch (1 … 5,000)."""
    ownable._check_owner()
    self._set_price_bound(bps)


@external
def set_guardian(guardian: address):
    """@notice Who may pause entries; zero = nobody."""
    ownable._check_owner()
    self._set_guardian(guardian)


@external
def open_entries():
    """@notice Opens entries: at first, or by lifting a pause."""
    ownable._check_owner()
    self._open()


@external
def transfer_ownership(new_owner: address):
    """@notice First step of a handover; zero takes an offer back."""
    ownable._check_owner()
    ownable_2step.pending_owner = new_owner
    log ownable_2step.OwnershipTransferStarted(previous_owner=ownable.owner, new_owner=new_owner)


@external
def accept_ownership():
    """@notice Second step, by the new owner."""
    assert msg.sender == ownable_2step.pending_owner, "hub: not offered"
    ownable_2step._transfer_ownership(msg.sender)


####################################################################
# GUARDIAN
####################################################################


@external
def pause_entries():
    """@notice Stops entries, never exits: once in 30 days, and after 14 anyone may lift it."""
    assert msg.sender == self.guardian, "hub: not the guardian"
    c: uint256 = self.cfg
    assert c & PAUSED == 0, "hub: paused already"
    assert block.timestamp >= self.paused_at + PAUSE_EVERY, "hub: paused lately"
    self.paused_at = block.timestamp
    self.cfg = c | PAUSED
    log IAttestationHub.EntriesPaused(by=msg.sender, at=block.timestamp)


####################################################################
# ANYONE: WHAT A QUORUM SIGNED
####################################################################


@external
def post(data: Bytes[63328]):
    """@notice Keeps the hash of a part of a large report and logs the part; its records are judged by a refutation."""
    assert len(data) != 0, "hub: empty part"
    h: bytes32 = keccak256(data)
    self.posted[h] = True
    log IAttestationHub.Part(hash=h, data=data)


@external
@reentrant      # the one call that could come back is the last act
def report(
    e: uint256,
    previous: bytes32,
    root: bytes32,
    facts: uint256,
    parts: DynArray[bytes32, 64],
    data: Bytes[8192],
    who: uint256,
    sigs: Bytes[1984],
):
    """
    @notice The report of the next epoch, signed by exactly a quorum; anyone carries it.
    @param e The last epoch + 1.
    @param previous w[e - 1].
    @param root After the records.
    @param facts count 24 @0 | indet 12 @24 | view 24 @40 | price 64 @64.
    @param parts h_1, R_1, h_2, R_2 … of the posted parts.
    @param data The last part: records of 5 bytes in groups of 64 with running roots between.
    @param who Bits of the seats.
    @param sigs 64 bytes a seat, ascending.
    """
    assert len(sigs) != 0, "hub: no signatures"
    c: uint256 = self.cfg
    assert e == unsafe_add(c & M32, 1), "hub: not the next epoch"
    length: uint256 = epochs.EPOCH
    end: uint256 = unsafe_add(epochs.GENESIS, unsafe_mul(unsafe_add(e, 1), length))
    assert block.timestamp >= end, "hub: epoch not over"
    assert self.ring[unsafe_sub(e, 1) % RING] == previous, "hub: other lineage"

    # what was signed, and by whom: the last table, but for epochs before it and late ones
    generation: uint256 = (c >> 200) & M16
    n: uint256 = (c >> 216) & 31
    if e < (c >> 168) & M32 or block.timestamp >= unsafe_add(end, unsafe_mul(LATE, length)):
        generation, n = self._signers(c, e)
    assert n != 0, "hub: no committee"
    # a report that was cancelled cannot be sent again: the view says how often its epoch was
    again: uint256 = 0
    if (c >> AHEAD_AT) & M16 != 0:
        again = self._resign(e)
    assert (facts >> 56) & 255 == (again >> 32) & 255, "hub: other view"
    x: bytes32 = empty(bytes32)
    if len(parts) == 0:
        x = keccak256(abi_encode(keccak256(data), root))
    else:
        assert len(parts) & 1 == 0, "hub: parts"
        for i: uint256 in range(len(parts), bound=64):
            if i & 1 == 0:
                assert self.posted[parts[i]], "hub: part not posted"
        # abi_encode puts an offset and a length before the words
        x = keccak256(concat(slice(abi_encode(parts), 64, len(parts) << 5), keccak256(data), root))
    digest: bytes32 = self._typed(keccak256(abi_encode(REPORT_TYPE, generation, e, previous, root, facts, x)))
    signatures._check(digest, self._table(generation), n, who, sigs)

    # the header: most reports change neither the count nor have an indeterminate slot
    indet: uint256 = 0
    q: uint256 = (c >> 237) & 1
    counters: uint256 = unsafe_add(c, q << 64 | 1)
    if again != 0:
        counters = unsafe_sub(counters, AHEAD_ONE)
    if facts & (2**40 - 1) != (c >> 128) & M24:
        indet = (facts >> 24) & M16
        counters = unsafe_add(counters, self._grown(c >> 128 & M24, facts & M24, indet))
    assert facts >> 128 == 0, "hub: facts"
    header: uint256 = counters & COUNTERS | indet << 160 | q << 173
    w: bytes32 = keccak256(abi_encode(root, header))
    self.ring[e % RING] = w

    # the price: in most epochs no period word is open and the stake price stands
    price: uint256 = self.prices[unsafe_sub(e, 1) % RING]
    due: uint256 = counters >> DUE_AT & 7
    if e % PER == 0:
        due = due << 1 & 2 | 5
    median: uint256 = facts >> 64
    if FEED != empty(address):
        median = aggregator._within(FEED, FEED_ONE, median)
    price = price_feed._next(price, median, (c >> 221) & BOUND_MASK, 0, due & 4 != 0)
    flags: uint256 = (price & price_word.CLAMPED) << 235
    if median != facts >> 64:
        flags = CLAMPED
    # the seed of the next epoch, drawn by this block, unless this epoch drew it before
    draw: uint256 = 0
    drawn: uint256 = block.timestamp
    if again == 0:
        draw = convert(keccak256(abi_encode(block.prevrandao, w, unsafe_add(e, 1))), uint256) >> SEED_SHIFT << 8
    else:
        draw = self.prices[e % RING] & DRAW
        drawn = again & M32
        due |= 3
    price = price >> 64 << 64 | draw
    self.prices[e % RING] = price
    self.metas[e % RING] = convert(digest, uint256) & ~(2**64 - 1) | flags >> 173 | who << 32 | block.timestamp
    if drawn <= unsafe_add(end, length // 3):
        flags |= CHALLENGED
    if due == 0:
        self.cfg = counters & STEADY | flags
    else:
        self.cfg = counters & STEADY | flags | self._write_periods(e, due & 3, flags & CLAMPED != 0, price) << DUE_AT
    log IAttestationHub.Report(
        epoch=e, root=root, header=header, facts=facts, digest=digest, who=who, parts=parts, data=data
    )
    if due & 4 != 0:
        extcall POOL.set_stake_price(price_word._stake_price(price))


@external
def report_void(hi: uint256, root: bytes32, header: uint256, view: uint256, who: uint256, sigs: Bytes[1984]):
    """
    @notice The next epochs up to `hi` had no observation: nobody paid, nobody at fault, nothing proven.
    @param hi At most 24 epochs on, over, of one committee.
    @param root Of the last epoch.
    @param header Of the last epoch: with the root it opens w.
    @param view As signed.
    @param who Bits of the seats.
    @param sigs 64 bytes a seat, ascending.
    """
    assert len(sigs) != 0, "hub: unsigned"
    c: uint256 = self.cfg
    before: uint256 = c & M32
    first: uint256 = before + 1
    assert hi >= first and hi <= before + MAX_VOID, "hub: epochs"
    assert block.timestamp >= epochs._end(hi), "hub: epochs not over"
    w: bytes32 = self.ring[before % RING]
    assert keccak256(abi_encode(root, header)) == w, "hub: header"
    assert view >> 16 == self._cancels(c, first) & 255, "hub: view"
    generation: uint256 = 0
    n: uint256 = 0
    generation, n = self._signers(c, first)
    other: uint256 = 0
    m: uint256 = 0
    other, m = self._signers(c, hi)
    assert generation == other, "hub: two committees"
    assert n != 0, "hub: nobody signs"
    digest: bytes32 = self._typed(keccak256(abi_encode(VOID_TYPE, generation, first, hi, w, view)))
    signatures._check(digest, self._table(generation), n, who, sigs)

    flags: uint256 = c & CLAMPED
    stamp: uint256 = convert(digest, uint256) & ~(2**64 - 1) | flags >> 173 | who << 32 | block.timestamp
    drawn: uint256 = 0
    price: uint256 = self.prices[before % RING]
    due: uint256 = c >> DUE_AT & 7
    counters: uint256 = c
    for e: uint256 in range(first, hi + 1, bound=MAX_VOID):
        counters = unsafe_add(counters, 1 << 32 | 1)
        w = keccak256(abi_encode(root, counters & COUNTERS | uptime_leaf.VOID))
        self.ring[e % RING] = w
        if e % PER == 0:
            due = due << 1 & 2 | 5
        draw: uint256 = 0
        if (counters >> AHEAD_AT) & M16 == 0:
            draw = convert(keccak256(abi_encode(block.prevrandao, w, unsafe_add(e, 1))), uint256) >> SEED_SHIFT << 8
            drawn = block.timestamp
        else:
            counters = unsafe_sub(counters, AHEAD_ONE)
            draw = self.prices[e % RING] & DRAW
            drawn = self._resign(e) & M32
            self._erase_periods(e)
            due |= 3
        self.metas[e % RING] = stamp
        price = price >> 64 << 64 | min((price & 255) + 1, MAX_VOIDS_KEPT) | draw
        self.prices[e % RING] = price
    if drawn <= epochs._end(hi) + epochs.EPOCH // 3:
        flags |= CHALLENGED
    self.cfg = counters & STEADY | flags | due << DUE_AT
    log IAttestationHub.Voided(
        first=first, last=hi, header=counters & COUNTERS | uptime_leaf.VOID, digest=digest, who=who
    )


####################################################################
# REFUTER
####################################################################


@external
def cancel(root: bytes32, header: uint256):
    """
    @notice Takes back the epoch after the header's, which is in dispute, and all that follow. Counters, price and flags
        are again those after the header's epoch; what they wrote about periods no longer counts; the seeds they drew
        stay. They are signed again, with the next views.
    @param root Of the epoch before the first that falls.
    @param header Of that epoch.
    """
    assert msg.sender == REFUTER, "hub: not the refuter"
    c: uint256 = self.cfg
    last: uint256 = c & M32
    before: uint256 = header & M32
    e: uint256 = unsafe_add(before, 1)
    assert e <= last and block.timestamp < self._usable_at(c, e), "hub: not in dispute"
    assert keccak256(abi_encode(root, header)) == self.ring[before % RING], "hub: header before"
    flags: uint256 = (self.metas[before % RING] & CLAMPED_THEN) << 173
    drawn: uint256 = self._drawn(before)
    if drawn != 0 and drawn <= unsafe_add(epochs._start(e), epochs.EPOCH // 3):
        flags |= CHALLENGED
    # period words are looked at again, and the stake price is due if no report of that epoch's period stands
    due: uint256 = 3
    age: uint256 = self.prices[before % RING] & 255
    if age == before or age > before % PER:
        due = 7
    ahead: uint256 = unsafe_add((c >> AHEAD_AT) & M16, unsafe_sub(last, before))
    self.cfg = c & SETTINGS | header & COUNTERS | ahead << AHEAD_AT | flags | due << DUE_AT
    log IAttestationHub.Cancelled(first=e, last=last)


####################################################################
# NODE
####################################################################


@external
def check_in(node: uint256):
    """
    @notice What a heartbeat gives, on chain: the node was up in the present slot, whatever the committee saw.
    @param node Its index; the caller is its key of the present epoch.
    """
    e: uint256 = epochs._epoch(block.timestamp)
    assert msg.sender == staticcall REGISTRY.key_of(node, e), "hub: not the node's key"
    word: uint256 = staticcall REGISTRY.node(node)
    assert (word >> 160) & 255 != RETIRED or (word >> 32) & M32 >= e, "hub: node retired"
    slot: uint256 = unsafe_sub(block.timestamp, epochs._start(e)) // epochs.SLOT
    self.check_ins[e][node] |= 1 << slot
    log IAttestationHub.CheckedIn(node=node, epoch=e, slot=slot)


####################################################################
# ANYONE
####################################################################


@external
def unpause():
    """@notice Lifts a guardian's pause that is 14 days old. Entries that never opened are the owner's to open."""
    assert self.paused_at != 0 and block.timestamp >= self.paused_at + PAUSE_LENGTH, "hub: still paused"
    self._open()


@external
def close_period(p: uint256) -> uint256:
    """
    @notice Closes a period that no report closed in time, at the last price, for ever: no exit waits longer.
    @param p The period; it ended ABANDON seconds ago.
    @return R_p, USD a token, 12 decimals.
    """
    c: uint256 = self.cfg
    assert block.timestamp >= epochs._period_start(p + 1) + ABANDON, "hub: not abandoned"
    assert not self._closed(c, self.periods[p]), "hub: period closed"
    r: uint256 = price_word._high(self.prices[(c & M32) % RING])
    self.periods[p] = r << 72
    log IAttestationHub.PeriodClosed(period=p, price=r)
    return r


####################################################################
# VIEW (no lock: the hub calls out only as the last act of a report, so nobody ever reads it half written)
####################################################################


@external
@view
@reentrant
def price() -> uint256:
    """@notice The newest price word with the flags in force: the gate of every entry."""
    c: uint256 = self.cfg
    word: uint256 = self.prices[(c & M32) % RING]
    stamp: uint256 = epochs._start(unsafe_add(unsafe_sub(c & M32, word & 255), 1))
    return word >> 64 << 64 | stamp << 24 | (c >> 235) & 3


@external
@view
@reentrant
def period_price(p: uint256) -> uint256:
    """@notice R_p = max(P, TWAP) of a closed period, USD a token, 12 decimals; never changes again."""
    word: uint256 = self.periods[p]
    assert self._closed(self.cfg, word), "hub: period open"
    return word >> 72


@external
@view
@reentrant
def period_word(p: uint256) -> uint256:
    """@notice R_p 64 @72 | epoch 32 @40 | time 40 @0, closed or not; 0 = nothing written."""
    return self.periods[p]


@external
@view
@reentrant
def usable(e: uint256) -> (bytes32, uint256):
    """@notice w[e] and the second since which it may move money, status or stake."""
    since: uint256 = self._since(e)
    return self.ring[e % RING], since


@external
@view
@reentrant
def usable_at(e: uint256) -> uint256:
    """@notice The second from which e is usable. 0: no report of it stands; 1: it has left the ring (it was usable)."""
    c: uint256 = self.cfg
    if e > c & M32:
        return 0
    return self._usable_at(c, e)


@external
@view
@reentrant
def last_epoch() -> uint256:
    """@notice The last epoch reported or voided; 0 = none."""
    return self.cfg & M32


@external
@view
@reentrant
def newest_usable() -> uint256:
    """@notice The newest usable epoch; 0 = none."""
    c: uint256 = self.cfg
    high: uint256 = c & M32
    low: uint256 = 0
    top: uint256 = self._top(c)
    if top >= RING:
        low = top - RING + 1
        # after a cancel there may be none in the ring
        if low > high:
            return 0
        if block.timestamp < self._usable_at(c, low):
            return 0
    # times never fall from one epoch to the next, and low is usable
    for i: uint256 in range(12):
        if low == high:
            break
        mid: uint256 = (low + high + 1) // 2
        if block.timestamp >= self._usable_at(c, mid):
            low = mid
        else:
            high = mid - 1
    return low


@external
@view
@reentrant
def ring_word(e: uint256) -> bytes32:
    """@notice w[e] of an epoch that stands, usable or not."""
    c: uint256 = self.cfg
    assert e <= c & M32 and self._in_ring(c, e), "hub: not in the ring"
    return self.ring[e % RING]


@external
@view
@reentrant
def meta(e: uint256) -> uint256:
    """@notice Digest 192 @64 | who 32 @32 | time 32 @0 of an epoch that stands; 0 for epoch 0."""
    c: uint256 = self.cfg
    assert e <= c & M32 and self._in_ring(c, e), "hub: no report in the ring"
    return self.metas[e % RING] & ~CLAMPED_THEN


@external
@view
@reentrant
def counters() -> uint256:
    """@notice The header of the last epoch without its indet, void and challenged bits."""
    return self.cfg & COUNTERS


@external
@view
@reentrant
def seed(e: uint256) -> (uint256, uint256):
    """@notice Seed (56 bits) of epoch e and the time it was drawn; zeros where there is none (any more)."""
    c: uint256 = self.cfg
    before: uint256 = unsafe_sub(e, 1)
    if before == 0 or before > self._top(c) or not self._in_ring(c, before):
        return 0, 0
    return (self.prices[before % RING] >> 8) & M56, self._drawn(before)


@external
@view
@reentrant
def draw(e: uint256) -> uint256:
    """@notice Seed of epoch e with bit 56 set; 0 where there is none (any more)."""
    c: uint256 = self.cfg
    before: uint256 = unsafe_sub(e, 1)
    if before == 0 or before > self._top(c) or not self._in_ring(c, before):
        return 0
    return (self.prices[before % RING] >> 8) & M56 | 1 << 56


@external
@view
@reentrant
def committee(e: uint256) -> (uint256, address, uint256):
    """
    @notice Generation, table and n of the committee of epoch e; zeros where there is none. Its seats observe e. They
        report it too, until end(e) + 24 epochs; from then on the committee of the epoch in which the report is sent.
    """
    generation: uint256 = 0
    n: uint256 = 0
    generation, n = self._in_force(self.cfg, e)
    if n == 0:
        return 0, empty(address), 0
    return generation, self._table(generation), n


@external
@view
@reentrant
def quorum(n: uint256) -> uint256:
    """@notice (n + f) // 2 + 1 with f = (n - 1) // 3, for 1 … 31 seats."""
    assert n != 0 and n <= 31, "hub: no committee size"
    return signatures._size(n)


@external
@view
@reentrant
def cancels(e: uint256) -> uint256:
    """@notice How often a report of e was cancelled. The next one is signed with this number << 16 in its view."""
    return self._cancels(self.cfg, e)


####################################################################
# INTERNAL
####################################################################


@internal
def _set_price_bound(bps: uint256):
    assert bps != 0 and bps <= price_feed.MAX_BOUND, "hub: price bound"
    c: uint256 = self.cfg
    self.cfg = c & ~(BOUND_MASK << 221) | bps << 221
    log IAttestationHub.PriceBoundSet(old=(c >> 221) & BOUND_MASK, new=bps)


@internal
def _set_guardian(guardian: address):
    old: address = self.guardian
    self.guardian = guardian
    log IAttestationHub.GuardianSet(old=old, new=guardian)


@internal
def _open():
    c: uint256 = self.cfg
    assert c & PAUSED != 0, "hub: entries open"
    self.cfg = c ^ PAUSED
    log IAttestationHub.EntriesOpened(by=msg.sender)


@internal
@pure
def _table_words(seats: DynArray[address, 31]) -> Bytes[992]:
    """@notice 31 words, an address each, the rest zero: an unused seat is nobody's."""
    words: address[31] = empty(address[31])
    for i: uint256 in range(len(seats), bound=31):
        words[i] = seats[i]
    return abi_encode(words)


@internal
@view
def _table(generation: uint256) -> address:
    """@notice Where the table of a generation lies: the hub's CREATE with that nonce (1 … 65,535), keccak256(rlp)."""
    if generation < 128:
        return self._low(keccak256(concat(RLP_HEAD, convert(convert(generation, uint8), bytes1))))
    us: uint256 = convert(self, uint256)
    if generation < 256:
        return self._low(keccak256(slice(convert(RLP_2 | us << 16 | generation, bytes32), 8, 24)))
    return self._low(keccak256(slice(convert(RLP_3 | us << 24 | generation, bytes32), 7, 25)))


@internal
@pure
def _low(h: bytes32) -> address:
    return convert(convert(h, uint256) & (2**160 - 1), address)


@internal
@view
def _typed(message: bytes32) -> bytes32:
    """@notice EIP-712 digest of a message's hash, in the domain of this chain and contract."""
    domain: bytes32 = DOMAIN
    if chain.id != CHAIN:
        domain = eip712_domain_separator._domain_separator_v4()
    return keccak256(concat(x"1901", domain, message))


@internal
@view
def _in_force(c: uint256, e: uint256) -> (uint256, uint256):
    """@notice Generation and n of the committee of epoch e; zeros where there is none."""
    generation: uint256 = (c >> 200) & M16
    if e >= (c >> 168) & M32:
        return generation, (c >> 216) & 31
    # a table that is not there has zeros for all
    before: uint256 = self.older
    if e < before & M32:
        before >>= 64
        if e < before & M32:
            return 0, 0
    return (before >> 40) & M16, (before >> 32) & 31


@internal
@view
def _signers(c: uint256, e: uint256) -> (uint256, uint256):
    """@notice Who signs a report of e sent now: its committee, or from end(e) + LATE epochs on the present one's."""
    if block.timestamp >= epochs._end(unsafe_add(e, LATE)):
        return self._in_force(c, epochs._epoch(block.timestamp))
    return self._in_force(c, e)


@internal
@view
def _grown(before: uint256, count: uint256, indet: uint256) -> uint256:
    """@notice What a report adds to count and I; `indet` with the four spare bits above it."""
    assert indet <= M12, "hub: spare bits"
    more: uint256 = uptime_leaf._pop(indet)
    assert more <= MAX_INDET, "hub: indeterminate"
    if count != before:
        assert count > before, "hub: count fell"
        assert count <= staticcall REGISTRY.count(), "hub: count beyond registry"
    return (count - before) << 128 | more << 96


@internal
def _write_periods(e: uint256, open: uint256, clamped: bool, price: uint256) -> uint256:
    """
    @notice Looks at the words of the two periods before that of e: bit 0 of `open` the one before, bit 1 the one
        before that. A word stays if an earlier epoch that still stands wrote it, or if it is final.
    @return The bits of those still open.
    """
    left: uint256 = open
    following: uint256 = e // PER
    for j: uint256 in range(2):
        if (open >> j) & 1 == 0:
            continue
        if following <= j:
            # the first periods have none before them
            left ^= 1 << j
            continue
        p: uint256 = following - 1 - j
        word: uint256 = self.periods[p]
        if word != 0 and (word >> 40) & M32 < e:
            left ^= 1 << j
        elif j == 0 and not clamped or e >= (p + 1) * PER + GRACE:
            self.periods[p] = price_word._high(price) << 72 | e << 40 | block.timestamp
            left ^= 1 << j
        elif word != 0:
            self.periods[p] = 0
    return left


@internal
@view
def _closed(c: uint256, word: uint256) -> bool:
    """@notice Whether a period word is final: its report stands and its window has passed."""
    return word != 0 and (word >> 40) & M32 <= c & M32 and block.timestamp >= (word & M40) + DISPUTE


@internal
def _resign(e: uint256) -> uint256:
    """@notice Counts that a cancelled epoch is signed again; its word."""
    word: uint256 = self.resigned[e]
    if word == 0:
        word = self.metas[e % RING] & M32
    word = unsafe_add(word, 1 << 32)
    self.resigned[e] = word
    return word


@internal
def _erase_periods(e: uint256):
    """@notice Erases what a cancelled report of e or a later epoch wrote about the two periods before that of e."""
    for j: uint256 in range(1, 3):
        if e // PER >= j:
            p: uint256 = e // PER - j
            if (self.periods[p] >> 40) & M32 >= e:
                self.periods[p] = 0


@internal
@view
def _cancels(c: uint256, e: uint256) -> uint256:
    """@notice How often a report of e was cancelled."""
    again: uint256 = self.resigned[e] >> 32
    if e > c & M32 and e <= self._top(c):
        again += 1
    return again


@internal
@view
def _drawn(e: uint256) -> uint256:
    """@notice When the report of e, or the first of them, drew the seed of the epoch after; 0 for epoch 0."""
    first: uint256 = self.resigned[e] & M32
    if first != 0:
        return first
    return self.metas[e % RING] & M32


@internal
@pure
def _top(c: uint256) -> uint256:
    """@notice The highest epoch that was ever reported or voided."""
    return unsafe_add(c & M32, (c >> AHEAD_AT) & M16)


@internal
@pure
def _in_ring(c: uint256, e: uint256) -> bool:
    """@notice Whether e's ring words are its own, for an epoch that stands."""
    return unsafe_add(e, RING) > self._top(c)


@internal
@view
def _usable_at(c: uint256, e: uint256) -> uint256:
    """@notice The second from which an epoch that stands is usable; 1 if it has left the ring."""
    if not self._in_ring(c, e):
        return 1
    return (self.metas[e % RING] & M32) + DISPUTE


@internal
@view
def _since(e: uint256) -> uint256:
    """@notice The second since which e is usable, or a revert."""
    c: uint256 = self.cfg
    assert e <= c & M32 and self._in_ring(c, e), "hub: not usable"
    since: uint256 = (self.metas[e % RING] & M32) + DISPUTE
    assert block.timestamp >= since, "hub: not usable yet"
    return since
