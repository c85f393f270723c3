# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title LeaseEscrow
@license AGPL-3.0-only
@notice The credit ledger: purses, leases and tallies, each a balance of credits with the backing that belongs to them.
        Holds credits only, never a token. A lease pays for attested seconds and nothing else: one Merkle leaf of a usable
        report gives the seconds in which its node was not attested, and any split of settlements pays the same to the wei.
        Words as in ILeaseEscrow. Source: docs/protocol.md, "LeaseMarket, LeaseEscrow".
@custom:security There is no owner, no setter, no upgrade. Worst case of MARKET: bad leases paid from purses; of ENGINE: credits
        made or taken, but it mints at most what was burned for them; of the hub's quorum: wrong uptime of running leases,
        never a second outside them; of everybody else: to pay somebody.
        Every function is `@reentrant`: interactions come last, after all state, and go to immutable peers, none of which ever
        calls up; a lock would cost 300 gas and stop nothing.
@custom:kill Nothing stops an exit (settle, stop, finish, the engine's debit and take): none reads a flag or a price stamp. Entries
        stop by the price word (open at the market, top_up here when its stamp is older than 24 epochs).
"""

from ..interfaces import IAttestationHub
from ..interfaces import ILeaseEscrow
from ..interfaces import INodeRegistry
from ..interfaces import IStakingPool
from ..modules import accrual
from ..modules import credits as ledger
from ..modules import epochs
from ..modules import merkle
from ..modules import price_word
from ..modules import uptime_leaf
from ..modules import words

implements: ILeaseEscrow
initializes: epochs


####################################################################
# Immutables
####################################################################

VERSION: reentrant(public(constant(String[8]))) = "1"

HUB: reentrant(public(immutable(IAttestationHub)))
REGISTRY: reentrant(public(immutable(INodeRegistry)))
POOL: reentrant(public(immutable(IStakingPool)))
MARKET: reentrant(public(immutable(address)))
ENGINE: reentrant(public(immutable(address)))
# bps of a settlement, for whom the caller names
BOUNTY: reentrant(public(immutable(uint256)))
# seconds in which only the renter may finish a lease that could still be claimed against
CLAIM: reentrant(public(immutable(uint256)))
# seconds after which no exit waits for a report any more
ABANDON: reentrant(public(immutable(uint256)))

####################################################################
# Constants
####################################################################

# bps: above it settling would be an income of its own
MAX_BOUNTY: constant(uint256) = 100
# seconds: a claim or an exit that could take longer would be none (90 days)
MAX_WAIT: constant(uint256) = 7_776_000
# roots the hub keeps: what is older cannot be proven any more
RING: constant(uint256) = 2048
# epochs: a running lease may be paid into until the price is a day old, or pay-as-you-go would die of every pause
TOP_UP_AGE: constant(uint256) = 24
# ids of sheets are 32 bits wide in the terms: at 30,000 gas a sheet nobody uses them up
MAX_SHEETS: constant(uint256) = 2**32
# a multiproof of 64 leaves at depth 24: 18 levels in which none share
MAX_MULTI: constant(uint256) = 1152
FAULTED: constant(uint256) = 4
BPS: constant(uint256) = 10_000
M8: constant(uint256) = 2**8 - 1
M24: constant(uint256) = 2**24 - 1
M28: constant(uint256) = 2**28 - 1
M32: constant(uint256) = 2**32 - 1
M40: constant(uint256) = 2**40 - 1
M64: constant(uint256) = 2**64 - 1
M96: constant(uint256) = 2**96 - 1
M128: constant(uint256) = 2**128 - 1

####################################################################
# Storage
####################################################################

terms: reentrant(public(HashMap[uint256, uint256]))
money: reentrant(public(HashMap[uint256, uint256]))
party: reentrant(public(HashMap[uint256, uint256]))
purse: reentrant(public(HashMap[address, uint256]))
# key << 40 | period -> balance; a key below 2**24 is a provider, else an address
tallies: HashMap[uint256, uint256]
# an array, not a map: a hash less on each path
sheets: uint256[MAX_SHEETS]
sheet_count: reentrant(public(uint256))


@deploy
def __init__(
    hub: address,
    registry: address,
    pool: address,
    market: address,
    engine: address,
    genesis: uint256,
    slot: uint256,
    epochs_per_period: uint256,
    bounty: uint256,
    claim: uint256,
    abandon: uint256,
):
    """
    @notice Peers are addresses predicted from the deployer's nonce; none is called here.
    @param hub A peer for ever, as are registry, pool, market and engine.
    @param genesis Unix seconds. @param slot Seconds. @param epochs_per_period Epochs.
    @param bounty bps, at most 100. @param claim Seconds, as abandon: 1 … 90 days.
    """
    assert empty(address) not in [hub, registry, pool, market, engine], "escrow: zero peer"
    assert bounty <= MAX_BOUNTY, "escrow: bounty too high"
    assert claim != 0 and claim <= MAX_WAIT and abandon != 0 and abandon <= MAX_WAIT, "escrow: wait out of range"
    epochs.__init__(genesis, slot, epochs_per_period)
    HUB = IAttestationHub(hub)
    REGISTRY = INodeRegistry(registry)
    POOL = IStakingPool(pool)
    MARKET = market
    ENGINE = engine
    BOUNTY = bounty
    CLAIM = claim
    ABANDON = abandon


####################################################################
# MARKET
####################################################################

@external
@reentrant
def open(id: uint256, terms: uint256, renter: address, bond: uint256, credits: uint256, price: uint256, ask: bytes32):
    """
    @notice Opens a lease, its deposit out of the renter's purse.
    @param id Digest of the renter's message, plus the node's place in it.
    @param terms A running lease: the market has checked each field. @param bond Shares locked: the pool's answer, below 2**64.
    @param credits The deposit, wei of a USD, 1 to 2**96 - 1. @param price min(P, TWAP). @param ask Digest of the ask, for the log.
    """
    self._only_market()
    assert self.terms[id] == 0, "escrow: id used"
    assert unsafe_sub(credits, 1) < M96, "escrow: deposit out of range"
    backing: uint256 = self._spend(renter, credits, price)
    self.terms[id] = terms
    # a part of Σ backing, so below 2**96
    self.money[id] = credits << 160 | backing << 64
    self.party[id] = convert(renter, uint256) << 96 | bond
    log ILeaseEscrow.Opened(id=id, renter=renter, provider=(terms >> 136) & M24, terms=terms, credits=credits, backing=backing, bond=bond, ask=ask)


@external
@reentrant
def bar(id: uint256):
    """
    @notice A tombstone: the id can never open.
    """
    self._only_market()
    assert self.terms[id] == 0, "escrow: cannot bar"
    self.terms[id] = words.BARRED | words.FINISHED
    log ILeaseEscrow.Barred(id=id)


####################################################################
# ENGINE
####################################################################

@external
@reentrant
def credit(owner: address, credits: uint256, backing: uint256):
    """
    @notice Fresh credits of a burn into a purse.
    """
    self._only_engine()
    word: uint256 = self.purse[owner]
    sum: uint256 = (word >> 128) + credits
    kept: uint256 = (word & M128) + backing
    assert sum <= M128 and kept <= M96, "escrow: purse too full"
    self.purse[owner] = sum << 128 | kept


@external
@reentrant
def debit(owner: address, credits: uint256) -> uint256:
    """
    @notice Credits that leave for good.
    @return Their backing, which the engine retires.
    """
    self._only_engine()
    return self._spend(owner, credits, 0)


@external
@reentrant
def pay_in(id: uint256, credits: uint256, backing: uint256, by: address) -> (uint256, uint256):
    """
    @notice Fresh credits straight into a running lease. The engine burns only the backing of what fits.
    @return Credits that fitted and their backing, rounded up (the payer burns it).
    """
    self._only_engine()
    return self._bring_in(id, credits, backing, by, 0)


@external
@reentrant
def take(key: uint256, period: uint256) -> uint256:
    """
    @notice Empties a tally for redemption.
    @return Its word, 0 if there is none.
    """
    self._only_engine()
    # wider, the two would reach into each other and into another's tally
    assert (key >> 160) | (period >> 40) == 0, "escrow: no such tally"
    i: uint256 = key << 40 | period
    word: uint256 = self.tallies[i]
    if word != 0:
        self.tallies[i] = 0
    return word


####################################################################
# RENTER, PROVIDER, ANYONE
####################################################################

@external
@reentrant
def add_sheet(notice: uint256, min_seconds: uint256, prepay: uint256, dark_limit: uint256, table: uint256) -> uint256:
    """
    @notice Adds an immutable term sheet.
    @param notice Seconds, at least an EPOCH. @param min_seconds Seconds that bind both sides, at most prepay.
    @param prepay Longest prepayment, seconds, at least a SLOT. @param dark_limit Seconds of fault that end a lease; 2**32 - 1 = none.
    @param table Four steps of uptime bps 16 | credit bps 16, the first in the high bits; uptime falls, credit does not; 0 = none.
    @return Its id.
    """
    assert notice >= epochs.EPOCH and notice <= M32, "escrow: notice out of range"
    assert min_seconds <= prepay, "escrow: minimum over prepayment"
    assert prepay >= epochs.SLOT and prepay <= M32, "escrow: prepayment out of range"
    assert dark_limit <= M32, "escrow: limit out of range"
    assert self._is_table(table), "escrow: table out of order"
    id: uint256 = self.sheet_count
    assert id < MAX_SHEETS, "escrow: no sheet id left"
    word: uint256 = notice << 224 | min_seconds << 192 | prepay << 160 | dark_limit << 128 | table
    self.sheets[id] = word
    self.sheet_count = unsafe_add(id, 1)
    log ILeaseEscrow.SheetAdded(sheet=id, word=word)
    return id


@external
@reentrant
def top_up(id: uint256, credits: uint256) -> uint256:
    """
    @notice Pays into a running lease from the caller's purse: a gift to the lease, what is left goes to its renter.
    @param credits At most so many, wei of a USD.
    @return Credits that fitted.
    """
    price: uint256 = staticcall HUB.price()
    assert block.timestamp <= unsafe_add((price >> 24) & M40, unsafe_mul(TOP_UP_AGE, epochs.EPOCH)), "escrow: stale price"
    x: uint256 = 0
    unused: uint256 = 0
    x, unused = self._bring_in(id, credits, 0, msg.sender, min(price >> 192, (price >> 128) & M64))
    return x


@external
@reentrant
def anchor(id: uint256, header: uint256, leaf: uint256, proof: DynArray[bytes32, 24]):
    """
    @notice Stores the base of a lease's downtime, once.
    @param header Header of epoch(start), or of the hub's oldest epoch once that has left the ring.
    @param leaf The node's leaf there, word 0 where it has none. @param proof Its siblings from the leaf up.
    """
    terms: uint256 = self._unfinished(id)
    self.money[id] = self._anchored(id, terms, self.money[id], header, leaf, proof)


@external
@reentrant
def settle(id: uint256, header: uint256, leaf: uint256, proof: DynArray[bytes32, 24], payee: uint256):
    """
    @notice Pays what is due through a usable epoch into the provider's tally of this period, a bounty to the payee's.
    @param header Header of a usable epoch that begins before the lease stops.
    @param leaf The node's leaf there. @param proof Its siblings from the leaf up.
    @param payee A provider id, or an address as a number. The lease's own provider pays no bounty.
    """
    terms: uint256 = self._unfinished(id)
    self._prove(terms, header, leaf, proof)
    self._settle(id, terms, self.money[id], header, leaf, payee)


@external
@reentrant
def settle_first(
    id: uint256,
    header: uint256,
    leaf: uint256,
    proof: DynArray[bytes32, 24],
    payee: uint256,
    header0: uint256,
    leaf0: uint256,
    proof0: DynArray[bytes32, 24],
):
    """
    @notice `anchor` with the second proof and `settle` with the first, in one call.
    """
    terms: uint256 = self._unfinished(id)
    money: uint256 = self._anchored(id, terms, self.money[id], header0, leaf0, proof0)
    self._prove(terms, header, leaf, proof)
    self._settle(id, terms, money, header, leaf, payee)


@external
@reentrant
def settle_many(
    ids: DynArray[uint256, 64], header: uint256, leaves: DynArray[uint256, 64], proof: DynArray[bytes32, MAX_MULTI], payee: uint256
):
    """
    @notice Settles leases of one epoch under one positional multiproof. A lease to which nothing moves (nothing due, no
            anchor, stopped before the epoch, finished) is passed over.
    @param ids Sorted by node; several leases of a node follow each other and repeat its leaf.
    @param leaves A leaf for each lease.
    @param proof Siblings that no leaf gives, level by level from the leaves up, left to right.
    """
    n: uint256 = len(ids)
    assert n != 0 and n == len(leaves), "escrow: lengths differ"
    self._check_payee(payee)
    position: uint256[64] = empty(uint256[64])
    row: bytes32[64] = empty(bytes32[64])
    m: uint256 = 0
    last: uint256 = 0
    bounties: uint256 = 0
    backings: uint256 = 0
    e: uint256 = header & M32
    first: uint256 = epochs._start(e)
    for i: uint256 in range(n, bound=64):
        id: uint256 = ids[i]
        leaf: uint256 = leaves[i]
        terms: uint256 = self.terms[id]
        assert terms >> 192 != 0, "escrow: unknown lease in batch"
        node: uint256 = (terms >> 160) & M24
        if m != 0 and node == last:
            assert leaf == leaves[unsafe_sub(i, 1)], "escrow: two leaves of one node"
        else:
            assert m == 0 or node > last, "escrow: not sorted by node"
            position[m] = node
            row[m] = merkle._leaf(node, leaf)
            m = unsafe_add(m, 1)
            last = node
        if terms & words.FINISHED != 0:
            continue
        money: uint256 = self.money[id]
        stop: uint256 = accrual._stop(terms, money)
        if money & M32 == 0 or first >= stop:
            continue
        left: uint256 = 0
        b: uint256 = 0
        kb: uint256 = 0
        left, b, kb = self._pay(id, terms, money, stop, header, leaf, payee)
        if left == money:
            continue
        self.money[id] = left
        bounties = unsafe_add(bounties, b)
        backings = unsafe_add(backings, kb)
    if bounties != 0:
        self._tally(payee, epochs._period(block.timestamp), bounties, backings)
    # the tree's depth: max(1, bit length of max(count, 1) - 1)
    rest: uint256 = max((header >> 128) & M24, 2) - 1
    used: uint256 = 0
    for level: uint256 in range(24):
        if rest == 0:
            break
        rest >>= 1
        j: uint256 = 0
        o: uint256 = 0
        for z: uint256 in range(64):
            if j >= m:
                break
            at: uint256 = position[j]
            h: bytes32 = row[j]
            j = unsafe_add(j, 1)
            if at & 1 == 1:
                h = keccak256(abi_encode(proof[used], h))
                used = unsafe_add(used, 1)
            elif j < m and position[j] == unsafe_add(at, 1):
                h = keccak256(abi_encode(h, row[j]))
                j = unsafe_add(j, 1)
            else:
                h = keccak256(abi_encode(h, proof[used]))
                used = unsafe_add(used, 1)
            position[o] = at >> 1
            row[o] = h
            o = unsafe_add(o, 1)
        m = o
    assert m == 1 and position[0] == 0 and used == len(proof), "escrow: multiproof length"
    word: bytes32 = empty(bytes32)
    since: uint256 = 0
    word, since = staticcall HUB.usable(e)
    assert keccak256(abi_encode(row[0], header)) == word, "escrow: multiproof"


@external
@reentrant
def stop(id: uint256, sibling: uint256):
    """
    @notice Records a stop: by anyone after the lapse, with its time; by the renter from min_seconds on, or earlier where the
            node is Faulted or a lease of the same cluster stopped for the host; by the provider's owner without notice,
            who loses bond. Frees the GPUs; what can no longer be owed goes to the renter's purse at once.
    @param sibling A lease of the same cluster that stopped with a host reason, or 0.
    """
    terms: uint256 = self.terms[id]
    assert terms != 0 and terms & words.REASON == 0, "escrow: not running"
    money: uint256 = self.money[id]
    renter: address = convert(self.party[id] >> 96, address)
    after: uint256 = unsafe_sub(block.timestamp, (terms >> 96) & M40)
    # accrual._until less the start, in place because this is the hot path
    per_second: uint256 = unsafe_mul(terms >> 192, (terms >> 184) & M8)
    funded: uint256 = min((terms >> 68) & M28, unsafe_add((money >> 32) & M32, unsafe_div(money >> 160, per_second)))
    why: uint256 = 0
    if after >= funded:
        after = funded
        why = words.FUNDS
        if funded == (terms >> 68) & M28:
            why = words.TERM
            if terms & words.NOTICE != 0:
                why = words.HOST_NOTICE | words.BY_HOST
    elif msg.sender == renter:
        if (staticcall REGISTRY.node((terms >> 160) & M24) >> 160) & 255 == FAULTED:
            why = words.HOST_FAULT | words.BY_HOST
        elif sibling != 0:
            assert self._failed(id, terms, renter, sibling), "escrow: no failed sibling"
            why = words.CLUSTER | words.BY_HOST
        elif after >= (self.sheets[(terms >> 8) & M32] >> 192) & M32:
            why = words.RENTER_CLOSED
    if why == 0:
        # not by the operator's key, which signs asks by machine: a thief could sell a bond to himself and burn it
        assert staticcall REGISTRY.owner_of((terms >> 136) & M24) == msg.sender, "escrow: may not stop it now"
        why = words.HOST_EXIT | words.BY_HOST
    self._stop(id, terms, money, renter, after, per_second, why)


@external
@reentrant
def give_notice(id: uint256):
    """
    @notice The provider shortens a lease to the sheet's notice, never below min_seconds: full pay until then, no forfeit.
    """
    terms: uint256 = self._unfinished(id)
    assert terms & words.REASON == 0, "escrow: stopped before notice"
    assert block.timestamp < accrual._until(terms, self.money[id]), "escrow: lapsed before notice"
    provider: uint256 = words._provider(terms)
    assert (
        convert(staticcall REGISTRY.provider(provider) >> 96, address) == msg.sender
        or staticcall REGISTRY.owner_of(provider) == msg.sender
    ), "escrow: notice is the provider's"
    sheet: uint256 = self.sheets[words._sheet(terms)]
    elapsed: uint256 = unsafe_sub(block.timestamp, words._start(terms))
    duration: uint256 = max(words._min_seconds(sheet), unsafe_add(elapsed, words._notice(sheet)))
    assert duration < words._duration(terms), "escrow: notice changes nothing"
    self.terms[id] = (terms & ~(M28 << 68)) | duration << 68 | words.NOTICE
    log ILeaseEscrow.NoticeGiven(id=id, duration=duration)


@external
@reentrant
def free_bond(id: uint256):
    """
    @notice Ends the bond of a stopped lease at once where none of it can be forfeited any more: the reason is not the host's,
            and stop_dark could not make it so (nor a claim be made). By anyone; `finish` then has no bond to end.
    """
    terms: uint256 = self._unfinished(id)
    party: uint256 = self.party[id]
    bond: uint256 = party & M64
    # bit = reason: running, and those for which a bond is forfeited
    assert (
        ((words.HOST_REASONS | 1) >> (terms & words.REASON)) & 1 == 0 and bond != 0
        and self._is_harmless((terms >> 96) & M40, (terms >> 40) & M28, self.sheets[(terms >> 8) & M32])
    ), "escrow: no bond to free"
    self.party[id] = unsafe_sub(party, bond)
    log ILeaseEscrow.BondFreed(id=id, bond=bond)
    extcall POOL.end_bond((terms >> 136) & M24, bond, 0, empty(address), 0)


@external
@reentrant
def stop_dark(
    id: uint256,
    header0: uint256,
    leaf0: uint256,
    proof0: DynArray[bytes32, 24],
    header: uint256,
    leaf: uint256,
    proof: DynArray[bytes32, 24],
):
    """
    @notice Proves that a node's fault within the lease exceeds the sheet's limit: stops a running lease for the host, or
            gives that reason to one that somebody else stopped. By anyone, until `finish`.
    @param header0 With leaf0 and proof0 as for `anchor`.
    @param header With leaf and proof: a usable epoch that begins before the stop.
    """
    terms: uint256 = self._unfinished(id)
    assert (words.HOST_REASONS >> (terms & words.REASON)) & 1 == 0, "escrow: stopped for the host"
    limit: uint256 = words._dark_limit(self.sheets[words._sheet(terms)])
    assert limit != words.NO_LIMIT, "escrow: sheet has no dark limit"
    money: uint256 = self.money[id]
    first: uint256 = self._prove_first(terms, header0, leaf0, proof0)
    begin: uint256 = unsafe_sub(max(words._start(terms), first), first)
    before: uint256 = uptime_leaf._fault(header0, leaf0, begin, epochs.SLOT)
    self._prove(terms, header, leaf, proof)
    first = epochs._start(header & M32)
    stop: uint256 = accrual._stop(terms, money)
    assert first < stop, "escrow: dark after the stop"
    end: uint256 = unsafe_sub(min(stop, unsafe_add(first, epochs.EPOCH)), first)
    assert uptime_leaf._fault(header, leaf, end, epochs.SLOT) > before + limit, "escrow: not dark for so long"
    renter: address = self._renter(id)
    why: uint256 = words.HOST_DOWN | words.BY_HOST
    if terms & words.REASON == 0:
        after: uint256 = unsafe_sub(min(block.timestamp, stop), (terms >> 96) & M40)
        self._stop(id, terms, money, renter, after, words._per_second(terms), why)
    else:
        # reason and cause are the low six bits
        self.terms[id] = (terms >> 6) << 6 | why
        log ILeaseEscrow.Stopped(id=id, by=msg.sender, reason=words.HOST_DOWN, cause=1, after=words._length(terms), refund=0, backing=0)


@external
@reentrant
def finish(id: uint256, header: uint256, leaf: uint256, proof: DynArray[bytes32, 24]):
    """
    @notice Last settlement, rest to the renter's purse, bond ended. By the renter at once; by anyone when the report of the
            stop has been usable for CLAIM, or at once where nothing could be claimed.
    @param header The header of epoch(stop - 1); 0 = without proof, where the length is 0, where no report of that epoch
           stands ABANDON after the stop, where none is usable 2 × ABANDON after it, or RING epochs after it: then what
           is settled is what is due.
    @param leaf The node's leaf of that epoch. @param proof Its siblings from the leaf up.
    """
    terms: uint256 = self._unfinished(id)
    assert terms & words.REASON != 0, "escrow: still running"
    money: uint256 = self.money[id]
    party: uint256 = self.party[id]
    renter: address = convert(party >> 96, address)
    start: uint256 = (terms >> 96) & M40
    length: uint256 = (terms >> 40) & M28
    stop: uint256 = unsafe_add(start, length)
    provider: uint256 = (terms >> 136) & M24
    e: uint256 = 0
    if header != 0:
        assert length != 0, "escrow: length 0 needs no proof"
        e = epochs._epoch(unsafe_sub(stop, 1))
        assert header & M32 == e, "escrow: not the stop's epoch"
        since: uint256 = self._prove(terms, header, leaf, proof)
        if msg.sender != renter and block.timestamp < since + CLAIM:
            assert self._is_harmless(start, length, self.sheets[(terms >> 8) & M32]), "escrow: claims are open"
        # the provider pays itself no bounty
        b: uint256 = 0
        kb: uint256 = 0
        money, b, kb = self._pay(id, terms, money, stop, header, leaf, provider)
    elif length != 0:
        assert self._is_abandoned(stop), "escrow: finish needs a proof"
    rest: uint256 = money >> 160
    backing: uint256 = (money >> 64) & M96
    if rest != 0:
        self.purse[renter] += rest << 128 | backing
    self.money[id] = money & M64
    self.terms[id] = terms | words.FINISHED
    bond: uint256 = party & M64
    taken: uint256 = 0
    limit: uint256 = 0
    if (words.HOST_REASONS >> (terms & words.REASON)) & 1 != 0:
        taken = accrual._forfeit(bond, self.sheets[(terms >> 8) & M32], length)
        paid: uint256 = unsafe_mul(words._per_second(terms), words._settled(money))
        # however old the price is
        limit = accrual._limit(paid, price_word._high(staticcall HUB.price()))
    log ILeaseEscrow.Finished(id=id, epoch=e, refund=rest, backing=backing, bond=bond, taken=taken, limit=limit)
    if bond != 0:
        extcall POOL.end_bond(provider, bond, taken, renter, limit)


####################################################################
# VIEW
####################################################################

@view
@external
@reentrant
def sheet(i: uint256) -> uint256:
    """
    @notice Word of a term sheet, 0 if there is none.
    """
    if i >= MAX_SHEETS:
        return 0
    return self.sheets[i]


@view
@external
@reentrant
def tally(key: uint256, period: uint256) -> uint256:
    """
    @notice Balance of a provider (id below 2**24) or of an address in a period.
    """
    return self.tallies[key << 40 | period]


@view
@external
@reentrant
def until(id: uint256) -> uint256:
    """
    @notice The recorded stop, else the second until which the lease is funded.
    """
    terms: uint256 = self.terms[id]
    assert terms >> 192 != 0, "escrow: no such lease to read"
    return accrual._stop(terms, self.money[id])


@view
@external
@reentrant
def room(id: uint256) -> uint256:
    """
    @notice Credits that a top-up can bring in now; 0 where it would revert.
    """
    terms: uint256 = self.terms[id]
    if terms >> 192 == 0 or terms & words.REASON != 0:
        return 0
    money: uint256 = self.money[id]
    open: bool = False
    most: uint256 = 0
    open, most = accrual._room(terms, money, words._prepay(self.sheets[words._sheet(terms)]), block.timestamp)
    return most


@view
@external
@reentrant
def due(id: uint256, header: uint256, leaf: uint256, proof: DynArray[bytes32, 24]) -> (uint256, uint256):
    """
    @notice What `settle` would do with this leaf.
    @return Attested seconds due in all, and the credits it would pay.
    """
    terms: uint256 = self._unfinished(id)
    money: uint256 = self.money[id]
    self._prove(terms, header, leaf, proof)
    stop: uint256 = accrual._stop(terms, money)
    seconds: uint256 = self._due(terms, money, stop, header, leaf)
    x: uint256 = 0
    if seconds > words._settled(money):
        x = min(words._credits(money), words._per_second(terms) * (seconds - words._settled(money)))
    return seconds, x


####################################################################
# Internal: who and which
####################################################################

@internal
@view
def _only_market():
    assert msg.sender == MARKET, "escrow: caller is not market"


@internal
@view
def _only_engine():
    assert msg.sender == ENGINE, "escrow: caller is not engine"


@internal
@view
def _unfinished(id: uint256) -> uint256:
    """@notice Terms of a lease that opened and has not been finished."""
    terms: uint256 = self.terms[id]
    assert terms != 0, "escrow: no such lease"
    assert terms & words.FINISHED == 0, "escrow: finished"
    return terms


@internal
@view
def _renter(id: uint256) -> address:
    return convert(self.party[id] >> 96, address)


@internal
@pure
def _check_payee(payee: uint256):
    """@notice A provider id or an address as a number: wider, the key of a tally would reach into another's."""
    assert payee >> 160 == 0, "escrow: payee is no address"


@internal
@view
def _failed(id: uint256, terms: uint256, renter: address, sibling: uint256) -> bool:
    """
    @notice Whether `sibling` is a lease of the same cluster that stopped for the host. The ids of a cluster are one digest
            plus 0 … 7; two digests lie that near each other with odds of 2**-252.
    """
    if unsafe_sub(id, sibling) > 7 and unsafe_sub(sibling, id) > 7:
        return False
    other: uint256 = self.terms[sibling]
    if words._start(other) != words._start(terms) or self._renter(sibling) != renter:
        return False
    return (words.HOST_REASONS >> (other & words.REASON)) & 1 != 0


@internal
@pure
def _is_table(table: uint256) -> bool:
    """@notice Whether the steps' uptimes fall strictly and their credits never do; empty steps only at the end."""
    if table >> 128 != 0:
        return False
    uptime: uint256 = 10_001
    credit: uint256 = 0
    for i: uint256 in range(4):
        step: uint256 = (table >> unsafe_sub(96, unsafe_mul(32, i))) & M32
        if step == 0:
            return table & ((1 << unsafe_sub(128, unsafe_mul(32, i))) - 1) == 0
        if step >> 16 >= uptime or step & 65535 < credit or step & 65535 > 10_000:
            return False
        uptime = step >> 16
        credit = step & 65535
    return True


####################################################################
# Internal: proofs
####################################################################

@internal
@view
def _prove(terms: uint256, header: uint256, leaf: uint256, proof: DynArray[bytes32, 24]) -> uint256:
    """@notice Reverts unless the leaf is the node's in a usable epoch, the header's. @return Since when it is usable."""
    word: bytes32 = empty(bytes32)
    since: uint256 = 0
    word, since = staticcall HUB.usable(header & M32)
    root: bytes32 = merkle._root((terms >> 160) & M24, leaf, proof)
    assert keccak256(abi_encode(root, header)) == word, "escrow: proof"
    return since


@internal
@view
def _prove_first(terms: uint256, header: uint256, leaf: uint256, proof: DynArray[bytes32, 24]) -> uint256:
    """
    @notice The one leaf from which a lease may be counted: of e1 = max(epoch(start), top - RING + 1), no other.
    @return start(e1).
    """
    e: uint256 = header & M32
    began: uint256 = epochs._epoch((terms >> 96) & M40)
    if e != began:
        # the one before is out of the ring, this one is not: e1 = top - RING + 1
        assert e > began and staticcall HUB.usable_at(unsafe_sub(e, 1)) == 1, "escrow: not the anchor's epoch"
    self._prove(terms, header, leaf, proof)
    return epochs._start(e)


@internal
def _anchored(id: uint256, terms: uint256, money: uint256, header: uint256, leaf: uint256, proof: DynArray[bytes32, 24]) -> uint256:
    """@notice The money word with its anchor; the caller stores it."""
    assert money & M32 == 0, "escrow: anchored before"
    first: uint256 = self._prove_first(terms, header, leaf, proof)
    start: uint256 = (terms >> 96) & M40
    down: uint256 = uptime_leaf._down(header, leaf, unsafe_sub(max(start, first), first), epochs.SLOT)
    stored: uint256 = accrual._base(start, first, down)
    assert stored != 0, "escrow: base out of range"
    log ILeaseEscrow.Anchored(id=id, epoch=header & M32, base=convert(stored, int256) - convert(accrual.BIAS, int256))
    return money | stored


####################################################################
# Internal: money
####################################################################

@internal
@view
def _due(terms: uint256, money: uint256, stop: uint256, header: uint256, leaf: uint256) -> uint256:
    """@notice Attested seconds of the lease through the header's epoch, which begins before the stop."""
    assert money & M32 != 0, "escrow: no anchor"
    first: uint256 = epochs._start(header & M32)
    assert first < stop, "escrow: epoch after the stop"
    t: uint256 = min(stop, unsafe_add(first, epochs.EPOCH))
    down: uint256 = uptime_leaf._down(header, leaf, unsafe_sub(t, first), epochs.SLOT)
    return accrual._due((terms >> 96) & M40, t, money & M32, down)


@internal
@view
def _accrue(terms: uint256, money: uint256, stop: uint256, header: uint256, leaf: uint256) -> (uint256, uint256, uint256, uint256):
    """
    @notice x = min(credits, rate × GPUs × (due - settled)), settled = due.
    @dev due <= stop - start < 2**32 and rate × GPUs < 2**80, so the product stays below 2**112; x <= credits and
         k <= backing, so no field borrows.
    @return The new money word, credits and backing that leave, and the seconds they pay for; zeros if nothing is due.
    """
    due: uint256 = self._due(terms, money, stop, header, leaf)
    settled: uint256 = (money >> 32) & M32
    if due <= settled:
        return money, 0, 0, 0
    seconds: uint256 = unsafe_sub(due, settled)
    held: uint256 = money >> 160
    x: uint256 = min(held, unsafe_mul(unsafe_mul(terms >> 192, (terms >> 184) & M8), seconds))
    k: uint256 = ledger._part(held, (money >> 64) & M96, x)
    rest: uint256 = unsafe_sub(unsafe_sub(money, x << 160), k << 64)
    return unsafe_add(rest, seconds << 32), x, k, seconds


@internal
def _settle(id: uint256, terms: uint256, money: uint256, header: uint256, leaf: uint256, payee: uint256):
    """@notice Pays out of one lease whose leaf is proven."""
    self._check_payee(payee)
    left: uint256 = 0
    b: uint256 = 0
    kb: uint256 = 0
    left, b, kb = self._pay(id, terms, money, accrual._stop(terms, money), header, leaf, payee)
    assert left != money, "escrow: nothing due"
    self.money[id] = left
    if b != 0:
        self._tally(payee, epochs._period(block.timestamp), b, kb)


@internal
def _pay(
    id: uint256, terms: uint256, money: uint256, stop: uint256, header: uint256, leaf: uint256, payee: uint256
) -> (uint256, uint256, uint256):
    """
    @notice What is due into the provider's tally, less the payee's bounty.
    @return The new money word, which the caller stores, the same as before where nothing moves; the bounty and its backing,
            which the caller adds to the payee's tally.
    """
    left: uint256 = 0
    x: uint256 = 0
    k: uint256 = 0
    seconds: uint256 = 0
    left, x, k, seconds = self._accrue(terms, money, stop, header, leaf)
    if x == 0:
        return money, 0, 0
    provider: uint256 = (terms >> 136) & M24
    b: uint256 = 0
    kb: uint256 = 0
    # a pure percentage, so no split of a settlement earns more
    if payee != provider and (seconds >= epochs.PERIOD or block.timestamp >= stop):
        b = unsafe_mul(x, BOUNTY) // BPS
        kb = unsafe_div(unsafe_mul(k, b), x)
    self._tally(provider, epochs._period(block.timestamp), unsafe_sub(x, b), unsafe_sub(k, kb))
    log ILeaseEscrow.Settled(
        id=id, provider=provider, epoch=header & M32, seconds=(left >> 32) & M32, credits=x, backing=k, bounty=b, payee=payee
    )
    return left, b, kb


@internal
def _tally(key: uint256, period: uint256, credits: uint256, backing: uint256):
    """@notice Adds to a tally. Σ backing never carries (credits.vy); a tally of 2**128 wei of a USD reverts."""
    self.tallies[key << 40 | period] += credits << 128 | backing


@internal
def _spend(owner: address, credits: uint256, low: uint256) -> uint256:
    """
    @notice A deposit out of a purse, covered to 95 % by its backing at min(P, TWAP).
    @param low min(P, TWAP); 0 = no deposit but credits that leave for good, which need no cover.
    @return The backing that moves: ledger._part, in place because this is the hot path.
    """
    word: uint256 = self.purse[owner]
    held: uint256 = word >> 128
    assert credits <= held, "escrow: purse has too little"
    k: uint256 = word & M128
    if credits != held:
        k = unsafe_div(unsafe_mul(k, credits), held)
    self.purse[owner] = unsafe_sub(unsafe_sub(word, credits << 128), k)
    if low != 0:
        assert ledger._covers(credits, k, low), "escrow: deposit under-backed"
    return k


@internal
def _bring_in(id: uint256, credits: uint256, backing: uint256, by: address, low: uint256) -> (uint256, uint256):
    """
    @notice As many of the credits as still fit into a running lease; reverts where none do.
    @param backing Of fresh credits, for all of them. @param by Who pays.
    @param low min(P, TWAP): the credits come out of the payer's purse; 0 = they are fresh.
    @return Credits that fitted and their backing: of a purse rounded down, of fresh ones up.
    """
    terms: uint256 = self.terms[id]
    assert terms != 0 and terms & words.REASON == 0, "escrow: not open to payments"
    money: uint256 = self.money[id]
    # accrual._room, in place because this is the hot path
    per_second: uint256 = unsafe_mul(terms >> 192, (terms >> 184) & M8)
    duration: uint256 = (terms >> 68) & M28
    settled: uint256 = (money >> 32) & M32
    held: uint256 = money >> 160
    elapsed: uint256 = unsafe_sub(block.timestamp, (terms >> 96) & M40)
    assert elapsed < min(duration, unsafe_add(settled, unsafe_div(held, per_second))), "escrow: lapsed"
    cover: uint256 = min(duration, unsafe_add(elapsed, (self.sheets[(terms >> 8) & M32] >> 160) & M32))
    most: uint256 = unsafe_mul(per_second, unsafe_sub(cover, settled))
    assert most > held and credits != 0, "escrow: nothing fits"
    # x < 2**113
    x: uint256 = min(unsafe_sub(most, held), credits)
    assert unsafe_add(held, x) <= M96, "escrow: lease too full"
    k: uint256 = backing
    if low != 0:
        # _spend, in place
        word: uint256 = self.purse[by]
        owned: uint256 = word >> 128
        assert x <= owned, "escrow: purse is short"
        k = word & M128
        if x != owned:
            k = unsafe_div(unsafe_mul(k, x), owned)
        self.purse[by] = unsafe_sub(word, x << 128 | k)
        # ledger._covers
        assert unsafe_mul(unsafe_mul(k, low), BPS) >= unsafe_mul(x, ledger.COVER_BPS * ledger.PRICE_ONE), "escrow: top-up under-backed"
    elif x != credits:
        # backing < 2**128 by the engine's own bound, x < 2**96
        k = (backing * x + (credits - 1)) // credits
    # x fits and k is a part of Σ backing, so no field carries
    self.money[id] = unsafe_add(money, x << 160 | k << 64)
    log ILeaseEscrow.ToppedUp(id=id, by=by, credits=x, backing=k)
    return x, k


@internal
def _stop(id: uint256, terms: uint256, money: uint256, renter: address, after: uint256, per_second: uint256, why: uint256):
    """
    @notice Records a stop, sends home what can no longer be owed, frees the GPUs.
    @dev after >= settled: a settled second lies before the end of a reported epoch and before funded_until.
    @param after Seconds from the start. @param per_second rate × GPUs. @param why Reason | cause << 4.
    """
    self.terms[id] = terms | after << 40 | why
    held: uint256 = money >> 160
    owed: uint256 = unsafe_mul(per_second, unsafe_sub(after, (money >> 32) & M32))
    back: uint256 = 0
    k: uint256 = 0
    if held > owed:
        back = unsafe_sub(held, owed)
        # back < held unless nothing is owed
        k = (money >> 64) & M96
        if owed != 0:
            k = unsafe_div(unsafe_mul(k, back), held)
        self.money[id] = unsafe_sub(unsafe_sub(money, back << 160), k << 64)
        self.purse[renter] += back << 128 | k
    log ILeaseEscrow.Stopped(id=id, by=msg.sender, reason=why & words.REASON, cause=why >> 4, after=after, refund=back, backing=k)
    extcall REGISTRY.release((terms >> 160) & M24, (terms >> 184) & M8, skip_contract_check=True)


####################################################################
# Internal: the end
####################################################################

@internal
@view
def _is_harmless(start: uint256, length: uint256, sheet: uint256) -> bool:
    """
    @notice Whether nothing can be claimed: shorter than the downtime limit, and no whole window of EPOCHS_PER_PERIOD epochs
            from the first that begins at or after the start (none counts where the sheet has no table).
    """
    if length >= words._dark_limit(sheet):
        return False
    if words._table(sheet) == 0:
        return True
    whole: uint256 = epochs._start(epochs._epoch(unsafe_add(start, unsafe_sub(epochs.EPOCH, 1))))
    return unsafe_add(whole, epochs.PERIOD) > unsafe_add(start, length)


@internal
@view
def _is_abandoned(stop: uint256) -> bool:
    """@notice Whether a lease may end without proof: no exit waits for a report for ever."""
    if block.timestamp < unsafe_add(stop, ABANDON):
        return False
    if block.timestamp >= unsafe_add(stop, unsafe_mul(RING, epochs.EPOCH)):
        return True
    # 0: no report stands; 1: it left the ring, so it was usable; else the second from which it is usable
    at: uint256 = staticcall HUB.usable_at(epochs._epoch(unsafe_sub(stop, 1)))
    if at == 0:
        return True
    return block.timestamp >= unsafe_add(stop, unsafe_mul(2, ABANDON)) and at > block.timestamp
