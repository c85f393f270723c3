# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title AttesterCommittee
@license AGPL-3.0-only
@notice What stands behind a seat: a bond of tokens, lost for what is proven against it. The owner proposes tables of
        bonded seats, with notice; a seat leaves by itself; anyone applies what is due. Only proofs take anything:
        two things signed where one may be (prove_equivocation), a report that fell (punish).
        Source: docs/protocol.md, "Seats and bonds". Words: interfaces/IAttesterCommittee.vyi.
@custom:security Owner: chooses who sits, with notice and at most a third new at a time, so in the worst case it fills the
        committee with its own in some months, seen by all; it takes no bond. Anyone: takes a bond only by a proof.
@custom:kill Nothing to stop: exits wait for nobody, and proofs must never be stopped.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step

from ..interfaces import IAttestationHub
from ..interfaces import IAttesterCommittee
from ..interfaces import IComputeToken
from ..interfaces import IReportRefuter
from ..modules import epochs
from ..modules import seat_table

implements: IAttesterCommittee

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: epochs

# They write the owner's two words and call nobody, so they need no lock.
exports: ownable_2step.owner
exports: ownable_2step.pending_owner
exports: ownable_2step.transfer_ownership
exports: ownable_2step.accept_ownership

####################################################################
# IMMUTABLES AND CONSTANTS
####################################################################

HUB: public(immutable(IAttestationHub))
REFUTER: public(immutable(IReportRefuter))
TOKEN: public(immutable(IComputeToken))
BOND: public(immutable(uint256))        # wei that a seat needs to be proposed
NOTICE: public(immutable(uint256))      # seconds from a proposal or a leave to the table without it
RELEASE: public(immutable(uint256))     # seconds from a seat's last epoch to its bond: DISPUTE and unbonding

VERSION: public(constant(String[8])) = "1"
# Below four seats one that lies is a quorum's match (f = 0): by leaving nobody brings a table there.
LEAST: constant(uint256) = 4
# Of the bond, for a report that fell: an error of software is not the end of a seat, a second one within a month is.
FAULT_SHARE: constant(uint256) = 10     # a tenth
REPEAT: constant(uint256) = 30 * 86_400
FINDER_SHARE: constant(uint256) = 5     # a fifth of what is taken
MAX_BOND: constant(uint256) = 2**120    # wei; far above any supply, so that sums fit their field
MAX_LENGTH: constant(uint256) = 2**31   # seconds
M16: constant(uint256) = 2**16 - 1
M24: constant(uint256) = 2**24 - 1
M32: constant(uint256) = 2**32 - 1
M40: constant(uint256) = 2**40 - 1
M128: constant(uint256) = 2**128 - 1

BOND_AT: constant(uint256) = 128
FAULT_AT: constant(uint256) = 88
LEAVING_AT: constant(uint256) = 48
FREE_AT: constant(uint256) = 8
SEATED: constant(uint256) = 1

DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
NAME_HASH: constant(bytes32) = keccak256("Hearth")
VERSION_HASH: constant(bytes32) = keccak256("1")
OBSERVATION: constant(uint256) = 0
REPORT: constant(uint256) = 1
VOID: constant(uint256) = 2
OBSERVATION_TYPE: constant(bytes32) = keccak256(
    "Observation(uint256 generation,uint256 epoch,uint256 seat,bytes32 body,uint256 price)"
)
REPORT_TYPE: constant(bytes32) = keccak256(
    "Report(uint256 generation,uint256 epoch,bytes32 previous,bytes32 root,uint256 facts,bytes32 records)"
)
VOID_TYPE: constant(bytes32) = keccak256(
    "VoidReport(uint256 generation,uint256 first,uint256 last,bytes32 previous,uint256 view)"
)

####################################################################
# STORAGE
####################################################################

seat: HashMap[address, uint256]
endpoint: public(HashMap[address, String[96]])
table: DynArray[address, 31]            # applied last
proposed: DynArray[address, 31]
proposed_at: uint256                    # second from which it may be applied; 0 = none
committed_at: public(HashMap[bytes32, uint256])
# epoch, number of the report: seats that were punished for it, as bits
punished: public(HashMap[uint256, HashMap[uint256, uint256]])
proven: HashMap[bytes32, bool]          # seat and place of an equivocation


@deploy
def __init__(
    hub: address,
    refuter: address,
    token: address,
    genesis: uint256,
    slot: uint256,
    epochs_per_period: uint256,
    dispute: uint256,
    bond: uint256,
    notice: uint256,
    unbonding: uint256,
):
    """
    @notice Fixes peers, calendar and lengths.
    @param hub The suite's AttestationHub.
    @param refuter The suite's ReportRefuter.
    @param token The suite's ComputeToken.
    @param genesis Unix seconds.
    @param slot Seconds.
    @param epochs_per_period Epochs.
    @param dispute Epochs, as the hub's.
    @param bond Wei.
    @param notice Seconds.
    @param unbonding Seconds.
    """
    assert hub != empty(address) and refuter != empty(address) and token != empty(address), "committee: no peer"
    epochs.__init__(genesis, slot, epochs_per_period)
    ownable.__init__()
    ownable_2step.__init__()
    assert bond != 0 and bond <= MAX_BOND, "committee: bond"
    assert notice <= MAX_LENGTH and unbonding <= MAX_LENGTH and dispute <= 2**16, "committee: lengths"
    HUB = IAttestationHub(hub)
    REFUTER = IReportRefuter(refuter)
    TOKEN = IComputeToken(token)
    BOND = bond
    NOTICE = notice
    RELEASE = dispute * epochs.EPOCH + unbonding


####################################################################
# OWNER
####################################################################


@external
def propose(seats: DynArray[address, 31]):
    """
    @notice The next table, for anyone to apply after NOTICE; a later proposal takes its place. Each seat is bonded and
        stays; but for the first table at most a third comes, and at most a third goes.
    """
    ownable._check_owner()
    n: uint256 = len(seats)
    assert n != 0, "committee: no seats"
    fresh: uint256 = 0
    for i: uint256 in range(n, bound=31):
        word: uint256 = self.seat[seats[i]]
        assert word >> BOND_AT >= BOND and (word >> LEAVING_AT) & M40 == 0, "committee: seat not bonded"
        for j: uint256 in range(i, bound=31):
            assert seats[j] != seats[i], "committee: seat twice"
        if word & SEATED == 0:
            fresh += 1
    old: uint256 = len(self.table)
    if old != 0:
        # those that sit already are of the table
        assert max(fresh, old + fresh - n) <= max(old // 3, 1), "committee: too many changes"
    self.proposed = seats
    self.proposed_at = block.timestamp + NOTICE
    log IAttesterCommittee.ChangeProposed(seats=seats, at=block.timestamp + NOTICE)


####################################################################
# ATTESTER
####################################################################


@external
def join(amount: uint256, endpoint: String[96]):
    """
    @notice Bonds tokens from the caller's allowance, or more of them; a bonded account can be proposed as a seat.
    @param amount Wei.
    @param endpoint Where the seat answers.
    """
    word: uint256 = self.seat[msg.sender]
    assert (word >> LEAVING_AT) & M40 == 0, "committee: leaving"
    assert (word >> FREE_AT) & M40 == 0, "committee: withdraw first"
    bond: uint256 = (word >> BOND_AT) + amount
    assert amount != 0 and bond <= MAX_BOND, "committee: amount"
    self.seat[msg.sender] = word & M128 | bond << BOND_AT
    self.endpoint[msg.sender] = endpoint
    log IAttesterCommittee.Bonded(seat=msg.sender, amount=amount, bond=bond, endpoint=endpoint)
    assert extcall TOKEN.transferFrom(msg.sender, self, amount, default_return_value=True), "committee: not paid in"


@external
def set_endpoint(endpoint: String[96]):
    """@notice Where the seat answers from the next table on."""
    assert self.seat[msg.sender] >> BOND_AT != 0, "committee: no bond"
    self.endpoint[msg.sender] = endpoint
    log IAttesterCommittee.EndpointSet(seat=msg.sender, endpoint=endpoint)


@external
def leave():
    """@notice The seat is out of the table that anyone applies NOTICE later. It needs nobody's consent."""
    word: uint256 = self.seat[msg.sender]
    assert word & SEATED != 0, "committee: not seated"
    assert (word >> LEAVING_AT) & M40 == 0, "committee: leaving already"
    at: uint256 = block.timestamp + NOTICE
    self.seat[msg.sender] = word | at << LEAVING_AT
    log IAttesterCommittee.Leaving(seat=msg.sender, at=at)


@external
def withdraw() -> uint256:
    """
    @notice The bond of an account that has no seat: at once if it never had one, else RELEASE after its last epoch.
    @return Wei.
    """
    word: uint256 = self.seat[msg.sender]
    amount: uint256 = word >> BOND_AT
    assert word & SEATED == 0, "committee: still seated"
    assert block.timestamp >= (word >> FREE_AT) & M40, "committee: not released"
    assert amount != 0, "committee: nothing left"
    # a repeat within the month counts against whoever comes back, too
    self.seat[msg.sender] = word & (M40 << FAULT_AT)
    log IAttesterCommittee.Withdrawn(seat=msg.sender, amount=amount)
    self._pay(msg.sender, amount)
    return amount


####################################################################
# FINDER
####################################################################


@external
def commit(commitment: bytes32):
    """
    @notice Claims an equivocation before it is shown. (Of a report that fell the refuter keeps the finder.)
    @param commitment keccak256(abi_encode(finder, first digest, second digest)); it counts from the next block on.
    """
    assert self.committed_at[commitment] == 0, "committee: committed already"
    self.committed_at[commitment] = block.timestamp


####################################################################
# ANYONE
####################################################################


@external
def apply():
    """
    @notice Hands the hub the table that is due: the proposed one if its notice has passed, else the last, without those
        that left or lost their bond. Seats that drop out are released RELEASE after their last epoch. By leaving and
        lost bonds a table does not fall below four seats: then it stays, and those seats sign until the owner's next.
    """
    due: bool = self.proposed_at != 0 and block.timestamp >= self.proposed_at
    following: DynArray[address, 31] = []
    if due:
        following = self._staying(self.proposed)
        # a proposal whose seats withdrew meanwhile must not hold up those that leave
        due = len(following) >= min(LEAST, len(self.proposed))
        self.proposed = []
        self.proposed_at = 0
    if not due:
        following = self._staying(self.table)
        assert len(following) != len(self.table), "committee: nothing due"
        assert len(following) >= LEAST, "committee: below four seats"
    start: uint256 = 1
    if block.timestamp >= epochs.GENESIS:
        start = epochs._epoch(block.timestamp) + 1
    free: uint256 = epochs._start(start) + RELEASE
    for who: address in self.table:
        self.seat[who] = self.seat[who] & ~SEATED | free << FREE_AT
    for who: address in following:
        self.seat[who] = self.seat[who] & ~(M40 << FREE_AT) | SEATED
    self.table = following
    log IAttesterCommittee.Applied(start=start, seats=following)
    self._hand_over(start, following)


@external
def prove_equivocation(
    index: uint256, first: IAttesterCommittee.Statement, second: IAttesterCommittee.Statement
):
    """
    @notice Two different things that a seat signed where it may sign one: observations of an epoch, or reports and void
        reports of one epoch and view. The whole bond is taken; a fifth goes to who committed it before, the rest burns.
    @param index The seat in the table of the generation that the statements name.
    @param first One of them.
    @param second The other.
    """
    place: bytes32 = self._place(first)
    assert place == self._place(second), "committee: other place"
    a: bytes32 = self._digest(first)
    b: bytes32 = self._digest(second)
    assert a != b, "committee: the same"
    generation: uint256 = convert(first.words[0], uint256)
    who: address = empty(address)
    if generation != 0 and generation <= M16 and index < 31:
        who = seat_table._seat(seat_table._at(HUB.address, generation), index)
    assert who != empty(address), "committee: no such seat"
    if first.kind == OBSERVATION:
        assert convert(first.words[2], uint256) == index, "committee: other seat"
    assert self._signer(first, a) == who and self._signer(second, b) == who, "committee: not signed by it"
    key: bytes32 = keccak256(abi_encode(who, place))
    assert not self.proven[key], "committee: proven already"
    self.proven[key] = True
    finder: address = empty(address)
    committed: uint256 = self.committed_at[keccak256(abi_encode(msg.sender, a, b))]
    if committed != 0 and committed < block.timestamp:
        finder = msg.sender
    log IAttesterCommittee.Equivocated(seat=who, epoch=convert(first.words[1], uint256), first=a, second=b)
    taken: uint256 = self.seat[who] >> BOND_AT
    self._settle(self._take(who, taken, finder), finder)


@external
def punish(e: uint256, cancels: uint256):
    """
    @notice Takes a tenth of the bond of each seat that signed a report which was refuted, all of it from a seat to which
        that happened within the 30 days before. A fifth goes to the finder, the rest burns.
    @param e Its epoch.
    @param cancels Its number among the reports of that epoch.
    """
    fault: uint256 = staticcall REFUTER.fault_of(e, cancels)
    assert fault != 0, "committee: no fault"
    who: uint256 = (fault >> 40) & M32
    assert self.punished[e][cancels] == 0, "committee: punished already"
    self.punished[e][cancels] = who
    finder: address = convert(fault >> 96, address)
    at: uint256 = fault & M40
    table: address = seat_table._at(HUB.address, (fault >> 72) & M24)
    paid: uint256 = 0
    total: uint256 = 0
    for i: uint256 in range(31):
        if (who >> i) & 1 != 0:
            seat: address = seat_table._seat(table, i)
            word: uint256 = self.seat[seat]
            bond: uint256 = word >> BOND_AT
            before: uint256 = (word >> FAULT_AT) & M40
            taken: uint256 = (bond + FAULT_SHARE - 1) // FAULT_SHARE
            # whichever of two faults is shown first
            if before != 0 and max(before, at) - min(before, at) <= REPEAT:
                taken = bond
            self.seat[seat] = word & ~(M40 << FAULT_AT) | max(before, at) << FAULT_AT
            total += self._take(seat, taken, finder)
    self._settle(total, finder)


####################################################################
# VIEW
####################################################################


@external
@view
def seat_of(who: address) -> uint256:
    """@notice bond 128 @128 | last fault 40 @88 | leaving 40 @48 | free 40 @8 | seated @0."""
    return self.seat[who]


@external
@view
def seats() -> DynArray[address, 31]:
    """@notice The table that was applied last; empty before the first."""
    return self.table


@external
@view
def pending() -> (DynArray[address, 31], uint256):
    """@notice The proposed table and the second from which it may be applied; empty and 0 = none."""
    return self.proposed, self.proposed_at


@external
@view
def state(who: address) -> String[64]:
    """@notice How an account stands, in words."""
    word: uint256 = self.seat[who]
    if word & SEATED != 0:
        if word >> BOND_AT == 0:
            return "seated, bond lost"
        if (word >> LEAVING_AT) & M40 != 0:
            if block.timestamp < (word >> LEAVING_AT) & M40:
                return "seated, leaving"
            return "left, waiting for the next table"
        return "seated"
    if word >> BOND_AT == 0:
        return "no bond"
    if (word >> FREE_AT) & M40 == 0:
        return "bonded, no seat"
    if block.timestamp < (word >> FREE_AT) & M40:
        return "out, bond held"
    return "out, bond free"


####################################################################
# INTERNAL
####################################################################


@internal
def _hand_over(start: uint256, following: DynArray[address, 31]):
    """@notice Gives the hub the table with its endpoints."""
    urls: DynArray[String[96], 31] = []
    for who: address in following:
        urls.append(self.endpoint[who])
    extcall HUB.set_committee(start, following, urls)


@internal
@view
def _staying(base: DynArray[address, 31]) -> DynArray[address, 31]:
    """@notice Those of a table that have a bond and do not leave now."""
    staying: DynArray[address, 31] = []
    for who: address in base:
        word: uint256 = self.seat[who]
        leaving: uint256 = (word >> LEAVING_AT) & M40
        if word >> BOND_AT != 0 and (leaving == 0 or block.timestamp < leaving):
            staying.append(who)
    return staying


@internal
def _take(who: address, amount: uint256, finder: address) -> uint256:
    """@notice Takes from a bond, which holds as much; the amount."""
    word: uint256 = self.seat[who]
    self.seat[who] = word - (amount << BOND_AT)
    log IAttesterCommittee.Punished(seat=who, taken=amount, paid=self._share(amount, finder), finder=finder)
    return amount


@internal
@pure
def _share(amount: uint256, finder: address) -> uint256:
    """@notice What the finder gets of what is taken: a fifth, rounded down; nothing without one."""
    if finder == empty(address):
        return 0
    return amount // FINDER_SHARE


@internal
def _settle(amount: uint256, finder: address):
    """@notice Pays the finder and burns the rest."""
    paid: uint256 = self._share(amount, finder)
    if amount != paid:
        extcall TOKEN.burn(amount - paid)
    if paid != 0:
        self._pay(finder, paid)


@internal
def _pay(to: address, amount: uint256):
    assert extcall TOKEN.transfer(to, amount, default_return_value=True), "committee: not paid out"


@internal
@pure
def _place(s: IAttesterCommittee.Statement) -> bytes32:
    """@notice Where a seat may sign one thing only: (kind of place, generation, epoch, view)."""
    need: uint256 = 5
    if s.kind == REPORT:
        need = 6
    assert s.kind <= VOID and len(s.words) == need, "committee: statement"
    if s.kind == OBSERVATION:
        return keccak256(abi_encode(OBSERVATION, s.words[0], s.words[1], empty(bytes32)))
    view: bytes32 = s.words[4]
    if s.kind == REPORT:
        view = convert((convert(view, uint256) >> 40) & M24, bytes32)
    return keccak256(abi_encode(REPORT, s.words[0], s.words[1], view))


@internal
@view
def _digest(s: IAttesterCommittee.Statement) -> bytes32:
    """@notice What was signed, in the domain of the hub on this chain."""
    domain: bytes32 = keccak256(abi_encode(DOMAIN_TYPE, NAME_HASH, VERSION_HASH, chain.id, HUB.address))
    kind: bytes32 = OBSERVATION_TYPE
    if s.kind == REPORT:
        kind = REPORT_TYPE
    elif s.kind == VOID:
        kind = VOID_TYPE
    # abi_encode puts an offset and a length before the words
    message: bytes32 = keccak256(concat(kind, slice(abi_encode(s.words), 64, len(s.words) << 5)))
    return keccak256(concat(x"1901", domain, message))


@internal
@pure
def _signer(s: IAttesterCommittee.Statement, digest: bytes32) -> address:
    """@notice Who signed it; zero for a signature that is none. A seat of a table is never zero."""
    v: uint256 = 27
    if len(s.sig) == 65:
        v = convert(slice(s.sig, 64, 1), uint256)
    else:
        assert len(s.sig) == 64, "committee: signature"
    return ecrecover(digest, v, convert(extract32(s.sig, 0), uint256), convert(extract32(s.sig, 32), uint256))
