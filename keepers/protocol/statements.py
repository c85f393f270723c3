"""What a seat signs, as the committee contract judges it: two different ones of one place cost the whole bond.

Source: docs/protocol.md §7, "Seats and bonds"; contracts/consensus/AttesterCommittee.vy `_place`, `_digest`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from keepers.protocol.hashing import keccak, to_int, word
from keepers.protocol.messages import Domain, Report, SignedObservation, VoidReport
from keepers.protocol.units import M24

OBSERVATION, REPORT, VOID = 0, 1, 2
TYPES: dict[int, type[SignedObservation] | type[Report] | type[VoidReport]] = {
    OBSERVATION: SignedObservation,
    REPORT: Report,
    VOID: VoidReport,
}
WORDS = {kind: len(fields(message)) for kind, message in TYPES.items()}
Place = tuple[int, int, int, int]


@dataclass(frozen=True)
class Statement:
    """Kind, the words of its EIP-712 type, the signature: r‖s‖v, or r‖s with v = 27."""

    kind: int
    words: Sequence[bytes]
    sig: bytes = b""

    @classmethod
    def of(cls, message: SignedObservation | Report | VoidReport, sig: bytes = b"") -> Statement:
        """A message with the signature that was made over its digest."""
        kind = next(kind for kind, made in TYPES.items() if isinstance(message, made))
        values = [getattr(message, field.name) for field in fields(message)]
        return cls(kind, tuple(value if isinstance(value, bytes) else word(value) for value in values), sig)

    @classmethod
    def read(cls, kind: int, data: bytes, sig: bytes) -> Statement:
        """One from the `words()` of its message, as somebody shows them; see `well_formed`."""
        return cls(kind, tuple(data[at : at + 32] for at in range(0, len(data), 32)), sig)

    @property
    def well_formed(self) -> bool:
        """Whether it has as many words as its kind, 32 bytes each: a seat can sign the digest of anything."""
        return WORDS.get(self.kind) == len(self.words) and all(len(one) == 32 for one in self.words)

    @property
    def generation(self) -> int:
        """Of the committee that it names."""
        return to_int(self.words[0])

    @property
    def epoch(self) -> int:
        """Of which it speaks; of a void report the first."""
        return to_int(self.words[1])

    @property
    def place(self) -> Place:
        """Where a seat may sign one thing only: (kind of place, generation, epoch, view)."""
        if self.kind == OBSERVATION:
            return OBSERVATION, self.generation, self.epoch, 0
        view = to_int(self.words[4])
        return REPORT, self.generation, self.epoch, view >> 40 & M24 if self.kind == REPORT else view

    def digest(self, domain: Domain) -> bytes:
        """What was signed, 32 bytes."""
        struct = keccak(keccak(TYPES[self.kind].TYPE.encode()) + b"".join(self.words))
        return keccak(b"\x19\x01" + domain.separator + struct)

    @property
    def args(self) -> tuple[int, list[bytes], bytes]:
        """As `AttesterCommittee.prove_equivocation` reads it."""
        return self.kind, list(self.words), self.sig


def commitment(finder: int, first: bytes, second: bytes) -> bytes:
    """What the finder of an equivocation commits before it shows it. `finder`: its address as a number; two digests."""
    return keccak(word(finder) + first + second)
