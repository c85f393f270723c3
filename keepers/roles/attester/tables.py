"""Rows of an attester; its sign log is a database of its own (`signlog`).

`who` is the seat's account: several seats may share a database in tests and replays.
"""

from __future__ import annotations

from sqlmodel import Field, SQLModel


class AttesterBeats(SQLModel, table=True):
    """Heartbeats of one batch that were counted: node (3 bytes) and slot (1 byte) of each, in order of arrival."""

    __tablename__ = "attester_beats"

    id: int | None = Field(default=None, primary_key=True)
    who: str
    epoch: int = Field(index=True)
    beats: bytes


class AttesterObservation(SQLModel, table=True):
    """A seat's signed observation; `held_at` is the network time at which its body was at hand, 0 = not yet."""

    __tablename__ = "attester_observations"

    who: str = Field(primary_key=True)
    epoch: int = Field(primary_key=True)
    seat: int = Field(primary_key=True)
    digest: bytes = Field(primary_key=True)
    signed: bytes
    body: bytes
    held_at: float


class AttesterProposal(SQLModel, table=True):
    """The proposal of a view, ours or a leader's."""

    __tablename__ = "attester_proposals"

    who: str = Field(primary_key=True)
    epoch: int = Field(primary_key=True)
    view: int = Field(primary_key=True)
    proposal: bytes


class AttesterSignature(SQLModel, table=True):
    """A seat's signature on the digest of a report or void report."""

    __tablename__ = "attester_signatures"

    who: str = Field(primary_key=True)
    epoch: int = Field(primary_key=True)
    digest: bytes = Field(primary_key=True)
    seat: int = Field(primary_key=True)
    signature: bytes


class AttesterEquivocation(SQLModel, table=True):
    """Evidence that a seat signed two observations of one epoch; kept, as the owner decides about it."""

    __tablename__ = "attester_equivocations"

    who: str = Field(primary_key=True)
    epoch: int = Field(primary_key=True)
    seat: int = Field(primary_key=True)
    first: bytes
    second: bytes
