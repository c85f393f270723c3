"""What keeps two processes from signing for one seat, and what tells an old sign log from the newest one."""

from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path

from sqlalchemy import Connection, text

from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.store.file_lock import FileLock

MEMORY = Path("/dev/shm")  # noqa: S108  gone at the next boot, in no backup; owner and mode are checked
_WIDTH = 20 + 1 + 64 + 1


def _name(scope: str) -> str:
    return keccak(scope.encode()).hex()[:24]


def _held(by: str) -> HearthError:
    return HearthError(
        "H6403",
        f"{by} signs for this seat",
        why=("two signers of one seat would sign two reports of one epoch",),
        next=("stop it first",),
    )


class LogLock:
    """An exclusive lock on a file beside the log. It ends with the process, however that ends."""

    def __init__(self, folder: Path, scope: str) -> None:
        self._lock = FileLock(folder / f"signlog-{_name(scope)}.lock")

    def acquire(self) -> None:
        """Raises H6403 that names the process which has it."""
        holder = self._lock.acquire()
        if holder is not None:
            raise _held(f"process {holder}")

    def release(self) -> None:
        """Let it go."""
        self._lock.release()


class MachineLock:
    """A name in the kernel's own space (an abstract socket, Linux): found also where the folder was copied."""

    def __init__(self, scope: str) -> None:
        self._address = f"\0hearth-signlog-{_name(scope)}"
        self._socket: socket.socket | None = None

    def acquire(self) -> None:
        """Raises H6403 where a process of this machine has it. Does nothing where there are no such names."""
        if sys.platform != "linux":
            return
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            made.bind(self._address)
        except OSError:
            made.close()
            raise _held("another process of this machine, with another copy of the sign log,") from None
        self._socket = made

    def release(self) -> None:
        """Let it go."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class ServerLock:
    """PostgreSQL's advisory lock on a number made of the seat's name: it is the session's, and ends with it."""

    def __init__(self, scope: str) -> None:
        self._number = int.from_bytes(keccak(b"signlog" + scope.encode())[:8], "big", signed=True)

    def acquire(self, connection: Connection) -> None:
        """Raises H6403 where another session has it."""
        taken = connection.execute(text("SELECT pg_try_advisory_lock(:n)"), {"n": self._number}).scalar()
        connection.commit()
        if not taken:
            raise _held("another session of this database")


class Witness:
    """Number and chain of the newest row, in memory that outlives a process and no boot.

    It is written after the row and before the signature leaves. A log that lacks the row it names is a copy older than
    what was signed; where there is no mark (a boot, another machine) nothing is known.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    @classmethod
    def of(cls, scope: str, folder: Path = MEMORY) -> Witness | None:
        """The witness of a seat; one that never knows anything where this machine has no such memory."""
        return cls(folder / f"hearth-{os.geteuid()}-{_name(scope)}")

    def read(self) -> tuple[int, bytes] | None:
        """(serial, chain) of the newest row that was ever signed since the boot, None where nothing is known."""
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            info = os.fstat(handle)
            if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o077:
                return None
            serial, chain = os.read(handle, 2 * _WIDTH).decode("ascii").split()
            return int(serial), bytes.fromhex(chain)
        except ValueError:
            return None
        finally:
            os.close(handle)

    def write(self, serial: int, chain: bytes) -> None:
        """Name the newest row. Raises H1203 where the old mark can be neither replaced nor removed."""
        line = f"{serial:020d} {chain.hex()}\n".encode()
        try:
            if self._handle is None:
                self._path.unlink(missing_ok=True)  # a name that somebody else has taken is never written through
                self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            os.pwrite(self._handle, line, 0)
        except OSError as error:
            self.close()
            if self.read() is not None:
                raise HearthError("H1203", f"{self._path} cannot be written", why=(str(error),)) from error

    def close(self) -> None:
        """Let the file go; the mark stays."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def machine_id() -> str:
    """What tells this machine from others; empty where it has no such name."""
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
