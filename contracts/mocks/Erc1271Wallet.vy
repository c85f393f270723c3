# pragma version 0.4.3
"""
@title A wallet that answers for signatures (EIP-1271)
@license AGPL-3.0-only
@notice Signs by its owner's key; misbehaves on demand: 1 refuses, 2 reverts, 3 burns all its gas, 4 answers one byte short,
        5 answers 64 bytes, 6 tries to write. It can also carry a call. For tests only.
"""

OWNER: immutable(address)
mode: public(uint256)
seen: uint256


@deploy
def __init__(owner: address):
    OWNER = owner


@external
def set_mode(mode: uint256):
    self.mode = mode


@external
def act(target: address, data: Bytes[4096]):
    assert msg.sender == OWNER, "wallet: owner"
    raw_call(target, data)


@external
@raw_return
def isValidSignature(digest: bytes32, sig: Bytes[576]) -> Bytes[64]:
    mode: uint256 = self.mode
    assert mode != 2, "wallet: no"
    if mode == 3:
        x: bytes32 = digest
        for i: uint256 in range(10_000_000):
            x = keccak256(x)
    if mode == 6:
        self.seen += 1
    good: bool = len(sig) == 65
    if good:
        v: uint256 = convert(slice(sig, 64, 1), uint256)
        r: uint256 = convert(slice(sig, 0, 32), uint256)
        good = ecrecover(digest, v, r, convert(slice(sig, 32, 32), uint256)) == OWNER
    if mode == 1 or not good:
        return concat(0xffffffff00000000000000000000000000000000000000000000000000000000, b"")
    if mode == 4:
        return slice(concat(0x1626ba7e00000000000000000000000000000000000000000000000000000000, b""), 0, 31)
    if mode == 5:
        return concat(0x1626ba7e00000000000000000000000000000000000000000000000000000000, empty(bytes32))
    return concat(0x1626ba7e00000000000000000000000000000000000000000000000000000000, b"")
