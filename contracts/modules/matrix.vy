# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title One element of a product, and the way from its chunk to the signed root
@license AGPL-3.0-only
@notice C = A · B, n × n, entries of A and B 4 bits wide, of C 24. Word c of a row or column key is keccak256(key + c): 64
        entries, of A counted from its low end, of B from its high end. Entries of C in chunks of 128, 3 bytes each,
        big-endian. The same arithmetic in keepers/protocol/challenge.py. Source: docs/protocol.md, "ComputeChallenge".
"""

MIN_N: constant(uint256) = 256
MAX_N: constant(uint256) = 65_536
TURNS: constant(uint256) = 256              # MAX_N / 256 entries a turn
CHUNK_AT: constant(uint256) = 7             # log2 of the entries of a chunk
LAST_WORD: constant(uint256) = 352          # byte of a chunk from which 32 are left
M24: constant(uint256) = 2**24 - 1
# the low 4 bits of each of 16 lanes, 16 bits wide
LANES: constant(uint256) = 15 * (max_value(uint256) // 65_535)


@internal
@pure
def _key_a(seed: uint256, node: uint256, gpu: uint256, round: uint256, previous: bytes32) -> bytes32:
    """@notice kA of a round; `previous` is the root of the product before it, zero in round 0."""
    return keccak256(
        concat(
            b"A",
            convert(seed, bytes32),
            convert(node, bytes32),
            convert(gpu, bytes32),
            convert(round, bytes32),
            previous,
        )
    )


@internal
@pure
def _key_b(seed_b: uint256, class_id: uint256) -> bytes32:
    """@notice kB of a period and class."""
    return keccak256(concat(b"B", convert(seed_b, bytes32), convert(class_id, bytes32)))


@internal
@pure
def _line(key: bytes32, line: uint256) -> uint256:
    """@notice Key of a row of A (of kA) or of a column of B (of kB)."""
    return convert(keccak256(abi_encode(key, line)), uint256)


@internal
@pure
def _sized(n: uint256) -> bool:
    """@notice Whether n is a power of two of 256 to 65,536."""
    return n >= MIN_N and n <= MAX_N and n & unsafe_sub(n, 1) == 0


@internal
@pure
def _dot(row: uint256, col: uint256, n: uint256) -> uint256:
    """
    @notice The entry of C at a row key and a column key. 256 entries a turn: four words of each.
    @dev Entry 4i + s of a word of A meets the same of B, which is entry 4j + 3 - s of B's word from its low end where
        i + j = 15. So, for each s of 0 … 3, the product of the two words' lanes holds the sum of 16 entries in lane 15.
        Lane k of such a product sums k + 1 products of at most 15 · 15 = 225, lane 15 the most: 16 · 225 = 3,600. Four s
        and four words: 16 · 3,600 = 57,600 < 2**16, so no lane carries into the next and lane 15 is exact. What lies above
        it is cut off by the word. The whole: 65,536 · 225 < 2**24.
    @param n A multiple of 256, at most 65,536; the caller has checked it.
    """
    s: uint256 = 0
    ka: uint256 = row
    kb: uint256 = col
    a0: uint256 = 0
    b0: uint256 = 0
    a1: uint256 = 0
    b1: uint256 = 0
    a2: uint256 = 0
    b2: uint256 = 0
    a3: uint256 = 0
    b3: uint256 = 0
    for _: uint256 in range(n >> 8, bound=TURNS):
        a0 = convert(keccak256(convert(ka, bytes32)), uint256)
        b0 = convert(keccak256(convert(kb, bytes32)), uint256)
        a1 = convert(keccak256(convert(unsafe_add(ka, 1), bytes32)), uint256)
        b1 = convert(keccak256(convert(unsafe_add(kb, 1), bytes32)), uint256)
        a2 = convert(keccak256(convert(unsafe_add(ka, 2), bytes32)), uint256)
        b2 = convert(keccak256(convert(unsafe_add(kb, 2), bytes32)), uint256)
        a3 = convert(keccak256(convert(unsafe_add(ka, 3), bytes32)), uint256)
        b3 = convert(keccak256(convert(unsafe_add(kb, 3), bytes32)), uint256)
        s = unsafe_add(
            s,
            unsafe_add(
                unsafe_add(
                    unsafe_add(
                        unsafe_add(
                            unsafe_mul(a0 & LANES, (b0 >> 12) & LANES), unsafe_mul((a0 >> 4) & LANES, (b0 >> 8) & LANES)
                        ),
                        unsafe_add(
                            unsafe_mul((a0 >> 8) & LANES, (b0 >> 4) & LANES), unsafe_mul((a0 >> 12) & LANES, b0 & LANES)
                        ),
                    ),
                    unsafe_add(
                        unsafe_add(
                            unsafe_mul(a1 & LANES, (b1 >> 12) & LANES), unsafe_mul((a1 >> 4) & LANES, (b1 >> 8) & LANES)
                        ),
                        unsafe_add(
                            unsafe_mul((a1 >> 8) & LANES, (b1 >> 4) & LANES), unsafe_mul((a1 >> 12) & LANES, b1 & LANES)
                        ),
                    ),
                ),
                unsafe_add(
                    unsafe_add(
                        unsafe_add(
                            unsafe_mul(a2 & LANES, (b2 >> 12) & LANES), unsafe_mul((a2 >> 4) & LANES, (b2 >> 8) & LANES)
                        ),
                        unsafe_add(
                            unsafe_mul((a2 >> 8) & LANES, (b2 >> 4) & LANES), unsafe_mul((a2 >> 12) & LANES, b2 & LANES)
                        ),
                    ),
                    unsafe_add(
                        unsafe_add(
                            unsafe_mul(a3 & LANES, (b3 >> 12) & LANES), unsafe_mul((a3 >> 4) & LANES, (b3 >> 8) & LANES)
                        ),
                        unsafe_add(
                            unsafe_mul((a3 >> 8) & LANES, (b3 >> 4) & LANES), unsafe_mul((a3 >> 12) & LANES, b3 & LANES)
                        ),
                    ),
                ),
            ) >> 240,
        )
        ka = unsafe_add(ka, 4)
        kb = unsafe_add(kb, 4)
    return s


@internal
@pure
def _entry(chunk: Bytes[384], col: uint256) -> uint256:
    """@notice The entry of a whole chunk at the matrix column `col`."""
    at: uint256 = unsafe_mul(3, col & 127)
    first: uint256 = min(at, LAST_WORD)
    behind: uint256 = unsafe_sub(232, unsafe_mul(8, unsafe_sub(at, first)))
    return (convert(extract32(chunk, first), uint256) >> behind) & M24


@internal
@pure
def _c_root(chunk: bytes32, index: uint256, path: DynArray[bytes32, 25]) -> bytes32:
    """@notice Root of C that a chunk's hash and its siblings give; the caller has checked their number."""
    h: bytes32 = chunk
    x: uint256 = index
    for sibling: bytes32 in path:
        if x & 1 == 0:
            h = keccak256(abi_encode(h, sibling))
        else:
            h = keccak256(abi_encode(sibling, h))
        x >>= 1
    return h


@internal
@pure
def _list_root(
    previous: bytes32, root: bytes32, index: uint256, paired: bool, path: DynArray[bytes32, 64]
) -> bytes32:
    """
    @notice Root of the list that the leaf of `root` at `index` gives, and with it, if `paired`, that of `previous` at
        index - 1. A leaf is hashed from 33 bytes, an inner node from 64, so no inner node passes for a leaf and the path's
        length needs no check but that the index is used up.
    @param path Siblings from the leaves up: while the two are no siblings that of the left one, then that of the right
        one; from where they meet on, one a level.
    """
    h: bytes32 = keccak256(concat(b"\x01", root))
    x: uint256 = index
    used: uint256 = 0
    if paired:
        left: bytes32 = keccak256(concat(b"\x01", previous))
        # an index with a leaf before it is not 0, so a set bit comes
        for level: uint256 in range(32):
            if x & 1 != 0:
                break
            assert unsafe_add(used, 1) < len(path), "challenge: list path is short"
            left = keccak256(abi_encode(path[used], left))
            h = keccak256(abi_encode(h, path[unsafe_add(used, 1)]))
            used = unsafe_add(used, 2)
            x >>= 1
        h = keccak256(abi_encode(left, h))
        x >>= 1
    for i: uint256 in range(used, len(path), bound=64):
        if x & 1 == 0:
            h = keccak256(abi_encode(h, path[i]))
        else:
            h = keccak256(abi_encode(path[i], h))
        x >>= 1
    assert x == 0, "challenge: list path"
    return h
