"""ComputeToken in memory. Amounts are wei, addresses numbers. Source: docs/protocol.md §9; contracts/incentives."""

from __future__ import annotations

from keepers.protocol.hashing import keccak, word
from keepers.protocol.messages import Domain, address_text
from keepers.protocol.units import MAX_SUPPLY
from keepers.simulate.state import Context, Event, Journal, Store, require

UNLIMITED = 2**256 - 1
PERMIT_TYPE = keccak(b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")


class Token:
    """Balances, allowances, supply; one minter."""

    def __init__(self, journal: Journal, context: Context, address: int, minter: int, holder: int, supply: int) -> None:
        self._journal = journal
        self._context = context
        self.address = address
        self.minter = minter
        self.balance: Store[int, int] = Store(journal, 0)
        self.allowed: Store[tuple[int, int], int] = Store(journal, 0)
        self.nonce: Store[int, int] = Store(journal, 0)
        self._supply: Store[str, int] = Store(journal, 0)
        self._supply["supply"] = supply
        self.balance[holder] = supply

    @property
    def total_supply(self) -> int:
        """Tokens in existence, wei."""
        return self._supply["supply"]

    def transfer(self, to: int, amount: int, *, sender: int) -> bool:
        """Moves the caller's tokens."""
        self._move(sender, to, amount)
        return True

    def transfer_from(self, owner: int, to: int, amount: int, *, sender: int) -> bool:
        """Moves tokens out of the caller's allowance."""
        require(owner != 0, "token: transfer from zero")
        self._spend(owner, amount, sender)
        self._move(owner, to, amount)
        return True

    def approve(self, spender: int, amount: int, *, sender: int) -> bool:
        """Sets an allowance."""
        self._approve(sender, spender, amount)
        return True

    def permit(
        self, owner: int, spender: int, amount: int, deadline: int, v: int, r: bytes, s: bytes, *, sender: int
    ) -> None:
        """Sets an allowance by the owner's signature, whoever carries it."""
        require(self._context.now <= deadline, "token: permit expired")
        nonce = self.nonce[owner]
        self.nonce[owner] = nonce + 1
        digest = self.permit_digest(owner, spender, amount, nonce, deadline)
        require(self._context.recover(digest, r + s + bytes([v])) == owner, "token: permit signature")
        self._approve(owner, spender, amount)

    def permit_digest(self, owner: int, spender: int, amount: int, nonce: int, deadline: int) -> bytes:
        """What the owner signs (EIP-2612)."""
        struct = keccak(PERMIT_TYPE + b"".join(map(word, (owner, spender, amount, nonce, deadline))))
        domain = Domain(self._context.chain_id, address_text(self.address))
        return keccak(b"\x19\x01" + domain.separator + struct)

    def burn(self, amount: int, *, sender: int) -> None:
        """Destroys the caller's tokens."""
        self._burn(sender, amount)

    def burn_from(self, owner: int, amount: int, *, sender: int) -> None:
        """Destroys tokens out of the caller's allowance."""
        self._spend(owner, amount, sender)
        self._burn(owner, amount)

    def mint(self, to: int, amount: int, *, sender: int) -> None:
        """Creates tokens; the minter only."""
        require(sender == self.minter, "token: caller is not the minter")
        require(to != 0, "token: mint to zero")
        require(amount <= MAX_SUPPLY - self.total_supply, "token: supply cap")
        self._supply["supply"] = self.total_supply + amount
        self.balance[to] = self.balance[to] + amount
        self._log("Transfer", 0, to, amount)

    def _move(self, owner: int, to: int, amount: int) -> None:
        require(to != 0, "token: transfer to zero")
        require(self.balance[owner] >= amount, "token: balance")
        self.balance[owner] = self.balance[owner] - amount
        self.balance[to] = self.balance[to] + amount
        self._log("Transfer", owner, to, amount)

    def _burn(self, owner: int, amount: int) -> None:
        require(self.balance[owner] >= amount, "token: burn exceeds balance")
        self.balance[owner] = self.balance[owner] - amount
        self._supply["supply"] = self.total_supply - amount
        self._log("Transfer", owner, 0, amount)

    def _spend(self, owner: int, amount: int, spender: int) -> None:
        allowed = self.allowed[owner, spender]
        if allowed != UNLIMITED:
            require(allowed >= amount, "token: allowance")
            self.allowed[owner, spender] = allowed - amount

    def _approve(self, owner: int, spender: int, amount: int) -> None:
        require(spender != 0, "token: approve zero")
        self.allowed[owner, spender] = amount
        self._log("Approval", owner, spender, amount)

    def _log(self, name: str, *values: int) -> None:
        self._journal.events.append(Event("ComputeToken", name, values))
