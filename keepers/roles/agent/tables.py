"""Rows of the agent: batches of beats until every attester has acknowledged them, and the last state of each node."""

from __future__ import annotations

from sqlmodel import Field, SQLModel


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
