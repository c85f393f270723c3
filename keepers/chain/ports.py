"""What a role may ask of a chain and of an outbox.

Two worlds implement these Protocols: `rpc.RpcReader` with an outbox (a real chain), and the reference model
(no chain at all). So a role never holds a URL, an ABI or a nonce.

Addresses are lower-case `0x…` strings of 42 characters, hashes and other fixed words are `bytes`, integers are
`int`, a struct is a tuple in the order of its `.vyi`. Blocks are named by `BlockRef`: number *and* hash, so that
all reads of one cycle see one state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

ZERO_ADDRESS = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class BlockRef:
    """One block. `timestamp` in seconds; `parent` and `hash` are 32 bytes; `base_fee` in wei."""

    number: int
    hash: bytes
    timestamp: int
    parent: bytes = b"\x00" * 32
    base_fee: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A function of one of the suite's contracts with its arguments, not yet encoded."""

    contract: str
    function: str
    args: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.contract}.{self.function}"


@dataclass(frozen=True, slots=True)
class Event:
    """A decoded log. (block.number, index) orders events; `block_hash` says on which fork it stood."""

    contract: str
    name: str
    args: Mapping[str, Any]
    block_number: int
    block_hash: bytes
    index: int
    tx_hash: bytes = b""
    timestamp: int = 0

    def __getitem__(self, name: str) -> Any:
        return self.args[name]


@runtime_checkable
class Reader(Protocol):
    """Reads, each pinned to a block. Raises `HearthError` (H2) where the chain cannot be asked or reverts."""

    def head(self) -> BlockRef:
        """The newest block that this reader has seen."""
        ...

    def final(self) -> BlockRef:
        """The newest block that money may rest on (finality policy of the deployment record)."""
        ...

    def block(self, number: int) -> BlockRef | None:
        """The canonical block of that number; None above the head."""
        ...

    def read(self, call: Call, at: BlockRef) -> Any:
        """Result of a view at `at`: one value, or a tuple where there are several. Raises `Reverted`."""
        ...

    def read_many(self, calls: Sequence[Call], at: BlockRef) -> list[Any]:
        """`read` for many calls in few round trips. The first revert is raised."""
        ...

    def events(self, first: int, last: int, contract: str | None = None, names: Sequence[str] = ()) -> list[Event]:
        """Events of blocks first..last inclusive, in order; of one contract and of those names where given."""
        ...

    def balance(self, address: str, at: BlockRef) -> int:
        """Native coin of an address in wei (what gas is paid from)."""
        ...


class TxState(StrEnum):
    """Life of an outbox row. The first three are open; nothing leaves the last four but `again`."""

    QUEUED = "queued"  # no nonce yet; `reason` says what it waits for
    PENDING = "pending"  # a nonce is its own; maybe sent
    MINED = "mined"  # a receipt stands in a block that is not final
    DONE = "done"  # final, succeeded
    FAILED = "failed"  # final, reverted; `reason` is the decoded revert
    REFUSED = "refused"  # never sent: it would have reverted, or its deadline passed
    DROPPED = "dropped"  # superseded; its nonce, if it had one, was purged


OPEN_STATES = (TxState.QUEUED, TxState.PENDING, TxState.MINED)


@dataclass(frozen=True, slots=True)
class Send:
    """A transaction that a role wants, once.

    `key` is `role:subject:action` and unique for ever: asking again returns the first row. `kind` names the family
    for metrics and for dropping; a `supersedes` family keeps only its newest queued row (never set it for money).
    `not_after` is a chain time in seconds after which the effect is no longer wanted. `after` is the key of a row
    that must be mined first. `gas` skips the estimate. `again` re-opens a row that never had an effect.
    """

    key: str
    kind: str
    call: Call
    value: int = 0
    supersedes: str = ""
    not_after: int = 0
    after: str = ""
    priority: int = 100
    gas: int = 0
    again: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """Where a row stands. `tx_hash` is that of the mined attempt, else of the newest one."""

    key: str
    state: TxState
    reason: str = ""
    code: str = ""
    tx_hash: bytes = b""
    block_number: int = 0
    gas_used: int = 0
    nonce: int | None = None
    attempts: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """True once nothing more will happen to it by itself."""
        return self.state not in OPEN_STATES


@runtime_checkable
class Sender(Protocol):
    """One key's way to the chain. `enqueue` only records; sending is the outbox's business."""

    @property
    def address(self) -> str:
        """The account that signs."""
        ...

    def enqueue(self, send: Send, tx: Any = None) -> Sent:
        """Record a wanted transaction, in the caller's store transaction `tx` if one is given. Idempotent by key."""
        ...

    def status(self, key: str) -> Sent | None:
        """Where the row of that key stands; None if there is none."""
        ...

    def spent(self, since: int) -> tuple[int, int]:
        """(wei of gas paid by transactions mined and recorded since then, time of the first of them)."""
        ...
