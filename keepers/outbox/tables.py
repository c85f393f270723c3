"""Rows of the outbox. A row is one wanted effect; an attempt is one signed transaction for it.

All attempts of a row share its nonce, so the chain takes at most one of them: that is what makes an effect happen
once. A row keeps its nonce for ever, unless a foreign transaction of the same key provably used it.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from keepers.chain.ports import TxState
from keepers.store.types import Address, Uint256


class OutboxRow(SQLModel, table=True):
    """One wanted transaction. Times are chain seconds, `value` wei, `gas` 0 = estimate."""

    __tablename__ = "outbox_rows"
    __table_args__ = (
        UniqueConstraint("signer", "nonce", name="uq_outbox_nonce"),
        Index("ix_outbox_open", "signer", "state"),
    )

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    signer: str = Field(sa_column=Column(Address, nullable=False))
    kind: str
    call: str = Field(default="", description="Contract.function, for people")
    to: str = Field(sa_column=Column(Address, nullable=False))
    data: bytes
    value: int = Field(default=0, sa_column=Column(Uint256, nullable=False))
    gas: int = 0
    priority: int = 100
    supersedes: str = ""
    not_after: int = 0
    after: str = ""
    state: str = TxState.QUEUED.value
    reason: str = ""
    code: str = ""
    nonce: int | None = None
    purge: str = Field(default="", description="state to end in once an empty transaction took the nonce")
    tries: int = Field(default=0, description="estimates that reverted")
    retry_at: int = Field(default=0, description="not looked at before this second")
    missing_since: int = Field(default=0, description="nonce used, no receipt of ours: since when")
    created: int = 0
    updated: int = 0
    tx_hash: bytes | None = None
    block_number: int = 0
    block_hash: bytes | None = None
    gas_used: int = 0
    gas_price: int = Field(default=0, sa_column=Column(Uint256, nullable=False))


class OutboxAttempt(SQLModel, table=True):
    """One signed transaction of a row. `sent_at` 0 = the hand-over is not recorded, so it may or may not have left."""

    __tablename__ = "outbox_attempts"

    id: int | None = Field(default=None, primary_key=True)
    row_id: int = Field(foreign_key="outbox_rows.id", index=True)
    nonce: int
    purpose: str = Field(description="send or purge")
    max_fee: int = Field(sa_column=Column(Uint256, nullable=False))
    priority_fee: int = Field(sa_column=Column(Uint256, nullable=False))
    gas: int
    raw: bytes
    hash: bytes = Field(unique=True)
    created: int
    sent_at: int = 0
    answer: str = ""


ROWS = OutboxRow.__table__  # type: ignore[attr-defined]
ATTEMPTS = OutboxAttempt.__table__  # type: ignore[attr-defined]
