"""Prices and names of GPUs as people write them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from fractions import Fraction

from keepers.protocol.errors import HearthError
from keepers.protocol.units import WAD
from keepers.sdk.types import HOUR


def rate_wei(usd_per_gpu_hour: str | Fraction) -> int:
    """Credits (wei) a GPU-second of a price in USD per GPU-hour, rounded down. Raises H4205 below 1 wei."""
    rate = int(Fraction(usd_per_gpu_hour) * WAD / HOUR)
    if not 0 < rate < 2**64:
        raise HearthError(
            "H4205",
            f"{usd_per_gpu_hour} USD per GPU-hour is no price",
            why=("a price is above 0 and below 66,000 USD; the smallest is 0.0000000000000036 USD per GPU-hour",),
        )
    return rate


def resolve_gpu(text: str, names: Sequence[str]) -> frozenset[str]:
    """Class names meant by `RTX-4090`, `4090` or `NVIDIA GeForce RTX 4090`. Raises H4203 with suggestions."""
    words = [w for w in re.split(r"[\s_\-]+", text.upper()) if w not in ("", "NVIDIA", "GEFORCE", "TESLA", "GPU")]
    found = frozenset(name for name in names if _in_order(words, name.upper().split("-")))
    if words and found:
        return found
    short = {re.sub(r"-\d+GB$", "", name) for name in names}
    near = difflib.get_close_matches("-".join(words), sorted(short), n=3, cutoff=0.5)
    raise HearthError(
        "H4203",
        f"no class of this network is called {text!r}",
        why=(f"known: {', '.join(sorted(names)) or 'none'}",),
        next=tuple(f"--gpu {name}" for name in near),
    )


def _in_order(words: Sequence[str], parts: Sequence[str]) -> bool:
    rest = iter(parts)
    return all(word in rest for word in words)
