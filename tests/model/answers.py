"""Steps of the driver about answers to the challenge: wrong ones committed against and refuted, right ones attacked.

An answer is one chunk among hashes of nothing (`tests.support.products.pretended`): the contract sees no more of it.
"""

from __future__ import annotations

import random
from typing import Any

from keepers.protocol import challenge
from keepers.protocol.challenge import CHUNK, CHUNK_BYTES, ENTRY_BYTES, Place, Work
from keepers.protocol.hashing import keccak, word
from keepers.protocol.messages import Answer, RegisterNode, address_text, fingerprints_hash
from keepers.simulate.registry import HardwareClass
from tests.model.driver import Call
from tests.model.refutations import WEIGHTS as USUAL
from tests.model.refutations import RefutingDriver
from tests.support.products import pretended

WEIGHTS = {**USUAL, "answer": 24, "claim": 1, "challenge_state": 1}
N, ROUNDS, GPUS = 256, 4, 3
ARGUMENTS = ("node", "epoch", "root", "sig", "gpu", "round", "row", "col", "chunk", "path", "previous", "list_path")
AT = {name: i for i, name in enumerate(ARGUMENTS)}


def chunk_of(rng: random.Random, work: Work, place: Place, col: int, add: int) -> bytes:
    """A chunk of garbage whose entry at `col` is the right one and `add` more."""
    previous = keccak(b"previous") if place.round else bytes(32)
    a = challenge.line_key(challenge.key_a(work.seed, work.node, place.gpu, place.round, previous), place.row)
    b = challenge.line_key(challenge.key_b(work.seed_b, work.class_id), col)
    entry = ((challenge.dot(a, b, work.n) + add) % 2**24).to_bytes(ENTRY_BYTES, "big")
    at, garbage = col % CHUNK * ENTRY_BYTES, rng.randbytes(CHUNK_BYTES)
    return garbage[:at] + entry + garbage[at + ENTRY_BYTES :]


class AnswerDriver(RefutingDriver):
    """The people of `RefutingDriver`, and three machines that owe answers: two of one provider."""

    def __init__(self) -> None:
        super().__init__()
        at = self.chain.addresses["challenge"]
        for owner_of in ("pool", "registry"):
            self.must(owner_of, "set_grant", at, 1, sender=self.owner)
        row = HardwareClass("C", min_stake=2 * 10**11, n=N, rounds=ROUNDS, deadline=60)
        self.must("registry", "add_class", row, sender=self.owner)
        self.class_id = 2
        self.answering = [self._owing(p) for p in (0, 0, 1)]
        # their keys sign from the epoch after
        while self.world.hub.last_epoch < self.world.registry.keys[self.answering[-1]].since:
            self.quiet_report()
        self.keep()

    def _owing(self, p: int) -> int:
        """Registers a machine of the class with a challenge; its index."""
        registry, m = self.world.registry, self.memory
        m.keys += 1
        key, owner = self.signer.new(m.keys), registry.owners[p]
        prints = [keccak(b"gpu" + word(m.keys * 16 + j)) for j in range(GPUS)]
        message = RegisterNode(p, address_text(owner), self.class_id, 276, fingerprints_hash(prints), address_text(key))
        sig = self.signer.sign(key, message.digest(registry.domain))
        self.must("registry", "register_node", p, self.class_id, 276, prints, key, sig, sender=owner)
        m.nodes += 1
        return m.nodes - 1

    def work(self, node: int, epoch: int) -> Work:
        """What the node owes; of a node that owes nothing, what it would owe in the class that does."""
        seed, seed_b = self.world.challenge.seeds(epoch)
        found = self.world.registry.nodes[node]
        return Work(node, epoch, seed, seed_b, found.class_id, N, ROUNDS, max(1, found.gpus))

    def claim(self, rng: random.Random, work: Work, add: int) -> list[Any]:
        """Arguments of `refute` against an answer that is `add` off at one place."""
        place = Place(rng.randrange(work.gpus), rng.choice((0, 1, 2, 3)), rng.choice((0, N - 1, rng.randrange(N))))
        col = rng.choice((0, 127, 128, N - 1, rng.randrange(N)))
        chunk = chunk_of(rng, work, place, col, add)
        root, shown = pretended(work, place.gpu, place.round, place.row, col, chunk)
        return [
            work.node, work.epoch, root, b"", place.gpu, place.round, place.row, col, chunk, list(shown.path),
            shown.previous, list(shown.list_path),
        ]  # fmt: skip

    def digest(self, arguments: list[Any]) -> bytes:
        node, epoch, root = arguments[:3]
        return Answer(node, epoch, *self.world.challenge.seeds(epoch), root).digest(self.world.challenge.domain)

    def signed(self, arguments: list[Any], key: int | None = None) -> list[Any]:
        """With the signature of the node's key in that epoch; where it had none, of a stranger."""
        own = self.world.registry.key_of(arguments[0], arguments[1])
        sig = self.signer.sign(key or own or self.strangers[0], self.digest(arguments))
        return [*arguments[:3], sig, *arguments[4:]]

    def commitment(self, arguments: list[Any], finder: int) -> bytes:
        gpu, round_, row, col = arguments[4:8]
        return challenge.commitment(finder, self.digest(arguments), Place(gpu, round_, row), col)

    def do_answer(self, rng: random.Random) -> Call:
        """An answer is committed against and refuted; seldom it is right, or the claim is bent."""
        hub = self.world.hub
        last = hub.last_epoch + 1
        epoch = rng.choice((last, last, last, max(2, last - rng.randrange(4)), last + 1, 1, 2**255))
        node = rng.choice(self.answering) if rng.random() < 0.95 else rng.randrange(self.memory.nodes + 1)
        add = 0 if rng.random() < 0.2 else rng.choice((1, 2**24 - 1, rng.randrange(1, 2**24)))
        arguments = self.claim(rng, self.work(node, epoch), add)
        early = rng.random() < 0.5  # what is bent before it is signed and committed passes those checks
        if early and rng.random() < 0.6:
            arguments = self.bent_claim(rng, arguments)
        arguments = self.signed(arguments, self.finder if rng.random() < 0.03 else None)
        finder = rng.choice(self.people)
        if rng.random() < 0.95:
            self.make(Call("challenge", "commit", (self.commitment(arguments, finder),), finder), "claim")
            self.warp(self.memory.now + rng.choice((0, 1, 1, 1, 5)))
        if not early and rng.random() < 0.3:
            arguments = self.bent_claim(rng, arguments)
        return Call("challenge", "refute", tuple(arguments), finder)

    def bent_claim(self, rng: random.Random, arguments: list[Any]) -> list[Any]:
        """With one argument changed."""
        out = list(arguments)
        name = rng.choice((*ARGUMENTS, "sig", "list_path", "list_path"))
        old = out[AT[name]]
        if isinstance(old, int):
            out[AT[name]] = rng.choice((old + 1, 2**31, 2**256 - 1, N, ROUNDS, 0))
        elif isinstance(old, list):
            out[AT[name]] = rng.choice((old[:-1], [*old, bytes(32)], old[:1], [], [bytes(32)] * 25))
        elif name in ("root", "previous"):
            out[AT[name]] = keccak(old)
        else:
            out[AT[name]] = rng.choice((old[:-1], bytes(len(old)), old[:-1] + b"\x05", old[::-1], old + b"\0"))
        return out

    def do_claim(self, rng: random.Random) -> Call:
        """A commitment of nothing, sometimes twice."""
        return Call("challenge", "commit", (keccak(bytes([rng.randrange(20)])),), rng.choice(self.people))

    def do_challenge_state(self, rng: random.Random) -> None:
        """The views of an epoch: its seeds and on whom its lot falls."""
        last, mine = self.world.hub.last_epoch, self.world.challenge
        e, node = rng.choice((0, 1, last, last + 1, last + 2, rng.randrange(last + 3), 2**255)), rng.randrange(99)
        told = self.chain.view("challenge", "seeds", e), self.chain.view("challenge", "is_challenged", e, node)
        assert told == (mine.seeds(e), mine.is_challenged(e, node)), (e, node, told)
