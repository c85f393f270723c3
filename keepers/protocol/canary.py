"""Canaries: a node fails a challenge on purpose, so that whoever says that it passed has not looked.

Before the challenge the node commits to it in the telemetry of its heartbeats; a PERIOD later it shows what it had
committed to, beside observations in which seats say that it passed. It is evidence for the owner of a network, never a
slash: nothing of it is refutable, for what is signed is right. Source: docs/protocol.md §8, "Canaries".
"""

from __future__ import annotations

from keepers.protocol.hashing import keccak
from keepers.protocol.messages import Domain

SILENT = "silent"  # nothing is signed or sent
LATE = "late"  # the answer is sent when its deadline is over
WITHHELD = "withheld"  # no row of it is opened
SPOILT = "spoilt"  # opened rows have a wrong entry, and do not lead to the root that was signed
HOWS = (SILENT, LATE, WITHHELD, SPOILT)
SALT_BYTES = 32
_TAG = b"hearth.canary/1"


def commitment(domain: Domain, node: int, epoch: int, how: str, salt: bytes) -> bytes:
    """keccak(tag ‖ chain id 32 ‖ ComputeChallenge 20 ‖ node 3 ‖ epoch 4 ‖ salt 32 ‖ how). Raises ValueError for a
    `how` or a salt that is none."""
    if how not in HOWS or len(salt) != SALT_BYTES:
        raise ValueError(f"a canary is one of {', '.join(HOWS)} with a salt of {SALT_BYTES} bytes")
    where = domain.chain_id.to_bytes(32, "big") + bytes.fromhex(domain.contract[2:])
    return keccak(_TAG + where + node.to_bytes(3, "big") + epoch.to_bytes(4, "big") + salt + how.encode())


def allowed(epoch: int, last: int, epochs_per_period: int) -> bool:
    """Whether a node may fail on purpose again: once in as many epochs as a PERIOD has, for three in a day jail it.
    `last`: epoch of its last canary, 0 = none."""
    return last == 0 or epoch >= last + epochs_per_period


def spoilt(row: bytes) -> bytes:
    """An opened row with another first entry: it no longer leads to the root, so it proves nothing about the answer."""
    return bytes((row[0] ^ 1,)) + row[1:]


__all__ = ["HOWS", "LATE", "SALT_BYTES", "SILENT", "SPOILT", "WITHHELD", "allowed", "commitment", "spoilt"]
