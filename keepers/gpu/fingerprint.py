"""Fingerprint of a GPU: keccak256 of its UUID, the word that `NodeRegistry.gpu_owner` is asked with.

Source: docs/protocol.md §4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak

_UUID = re.compile(r"GPU-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_STAND_IN = re.compile(r"STAND-IN-[0-9a-z.-]{1,64}")


class BadUuid(HearthError):
    """A UUID that names no whole GPU (H3107)."""


def fingerprint(uuid: str, salt: str = "") -> bytes:
    """32 bytes: keccak256 of the UUID in its written form, `GPU-` and lower-case hexadecimal, then the salt in UTF-8.

    A salt is the way out of a fingerprint that somebody else has taken (SECURITY.md); usually there is none.
    MIG slices, masked UUIDs (all zero) and anything else raise BadUuid: two machines must never share a fingerprint.
    """
    text = uuid.strip()
    if text[:4].upper() == "GPU-":
        text = "GPU-" + text[4:].lower()
    whole = _UUID.fullmatch(text) is not None and set(text[4:]) - set("0-") != set()
    if not whole and _STAND_IN.fullmatch(text) is None:
        raise BadUuid(
            "H3107",
            f"{uuid[:80]!r} is not the UUID of a whole GPU",
            why=["a fingerprint needs NVML's full UUID; MIG slices and masked identities have none"],
            next=["turn MIG off, or run where the driver shows UUIDs"],
        )
    return keccak((text + salt).encode())


def fingerprints(uuids: Iterable[str]) -> tuple[bytes, ...]:
    """Fingerprints of a node in ascending order; BadUuid if one occurs twice."""
    words = sorted(fingerprint(uuid) for uuid in uuids)
    for one, other in pairwise(words):
        if one == other:
            raise BadUuid("H3107", "one GPU is named twice", why=["equal UUIDs"], next=["name each GPU once"])
    return tuple(words)
