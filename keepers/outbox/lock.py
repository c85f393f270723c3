"""One key, one writer: two processes that send with one key would give two transactions the same nonce."""

from __future__ import annotations

from pathlib import Path

from keepers.protocol.errors import HearthError
from keepers.store.file_lock import FileLock


class KeyLock:
    """An exclusive lock on (chain, account), held until `release` or the end of the process, however it ends."""

    def __init__(self, folder: Path, chain_id: int, address: str) -> None:
        self._path = folder / f"{chain_id}-{address.lower()}.lock"
        self._lock = FileLock(self._path)
        self._address = address

    def acquire(self) -> None:
        """Raises H1202 that names the process which holds the key."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        holder = self._lock.acquire()
        if holder is not None:
            raise HearthError(
                "H1202",
                f"process {holder} already sends with {self._address}",
                why=("two senders of one key would collide in their nonces",),
                next=("stop it first, or give this role a key of its own",),
            )

    def release(self) -> None:
        """Let it go."""
        self._lock.release()
