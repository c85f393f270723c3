"""A second copy of the sign log, in a file on another disk, written before each signature.

    hearth sign log mirror 1 SCOPE LOG
    SERIAL KIND EPOCH VIEW DIGEST AT CHAIN         one line a row, synced

It is there for one case: the log's disk is lost, or an older copy of it is restored. Then the mirror has rows that the
log lacks, and the seat does not start (H6402). So it only ever forbids: a mirror that agrees proves nothing, as a
snapshot may hold both.

While the seat runs, a mirror that cannot be written (a full or absent disk, a share that hangs) does not stop it, for
the log itself still allows one digest a place, and a committee that lost its seats to a share would lose its reports.
It is said instead: H6408 in log and metrics at every signature, `signlog_mirror_ok` 0. It is tried again each time, and
takes up all that it missed. A start, when nobody can know what the mirror has seen, is refused until it can be read.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.roles.attester.signlog import Row, chained

TIMEOUT_S = 5.0
_HEAD = "hearth sign log mirror 1"


def broken(path: Path, why: str) -> HearthError:
    """H6408."""
    return HearthError("H6408", f"the sign log's mirror at {path} does not work", why=(why,))


class Mirror:
    """The copy of one log, `log` by name, of the seat `scope`. Raises H6408 where it cannot be read or written."""

    def __init__(self, path: Path, scope: str, log: str, timeout_s: float = TIMEOUT_S) -> None:
        self.path, self._scope, self._log, self._timeout = path, scope, log, timeout_s
        self._serial: int | None = None  # of the last row that is certainly there; None: look first
        self._stuck: threading.Thread | None = None

    def exists(self) -> bool:
        """Whether there is a file."""
        found: list[bool] = []
        self._within(lambda: found.append(self.path.exists()))
        return found[0]

    def rows(self) -> tuple[str, list[Row]]:
        """(name of the log that it copies, its rows)."""
        found: list[tuple[str, list[Row]]] = []
        self._within(lambda: found.append(self._read()))
        return found[0]

    def begin(self, rows: Sequence[Row]) -> None:
        """Write it anew, in one step, as the copy of a log with these rows."""
        self._within(lambda: self._replace(rows))
        self._serial = rows[-1].serial if rows else 0

    def follow(self, since: Callable[[int], Sequence[Row]]) -> None:
        """Bring it up to the log, `since(serial)` being the log's rows after one. Returns once that is on the disk."""
        after, self._serial = self._serial, None
        if after is None:
            name, known = self.rows()
            if name != self._log:
                raise broken(self.path, "it has become the mirror of another log")
            after = known[-1].serial if known else 0
        missing = list(since(after))
        if missing:
            self._within(lambda: self._append(missing))
        self._serial = missing[-1].serial if missing else after

    # ---- on a thread of its own: a share that hangs must not hang the seat

    def _within(self, do: Callable[[], object]) -> None:
        failed: list[OSError | HearthError] = []

        def run() -> None:
            try:
                do()
            except (OSError, HearthError) as error:
                failed.append(error)

        if self._stuck is not None and self._stuck.is_alive():
            raise broken(self.path, "what was asked of it before still hangs")
        thread = threading.Thread(target=run, name="signlog-mirror", daemon=True)
        thread.start()
        thread.join(self._timeout)
        if thread.is_alive():
            self._stuck = thread
            raise broken(self.path, f"no answer within {self._timeout:g} s")
        if failed:
            error = failed[0]
            raise error if isinstance(error, HearthError) else broken(self.path, str(error)) from error

    def _read(self) -> tuple[str, list[Row]]:
        text = self.path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if len(whole) < len(text):  # killed in the middle of a line: its signature does not exist
            os.truncate(self.path, len(whole))
        try:
            head, *lines = whole.decode("ascii").splitlines()
            name, scope, log = head.rsplit(" ", 2)
            if (name, scope) != (_HEAD, self._scope):
                raise broken(self.path, f"it begins with {head[:80]!r}, not with the name of this seat's log")
            rows = [_parse(line) for line in lines]
        except ValueError as error:
            raise broken(self.path, f"it is damaged: {error}") from error
        before = keccak(log.encode())
        for number, row in enumerate(rows, 1):
            before = chained(before, row.kind, row.epoch, row.view, row.digest)
            if (row.serial, row.chain) != (number, before):
                raise broken(self.path, f"it is damaged at row {number}")
        return log, rows

    def _append(self, rows: Sequence[Row]) -> None:
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND)  # never made here: its disk may be gone
        try:
            _write(handle, "".join(map(_line, rows)))
        finally:
            os.close(handle)

    def _replace(self, rows: Sequence[Row]) -> None:
        made = self.path.with_name(f".{self.path.name}.new")
        made.unlink(missing_ok=True)
        handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _write(handle, f"{_HEAD} {self._scope} {self._log}\n" + "".join(map(_line, rows)))
        finally:
            os.close(handle)
        made.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _write(handle: int, text: str) -> None:
    data = text.encode("ascii")
    while data:
        data = data[os.write(handle, data) :]
    os.fsync(handle)


def _line(row: Row) -> str:
    return f"{row.serial} {row.kind} {row.epoch} {row.view} {row.digest.hex()} {row.at} {row.chain.hex()}\n"


def _parse(line: str) -> Row:
    serial, kind, epoch, view, digest, at, chain = line.split(" ")
    return Row(kind, int(epoch), int(view), bytes.fromhex(digest), int(at), int(serial), bytes.fromhex(chain))
