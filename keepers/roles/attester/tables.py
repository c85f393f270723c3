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


class AttesterSecret(SQLModel, table=True):
    """32 random bytes from which a seat draws the rows that it asks for and its vectors; a restart asks the same."""

    __tablename__ = "attester_secrets"

    who: str = Field(primary_key=True)
    secret: bytes


class AttesterAnswer(SQLModel, table=True):
    """A node's answer that counts: as it was signed, the work it is of, when it arrived (network time), how long after
    the seed, and how many of its rows hold (a bit a place, in the order in which they were asked)."""

    __tablename__ = "attester_answers"

    who: str = Field(primary_key=True)
    epoch: int = Field(primary_key=True)
    node: int = Field(primary_key=True)
    root: bytes = Field(primary_key=True)
    answer: bytes
    class_id: int
    n: int
    rounds: int
    gpus: int
    arrived: float
    seconds: float
    rows: int


class AttesterOpening(SQLModel, table=True):
    """An opened row: one that waits to be judged, or (`wrong`) the evidence that an answer is false."""

    __tablename__ = "attester_openings"

    who: str = Field(primary_key=True)
    epoch: int = Field(primary_key=True)
    node: int = Field(primary_key=True)
    root: bytes = Field(primary_key=True)
    place: int = Field(primary_key=True)
    opened: bytes
    wrong: bool
