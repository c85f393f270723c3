"""The compute challenge: what is computed, committed, signed, opened and refuted. Integers and bytes, one entry at a
time: the specification. The fast forms are `protocol.freivalds` (checking) and `keepers.gpu` (answering).

    round r of GPU j:   C_r = A_r · B, n × n, entries of A and B in 0 … 15, of C below 2**24
    kA_r = keccak("A" ‖ seed ‖ node ‖ j ‖ r ‖ root(C_{r-1})), root(C_{-1}) = 0      kB = keccak("B" ‖ seed_B ‖ class)
    row key a = keccak(kA_r ‖ row), column key b = keccak(kB ‖ col), word c of a key = keccak(key + c): 64 entries,
    of A counted from the low end of the word, of B from the high end
Numbers are 32-byte words, big-endian; tags are one byte. Source: docs/protocol.md §8, "Work" and "Commit".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keepers.protocol.hashing import ZERO32, keccak, to_int, word

MIN_N, MAX_N = 256, 65_536  # a power of two
MAX_ROUNDS = 1 << 32
ENTRIES_A_WORD = 64  # of 4 bits
ENTRY_BYTES = 3  # of C, big-endian
CHUNK = 128  # entries of C in a leaf
CHUNK_BYTES = CHUNK * ENTRY_BYTES
OPENINGS = 8  # rows that an attester asks for
DRAW_BASE = 10_000  # of `rate`
LIST_TAG = b"\x01"  # before a root in the list tree: 33 bytes, so no inner node passes for a leaf


@dataclass(frozen=True)
class Work:
    """What one node owes for one epoch. `gpus` chains of `rounds` rounds of n × n; seeds as numbers (56 bits)."""

    node: int
    epoch: int
    seed: int
    seed_b: int
    class_id: int
    n: int
    rounds: int
    gpus: int

    def __post_init__(self) -> None:
        check_size(self.n, self.rounds)
        if self.gpus < 1:
            raise ValueError(f"a node owes the chain of {self.gpus} GPUs; of none it owes no answer")


def check_size(n: int, rounds: int) -> None:
    """Raises ValueError unless n is a power of two of 256 to 65,536 and `rounds` one of 1 to 2**31."""
    if not MIN_N <= n <= MAX_N or n & (n - 1):
        raise ValueError(f"n = {n} is no power of two of {MIN_N} to {MAX_N}")
    if not 1 <= rounds < MAX_ROUNDS or rounds & (rounds - 1):
        raise ValueError(f"rounds = {rounds} is no power of two below 2**32")


# ---- who


def is_drawn(seed: int, node: int, rate: int) -> bool:
    """Whether the lot falls on the node: keccak(seed ‖ node) mod 10,000 < rate (bps)."""
    return to_int(keccak(word(seed) + word(node))) % DRAW_BASE < rate


def first_seeded(epoch: int, per: int) -> int:
    """The epoch whose seed is seed_B for the PERIOD of `epoch`: its first one, but epoch 1 never has a seed."""
    return max(2, epoch // per * per)


# ---- keys and entries


def key_a(seed: int, node: int, gpu: int, round_: int, previous: bytes) -> bytes:
    """kA of a round; `previous` is the root of the C before it, 32 zero bytes in round 0."""
    return keccak(b"A" + word(seed) + word(node) + word(gpu) + word(round_) + previous)


def key_b(seed_b: int, class_id: int) -> bytes:
    """kB of a period and class."""
    return keccak(b"B" + word(seed_b) + word(class_id))


def line_key(key: bytes, line: int) -> bytes:
    """Key of a row of A (of kA) or a column of B (of kB)."""
    return keccak(key + word(line))


def words_of(key: bytes, n: int) -> list[int]:
    """The n / 64 words of a row or column key."""
    first = to_int(key)
    return [to_int(keccak(word((first + c) % 2**256))) for c in range(n // ENTRIES_A_WORD)]


def row_of_a(key: bytes, n: int) -> list[int]:
    """n entries of a row of A, from its row key."""
    return [w >> 4 * k & 15 for w in words_of(key, n) for k in range(ENTRIES_A_WORD)]


def column_of_b(key: bytes, n: int) -> list[int]:
    """n entries of a column of B, from its column key."""
    return [w >> (252 - 4 * k) & 15 for w in words_of(key, n) for k in range(ENTRIES_A_WORD)]


def dot(a: bytes, b: bytes, n: int) -> int:
    """The entry of C at a row key and a column key: what the contract computes."""
    return sum(x * y for x, y in zip(row_of_a(a, n), column_of_b(b, n), strict=True))


# ---- the commitment to a C


def row_bytes(entries: Sequence[int]) -> bytes:
    """A row of C: 3 bytes an entry. Raises OverflowError for one of 2**24 or more."""
    return b"".join(x.to_bytes(ENTRY_BYTES, "big") for x in entries)


def entry_of(row: bytes, col: int) -> int:
    """The entry at column `col` of a row's (or chunk's) bytes."""
    return to_int(row[col * ENTRY_BYTES : (col + 1) * ENTRY_BYTES])


def chunk_depth(n: int) -> int:
    """Levels between a chunk and root(C): the tree has n·n / 128 leaves."""
    return 2 * (n.bit_length() - 1) - 7


def row_depth(n: int) -> int:
    """Levels between a chunk and its row's subtree root: n / 128 leaves."""
    return n.bit_length() - 1 - 7


def tree_levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """All levels of a whole binary tree, leaves first. Raises ValueError unless their number is a power of two."""
    if not leaves or len(leaves) & (len(leaves) - 1):
        raise ValueError(f"{len(leaves)} leaves are no power of two")
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([keccak(below[i] + below[i + 1]) for i in range(0, len(below), 2)])
    return levels


def path_of(levels: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """Siblings of a leaf from the leaf up."""
    return [level[index >> d ^ 1] for d, level in enumerate(levels[:-1])]


def climb(leaf: bytes, index: int, path: Sequence[bytes]) -> bytes:
    """Root that a path gives for a leaf. Raises ValueError if the index is not used up."""
    for sibling in path:
        leaf = keccak(leaf + sibling) if index & 1 == 0 else keccak(sibling + leaf)
        index >>= 1
    if index:
        raise ValueError("the path is too short for its index")
    return leaf


def row_levels(row: bytes) -> list[list[bytes]]:
    """Levels of a row's subtree: chunk hashes first, its root last. Raises ValueError for bytes of no row."""
    if len(row) % CHUNK_BYTES:
        raise ValueError(f"{len(row)} bytes are no whole chunks of {CHUNK_BYTES}")
    return tree_levels([keccak(row[i : i + CHUNK_BYTES]) for i in range(0, len(row), CHUNK_BYTES)])


# ---- the list of roots


def list_leaf(root: bytes) -> bytes:
    """Leaf of a round's root in the list tree."""
    return keccak(LIST_TAG + root)


def list_depth(gpus: int, rounds: int) -> int:
    """Depth of the list tree over gpus · rounds roots, filled up with zero leaves."""
    return (gpus * rounds - 1).bit_length()


def list_levels(roots: Sequence[bytes]) -> list[list[bytes]]:
    """Levels of the list tree over the roots, GPU by GPU, round by round."""
    leaves = [list_leaf(root) for root in roots]
    return tree_levels(leaves + [ZERO32] * ((1 << (len(leaves) - 1).bit_length()) - len(leaves)))


def pair_path(levels: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """Siblings for the leaves index - 1 and index together, from the leaves up: while the two are no siblings that of
    the left one, then that of the right one; from where they meet on, one a level."""
    path, right, met = [], index, False
    for level in levels[:-1]:
        if met:
            path.append(level[right ^ 1])
        elif right & 1:
            met = True
        else:
            path += [level[right - 2], level[right + 1]]
        right >>= 1
    return path


def climb_pair(left: bytes, right: bytes, index: int, path: Sequence[bytes]) -> bytes:
    """Root that a `pair_path` gives for the leaves index - 1 (left) and index (right). Raises ValueError for a path of
    another length than its index needs."""
    rest = list(path)
    met = False
    try:
        while not met or rest:
            if met:
                sibling = rest.pop(0)
                right = keccak(right + sibling) if index & 1 == 0 else keccak(sibling + right)
            elif index & 1:
                right, met = keccak(left + right), True
            else:
                left, right = keccak(rest.pop(0) + left), keccak(right + rest.pop(0))
            index >>= 1
            if index == 0 and not met:
                raise ValueError("no two leaves at this index")
    except IndexError:
        raise ValueError("the path is too short for its index") from None
    if index:
        raise ValueError("the path is too short for its index")
    return right


# ---- openings and refutations


@dataclass(frozen=True)
class Place:
    """A row of C that is asked for."""

    gpu: int
    round: int
    row: int


@dataclass(frozen=True)
class Opening:
    """A row of C with all that ties it to the list root: `path` from the row's subtree up to root(C_r); `previous` the
    root of the round before (32 zero bytes in round 0), `list_path` of both (of round 0: of the one)."""

    place: Place
    row: bytes
    path: tuple[bytes, ...]
    previous: bytes
    list_path: tuple[bytes, ...]


def list_root_of(root: bytes, place: Place, rounds: int, previous: bytes, path: Sequence[bytes]) -> bytes:
    """The list root that an opening gives. Raises ValueError for a path that does not fit its place."""
    index = place.gpu * rounds + place.round
    if place.round == 0:
        return climb(list_leaf(root), index, path)
    return climb_pair(list_leaf(previous), list_leaf(root), index, path)


def opened_root(opening: Opening, work: Work) -> bytes:
    """The list root of an opening. Raises ValueError, naming what is malformed, for one of no answer to `work`."""
    place = opening.place
    if not (0 <= place.gpu < work.gpus and 0 <= place.round < work.rounds and 0 <= place.row < work.n):
        raise ValueError(f"GPU {place.gpu}, round {place.round}, row {place.row}: no such place in this work")
    if len(opening.row) != work.n * ENTRY_BYTES:
        raise ValueError(f"a row has {work.n * ENTRY_BYTES} bytes, not {len(opening.row)}")
    if len(opening.path) != chunk_depth(work.n) - row_depth(work.n):
        raise ValueError(f"a row's path has {chunk_depth(work.n) - row_depth(work.n)} hashes, not {len(opening.path)}")
    if place.round == 0 and opening.previous != ZERO32:
        raise ValueError("round 0 has no root before it")
    depth = list_depth(work.gpus, work.rounds)
    index = place.gpu * work.rounds + place.round
    # of two leaves that meet at level m (0 = siblings) 2·m + depth - m - 1 siblings stand in the path
    need = depth if place.round == 0 else depth - 1 + (index & -index).bit_length() - 1
    if len(opening.list_path) != need:
        raise ValueError(f"the list path of round {place.round} has {need} hashes, not {len(opening.list_path)}")
    root = climb(row_levels(opening.row)[-1][0], place.row, opening.path)
    return list_root_of(root, place, work.rounds, opening.previous, opening.list_path)


@dataclass(frozen=True)
class Refutation:
    """Arguments of `ComputeChallenge.refute`, less the answer's: one wrong entry with its chunk."""

    place: Place
    col: int
    chunk: bytes
    path: tuple[bytes, ...]
    previous: bytes
    list_path: tuple[bytes, ...]


def refutation(opening: Opening, col: int) -> Refutation:
    """The refutation of the entry at column `col` of an opened row."""
    levels = row_levels(opening.row)
    at = col // CHUNK
    chunk = opening.row[at * CHUNK_BYTES : (at + 1) * CHUNK_BYTES]
    path = (*path_of(levels, at), *opening.path)
    return Refutation(opening.place, col, chunk, path, opening.previous, opening.list_path)


def verdict(work: Work, root: bytes, shown: Refutation) -> tuple[int, int]:
    """(committed, correct) entry of a refutation against a list root, as the contract judges it: it holds iff they
    differ. Raises ValueError for an opening that does not lead to the root."""
    place, n = shown.place, work.n
    if not (0 <= place.round < work.rounds and 0 <= place.row < n and 0 <= shown.col < n):
        raise ValueError("no such entry")
    if len(shown.chunk) != CHUNK_BYTES or len(shown.path) != chunk_depth(n):
        raise ValueError("the chunk or its path has another length")
    if place.round == 0 and shown.previous != ZERO32:
        raise ValueError("round 0 has no root before it")
    c_root = climb(keccak(shown.chunk), (place.row * n + shown.col) // CHUNK, shown.path)
    if list_root_of(c_root, place, work.rounds, shown.previous, shown.list_path) != root:
        raise ValueError("the opening does not lead to the signed root")
    a = line_key(key_a(work.seed, work.node, place.gpu, place.round, shown.previous), place.row)
    b = line_key(key_b(work.seed_b, work.class_id), shown.col)
    return entry_of(shown.chunk, shown.col % CHUNK), dot(a, b, n)


def commitment(finder: int, digest: bytes, place: Place, col: int) -> bytes:
    """What a finder commits a block or more before it shows a refutation. `finder`: its address as a number; `digest`
    of the signed answer."""
    return keccak(word(finder) + digest + word(place.gpu) + word(place.round) + word(place.row) + word(col))


# ---- what an attester asks for


def places(secret: bytes, digest: bytes, work: Work, k: int = OPENINGS) -> list[Place]:
    """The k rows that an attester asks of an answer: drawn from its own secret and the answer's digest, so that an
    answer sent again gets the same question. Draws are independent and uniform (the sizes are powers of two but for
    `gpus`, whose bias is below 2**-60)."""
    out = []
    for i in range(k):
        drawn = to_int(keccak(secret + digest + word(i)))
        out.append(Place((drawn >> 128) % work.gpus, (drawn >> 64) % work.rounds, drawn % work.n))
    return out
