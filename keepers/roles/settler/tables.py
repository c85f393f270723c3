"""Rows of the settler: the open leases, tallies and tickets it watches, and what it has already asked for."""

from __future__ import annotations

from typing import Any

from sqlmodel import Column, Field, SQLModel

from keepers.store.types import Uint256


def _word(primary: bool = False) -> Any:
    return Field(sa_column=Column(Uint256, primary_key=primary, nullable=False))


class SettlerCursor(SQLModel, table=True):
    """The last block whose events are in these tables. `who` is the settler's account."""

    __tablename__ = "settler_cursor"

    who: str = Field(primary_key=True)
    block: int
    block_hash: bytes


class SettlerLease(SQLModel, table=True):
    """A lease that is not finished; words as in ILeaseEscrow.vyi."""

    __tablename__ = "settler_leases"

    who: str = Field(primary_key=True)
    id: int = _word(primary=True)
    terms: int = _word()
    money: int = _word()


class SettlerTally(SQLModel, table=True):
    """A tally that may hold something."""

    __tablename__ = "settler_tallies"

    who: str = Field(primary_key=True)
    key: int = _word(primary=True)
    period: int = Field(primary_key=True)


class SettlerTicket(SQLModel, table=True):
    """An unbonding ticket that is not withdrawn."""

    __tablename__ = "settler_tickets"

    who: str = Field(primary_key=True)
    provider: int = Field(primary_key=True)
    owner: str = Field(primary_key=True)
    ticket: int = Field(primary_key=True)
    release: int


class SettlerAsked(SQLModel, table=True):
    """What was handed to the outbox for a subject: so that a lease is not put into two batches of one epoch."""

    __tablename__ = "settler_asked"

    who: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    action: str = Field(primary_key=True)
    key: str
    at: int
