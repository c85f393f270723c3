"""Files that people name on the command line."""

from __future__ import annotations

from pathlib import Path

from keepers.protocol.errors import HearthError


def read_bytes(path: Path, limit: int) -> bytes:
    """The content of a file of at most `limit` bytes. Raises H1006."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        why = (error.strerror or type(error).__name__,)
        raise HearthError("H1006", f"{path} cannot be read", why=why) from None
    if len(data) > limit:
        raise HearthError("H1006", f"{path} is larger than {limit:,} bytes")
    return data
