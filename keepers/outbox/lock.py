"""One key, one writer: two processes that send with one key would give two transactions the same nonce."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from keepers.protocol.errors import HearthError


class KeyLock:
    """An exclusive lock on (chain, account), held until `release` or the end of the process, however it ends."""

    def __init__(self, folder: Path, chain_id: int, address: str) -> None:
        self._path = folder / f"{chain_id}-{address.lower()}.lock"
        self._handle: int | None = None
        self._address = address

    def acquire(self) -> None:
        """Raises H1202 that names the process which holds the key."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise HearthError(
                "H1202",
                f"process {holder} already sends with {self._address}",
                why=("two senders of one key would collide in their nonces",),
                next=("stop it first, or give this role a key of its own",),
            ) from None
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        self._handle = handle

    def release(self) -> None:
        """Let it go. The file stays: removing it would let two processes lock two files of one name."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
