# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title BurnMintEngine
@license AGPL-3.0-only
@notice The only gate between tokens and credits, and the token's only minter. Credits are made by burning; each carries as
        backing the tokens burned for it, and whatever is minted for it is at most that backing: no coalition ever mints
        more than it burned, under any price path and any lying oracle. There is no pool, no ratio and nothing to run on.
        Prices are USD a token with 12 decimals, credits wei of a USD, tokens wei, shares bps.
        Source: docs/protocol.md, "BurnMintEngine, Emission".
@custom:security Worst case of OWNER: a fee up to the immutable ceiling (known a PERIOD ahead), a peg of 0, a hub that lies:
        payouts between 0 and CAP × backing. Of a hub that lies: the same. Of a granted ledger: it gives away what was
        burned into it, nothing of another ledger's. Of ESCROW: likewise.
        The functions that call a granted ledger or change settings are locked. The others are `@reentrant`: they call immutable
        peers and the owner's hub (static), none of which calls up, so nothing changes a word held across such a call; a lock
        would cost 300 gas and stop nothing. The token is called without a look at its code: it was deployed first.
@custom:kill Entries (buy, pay) stop by the hub's price word, named in the error; a granted ledger's also by taking its grant back.
        Nothing stops redeem, refund or pay_builders: a dead oracle means the last price.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step

from ..interfaces import IAttestationHub
from ..interfaces import IBurnMintEngine
from ..interfaces import IComputeToken
from ..interfaces import ILeaseEscrow
from ..interfaces import INodeRegistry
from ..modules import credits as balances
from ..modules import epochs
from ..modules import grants
from ..modules import price_word
from ..modules import timeline

implements: IBurnMintEngine

initializes: epochs
initializes: grants
initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: timeline

# They write the owner's two words and call nobody, so they need no lock.
exports: ownable_2step.owner
exports: ownable_2step.pending_owner
exports: ownable_2step.transfer_ownership
exports: ownable_2step.accept_ownership


####################################################################
# Immutables
####################################################################

TOKEN: public(immutable(IComputeToken))
REGISTRY: public(immutable(INodeRegistry))
ESCROW: public(immutable(ILeaseEscrow))
# seconds: an older price buys nothing
MAX_AGE: public(immutable(uint256))
# bps kept back at each passage from tokens to credits and back, so that a round trip always costs
SPREAD: public(immutable(uint256))
# bps of the backing that a redemption mints at most: the ceiling of the peg, for ever
CAP: public(immutable(uint256))
# bps: the fee is never higher; the bounty and it together take at most a tenth
MAX_FEE: public(immutable(uint256))

####################################################################
# Constants
####################################################################

VERSION: public(constant(String[8])) = "1"
# The right that a grant of this contract can give: to be bought into.
LEDGER: constant(uint256) = 1
BPS: constant(uint256) = 10_000
# bps: what provider and settler lose to fee and bounty together
MAX_CUT: constant(uint256) = 1_000
# bps of the escrow's settlements: the escrow's own ceiling
MAX_BOUNTY: constant(uint256) = 100
# bps: a wider spread would make credits a trap
MAX_SPREAD: constant(uint256) = 1_000
# bps of the fee; the rest, at least half of it, is destroyed
MAX_ATTESTERS: constant(uint256) = 3_000
MAX_BUILDERS: constant(uint256) = 2_000
# epochs: a running lease may be paid into until the price is a day old, or pay-as-you-go would die of every pause
PAY_AGE: constant(uint256) = 24
# Lanes of the config word, modules/timeline.vy: the settings that a tally has of its own period.
PEG: constant(uint256) = 192
FEE: constant(uint256) = 128
HUB: constant(uint256) = 64
M16: constant(uint256) = 2**16 - 1
# shares of the fee
SHARES: constant(uint256) = 2**32 - 1
M32: constant(uint256) = 2**32 - 1
M96: constant(uint256) = 2**96 - 1
M128: constant(uint256) = 2**128 - 1

####################################################################
# Storage
####################################################################

# hub 160 @96 | outstanding backing of ESCROW 96 @0: one word, for each entry and exit reads both. MAX_SUPPLY < 2**96.
core: uint256
# peg 64 @192 | fee 64 @128 | hub 64 @64 (its address is in core) | builders 16 @16 | attesters 16 @0
config: uint256
# tokens owed: attesters 128 @128 | builders 128 @0
owed: uint256
# receives the builders' share
builders: public(address)
# ledger -> outstanding backing, but for ESCROW
others: HashMap[address, uint256]


@deploy
def __init__(
    token: address,
    hub: address,
    registry: address,
    escrow: address,
    genesis: uint256,
    slot: uint256,
    epochs_per_period: uint256,
    max_age: uint256,
    spread: uint256,
    peg: uint256,
    cap: uint256,
    fee: uint256,
    attesters: uint256,
    builders_share: uint256,
    builders: address,
    bounty: uint256,
):
    """
    @notice Peers are addresses predicted from the deployer's nonce; none is called here. The deployer owns the settings.
    @param token A peer for ever, as are registry and escrow. @param hub The first hub.
    @param genesis Unix seconds. @param slot Seconds. @param epochs_per_period Epochs.
    @param max_age Seconds; 2 epochs in the default profile. @param spread bps, at most 1,000.
    @param peg bps, at most cap. @param cap bps, at most 10,000. @param fee bps; with the bounty at most 1,000.
    @param attesters bps of the fee, at most 3,000. @param builders_share bps of the fee, at most 2,000.
    @param builders Receives the builders' share. @param bounty The escrow's, bps, at most 100.
    """
    assert empty(address) not in [token, hub, registry, escrow], "engine: zero peer"
    assert max_age != 0 and max_age <= M32, "engine: age out of range"
    assert spread <= MAX_SPREAD, "engine: spread too wide"
    assert cap <= BPS, "engine: cap over 100 %"
    assert bounty <= MAX_BOUNTY, "engine: bounty too high"
    epochs.__init__(genesis, slot, epochs_per_period)
    ownable.__init__()
    ownable_2step.__init__()
    TOKEN = IComputeToken(token)
    REGISTRY = INodeRegistry(registry)
    ESCROW = ILeaseEscrow(escrow)
    MAX_AGE = max_age
    SPREAD = spread
    CAP = cap
    MAX_FEE = MAX_CUT - bounty
    self.core = convert(hub, uint256) << 96
    self._check_fee(fee, attesters, builders_share)
    self._check_peg(peg)
    # from period 0 on
    self.config = peg << PEG | fee << FEE | builders_share << 16 | attesters
    log IBurnMintEngine.PegSet(old=0, new=peg, period=0)
    self._set_builders(builders)


####################################################################
# OWNER
####################################################################

@external
def set_fee(fee: uint256, attesters: uint256, builders: uint256):
    """
    @notice Sets the fee of the periods to come, the present one paying the old: a tally pays the fee that was in force when
            its period ended, whenever it is redeemed. One change of it a period, and 128 ever. The shares of the fee hold at
            once; given with the fee as it stands they change alone, which counts as no change of it.
    @param fee bps of a tally. @param attesters bps of the fee. @param builders bps of the fee.
    """
    ownable._check_owner()
    self._check_fee(fee, attesters, builders)
    word: uint256 = self.config
    old: uint256 = timeline._newest(word, FEE)
    period: uint256 = timeline._first(word, FEE)
    shares: uint256 = builders << 16 | attesters
    if fee != old:
        next: uint256 = epochs._period(block.timestamp) + 1
        assert period < next, "engine: a fee change is pending"
        assert not timeline._is_full(word, FEE), "engine: too many fees"
        period = next
        word = timeline._change(word, FEE, old, fee, period)
    else:
        # so that no change of the 128 is spent on nothing
        assert shares != word & SHARES, "engine: fee unchanged"
    self.config = word & ~SHARES | shares
    log IBurnMintEngine.FeeSet(old=old, new=fee, attesters=attesters, builders=builders, period=period)


@external
def set_peg(peg: uint256):
    """
    @notice Sets the part of a tally's worth that a redemption mints, of the periods to come: a tally gets the peg that was in
            force when its period ended, whenever it is redeemed. One change a period, and 128 ever; to the peg as it stands
            is none and refused.
    @param peg bps, at most CAP.
    """
    ownable._check_owner()
    self._check_peg(peg)
    word: uint256 = self.config
    old: uint256 = timeline._newest(word, PEG)
    period: uint256 = epochs._period(block.timestamp) + 1
    assert timeline._first(word, PEG) < period, "engine: a peg change is pending"
    assert peg != old, "engine: peg unchanged"
    assert not timeline._is_full(word, PEG), "engine: too many pegs"
    self.config = timeline._change(word, PEG, old, peg, period)
    log IBurnMintEngine.PegSet(old=old, new=peg, period=period)


@external
def set_builders(builders: address):
    """
    @notice Sets who receives the builders' share, what is owed so far included.
    """
    ownable._check_owner()
    self._set_builders(builders)


@external
def set_hub(hub: address):
    """
    @notice Sets the hub that gives the price of the present period on; periods that ended before are asked of the old one.
            128 changes ever.
    """
    ownable._check_owner()
    assert hub != empty(address), "engine: hub is zero"
    period: uint256 = epochs._period(block.timestamp)
    core: uint256 = self.core
    old: uint256 = core >> 96
    word: uint256 = self.config
    assert not timeline._is_full(word, HUB), "engine: too many hubs"
    self.config = timeline._change(word, HUB, old, 0, period)
    self.core = convert(hub, uint256) << 96 | core & M96
    log IBurnMintEngine.HubSet(old=convert(old, address), new=hub, period=period)


@external
def set_grant(ledger: address, rights: uint256):
    """
    @notice Lets credits be bought into another ledger (1), or no longer (0). What was bought stays redeemable for ever.
    """
    ownable._check_owner()
    assert ledger != empty(address) and ledger != ESCROW.address, "engine: no ledger to grant"
    assert rights <= LEDGER, "engine: unknown right"
    grants._set(ledger, rights)


####################################################################
# HOLDER
####################################################################

@external
@reentrant
def buy(amount: uint256, least: uint256) -> uint256:
    """
    @notice Burns tokens of the caller (an allowance to this contract) for credits in its purse.
    @param amount Token wei. @param least Fewest credits that the caller accepts.
    @return Credits, wei of a USD.
    """
    core: uint256 = self.core
    credits: uint256 = 0
    price: uint256 = 0
    credits, price = self._entry(core, amount, least, price_word.PAUSED | price_word.CLAMPED, MAX_AGE)
    self._grow(core, amount)
    extcall ESCROW.credit(msg.sender, credits, amount)
    extcall TOKEN.burnFrom(msg.sender, amount, skip_contract_check=True)
    log IBurnMintEngine.Bought(owner=msg.sender, lease=0, burned=amount, credits=credits, price=price)
    return credits


@external
def buy_into(ledger: address, amount: uint256, least: uint256) -> uint256:
    """
    @notice `buy` into the caller's purse of a granted ledger.
    """
    self._check_entry(ledger)
    credits: uint256 = 0
    price: uint256 = 0
    credits, price = self._entry(self.core, amount, least, price_word.PAUSED | price_word.CLAMPED, MAX_AGE)
    self.others[ledger] += amount
    extcall ILeaseEscrow(ledger).credit(msg.sender, credits, amount)
    extcall TOKEN.burnFrom(msg.sender, amount)
    log IBurnMintEngine.BoughtInto(ledger=ledger, owner=msg.sender, lease=0, burned=amount, credits=credits, price=price)
    return credits


@external
@reentrant
def pay(lease: uint256, amount: uint256, least: uint256) -> uint256:
    """
    @notice Burns tokens of the caller straight into a running lease; only what fits is burned. Works while entries are paused,
            and until the price is a day old.
    @param amount At most so many token wei. @param least Fewest credits that the caller accepts for all of `amount`.
    @return Credits that fitted.
    """
    credits: uint256 = 0
    price: uint256 = 0
    core: uint256 = self.core
    credits, price = self._entry(core, amount, least, price_word.CLAMPED, unsafe_mul(PAY_AGE, epochs.EPOCH))
    fitted: uint256 = 0
    burned: uint256 = 0
    fitted, burned = extcall ESCROW.pay_in(lease, credits, amount, msg.sender)
    self._grow(core, burned)
    extcall TOKEN.burnFrom(msg.sender, burned, skip_contract_check=True)
    log IBurnMintEngine.Bought(owner=msg.sender, lease=lease, burned=burned, credits=fitted, price=price)
    return fitted


@external
def pay_into(ledger: address, lease: uint256, amount: uint256, least: uint256) -> uint256:
    """
    @notice `pay` into a running lease of a granted ledger.
    """
    self._check_entry(ledger)
    credits: uint256 = 0
    price: uint256 = 0
    credits, price = self._entry(self.core, amount, least, price_word.CLAMPED, unsafe_mul(PAY_AGE, epochs.EPOCH))
    fitted: uint256 = 0
    burned: uint256 = 0
    fitted, burned = extcall ILeaseEscrow(ledger).pay_in(lease, credits, amount, msg.sender)
    # another ledger is not trusted with more of the caller's tokens than the caller named
    assert burned <= amount, "engine: ledger asks for more"
    self.others[ledger] += burned
    extcall TOKEN.burnFrom(msg.sender, burned)
    log IBurnMintEngine.BoughtInto(ledger=ledger, owner=msg.sender, lease=lease, burned=burned, credits=fitted, price=price)
    return fitted


@external
@reentrant
def refund(credits: uint256, least: uint256) -> uint256:
    """
    @notice Unspent credits of the caller's purse back to tokens: min(x / max(P, TWAP), their backing), less the spread. Always
            open; a dead oracle means the last price.
    @param credits Wei of a USD. @param least Fewest token wei that the caller accepts.
    @return Token wei minted.
    """
    return self._refund(ESCROW, credits, least)


@external
def refund_from(ledger: address, credits: uint256, least: uint256) -> uint256:
    """
    @notice `refund` of a purse in a ledger that was granted once.
    """
    self._check_exit(ledger)
    return self._refund(ILeaseEscrow(ledger), credits, least)


####################################################################
# ANYONE
####################################################################

@external
@reentrant
def redeem(key: uint256, periods: DynArray[uint256, 32]) -> uint256:
    """
    @notice Turns tallies of the escrow into tokens, for the provider's payout address or the address itself. Reverts while the
            price of a period with a tally is open; an empty tally is passed over.
    @param key A provider id (below 2**24), or an address as a number.
    @return Token wei minted.
    """
    return self._redeem(ESCROW, key, periods)


@external
def redeem_from(ledger: address, key: uint256, periods: DynArray[uint256, 32]) -> uint256:
    """
    @notice `redeem` of a ledger that was granted once.
    """
    self._check_exit(ledger)
    return self._redeem(ILeaseEscrow(ledger), key, periods)


@external
@reentrant
def pay_builders() -> uint256:
    """
    @notice Mints what is owed to the builders.
    @return Token wei.
    """
    word: uint256 = self.owed
    amount: uint256 = word & M128
    assert amount != 0, "engine: nothing owed"
    self.owed = word - amount
    to: address = self.builders
    extcall TOKEN.mint(to, amount)
    log IBurnMintEngine.PotPaid(to=to, amount=amount)
    return amount


####################################################################
# VIEW
####################################################################

@view
@external
@reentrant
def outstanding(ledger: address) -> uint256:
    """
    @notice Tokens burned into a ledger and not retired from it: the most that can ever be minted out of it.
    """
    if ledger == ESCROW.address:
        return self.core & M96
    return self.others[ledger]


@view
@external
@reentrant
def pots() -> (uint256, uint256):
    """
    @notice Token wei owed to the attesters and to the builders. The first are only counted: no function pays them yet.
    """
    word: uint256 = self.owed
    return word >> 128, word & M128


@view
@external
@reentrant
def quote(amount: uint256) -> uint256:
    """
    @notice Credits for a burn of `amount` token wei at the newest price, whatever its flags and age.
    """
    assert amount <= M96, "engine: quote too large"
    return balances._bought(amount, price_word._low(staticcall self._hub().price()), SPREAD)


@view
@external
@reentrant
def hub() -> address:
    """
    @notice The present hub.
    """
    return self._hub().address


@view
@external
@reentrant
def hub_of(period: uint256) -> address:
    """
    @notice The hub that gives the price of a period.
    """
    return self._hub_of(period, self.core, self.config).address


@view
@external
@reentrant
def fee_of(period: uint256) -> uint256:
    """
    @notice Fee of a provider's tally of that period, bps.
    """
    return timeline._of(self.config, FEE, period)


@view
@external
@reentrant
def peg() -> uint256:
    """
    @notice Part of a tally's worth that a redemption mints, bps: the newest, see `peg_of`.
    """
    return timeline._newest(self.config, PEG)


@view
@external
@reentrant
def peg_of(period: uint256) -> uint256:
    """
    @notice Part of the worth of a tally of that period that a redemption mints, bps.
    """
    return timeline._of(self.config, PEG, period)


@view
@external
@reentrant
def shares() -> (uint256, uint256):
    """
    @notice Shares of the fee that the attesters and the builders get, bps.
    """
    word: uint256 = self.config
    return word & M16, (word >> 16) & M16


@view
@external
@reentrant
def grant_of(ledger: address) -> uint256:
    """
    @notice Rights ever given 128 @128 | rights that may enter now 128 @0.
    """
    return grants.word[ledger]


####################################################################
# Internal: settings
####################################################################

@internal
@view
def _check_fee(fee: uint256, attesters: uint256, builders: uint256):
    assert fee <= MAX_FEE, "engine: fee too high"
    assert attesters <= MAX_ATTESTERS, "engine: attesters share too high"
    assert builders <= MAX_BUILDERS, "engine: builders' share too high"


@internal
@view
def _check_peg(peg: uint256):
    assert peg <= CAP, "engine: peg over the cap"


@internal
def _set_builders(builders: address):
    assert builders != empty(address), "engine: builders is zero"
    old: address = self.builders
    self.builders = builders
    log IBurnMintEngine.BuildersSet(old=old, new=builders)


@internal
@view
def _hub() -> IAttestationHub:
    return IAttestationHub(convert(self.core >> 96, address))


@internal
@view
def _hub_of(period: uint256, core: uint256, config: uint256) -> IAttestationHub:
    """@notice The present hub from its first period on, before that the one which was."""
    if period >= timeline._first(config, HUB):
        return IAttestationHub(convert(core >> 96, address))
    return IAttestationHub(convert(timeline._before(config, HUB, period), address))


####################################################################
# Internal: entries
####################################################################

@internal
@view
def _entry(core: uint256, amount: uint256, least: uint256, refused: uint256, age: uint256) -> (uint256, uint256):
    """
    @notice The gate of an entry and what it buys.
    @param refused Flags of the price word that refuse it. @param age Seconds: the oldest price that it takes.
    @return Credits for burning `amount`, and min(P, TWAP) that made them.
    """
    word: uint256 = staticcall IAttestationHub(convert(core >> 96, address)).price()
    if word & refused != 0:
        assert word & refused & price_word.PAUSED == 0, "engine: paused"
        raise "engine: clamped"
    assert block.timestamp <= unsafe_add((word >> 24) & price_word.M40, age), "engine: stale price"
    assert amount <= M96, "engine: amount too large"
    low: uint256 = min(word >> 192, (word >> 128) & price_word.M64)
    credits: uint256 = balances._bought(amount, low, SPREAD)
    assert credits >= max(least, 1), "engine: too few credits"
    return credits, low


@internal
def _grow(core: uint256, amount: uint256):
    """@notice Adds burned tokens to the escrow's outstanding backing. All were supply: the sum stays below 2**96."""
    assert unsafe_add(core & M96, amount) <= M96, "engine: outstanding too wide"
    self.core = unsafe_add(core, amount)


@internal
@view
def _check_entry(ledger: address):
    assert grants._may_enter(ledger, LEDGER), "engine: ledger not granted"


####################################################################
# Internal: exits
####################################################################

@internal
@view
def _check_exit(ledger: address):
    assert grants._may_exit(ledger, LEDGER), "engine: ledger never granted"


@internal
def _retire(ledger: ILeaseEscrow, amount: uint256):
    """@notice Takes retired backing off a ledger: no ledger takes out more than was burned into it."""
    if ledger.address == ESCROW.address:
        core: uint256 = self.core
        assert amount <= core & M96, "engine: beyond outstanding"
        self.core = unsafe_sub(core, amount)
    else:
        left: uint256 = self.others[ledger.address]
        assert amount <= left, "engine: beyond ledger's backing"
        self.others[ledger.address] = unsafe_sub(left, amount)


@internal
def _refund(ledger: ILeaseEscrow, credits: uint256, least: uint256) -> uint256:
    """@notice Credits out of a purse of the ledger, tokens to the caller; all their backing is retired."""
    # a purse holds less; wider, the product with a price's one would carry
    assert credits != 0 and credits <= M128, "engine: credits out of range"
    price: uint256 = price_word._high(staticcall self._hub().price())
    backing: uint256 = extcall ledger.debit(msg.sender, credits)
    self._retire(ledger, backing)
    minted: uint256 = balances._refund(credits, backing, price, SPREAD)
    assert minted >= least, "engine: too few tokens"
    extcall TOKEN.mint(msg.sender, minted)
    if ledger.address == ESCROW.address:
        log IBurnMintEngine.Refunded(owner=msg.sender, credits=credits, backing=backing, minted=minted, price=price)
    else:
        log IBurnMintEngine.RefundedFrom(
            ledger=ledger.address, owner=msg.sender, credits=credits, backing=backing, minted=minted, price=price
        )
    return minted


@internal
def _redeem(ledger: ILeaseEscrow, key: uint256, periods: DynArray[uint256, 32]) -> uint256:
    """
    @notice Empties tallies and mints for them: y' = y - fee and k' = k - the pots' backing give min(peg·y'/R, CAP·k').
    @dev Per tally minted and owed together are at most CAP × k, and all of k is retired. credits < 2**128, backing < 2**128.
    """
    core: uint256 = self.core
    config: uint256 = self.config
    to: address = empty(address)
    if key >> 24 == 0:
        to = staticcall REGISTRY.payout(key)
    else:
        to = convert(key, address)
    retired: uint256 = 0
    sum: uint256 = 0
    owed: uint256 = 0
    for period: uint256 in periods:
        word: uint256 = extcall ledger.take(key, period)
        credits: uint256 = word >> 128
        backing: uint256 = word & M128
        if credits == 0:
            continue
        price: uint256 = staticcall self._hub_of(period, core, config).period_price(period)
        peg: uint256 = timeline._of(config, PEG, period)
        retired += backing
        fee: uint256 = 0
        kept: uint256 = backing
        attesters: uint256 = 0
        builders: uint256 = 0
        # a bounty pays no fee
        if key >> 24 == 0:
            fee = balances._fee(credits, timeline._of(config, FEE, period))
            share: uint256 = balances._share(fee, config & M16)
            part: uint256 = unsafe_div(unsafe_mul(backing, share), credits)
            attesters = balances._worth(share, part, price, peg, CAP)
            kept = unsafe_sub(kept, part)
            share = balances._share(fee, (config >> 16) & M16)
            part = unsafe_div(unsafe_mul(backing, share), credits)
            builders = balances._worth(share, part, price, peg, CAP)
            kept = unsafe_sub(kept, part)
            owed += attesters << 128 | builders
        minted: uint256 = balances._worth(unsafe_sub(credits, fee), kept, price, peg, CAP)
        sum += minted
        log IBurnMintEngine.Redeemed(
            ledger=ledger.address,
            key=key,
            period=period,
            credits=credits,
            backing=backing,
            minted=minted,
            fee=fee,
            attesters=attesters,
            builders=builders,
            to=to,
        )
    if retired != 0:
        self._retire(ledger, retired)
    if owed != 0:
        self.owed += owed
    if sum != 0:
        extcall TOKEN.mint(to, sum)
    return sum
