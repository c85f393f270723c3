"""Keccak-f[1600] and all that hangs on it, in Triton: entries of A and B, chunk hashes straight from C, tree levels,
and the sums of Freivalds' check. One message a thread; the state is 25 tensors of 64-bit lanes.

Buffers are int64 (a hash is 4 lanes, little-endian as keccak counts them), entries int8, C int32. The same source runs
on a card, under Triton's interpreter and under tests/support/triton_sim.py.
Source: docs/protocol.md §8; the permutation: FIPS 202.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

BLOCK = 128  # messages of a program: one a thread of 4 warps
CONSTANTS = (
    0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000, 0x000000000000808B,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008A, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000A, 0x000000008000808B, 0x800000000000008B, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
)  # fmt: skip


# ---- in the kernels


@triton.jit
def keccak_f(
    constants, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11,
    s12, s13, s14, s15, s16, s17, s18, s19, s20, s21, s22, s23, s24,
):  # fmt: skip
    """24 rounds. `constants`: where the round constants stand."""
    for round_ in range(24):
        c0 = s0 ^ s5 ^ s10 ^ s15 ^ s20
        c1 = s1 ^ s6 ^ s11 ^ s16 ^ s21
        c2 = s2 ^ s7 ^ s12 ^ s17 ^ s22
        c3 = s3 ^ s8 ^ s13 ^ s18 ^ s23
        c4 = s4 ^ s9 ^ s14 ^ s19 ^ s24
        d0 = c4 ^ (c1 << 1 | c1 >> 63)
        d1 = c0 ^ (c2 << 1 | c2 >> 63)
        d2 = c1 ^ (c3 << 1 | c3 >> 63)
        d3 = c2 ^ (c4 << 1 | c4 >> 63)
        d4 = c3 ^ (c0 << 1 | c0 >> 63)
        b0 = s0 ^ d0
        t = s6 ^ d1
        b1 = t << 44 | t >> 20
        t = s12 ^ d2
        b2 = t << 43 | t >> 21
        t = s18 ^ d3
        b3 = t << 21 | t >> 43
        t = s24 ^ d4
        b4 = t << 14 | t >> 50
        t = s3 ^ d3
        b5 = t << 28 | t >> 36
        t = s9 ^ d4
        b6 = t << 20 | t >> 44
        t = s10 ^ d0
        b7 = t << 3 | t >> 61
        t = s16 ^ d1
        b8 = t << 45 | t >> 19
        t = s22 ^ d2
        b9 = t << 61 | t >> 3
        t = s1 ^ d1
        b10 = t << 1 | t >> 63
        t = s7 ^ d2
        b11 = t << 6 | t >> 58
        t = s13 ^ d3
        b12 = t << 25 | t >> 39
        t = s19 ^ d4
        b13 = t << 8 | t >> 56
        t = s20 ^ d0
        b14 = t << 18 | t >> 46
        t = s4 ^ d4
        b15 = t << 27 | t >> 37
        t = s5 ^ d0
        b16 = t << 36 | t >> 28
        t = s11 ^ d1
        b17 = t << 10 | t >> 54
        t = s17 ^ d2
        b18 = t << 15 | t >> 49
        t = s23 ^ d3
        b19 = t << 56 | t >> 8
        t = s2 ^ d2
        b20 = t << 62 | t >> 2
        t = s8 ^ d3
        b21 = t << 55 | t >> 9
        t = s14 ^ d4
        b22 = t << 39 | t >> 25
        t = s15 ^ d0
        b23 = t << 41 | t >> 23
        t = s21 ^ d1
        b24 = t << 2 | t >> 62
        s0 = b0 ^ (~b1 & b2) ^ tl.load(constants + round_).to(tl.uint64)
        s1 = b1 ^ (~b2 & b3)
        s2 = b2 ^ (~b3 & b4)
        s3 = b3 ^ (~b4 & b0)
        s4 = b4 ^ (~b0 & b1)
        s5 = b5 ^ (~b6 & b7)
        s6 = b6 ^ (~b7 & b8)
        s7 = b7 ^ (~b8 & b9)
        s8 = b8 ^ (~b9 & b5)
        s9 = b9 ^ (~b5 & b6)
        s10 = b10 ^ (~b11 & b12)
        s11 = b11 ^ (~b12 & b13)
        s12 = b12 ^ (~b13 & b14)
        s13 = b13 ^ (~b14 & b10)
        s14 = b14 ^ (~b10 & b11)
        s15 = b15 ^ (~b16 & b17)
        s16 = b16 ^ (~b17 & b18)
        s17 = b17 ^ (~b18 & b19)
        s18 = b18 ^ (~b19 & b15)
        s19 = b19 ^ (~b15 & b16)
        s20 = b20 ^ (~b21 & b22)
        s21 = b21 ^ (~b22 & b23)
        s22 = b22 ^ (~b23 & b24)
        s23 = b23 ^ (~b24 & b20)
        s24 = b24 ^ (~b20 & b21)
    return (
        s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12,
        s13, s14, s15, s16, s17, s18, s19, s20, s21, s22, s23, s24,
    )  # fmt: skip


@triton.jit
def keccak_4(constants, m0, m1, m2, m3):
    """The hash of 32 bytes: a state of which the first 4 lanes count."""
    z = m0 ^ m0
    end = z ^ 0x8000000000000000
    return keccak_f(constants, m0, m1, m2, m3, z ^ 1, z, z, z, z, z, z, z, z, z, z, z, end, z, z, z, z, z, z, z, z)


@triton.jit
def keccak_8(constants, m0, m1, m2, m3, m4, m5, m6, m7):
    """The hash of 64 bytes: a state of which the first 4 lanes count."""
    z = m0 ^ m0
    end = z ^ 0x8000000000000000
    return keccak_f(constants, m0, m1, m2, m3, m4, m5, m6, m7, z ^ 1, z, z, z, z, z, z, z, end, z, z, z, z, z, z, z, z)


@triton.jit
def flipped(x):
    """The 8 bytes of a lane in the other order: words are big-endian, lanes are not."""
    x = (x & 0x00FF00FF00FF00FF) << 8 | x >> 8 & 0x00FF00FF00FF00FF
    x = (x & 0x0000FFFF0000FFFF) << 16 | x >> 16 & 0x0000FFFF0000FFFF
    return x << 32 | x >> 32


@triton.jit
def halves(x):
    """The two entries of each byte in the other order."""
    return (x & 0x0F0F0F0F0F0F0F0F) << 4 | x >> 4 & 0x0F0F0F0F0F0F0F0F


@triton.jit
def spread(x):
    """The 8 entries of the low 32 bits, the lowest first, a byte each."""
    x = x & 0xFFFFFFFF
    x = (x | x << 16) & 0x0000FFFF0000FFFF
    x = (x | x << 8) & 0x00FF00FF00FF00FF
    return (x | x << 4) & 0x0F0F0F0F0F0F0F0F


@triton.jit
def put_16(out, at, x, there, PACKED: tl.constexpr):
    """16 entries of a lane, the lowest first, to group `at`: as they are, or a byte each."""
    if PACKED:
        tl.store(out + at, x.to(tl.int64), mask=there)
    else:
        tl.store(out + at * 2, spread(x).to(tl.int64), mask=there)
        tl.store(out + at * 2 + 1, spread(x >> 32).to(tl.int64), mask=there)


@triton.jit
def three(c, there):
    """The 3 bytes of an entry of C in the order in which they are hashed."""
    x = tl.load(c, mask=there, other=0).to(tl.uint64)
    return (x & 0xFF) << 16 | x & 0xFF00 | x >> 16 & 0xFF


@triton.jit
def lane_of(c, there, LANE: tl.constexpr):
    """Lane LANE of a chunk: 8 entries fill 3 lanes."""
    e = c + LANE // 3 * 8
    if LANE % 3 == 0:
        return three(e, there) | three(e + 1, there) << 24 | three(e + 2, there) << 48
    elif LANE % 3 == 1:
        left, right = three(e + 2, there) >> 16, three(e + 5, there) << 56
        return left | three(e + 3, there) << 8 | three(e + 4, there) << 32 | right
    else:
        return three(e + 5, there) >> 8 | three(e + 6, there) << 16 | three(e + 7, there) << 40


# ---- the kernels


@triton.jit(do_not_specialize=["first"])
def line_keys(constants, key, out, first, count, BLOCK: tl.constexpr):
    """Keys of the lines `first` on: keccak(key ‖ line). `out`: 4 lanes each."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = i < count
    line = (i + first).to(tl.uint64)
    z = line ^ line
    k0 = tl.load(key).to(tl.uint64) ^ z
    k1 = tl.load(key + 1).to(tl.uint64) ^ z
    k2 = tl.load(key + 2).to(tl.uint64) ^ z
    k3 = tl.load(key + 3).to(tl.uint64) ^ z
    h = keccak_8(constants, k0, k1, k2, k3, z, z, z, flipped(line))
    tl.store(out + i * 4, h[0].to(tl.int64), mask=there)
    tl.store(out + i * 4 + 1, h[1].to(tl.int64), mask=there)
    tl.store(out + i * 4 + 2, h[2].to(tl.int64), mask=there)
    tl.store(out + i * 4 + 3, h[3].to(tl.int64), mask=there)


@triton.jit
def line_entries(constants, keys, out, words, count, HIGH: tl.constexpr, PACKED: tl.constexpr, BLOCK: tl.constexpr):
    """The entries of whole lines, a word a thread: of A from the low end, of B (HIGH) from the high end of the word."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = i < count
    at = keys + i // words * 4
    c = (i % words).to(tl.uint64)
    # key + c mod 2**256, limb by limb from the last lane up
    v3 = flipped(tl.load(at + 3, mask=there, other=0).to(tl.uint64)) + c
    carry = (v3 < c).to(tl.uint64)
    v2 = flipped(tl.load(at + 2, mask=there, other=0).to(tl.uint64)) + carry
    carry = (v2 < carry).to(tl.uint64)
    v1 = flipped(tl.load(at + 1, mask=there, other=0).to(tl.uint64)) + carry
    carry = (v1 < carry).to(tl.uint64)
    v0 = flipped(tl.load(at, mask=there, other=0).to(tl.uint64)) + carry
    h = keccak_4(constants, flipped(v0), flipped(v1), flipped(v2), flipped(v3))
    if HIGH:
        put_16(out, i * 4, halves(h[0]), there, PACKED)
        put_16(out, i * 4 + 1, halves(h[1]), there, PACKED)
        put_16(out, i * 4 + 2, halves(h[2]), there, PACKED)
        put_16(out, i * 4 + 3, halves(h[3]), there, PACKED)
    else:
        put_16(out, i * 4, flipped(h[3]), there, PACKED)
        put_16(out, i * 4 + 1, flipped(h[2]), there, PACKED)
        put_16(out, i * 4 + 2, flipped(h[1]), there, PACKED)
        put_16(out, i * 4 + 3, flipped(h[0]), there, PACKED)


@triton.jit
def unpacked(packed, out, count, BLOCK: tl.constexpr):
    """Groups of 16 entries of 4 bits, a byte each."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = i < count
    put_16(out, i, tl.load(packed + i, mask=there, other=0).to(tl.uint64), there, False)


@triton.jit
def chunk_hashes(constants, c, out, count, BLOCK: tl.constexpr):
    """keccak of each chunk of 128 entries, 384 bytes: 17 lanes, 17 and 14 with the padding."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = i < count
    c = c + i.to(tl.int64) * 128
    z = there.to(tl.uint64) ^ there.to(tl.uint64)
    s = keccak_f(
        constants,
        lane_of(c, there, 0), lane_of(c, there, 1), lane_of(c, there, 2),
        lane_of(c, there, 3), lane_of(c, there, 4), lane_of(c, there, 5),
        lane_of(c, there, 6), lane_of(c, there, 7), lane_of(c, there, 8),
        lane_of(c, there, 9), lane_of(c, there, 10), lane_of(c, there, 11),
        lane_of(c, there, 12), lane_of(c, there, 13), lane_of(c, there, 14),
        lane_of(c, there, 15), lane_of(c, there, 16),
        z, z, z, z, z, z, z, z,
    )  # fmt: skip
    s = keccak_f(
        constants,
        s[0] ^ lane_of(c, there, 17), s[1] ^ lane_of(c, there, 18), s[2] ^ lane_of(c, there, 19),
        s[3] ^ lane_of(c, there, 20), s[4] ^ lane_of(c, there, 21), s[5] ^ lane_of(c, there, 22),
        s[6] ^ lane_of(c, there, 23), s[7] ^ lane_of(c, there, 24), s[8] ^ lane_of(c, there, 25),
        s[9] ^ lane_of(c, there, 26), s[10] ^ lane_of(c, there, 27), s[11] ^ lane_of(c, there, 28),
        s[12] ^ lane_of(c, there, 29), s[13] ^ lane_of(c, there, 30), s[14] ^ lane_of(c, there, 31),
        s[15] ^ lane_of(c, there, 32), s[16] ^ lane_of(c, there, 33),
        s[17], s[18], s[19], s[20], s[21], s[22], s[23], s[24],
    )  # fmt: skip
    s = keccak_f(
        constants,
        s[0] ^ lane_of(c, there, 34), s[1] ^ lane_of(c, there, 35), s[2] ^ lane_of(c, there, 36),
        s[3] ^ lane_of(c, there, 37), s[4] ^ lane_of(c, there, 38), s[5] ^ lane_of(c, there, 39),
        s[6] ^ lane_of(c, there, 40), s[7] ^ lane_of(c, there, 41), s[8] ^ lane_of(c, there, 42),
        s[9] ^ lane_of(c, there, 43), s[10] ^ lane_of(c, there, 44), s[11] ^ lane_of(c, there, 45),
        s[12] ^ lane_of(c, there, 46), s[13] ^ lane_of(c, there, 47), s[14] ^ 1,
        s[15], s[16] ^ 0x8000000000000000,
        s[17], s[18], s[19], s[20], s[21], s[22], s[23], s[24],
    )  # fmt: skip
    tl.store(out + i * 4, s[0].to(tl.int64), mask=there)
    tl.store(out + i * 4 + 1, s[1].to(tl.int64), mask=there)
    tl.store(out + i * 4 + 2, s[2].to(tl.int64), mask=there)
    tl.store(out + i * 4 + 3, s[3].to(tl.int64), mask=there)


@triton.jit
def level_up(constants, below, out, count, BLOCK: tl.constexpr):
    """`count` nodes of a tree above their two children each."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = i < count
    at = below + i * 8
    m0 = tl.load(at, mask=there, other=0).to(tl.uint64)
    m1 = tl.load(at + 1, mask=there, other=0).to(tl.uint64)
    m2 = tl.load(at + 2, mask=there, other=0).to(tl.uint64)
    m3 = tl.load(at + 3, mask=there, other=0).to(tl.uint64)
    m4 = tl.load(at + 4, mask=there, other=0).to(tl.uint64)
    m5 = tl.load(at + 5, mask=there, other=0).to(tl.uint64)
    m6 = tl.load(at + 6, mask=there, other=0).to(tl.uint64)
    m7 = tl.load(at + 7, mask=there, other=0).to(tl.uint64)
    h = keccak_8(constants, m0, m1, m2, m3, m4, m5, m6, m7)
    tl.store(out + i * 4, h[0].to(tl.int64), mask=there)
    tl.store(out + i * 4 + 1, h[1].to(tl.int64), mask=there)
    tl.store(out + i * 4 + 2, h[2].to(tl.int64), mask=there)
    tl.store(out + i * 4 + 3, h[3].to(tl.int64), mask=there)


@triton.jit
def weigh_rows(x, limbs, out, n, BLOCK: tl.constexpr):
    """out[row, k] = x[row]·limbs[k] for 3 limbs of 21 bits: below 2**24 · 2**21 · 2**16 = 2**61, so int64 is exact."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    zero = tl.zeros((BLOCK,), tl.int64)
    w0, w1, w2 = zero, zero, zero
    for first in range(0, n, BLOCK):
        entry = tl.load(x + row * n + first + at).to(tl.int64)
        w0 += entry * tl.load(limbs + first + at)
        w1 += entry * tl.load(limbs + n + first + at)
        w2 += entry * tl.load(limbs + 2 * n + first + at)
    tl.store(out + row * 3, tl.sum(w0, 0))
    tl.store(out + row * 3 + 1, tl.sum(w1, 0))
    tl.store(out + row * 3 + 2, tl.sum(w2, 0))


@triton.jit(do_not_specialize=["first"])
def weigh_columns(b, limbs, sums, first, count, n, BLOCK: tl.constexpr):
    """sums[k, i] += b[j, i] · limbs[k, first + j] over `count` columns j of B: below 2**4 · 2**21 · 2**16."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    w0 = tl.load(sums + i)
    w1 = tl.load(sums + n + i)
    w2 = tl.load(sums + 2 * n + i)
    for j in range(count):
        entry = tl.load(b + j * n + i).to(tl.int64)
        w0 += entry * tl.load(limbs + first + j)
        w1 += entry * tl.load(limbs + n + first + j)
        w2 += entry * tl.load(limbs + 2 * n + first + j)
    tl.store(sums + i, w0)
    tl.store(sums + n + i, w1)
    tl.store(sums + 2 * n + i, w2)


# ---- what the host calls; arrays are those of whoever runs the kernels


def put_lines(constants: Any, key: Any, keys: Any, out: Any, first: int, count: int, n: int, high: bool,
              packed: bool = False) -> None:  # fmt: skip
    """`count` lines from `first` on into `out` (int64 words of 8 entries, of 16 where packed); `keys`: room for 4 lanes
    a line."""
    line_keys[(blocks(count),)](constants, key, keys, first, count, BLOCK=BLOCK)
    words = n // 64
    total = count * words
    line_entries[(blocks(total),)](constants, keys, out, words, total, HIGH=high, PACKED=packed, BLOCK=BLOCK)


def put_unpacked(packed: Any, out: Any, groups: int) -> None:
    """Groups of 16 entries from 8 bytes to 16."""
    unpacked[(blocks(groups),)](packed, out, groups, BLOCK=BLOCK)


def put_chunks(constants: Any, c: Any, out: Any, count: int) -> None:
    """Hashes of `count` chunks of C."""
    chunk_hashes[(blocks(count),)](constants, c, out, count, BLOCK=BLOCK)


def put_level(constants: Any, below: Any, out: Any, count: int) -> None:
    """`count` nodes above twice as many."""
    level_up[(blocks(count),)](constants, below, out, count, BLOCK=BLOCK)


def put_sums(x: Any, limbs: Any, out: Any, rows: int, n: int) -> None:
    """Sums of rows of C or A against limbs (3, n)."""
    weigh_rows[(rows,)](x, limbs, out, n, BLOCK=min(n, 1024))


def add_columns(b: Any, limbs: Any, sums: Any, first: int, count: int, n: int) -> None:
    """Adds `count` columns of B, from `first` on, to sums (3, n)."""
    size = min(n, BLOCK)
    weigh_columns[(n // size,)](b, limbs, sums, first, count, n, BLOCK=size)


def blocks(count: int) -> int:
    """Programs for so many messages."""
    return -(-count // BLOCK)
