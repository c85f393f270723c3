"""What an agent and its prover say to each other: frames of a 4-byte length and MessagePack, over the child's standard
input and output. No pickle: a frame is data of these types or an error.
"""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from keepers.protocol.challenge import Opening, Place, Work
from keepers.protocol.errors import HearthError

LONGEST = 64 << 20  # bytes of a frame; the roots of 16 GPUs with 2**16 rounds are 32 MiB


class Start(msgspec.Struct, tag=True, frozen=True):
    """Compute; replaces what the node had before."""

    work: Work
    devices: tuple[int, ...]


class Open(msgspec.Struct, tag=True, frozen=True):
    """Open a row of a finished work."""

    ask: int
    work: Work
    place: Place


class Forget(msgspec.Struct, tag=True, frozen=True):
    """Drop what belongs to this epoch and earlier ones."""

    epoch: int


class Ready(msgspec.Struct, tag=True, frozen=True):
    """The backends are there and right: a line each."""

    backends: tuple[str, ...]


class Done(msgspec.Struct, tag=True, frozen=True):
    """A work is finished."""

    work: Work
    roots: bytes  # 32 each
    list_root: bytes
    seconds: float
    repeats: int


class Opened(msgspec.Struct, tag=True, frozen=True):
    """The answer to an `Open`."""

    ask: int
    opening: Opening


class Failed(msgspec.Struct, tag=True, frozen=True):
    """A work (`work`), an opening (`ask`) or, with neither, the prover itself cannot be."""

    code: str
    message: str
    why: tuple[str, ...]
    next: tuple[str, ...]
    work: Work | None = None
    ask: int | None = None

    @classmethod
    def of(cls, error: BaseException, work: Work | None = None, ask: int | None = None) -> Failed:
        """The frame of an error. Of one that is no HearthError the class is told, and its words."""
        if isinstance(error, MemoryError):
            error = HearthError("H3124", "the prover ran out of memory")
        if not isinstance(error, HearthError):
            error = HearthError("H3122", f"the prover failed: {type(error).__name__}", why=(str(error)[:500],))
        return cls(error.code, error.message, error.why, error.next, work, ask)

    def error(self) -> HearthError:
        """The error again."""
        return HearthError(self.code, self.message, self.why, self.next)


Asked = Start | Open | Forget
Said = Ready | Done | Opened | Failed
ASKED = msgspec.msgpack.Decoder(Asked)
SAID = msgspec.msgpack.Decoder(Said)


def frame(message: Asked | Said) -> bytes:
    """The bytes of a message."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(4, "big") + body


def body_of(stream: BinaryIO) -> bytes | None:
    """The next frame's body; None at the end. Raises ValueError for one that is too long."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    length = int.from_bytes(head, "big")
    if length > LONGEST:
        raise ValueError(f"a frame of {length} bytes")
    body = stream.read(length)
    return body if len(body) == length else None
