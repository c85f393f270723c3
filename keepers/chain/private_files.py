"""Files that hold secrets: only ours, only readable by us."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from keepers.protocol.errors import HearthError

FILE_LIMIT = 1 << 16  # bytes; a password or a keystore is far smaller


def check_private(path: Path) -> None:
    """Raises H1103 unless the file is ours and nobody else may read it (0600 or 0400), H1101 where there is none."""
    try:
        info = path.stat()
    except OSError as error:
        raise HearthError(
            "H1101",
            f"{path} cannot be read",
            why=(error.strerror or str(error),),
            next=("hearth key list",),
        ) from error
    if not stat.S_ISREG(info.st_mode):
        raise HearthError("H1101", f"{path} is no regular file")
    if stat.S_IMODE(info.st_mode) & 0o077 or info.st_uid not in (os.geteuid(), 0):
        raise HearthError(
            "H1103",
            f"{path} can be read by others (mode {stat.S_IMODE(info.st_mode):04o}, owner {info.st_uid})",
            next=(f"chmod 600 {path}", "if others could read it, make a new key: hearth key rotate"),
        )


def read_secret(path: Path) -> str:
    """Text of a secret's file without its last line break. Raises H1101, H1103."""
    path = path.expanduser()
    check_private(path)
    try:
        with path.open("rb") as file:
            text = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise HearthError("H1101", f"{path} cannot be read", why=(error.strerror or str(error),)) from error
    if len(text) > FILE_LIMIT:
        raise HearthError("H1101", f"{path} is larger than {FILE_LIMIT} bytes, so it holds no secret")
    try:
        return text.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise HearthError("H1101", f"{path} is no UTF-8 text") from None
