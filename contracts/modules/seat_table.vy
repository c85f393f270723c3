# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Where a hub keeps the tables of its committees
@license AGPL-3.0-only
@notice A table is a data contract that the hub creates: its nonce is the generation, 1 … 65,535. One zero byte, then 31
        words, an address each, unused ones zero. Source: docs/protocol.md, "Committee".
"""

# rlp([address, nonce]) without either: one byte below 0x80, one byte from there on, two bytes
RLP_1: constant(uint256) = 54_932 << 168            # d6 94 … nonce
RLP_2: constant(uint256) = 55_188 << 176 | 129 << 8         # d7 94 … 81 nonce
RLP_3: constant(uint256) = 55_444 << 184 | 130 << 16        # d8 94 … 82 nonce


@internal
@pure
def _at(hub: address, generation: uint256) -> address:
    """@notice Address of a table: the hub's CREATE with that nonce."""
    us: uint256 = convert(hub, uint256)
    h: bytes32 = empty(bytes32)
    if generation < 128:
        h = keccak256(slice(convert(RLP_1 | us << 8 | generation, bytes32), 9, 23))
    elif generation < 256:
        h = keccak256(slice(convert(RLP_2 | us << 16 | generation, bytes32), 8, 24))
    else:
        h = keccak256(slice(convert(RLP_3 | us << 24 | generation, bytes32), 7, 25))
    return convert(convert(h, uint256) & (2**160 - 1), address)


@internal
@view
def _seat(table: address, index: uint256) -> address:
    """@notice A seat of a table; zero where there is no such seat, or no such table."""
    if table.codesize != 993:
        return empty(address)
    words: Bytes[992] = slice(table.code, 1, 992)
    return convert(convert(extract32(words, index << 5), uint256), address)
