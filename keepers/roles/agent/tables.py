"""Rows of the agent: batches of beats until every attester has acknowledged them, the last state of each node, and the
answers that it has signed, and the challenges that it fails on purpose."""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from keepers.store.types import Hash32


class AgentBatch(SQLModel, table=True):
    """The beats of one slot. `waiting` is a mask of the seats that have not acknowledged all of them."""

    __tablename__ = "agent_batches"

    epoch: int = Field(primary_key=True)
    slot: int = Field(primary_key=True)
    generation: int
    waiting: int
    beats: bytes


class AgentSession(SQLModel, table=True):
    """What the agent last knew of a node: registry status, GPUs leased, state of its hardware."""

    __tablename__ = "agent_sessions"

    node: int = Field(primary_key=True)
    epoch: int
    status: int
    reserved: int
    hardware: str
    note: str


class AgentAnswer(SQLModel, table=True):
    """The one answer that a node signs to a challenge. `seats` is a mask of the seats that have it and all the rows
    that they asked for; seeds are of 56 bits."""

    __tablename__ = "agent_answers"

    node: int = Field(primary_key=True)
    epoch: int = Field(primary_key=True)
    seed: int = Field(primary_key=True, sa_type=BigInteger)
    seed_b: int = Field(primary_key=True, sa_type=BigInteger)
    root: bytes = Field(sa_type=Hash32)
    signature: bytes
    seats: int


class AgentCanary(SQLModel, table=True):
    """A challenge that a node fails on purpose. `telemetry` and `beat` (JSON) announce it; `played`: the node was asked
    and failed; `collected`: the seats were asked what they say; `observations`: those that say that it passed."""

    __tablename__ = "agent_canaries"

    node: int = Field(primary_key=True)
    epoch: int = Field(primary_key=True)
    how: str
    salt: bytes
    telemetry: bytes
    beat: bytes
    played: bool
    collected: bool
    observations: bytes
