# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title StakingPool
@license AGPL-3.0-only
@notice The only holder of stake: one pool a provider. Stake buys access (a provider below its required stake takes no new
        lease), bonds each lease in shares of it, and is what an objective fault slashes. Amounts are gwei (1e-9 token),
        units 1e-9 USD, the stake price S tokens a USD with 12 decimals, times seconds.
        Source: docs/protocol.md, "StakingPool (stake for access)".

        A bucket is (assets, shares), see modules/shares.vy: own[p] holds bonded stake, unb[p] what unbonds and the damages
        of renters, as tickets. A slash cuts the assets of both by one factor: nobody is senior, and nobody leaves a slash
        by unbonding before it. A ticket is liable until it is withdrawn. The words of delegation have their places in the
        layout and no function yet.

        A *touch* is a call that changes assets or units (stake_own, unstake_own, set_units, slash, an end_bond with a loss)
        and `poke`: one that finds the pool below its required stake before it or leaves it below after it sets last_below.
        lock and a bare unlock change neither side of that comparison.

        Slash ceiling, enforced here whoever holds the grant:
          1. a bucket that leaks: it holds 3 x the largest units that the provider had in the last 30 PERIODs, which are the
             first fault of every node (once min_stake x GPUs) and its repetition (double), see docs/protocol.md, and a full
             one is empty again after 30 PERIODs. So at most 3 x at once, and less than 6 x in any 30 PERIODs;
          2. one slash takes at most 90 % of own stake (bonded and unbonding): never the whole pool;
          3. the finder gets at most 20 % of what the provider's stake lost, bonded or in tickets of unstake_own, so that nobody
             escapes the finder by unstaking first; nothing of what tickets of renters' damages lost, or a provider
             without stake of its own could harvest these through an ally. The rest is burned.
        What is asked beyond the ceiling is not taken, so that no fault goes unrecorded because of it.
@custom:security Worst case of OWNER: it grants the right to slash to a contract that slashes without cause: the ceiling, and
        it burns 80 % and more of it. Of REGISTRY: wrong owners and units (so wrong access, and own stake to a wrong owner).
        Of HUB: a wrong S, so wrong access and slashes up to the ceiling. Of MARKET: own stake locked without a lease, or below the required stake. Of
        ESCROW: locked stake burned, or given as tickets, up to what is locked.
@custom:kill Nothing stops unstake_own, withdraw or end_bond. Taking back a grant stops its slashes.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step

from ..interfaces import IComputeToken
from ..interfaces import IStakingPool
from ..modules import grants
from ..modules import shares
from ..modules import stake_words

implements: IStakingPool

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: grants

# They write the owner's two words and call nobody, so they need no lock.
exports: ownable_2step.owner
exports: ownable_2step.pending_owner
exports: ownable_2step.transfer_ownership
exports: ownable_2step.accept_ownership


####################################################################
# Immutables
####################################################################

TOKEN: public(immutable(IComputeToken))
REGISTRY: public(immutable(address))
HUB: public(immutable(address))
MARKET: public(immutable(address))
ESCROW: public(immutable(address))
UNBONDING: public(immutable(uint256))       # seconds
PERIOD: public(immutable(uint256))          # seconds


####################################################################
# Constants
####################################################################

VERSION: public(constant(String[8])) = "1"

# The right that a grant of this contract can give.
SLASH: constant(uint256) = 1

# Wei of the token in a gwei, the unit of every amount here: 64 bits then hold the whole supply.
WEI_A_GWEI: constant(uint256) = 10**9
# One of the stake price: 12 decimals, as every price of the network.
PRICE_ONE: constant(uint256) = 10**12
M64: constant(uint256) = 2**64 - 1
M128: constant(uint256) = 2**128 - 1
# Seconds. Keeps now + UNBONDING and now + 30 PERIODs below 2**40.
MAX_LENGTH: constant(uint256) = 2**30
# Periods. 30 days of the default calendar: within them a second fault of a node counts double.
FAULT_PERIODS: constant(uint256) = 30
# A node's first fault costs its units once, the repetition twice.
FAULT_FACTOR: constant(uint256) = 3
# Tenths of own stake that one slash can take: what is left (1/10) keeps the bucket alive (shares.DEAD_RATIO).
MAX_CUT: constant(uint256) = 9
TENTHS: constant(uint256) = 10
# A finder gets a fifth at most, so that whoever slashes itself through an ally loses four.
FINDER_PART: constant(uint256) = 5


####################################################################
# Storage (words: modules/stake_words.vy)
####################################################################

own: public(HashMap[uint256, uint256])
need: public(HashMap[uint256, uint256])
unbonding: public(HashMap[uint256, uint256])
delegated: HashMap[uint256, uint256]
cut: HashMap[uint256, uint256]
stake_of: public(HashMap[uint256, HashMap[address, uint256]])
ticket_of: public(HashMap[uint256, HashMap[address, HashMap[uint256, uint256]]])
faults: HashMap[uint256, uint256]
# shares of unb[p] that are renters' tickets, from end_bond
claims: HashMap[uint256, uint256]
stake_price: public(uint256)


####################################################################
# Constructor
####################################################################

@deploy
def __init__(
    token: address, registry: address, hub: address, market: address, escrow: address,
    stake_price: uint256, unbonding: uint256, period: uint256
):
    """
    @notice Peers are addresses predicted from the deployer's nonce; none is called here. The deployer owns the grants.
    @param stake_price First S: tokens a USD, 12 decimals, the same figure as the hub's.
    @param unbonding Seconds a ticket waits: at least max(DISPUTE, ANSWER_WINDOW, CLAIM) and a week (the profile checks it).
    @param period Seconds of a PERIOD.
    """
    for peer: address in [token, registry, hub, market, escrow]:
        assert peer != empty(address), "pool: peer is zero"
    assert unbonding != 0 and unbonding <= MAX_LENGTH, "pool: unbonding"
    assert period != 0 and period <= MAX_LENGTH // FAULT_PERIODS, "pool: period"
    ownable.__init__()
    ownable_2step.__init__()
    TOKEN = IComputeToken(token)
    REGISTRY = registry
    HUB = hub
    MARKET = market
    ESCROW = escrow
    UNBONDING = unbonding
    PERIOD = period
    self._set_stake_price(stake_price)


####################################################################
# OWNER
####################################################################

@external
def set_grant(caller: address, rights: uint256):
    """
    @notice Gives `caller` the right to slash (1) or takes it back (0).
    """
    ownable._check_owner()
    assert caller != empty(address), "pool: grant to zero"
    assert rights <= SLASH, "pool: unknown right"
    grants._set(caller, rights)


####################################################################
# REGISTRY
####################################################################

@external
def open_pool(provider: uint256, owner: address):
    """
    @notice Opens the pool of a new provider. It counts as below until it has stake, so last_below is now.
    """
    assert msg.sender == REGISTRY, "pool: caller is not registry"
    assert self.need[provider] == 0, "pool: already open"
    assert owner != empty(address), "pool: owner is zero"
    self.need[provider] = convert(owner, uint256) << 96
    self.own[provider] = stake_words._with_last_below(0, block.timestamp)
    # nothing slashed yet: who proves the first fault does not pay for a fresh word
    self.faults[provider] = stake_words._faults(0, block.timestamp, 0, 0)
    log IStakingPool.PoolOpened(provider=provider, owner=owner)


@external
def set_owner(provider: uint256, owner: address):
    """
    @notice The provider changed hands: its bonded own stake goes with it, tickets stay with whom they were issued to.
    """
    assert msg.sender == REGISTRY, "pool: caller is not registry"
    word: uint256 = self.need[provider]
    assert word != 0, "pool: no such pool"
    assert owner != empty(address), "pool: owner is zero"
    self.need[provider] = convert(owner, uint256) << 96 | stake_words._units(word)
    log IStakingPool.PoolOwnerSet(provider=provider, old=stake_words._owner(word), new=owner)


@external
def set_units(provider: uint256, units: uint256):
    """
    @notice The provider's nodes now need `units` (1e-9 USD, below 2**64) of stake. Units that fall still count for the
            slash ceiling for 30 PERIODs: retiring nodes does not shield a fault that was already committed.
    """
    assert msg.sender == REGISTRY, "pool: caller is not registry"
    assert units <= M64, "pool: units"
    word: uint256 = self.need[provider]
    assert word != 0, "pool: no such pool"
    old: uint256 = stake_words._units(word)
    self.need[provider] = word ^ old ^ units
    if units < old:
        faults: uint256 = self.faults[provider]
        peak: uint256 = old
        if block.timestamp < stake_words._peak_until(faults):
            peak = max(old, stake_words._peak(faults))
        self.faults[provider] = stake_words._faults(
            stake_words._slashed(faults), stake_words._slashed_at(faults), peak, block.timestamp + FAULT_PERIODS * PERIOD
        )
    own: uint256 = self.own[provider]
    # below before or after: below the larger of the two requirements
    marked: uint256 = self._mark(provider, own, max(old, units))
    if marked != own:
        self.own[provider] = marked
    log IStakingPool.UnitsSet(provider=provider, old=old, new=units)


####################################################################
# HUB
####################################################################

@external
def set_stake_price(price: uint256):
    """
    @notice The hub's S for the period that begins (it bounds the step): tokens a USD, 12 decimals, below 2**64, not 0.
    """
    assert msg.sender == HUB, "pool: caller is not the hub"
    self._set_stake_price(price)


####################################################################
# OWNER OF THE POOL
####################################################################

@external
def stake_own(provider: uint256, amount: uint256) -> uint256:
    """
    @notice The pool's owner brings in `amount` gwei from its allowance of the token.
    @return Shares for it, rounded down.
    """
    need: uint256 = self.need[provider]
    assert stake_words._owner(need) == msg.sender, "pool: caller is not its owner"
    word: uint256 = self.own[provider]
    assets: uint256 = stake_words._assets(word)
    total: uint256 = stake_words._shares(word)
    assert not shares._dead(assets, total), "pool: dead, open a new provider"
    assert amount != 0 and amount <= M64 - assets, "pool: amount"
    minted: uint256 = shares._mint(amount, assets, total)
    assert minted != 0, "pool: too little for a share"
    assert minted <= M64 - total, "pool: too many shares"
    word = self._mark(provider, word, stake_words._units(need))
    self.own[provider] = word + amount * stake_words.ASSET + minted * stake_words.SHARE
    before: uint256 = staticcall TOKEN.balanceOf(self)
    assert extcall TOKEN.transferFrom(msg.sender, self, amount * WEI_A_GWEI, default_return_value=True), "pool: transfer refused"
    # a check and no accounting: a token that keeps a fee would leave the pool short
    assert staticcall TOKEN.balanceOf(self) == before + amount * WEI_A_GWEI, "pool: token kept a part"
    log IStakingPool.Staked(provider=provider, who=msg.sender, amount=amount, shares=minted)
    return minted


@external
def unstake_own(provider: uint256, part: uint256) -> uint256:
    """
    @notice The pool's owner moves `part` of its shares, none of them locked, into a ticket that can be withdrawn UNBONDING
            later and stays slashable until then. It may leave the pool below its required stake. A dead bucket pays what is left.
    @return Number of the ticket.
    """
    need: uint256 = self.need[provider]
    assert stake_words._owner(need) == msg.sender, "pool: not the owner's shares"
    word: uint256 = self.own[provider]
    total: uint256 = stake_words._shares(word)
    # locked <= total, so nothing wraps
    assert part != 0 and part <= unsafe_sub(total, stake_words._locked(word)), "pool: shares not free"
    amount: uint256 = shares._worth(part, stake_words._assets(word), total)
    assert amount != 0, "pool: worth nothing"
    word -= amount * stake_words.ASSET + part * stake_words.SHARE
    self.own[provider] = self._mark(provider, word, stake_words._units(need))
    fits: bool = False
    minted: uint256 = 0
    fits, minted = self._ticket_fits(provider, amount)
    # false only while old tickets lie in a bucket that was slashed by 99.9 %; they mature within UNBONDING
    assert fits, "pool: withdraw old tickets first"
    return self._issue(provider, msg.sender, amount, minted, 0)


####################################################################
# MARKET
####################################################################

@external
@reentrant
def lock(provider: uint256, bond: uint256, price: uint256) -> uint256:
    """
    @notice Locks own stake worth `bond` gwei for a lease. The pool must have its required stake; bonded stake still counts.
    @param price S as the hub's price word gives it to MARKET: the same figure that the hub pushes here, without a read of storage.
    @return Shares locked, rounded up; they rise and fall with the bucket.
    @dev The hot path: no lock, for it calls nobody, and the words are read in place.
    """
    assert msg.sender == MARKET, "pool: caller is not the market"
    word: uint256 = self.own[provider]
    assets: uint256 = word >> 192
    # assets >= ceil(units × S / 1e12); each factor is below 2**64
    assert unsafe_mul(assets, PRICE_ONE) >= unsafe_mul(self.need[provider] & M64, price), "pool: below required stake"
    total: uint256 = (word >> 128) & M64
    assert total != 0 and total <= unsafe_mul(assets, shares.DEAD_RATIO), "pool: no live stake"
    # shares._cover
    locked: uint256 = unsafe_div(bond * total + unsafe_sub(assets, 1), assets)
    assert locked <= unsafe_sub(total, (word >> 64) & M64), "pool: bond exceeds free stake"
    self.own[provider] = unsafe_add(word, unsafe_mul(locked, stake_words.LOCKED))
    log IStakingPool.BondLocked(provider=provider, amount=bond, shares=locked)
    return locked


####################################################################
# ESCROW
####################################################################

@external
def end_bond(provider: uint256, part: uint256, taken: uint256, to: address, limit: uint256):
    """
    @notice Ends a lease's bond: `part` shares are unlocked and `taken` of them are lost. Of the worth of these at most `limit`
            gwei becomes a ticket of `to`, the rest is burned. It succeeds on a dead bucket too; where no ticket can be
            issued (`to` is zero, or the tickets' bucket is dead) all of it is burned.
    """
    assert msg.sender == ESCROW, "pool: caller is not the escrow"
    word: uint256 = self.own[provider]
    assert part <= stake_words._locked(word), "pool: not locked"
    assert taken <= part, "pool: takes more than the bond"
    word = unsafe_sub(word, unsafe_mul(part, stake_words.LOCKED))
    paid: uint256 = 0
    burned: uint256 = 0
    if taken == 0:
        self.own[provider] = word
    else:
        # taken <= locked <= shares, so the division is by no zero and no field borrows
        burned = shares._worth(taken, stake_words._assets(word), stake_words._shares(word))
        word -= burned * stake_words.ASSET + taken * stake_words.SHARE
        self.own[provider] = self._mark(provider, word, stake_words._units(self.need[provider]))
        if to != empty(address) and limit != 0 and burned != 0:
            fits: bool = False
            minted: uint256 = 0
            fits, minted = self._ticket_fits(provider, min(burned, limit))
            if fits:
                paid = min(burned, limit)
                burned -= paid
                self.claims[provider] += minted
                self._issue(provider, to, paid, minted, stake_words.CLAIM)
        if burned != 0:
            extcall TOKEN.burn(burned * WEI_A_GWEI)
    log IStakingPool.BondEnded(provider=provider, shares=part, taken=taken, to=to, paid=paid, burned=burned)


####################################################################
# GRANTED
####################################################################

@external
def slash(provider: uint256, units: uint256, finder: address):
    """
    @notice Slashes own stake worth `units` (1e-9 USD) at the present S, rounded up, as far as the ceiling above admits: bonded
            and unbonding by the same factor. A fifth of what bonded stake and the tickets of unstake_own lost goes to the
            finder, rounded down (none to the zero address or to this contract), all else is burned.
    """
    assert grants._may_enter(msg.sender, SLASH), "pool: caller may not slash"
    need: uint256 = self.need[provider]
    assert need != 0, "pool: no such pool"
    admitted: uint256 = self._admit(provider, stake_words._units(need), units)
    word: uint256 = self.own[provider]
    tickets: uint256 = self.unbonding[provider]
    assets: uint256 = stake_words._assets(word)
    unbonded: uint256 = stake_words._assets(tickets)
    stake: uint256 = unsafe_add(assets, unbonded)
    loss: uint256 = min(self._required(admitted), unsafe_div(unsafe_mul(stake, MAX_CUT), TENTHS))
    from_own: uint256 = 0
    from_tickets: uint256 = 0
    if loss != 0:
        from_own, from_tickets = shares._cut(loss, assets, unbonded)
    self.own[provider] = self._mark(provider, word - from_own * stake_words.ASSET, stake_words._units(need))
    if from_tickets != 0:
        self.unbonding[provider] = tickets - from_tickets * stake_words.ASSET
    reward: uint256 = 0
    if finder != empty(address) and finder != self:
        earned: uint256 = from_own
        if from_tickets != 0:
            total: uint256 = stake_words._shares(tickets)
            # claims are a part of the bucket's shares; there are shares where there are assets
            earned += shares._worth(unsafe_sub(total, self.claims[provider]), from_tickets, total)
        reward = unsafe_div(earned, FINDER_PART)
    if reward != 0:
        assert extcall TOKEN.transfer(finder, reward * WEI_A_GWEI, default_return_value=True), "pool: reward refused"
    if loss != reward:
        extcall TOKEN.burn((loss - reward) * WEI_A_GWEI)
    log IStakingPool.Slashed(provider=provider, own=loss, delegated=0, finder=finder, reward=reward)


####################################################################
# ANYONE
####################################################################

@external
def withdraw(provider: uint256, who: address, ticket: uint256) -> uint256:
    """
    @notice Pays a mature ticket to its owner, whoever calls.
    @return Gwei paid, rounded down: what slashes left of it.
    """
    word: uint256 = self.ticket_of[provider][who][ticket]
    assert word != 0, "pool: no such ticket"
    assert block.timestamp >= stake_words._ticket_release(word), "pool: ticket not mature"
    part: uint256 = stake_words._ticket_shares(word)
    tickets: uint256 = self.unbonding[provider]
    amount: uint256 = shares._worth(part, stake_words._assets(tickets), stake_words._shares(tickets))
    self.unbonding[provider] = tickets - amount * stake_words.ASSET - part * stake_words.SHARE
    if word & stake_words.CLAIM != 0:
        self.claims[provider] -= part
    self.ticket_of[provider][who][ticket] = 0
    if amount != 0:
        assert extcall TOKEN.transfer(who, amount * WEI_A_GWEI, default_return_value=True), "pool: payment refused"
    log IStakingPool.Withdrawn(provider=provider, who=who, ticket=ticket, amount=amount)
    return amount


@external
def poke(provider: uint256):
    """
    @notice Records that the pool is below its required stake now, if it is; else does nothing.
    """
    need: uint256 = self.need[provider]
    assert need != 0, "pool: no such pool"
    word: uint256 = self.own[provider]
    marked: uint256 = self._mark(provider, word, stake_words._units(need))
    if marked != word:
        self.own[provider] = marked


####################################################################
# VIEW
####################################################################

@view
@external
def required(p: uint256) -> uint256:
    """
    @notice Stake in gwei that the provider's nodes need at the present S, rounded up.
    """
    return self._required(stake_words._units(self.need[p]))


@view
@external
def last_below(p: uint256) -> uint256:
    """
    @notice Time at which a touch last found or left the pool below its required stake; 0 if there is no pool.
    """
    return stake_words._last_below(self.own[p])


@view
@external
def ceiling(p: uint256) -> uint256:
    """
    @notice Units (1e-9 USD) that slashes can take from the provider now.
    """
    word: uint256 = self.faults[p]
    limit: uint256 = self._limit(word, stake_words._units(self.need[p]))
    return limit - min(limit, self._slashed(word, limit))


@view
@external
def grant_of(caller: address) -> uint256:
    """
    @notice Rights of `caller`: ever given 128 @128, in force now 128 @0 (1 = slash).
    """
    return grants.word[caller]


####################################################################
# Internal
####################################################################

@internal
def _set_stake_price(price: uint256):
    """
    @notice Sets S and logs the old and the new one.
    """
    assert price != 0 and price <= M64, "pool: stake price"
    log IStakingPool.StakePriceSet(old=self.stake_price, new=price)
    self.stake_price = price


@internal
@view
def _required(units: uint256) -> uint256:
    """
    @notice ceil(units x S / 1e12) gwei. Units (here at most 3 x 2**64) and S (< 2**64) are bounded: nothing overflows.
    """
    return unsafe_div(unsafe_add(unsafe_mul(units, self.stake_price), PRICE_ONE - 1), PRICE_ONE)


@internal
def _mark(provider: uint256, word: uint256, units: uint256) -> uint256:
    """
    @notice own[p] with last_below = now if its assets are below the requirement of `units`, else as it is.
    """
    if stake_words._assets(word) >= self._required(units) or stake_words._last_below(word) == block.timestamp:
        return word
    log IStakingPool.FellBelow(provider=provider, at=block.timestamp)
    return stake_words._with_last_below(word, block.timestamp)


@internal
@view
def _ticket_fits(provider: uint256, amount: uint256) -> (bool, uint256):
    """
    @notice Whether a ticket of `amount` gwei (not 0) can enter the bucket of tickets now, and its shares, rounded down.
    """
    word: uint256 = self.unbonding[provider]
    assets: uint256 = stake_words._assets(word)
    total: uint256 = stake_words._shares(word)
    if shares._dead(assets, total):
        return False, 0
    minted: uint256 = shares._mint(amount, assets, total)
    return minted != 0 and amount <= M64 - assets and minted <= M64 - total, minted


@internal
def _issue(provider: uint256, who: address, amount: uint256, minted: uint256, mark: uint256) -> uint256:
    """
    @notice Writes a new ticket of `who`; tickets never merge, so no ticket moves another's clock.
    @param mark CLAIM for a renter's damages, else 0.
    @return Its number.
    """
    self.unbonding[provider] += amount * stake_words.ASSET + minted * stake_words.SHARE
    stake: uint256 = self.stake_of[provider][who]
    number: uint256 = stake_words._issued(stake)
    release: uint256 = block.timestamp + UNBONDING
    self.stake_of[provider][who] = stake + stake_words.ISSUED
    self.ticket_of[provider][who][number] = stake_words._ticket(minted, release) | mark
    log IStakingPool.Unbonding(provider=provider, who=who, ticket=number, amount=amount, release=release)
    return number


@internal
@view
def _limit(word: uint256, units: uint256) -> uint256:
    """
    @notice Units that the bucket of the ceiling holds: FAULT_FACTOR x the largest units of the last 30 PERIODs.
    """
    if block.timestamp < stake_words._peak_until(word):
        return FAULT_FACTOR * max(units, stake_words._peak(word))
    return FAULT_FACTOR * units


@internal
@view
def _slashed(word: uint256, limit: uint256) -> uint256:
    """
    @notice Units slashed that have not leaked away since: the whole `limit` leaks in 30 PERIODs, rounded down.
    """
    # limit < 2**66 and the time < 2**40: no product overflows
    leaked: uint256 = limit * (block.timestamp - stake_words._slashed_at(word)) // (FAULT_PERIODS * PERIOD)
    slashed: uint256 = stake_words._slashed(word)
    return slashed - min(slashed, leaked)


@internal
def _admit(provider: uint256, units: uint256, asked: uint256) -> uint256:
    """
    @notice Books a slash of `asked` units on the bucket of the ceiling.
    @return Units that it may take.
    """
    word: uint256 = self.faults[provider]
    limit: uint256 = self._limit(word, units)
    slashed: uint256 = self._slashed(word, limit)
    admitted: uint256 = min(asked, limit - min(limit, slashed))
    # a slash that takes nothing must not restart the clock: what leaks between two calls would round to nothing
    if admitted != 0:
        self.faults[provider] = stake_words._faults(
            slashed + admitted, block.timestamp, stake_words._peak(word), stake_words._peak_until(word)
        )
    return admitted
