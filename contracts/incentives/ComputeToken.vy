# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title ComputeToken
@license AGPL-3.0-only
@notice The token of Hearth (HRTH): ERC-20 with EIP-2612 permit and burning. One minter for ever, the BurnMintEngine.
        Amounts are wei (1e-18 token). Source: docs/protocol.md, "BurnMintEngine, Emission".
@custom:security There is no owner, no pause, no blacklist, no fee and no upgrade. Worst case of the minter: it mints up to
        MAX_SUPPLY; its own rule (never more than was burned) is what stops it. Worst case of a spender: its allowance.
        The contract calls nobody, so each function is marked `@reentrant`: a lock would cost 300 gas and stop nothing.
@custom:kill Nothing stops a transfer, a burn or an approval.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from snekmate.utils import ecdsa
from snekmate.utils import eip712_domain_separator

from ..interfaces import IComputeToken

implements: IComputeToken
implements: IERC20
implements: IERC20Detailed

initializes: eip712_domain_separator
exports: eip712_domain_separator.eip712Domain


####################################################################
# Immutables and constants
####################################################################

MINTER: reentrant(public(immutable(address)))

VERSION: reentrant(public(constant(String[8]))) = "1"
name: reentrant(public(constant(String[25]))) = "Hearth"
symbol: reentrant(public(constant(String[5]))) = "HRTH"
decimals: reentrant(public(constant(uint8))) = 18

# Wei. 1e10 tokens: gwei of the whole supply fit 64 bits (StakingPool) and wei fit 96 bits (backing in LeaseEscrow).
MAX_SUPPLY: constant(uint256) = 10**28
# EIP-2612.
PERMIT_TYPE: constant(bytes32) = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")


####################################################################
# Storage
####################################################################

balanceOf: reentrant(public(HashMap[address, uint256]))
allowance: reentrant(public(HashMap[address, HashMap[address, uint256]]))
totalSupply: reentrant(public(uint256))
nonces: reentrant(public(HashMap[address, uint256]))


####################################################################
# Constructor
####################################################################

@deploy
def __init__(minter: address, holder: address, supply: uint256):
    """
    @param minter The BurnMintEngine, at the address predicted from the deployer's nonce.
    @param holder Receives the genesis supply.
    @param supply Genesis supply in wei, at most MAX_SUPPLY.
    """
    assert minter != empty(address), "token: minter is zero"
    assert holder != empty(address), "token: holder is zero"
    assert supply <= MAX_SUPPLY, "token: genesis supply"
    eip712_domain_separator.__init__("Hearth", "1")
    MINTER = minter
    self.totalSupply = supply
    self.balanceOf[holder] = supply
    log IComputeToken.Transfer(sender=empty(address), receiver=holder, amount=supply)


####################################################################
# HOLDER and SPENDER
####################################################################

@external
@reentrant
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Moves `amount` wei from the caller to `to`. Zero amounts and transfers to oneself are ordinary transfers.
    @return True; failures revert.
    """
    self._move(msg.sender, to, amount)
    return True


@external
@reentrant
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    """
    @notice Moves `amount` wei of `owner` to `to` out of the caller's allowance; the largest uint256 is an allowance
            that no spend lowers. A spend logs no Approval: ERC-20 asks it of `approve` only.
    @return True; failures revert.
    """
    # a Transfer from the zero address would read as a mint
    assert owner != empty(address), "token: transfer from zero"
    self._spend(owner, amount)
    self._move(owner, to, amount)
    return True


@external
@reentrant
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice Sets the allowance of `spender` over the caller's tokens to `amount` wei, whatever it was.
    @return True; failures revert.
    """
    self._approve(msg.sender, spender, amount)
    return True


@external
@reentrant
def permit(owner: address, spender: address, amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32):
    """
    @notice Sets an allowance by the owner's signature (EIP-2612); anyone may carry it, once.
    @param deadline Unix second up to which the signature holds.
    @param v Signature, with `r` and `s`; the upper half of s is refused.
    """
    assert block.timestamp <= deadline, "token: permit expired"
    nonce: uint256 = self.nonces[owner]
    self.nonces[owner] = unsafe_add(nonce, 1)
    digest: bytes32 = eip712_domain_separator._hash_typed_data_v4(
        keccak256(abi_encode(PERMIT_TYPE, owner, spender, amount, nonce, deadline))
    )
    # _recover_vrs never gives zero, so no signature speaks for the zero address
    signer: address = ecdsa._recover_vrs(digest, convert(v, uint256), convert(r, uint256), convert(s, uint256))
    assert signer == owner, "token: permit signature"
    self._approve(owner, spender, amount)


@external
@reentrant
def burn(amount: uint256):
    """
    @notice Destroys `amount` wei of the caller.
    """
    self._burn(msg.sender, amount)


@external
@reentrant
def burnFrom(owner: address, amount: uint256):
    """
    @notice Destroys `amount` wei of `owner` out of the caller's allowance.
    """
    self._spend(owner, amount)
    self._burn(owner, amount)


####################################################################
# MINTER
####################################################################

@external
@reentrant
def mint(to: address, amount: uint256):
    """
    @notice Creates `amount` wei for `to`. Only the minter; the supply never exceeds MAX_SUPPLY.
    """
    assert msg.sender == MINTER, "token: caller is not the minter"
    assert to != empty(address), "token: mint to zero"
    supply: uint256 = self.totalSupply
    assert amount <= MAX_SUPPLY - supply, "token: supply cap"
    # no balance exceeds the supply, so neither sum carries
    self.totalSupply = unsafe_add(supply, amount)
    self.balanceOf[to] = unsafe_add(self.balanceOf[to], amount)
    log IComputeToken.Transfer(sender=empty(address), receiver=to, amount=amount)


####################################################################
# VIEW
####################################################################

@view
@external
@reentrant
def DOMAIN_SEPARATOR() -> bytes32:
    """
    @notice EIP-712 domain separator of `permit` on the present chain.
    """
    return eip712_domain_separator._domain_separator_v4()


####################################################################
# Internal
####################################################################

@internal
def _move(owner: address, to: address, amount: uint256):
    """
    @notice Moves tokens. The supply is the sum of balances and at most MAX_SUPPLY, so no sum carries.
    """
    assert to != empty(address), "token: transfer to zero"
    balance: uint256 = self.balanceOf[owner]
    assert balance >= amount, "token: balance"
    self.balanceOf[owner] = unsafe_sub(balance, amount)
    self.balanceOf[to] = unsafe_add(self.balanceOf[to], amount)
    log IComputeToken.Transfer(sender=owner, receiver=to, amount=amount)


@internal
def _burn(owner: address, amount: uint256):
    """
    @notice Destroys tokens of `owner`; a balance is never more than the supply.
    """
    balance: uint256 = self.balanceOf[owner]
    assert balance >= amount, "token: burn exceeds balance"
    self.balanceOf[owner] = unsafe_sub(balance, amount)
    self.totalSupply = unsafe_sub(self.totalSupply, amount)
    log IComputeToken.Transfer(sender=owner, receiver=empty(address), amount=amount)


@internal
def _spend(owner: address, amount: uint256):
    """
    @notice Takes `amount` off the caller's allowance over `owner`, unless it is unlimited.
    """
    allowed: uint256 = self.allowance[owner][msg.sender]
    if allowed != max_value(uint256):
        assert allowed >= amount, "token: allowance"
        self.allowance[owner][msg.sender] = unsafe_sub(allowed, amount)


@internal
def _approve(owner: address, spender: address, amount: uint256):
    """
    @notice Sets an allowance and logs it.
    """
    assert spender != empty(address), "token: approve zero"
    self.allowance[owner][spender] = amount
    log IComputeToken.Approval(owner=owner, spender=spender, amount=amount)
