"""Rows of the watcher: states of the tree to start from, and what it has found."""

from __future__ import annotations

from sqlmodel import Column, Field, SQLModel

from keepers.store.types import Hash32, Uint256


class WatcherState(SQLModel, table=True):
    """The tree after a report that holds. `words`: leaf words by index, 32 bytes each, deflated; `came`: the check-ins
    of later epochs that were logged before that report, as JSON."""

    __tablename__ = "watcher_states"

    epoch: int = Field(primary_key=True)
    block: int
    block_hash: bytes = Field(sa_column=Column(Hash32, nullable=False))
    block_time: int
    header: int = Field(sa_column=Column(Uint256, nullable=False))
    words: bytes
    came: bytes


class WatcherFinding(SQLModel, table=True):
    """What was found false. `number`: which report of the epoch; `node` and `seat` are -1 and `deadline` is 0 where it
    has none; `bounty` in wei; `evidence`, which nobody keeps for long: the statements of a seat that signed twice, or
    the proof that an answer is false."""

    __tablename__ = "watcher_findings"

    key: str = Field(primary_key=True)
    kind: str
    epoch: int
    number: int
    node: int
    seat: int
    why: str
    provable: bool
    state: str
    bounty: int = Field(sa_column=Column(Uint256, nullable=False))
    gas: int
    deadline: int
    first_seen: int
    updated: int
    evidence: bytes
