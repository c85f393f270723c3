"""What anybody may send us, a million times each: heartbeats, observations, proofs, answers of attesters, files.

    python -m tests.fuzz.parsers --inputs 1000000 --seed 0

Inputs are valid ones, mutated: flipped, cut, doubled, spliced, sprinkled with what JSON readers trip over. A parser
may answer with a value in range or with the one exception that is its own; anything else, and memory that grows, is a
defect. `ru_maxrss` after the first tenth is the yardstick.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec

from keepers.chain.keys import LocalSigner
from keepers.chain.leaves_file import read_head, read_leaves, write_leaves
from keepers.cli.signlog import _read
from keepers.protocol.counters import Header
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.leaf_words import record_words
from keepers.protocol.merge import Body, Merged
from keepers.protocol.merkle import root_from_multiproof, root_from_proof
from keepers.protocol.messages import Ask, Domain
from keepers.protocol.rebuild import EpochLog, advance
from keepers.protocol.records import Record, parse_part
from keepers.protocol.report import build
from keepers.protocol.uptime_tree import UptimeTree
from keepers.roles.attester.interchange import Interchange, Unsigned, take_over
from keepers.sdk.offers import SignedAsk, load, to_json
from keepers.sdk.verify import _read_receipt
from keepers.wire.attester_client import AttesterClient, Endpoint, Unreachable
from keepers.wire.codec import (
    BEATS_LIMIT,
    MAX_BATCH,
    Beat,
    Decoder,
    ObsBody,
    Proposal,
    SeatRecord,
    SeatSignature,
    SignedObs,
    decode_beats,
    encode,
    pack_beats,
    unpack_beats,
)
from keepers.wire.routing import Refused

# a file written again and again: in memory where the system has such a place
_SHARED = "/dev/shm"
_FOLDER = TemporaryDirectory(prefix="hearth-fuzz-", dir=_SHARED if os.access(_SHARED, os.W_OK) else None)
_BEAT = Beat(1, 5, 2, 3, bytes(32), bytes(32), bytes(65))
ROOM = 48 << 10  # KiB that a lane may grow after its first tenth
JUNK = (
    b"NaN", b"1e999", b"-0", b"null", b"true", b'"', b"\\u0000", b"\\ud800", b"[", b"]" * 40, b"[" * 400, b"{}",
    b'{"node":1}', b",", b" ", b"\xff", b"\xc0\x80", b"1" * 400, b"-1", b"0.5", b"9223372036854775808", b"=" * 4,
    b"\x00",
)  # fmt: skip


@dataclass(frozen=True)
class Lane:
    """One parser: valid inputs, what is called with a mutated one, and the exceptions that are its own."""

    name: str
    seeds: Sequence[bytes]
    call: Callable[[bytes], object]
    named: tuple[type[Exception], ...]


class LeftOut(Exception):
    """No offer was taken; `load` says why of each and raises nothing."""


class Broken(AssertionError):
    """A parser did what it must not; the text gives the input."""


def mutate(rng: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """One to four changes of a valid input."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        kind, at = rng.randrange(8), rng.randrange(len(out) + 1)
        if kind == 0 and out:
            out[at - 1] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del out[at : at + rng.choice((1, 1, 4, 32, 400))]
        elif kind == 2:
            out[at:at] = rng.choice(JUNK)
        elif kind == 3:
            out[at:at] = out[at : at + rng.choice((1, 5, 32, 64))]
        elif kind == 4:
            other = rng.choice(seeds)
            cut = rng.randrange(len(other) + 1)
            out[at:] = other[cut : cut + 2_000]
        elif kind == 5 and out:
            out[at - 1] = rng.randrange(256)
        elif kind == 6:
            out[at : at + 8] = rng.randbytes(rng.randrange(9))
        else:
            del out[at:]
    if rng.random() < 0.0002:  # as large as the server lets in
        out = (out * (BEATS_LIMIT // max(len(out), 1) + 1))[:BEATS_LIMIT]
    return bytes(out)


def fuzz(lane: Lane, inputs: int, seed: int) -> tuple[int, int]:
    """(accepted, refused) of so many inputs. Raises Broken."""
    rng = random.Random(f"{lane.name} {seed}")
    for valid in lane.seeds:
        lane.call(valid)
    accepted, base = 0, 0
    for number in range(inputs):
        data = mutate(rng, rng.choice(lane.seeds), lane.seeds)
        try:
            lane.call(data)
            accepted += 1
        except lane.named:
            pass
        except Exception as error:
            raise Broken(f"{lane.name}, seed {seed}, input {number}: {error!r} from 0x{data[:400].hex()}") from error
        if number == inputs // 10:
            base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base
    if grown > ROOM:
        raise Broken(f"{lane.name}, seed {seed}: memory grew by {grown:,} KiB over {inputs:,} inputs")
    return accepted, inputs - accepted


# ---- the lanes


def _require(right: bool, what: str) -> None:
    if not right:
        raise Broken(what)


def _beats(body: bytes) -> None:
    found = decode_beats(body)
    _require(0 < len(found) <= MAX_BATCH, "an empty or too large batch")
    for beat in found:
        _require(
            0 <= beat.node < 2**24 and 0 <= beat.epoch < 2**32 and 0 <= beat.slot < 12 and 0 <= beat.number < 2**48,
            f"a beat out of range: {beat}",
        )
        _require(len(beat.block) == len(beat.telemetry) == 32 and len(beat.signature) == 65, f"words of a beat: {beat}")
    _require(decode_beats(encode(found)) == found, "a beat that is read two ways")


def _packed(body: bytes) -> None:
    found = unpack_beats(body)
    _require(0 < len(found) <= MAX_BATCH and all(beat.slot < 12 for beat in found), "a batch or a slot out of range")
    _require(pack_beats(found) == body, "packed beats that are read two ways")


_KINDS = [Decoder(kind) for kind in (ObsBody, SignedObs, Proposal, SeatSignature, SeatRecord)]


def _observation(body: bytes) -> None:
    """The first byte picks the wire type, or the packed body of an observation."""
    which, rest = body[:1], body[1:]
    if which == b"b":
        count = min(max(len(rest) - 4, 0) // 2, 1_000)
        found = Body.decode(rest, count)
        _require(len(found.bits) == count and found.encode() == rest, "a body that is read two ways")
        return
    place = which[0] % len(_KINDS) if which else 0
    value = _KINDS[place](rest)
    _require(_KINDS[place](encode(value)) == value, "an observation that is read two ways")


class _Proofs:
    """Parts, roots and proofs of a small network; the tree is left as it was by every input."""

    def __init__(self) -> None:
        rng = random.Random(1)
        tree = UptimeTree()
        self.logs: list[EpochLog] = []
        for _ in range(2):
            records = tuple(Record(i, 0, 1, rng.getrandbits(12)) for i in sorted(rng.sample(range(300), 130)))
            before = tree.snapshot()
            built = build(tree, Merged((), 0, 1, records), count=300, view=0, challenged=True)
            self.logs.append(EpochLog(built.header.pack(), built.root, tuple((p.data, p.root) for p in built.parts)))
        self.tree = UptimeTree.at(before)
        self.kept = (self.tree.root, self.tree.header)
        self.full = tree
        self.many = (3, 4, 9, 200)

    def seeds(self) -> list[bytes]:
        """A part, a proof (index, word, siblings) and a multiproof, each behind a letter."""
        part = self.logs[1].parts[0][0]
        single = b"".join([(7).to_bytes(4, "big"), self.full.word(7).to_bytes(32, "big"), *self.full.proof(7)])
        return [
            b"p" + part,
            b"p" + part[:320],
            b"r" + part[:5],
            b"s" + single,
            b"m" + b"".join(self.full.multiproof(self.many)),
        ]

    def call(self, data: bytes) -> None:
        which, rest = data[:1], data[1:]
        if which == b"s":
            siblings = [rest[at : at + 32] for at in range(36, len(rest), 32)]
            root_from_proof(int.from_bytes(rest[:4], "big"), int.from_bytes(rest[4:36], "big"), siblings)
        elif which == b"m":
            siblings = [rest[at : at + 32] for at in range(0, len(rest), 32)]
            hashes = [keccak(bytes([i])) for i in self.many]
            root_from_multiproof(self.many, hashes, self.full.depth, siblings)
        elif which == b"r":
            _require(all(0 <= word < 2**40 for word in record_words(rest)), "a record out of range")
        else:
            log = self.logs[1]
            fault = advance(self.tree, EpochLog(log.header, log.root, ((rest, log.root),)))
            if fault is None:
                _require(rest == log.parts[0][0], "another part than the signed one was believed")
                self.tree.take_back()
            _require((self.tree.root, self.tree.header) == self.kept, "a part changed the tree")
            groups, roots = parse_part(rest)
            _require(len(roots) == max(len(groups) - 1, 0), "groups and running roots")


class _Answering(AttesterClient):
    """An attester that answers a batch of two heartbeats with whatever it likes."""

    def __init__(self) -> None:
        super().__init__(Endpoint(0, "0x" + "11" * 20, "https://seat-0.example"), httpx.Client())
        self._said = b""

    def _request(self, method: str, path: str, body: bytes, kind: str = "") -> bytes:
        return self._said

    def call(self, said: bytes) -> None:
        """The words of the answer."""
        self._said = said
        found = self.send_heartbeats([_BEAT, _BEAT])
        _require(len(found) == 2 and all(isinstance(word, str) for word in found), "words that are none")


class _Files:
    """Documents that people give each other, each read from a file or a place: leaves, receipts, sign logs, offers."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "given"
        self._tree = UptimeTree()
        records = tuple(Record(i, 0, 1, 7) for i in range(0, 40, 3))
        build(self._tree, Merged((), 0, 1, records), count=40, view=0, challenged=True)
        self._domain = Domain(31_337, "0x" + "42" * 20)
        self.key = LocalSigner(b"\x01" * 32)
        self.scope, self.floor = f"31337:0x{'42' * 20}:{self.key.address}", 0

    def seeds(self) -> tuple[bytes, bytes, bytes, bytes]:
        """(leaves, receipt, sign log, offer)."""
        write_leaves(self._path, self._tree, 31_337, self._domain.contract)
        line = {"block": 7, "tx": "0x" + "ab" * 32, "seconds": 60}
        line |= dict.fromkeys(("deposited_wei", "paid_wei", "bounty_wei", "returned_wei"), 10**20)
        data = {
            "id": hex(2**255),
            "lines": [line, line],
            "deposited_wei": "5",
            "paid_wei": 1,
            "returned_wei": 1,
            "held_wei": 3,
        }
        receipt = json.dumps({"schema": "hearth.receipt/1", "chain_id": 31_337, "data": data}).encode()
        rows = [("report", 5, 1, "0x" + "cd" * 32), ("obs", 5, 0, "0x" + "ef" * 32)]
        content = Unsigned(scope=self.scope, log="a", epoch=5, view=1, closed=9, retired=True, rows=rows)  # type: ignore[arg-type]
        signed = Interchange(content=content, signature="0x" + self.key.sign_digest(content.digest()).hex())
        ask = Ask(1, 2, 0, 10, 0, 3_600, 1, 2**40, 1, 7)
        offer = SignedAsk(ask, b"\x01" * 65, ask.digest(self._domain), "")
        log = msgspec.json.encode(signed)
        return self._path.read_bytes(), receipt, log, to_json(offer, self._domain).encode()

    def leaves(self, data: bytes) -> None:
        """`hearth rebuild --from`."""
        self._path.write_bytes(data)
        head = read_head(self._path)
        found = read_leaves(self._path, head)
        _require(len(found.words) <= head.header.count, "more leaves than nodes")

    def receipt(self, data: bytes) -> None:
        """`hearth verify FILE`."""
        self._path.write_bytes(data)
        _read_receipt(str(self._path))

    def sign_log(self, data: bytes) -> None:
        """`hearth signlog import FILE`."""
        self._path.write_bytes(data)
        take_over(self, _read(self._path))  # type: ignore[arg-type]

    def adopt(self, rows: Sequence[Any], epoch: int, closed: int) -> None:
        """Of the sign log: only what the seat signed comes here."""
        _require((epoch, closed, len(rows)) == (5, 9, 2), "a sign log that the seat never signed was taken over")

    def offer(self, data: bytes) -> None:
        """`--offers URL`."""
        found, left_out = load("https://offers.example", self._domain, lambda url: data)
        _require(bool(found or left_out) or b"[" in data, "an offer that is neither taken nor left out")
        if not found:
            raise LeftOut
        for one in found:
            _require(one.ask.digest(self._domain) == one.digest, "an offer with the digest of another")


def lanes() -> list[Lane]:
    """Heartbeats, observations, proofs, answers, files."""
    rng = random.Random(2)

    def beat() -> Beat:
        word = rng.randbytes
        return Beat(
            rng.getrandbits(24),
            rng.getrandbits(32),
            rng.randrange(12),
            rng.getrandbits(48),
            word(32),
            word(32),
            word(65),
        )

    def signed() -> SignedObs:
        return SignedObs(
            1, rng.getrandbits(32), rng.randrange(31), rng.randbytes(32), rng.getrandbits(63), rng.randbytes(65)
        )

    obs = [signed() for _ in range(4)]
    bodies = [Body(tuple(rng.getrandbits(14) for _ in range(n)), -7).encode() for n in (0, 1, 40)]
    observations = [
        *(b"\x00" + encode(ObsBody(obs[0], body)) for body in bodies),
        b"\x01" + encode(obs[1]),
        b"\x02" + encode(Proposal(0, 5, 5, 1, obs, rng.randbytes(32), 3, *map(rng.randbytes, (64, 192, 65)))),
        b"\x03" + encode(SeatSignature(1, 5, 1, rng.randbytes(32), 3, rng.randbytes(64), rng.randbytes(160))),
        *(b"b" + body for body in bodies),
    ]
    record = SeatRecord(obs, [SeatSignature(0, 5, 1, rng.randbytes(32), 3, rng.randbytes(64), rng.randbytes(192))] * 3)
    observations.append(b"\x04" + encode(record))
    proofs, files = _Proofs(), _Files(Path(_FOLDER.name))
    leaves, receipt, log, offer = files.seeds()
    beats = [beat() for _ in range(5)]
    return [
        Lane("heartbeat", [encode(beat()), encode([beat()]), encode([beat() for _ in range(5)])], _beats, (Refused,)),
        Lane("packed", [pack_beats(beats[:1]), pack_beats(beats), pack_beats(beats * 20)], _packed, (Refused,)),
        Lane("observation", observations, _observation, (Refused, ValueError)),
        Lane("proof", proofs.seeds(), proofs.call, (ValueError,)),
        Lane("answer", [b'["counted","late"]', encode(["repeat", "unknown-head"])], _Answering().call, (Unreachable,)),
        Lane("leaves", [leaves], files.leaves, (HearthError,)),
        Lane("receipt", [receipt], files.receipt, (HearthError,)),
        Lane("sign log", [log], files.sign_log, (HearthError,)),
        Lane("offer", [offer, b"[" + offer + b"," + offer + b"]"], files.offer, (LeftOut,)),
    ]


def headers(rng: random.Random, inputs: int) -> int:
    """Any 256 bits are a header that packs again to its own fields."""
    for _ in range(inputs):
        header = Header.unpack(rng.getrandbits(256))
        _require(Header.unpack(header.pack()) == header, "a header that is read two ways")
    return inputs


def main() -> int:
    """All lanes; exit code 1 at the first defect."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.parsers", description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=1_000_000, help="inputs of each lane")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one lane by name")
    options = parser.parse_args()
    for lane in lanes():
        if options.only not in (None, lane.name):
            continue
        began = time.process_time()
        try:
            accepted, refused = fuzz(lane, options.inputs, options.seed)
        except Broken as error:
            print(f"BROKEN {error}", file=sys.stderr)
            return 1
        took, peak = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{lane.name:<12} {accepted:,} accepted, {refused:,} refused, {took:.0f} s, peak {peak} MiB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
