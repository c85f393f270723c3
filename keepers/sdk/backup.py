"""Keys in one encrypted file: every key a keystore of version 3 of its own under the backup's password.

    {"schema": "hearth.backup/1", "keys": [{"name": "node-0", "keystore": {…version 3…}}, …]}

So each entry opens with any tool that reads such keystores, and nothing of our own stands between a key and its owner.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keepers.chain.bounded_json import loads
from keepers.chain.keys import LocalSigner, decrypt, encrypt, read_keystore, write_keystore, write_private
from keepers.chain.private_files import check_private, read_secret
from keepers.protocol.errors import HearthError

SCHEMA = "hearth.backup/1"
COST = 1 << 17  # scrypt's N: 128 MiB and about half a second a key, for this password may be one that people remember
LEAST = 12  # characters of the password
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Kept:
    """A keystore of this machine: its name in the backup, its file, and the password's text or file."""

    name: str
    path: Path
    password: str | None = None
    password_file: Path | None = None


@dataclass(frozen=True)
class Restored:
    """A key of a backup on this machine again; `fresh` is False where it was there already."""

    name: str
    address: str
    path: Path
    fresh: bool


def write_backup(target: Path, keys: Sequence[Kept], password: str, cost: int = COST) -> dict[str, str]:
    """Write all keys into a new file of mode 0600, read it back and open every key of it; name -> account.

    Raises H1005 (no key, a short password, a file that is there), H110x (a key that does not open).
    """
    if not keys:
        raise HearthError("H1005", "there is no key to back up", next=("hearth key new",))
    if len(password) < LEAST:
        raise HearthError("H1005", f"a backup's password has at least {LEAST} characters")
    rows = []
    for key in keys:
        text = read_secret(key.password_file) if key.password is None and key.password_file else key.password
        if text is None:
            raise HearthError(
                "H1101",
                f"no password for {key.path}, so its key cannot be backed up",
                next=(f"put its password into {key.path.with_suffix('.pass')} (0600)", "or move the keystore away"),
            )
        secret = decrypt(read_keystore(key.path), text, str(key.path))
        rows.append({"name": key.name, "keystore": encrypt(secret, password, cost)})
    write_private(target, json.dumps({"schema": SCHEMA, "keys": rows}, indent=1) + "\n")
    return {name: LocalSigner(secret).address for name, secret in _open(target, password).items()}


def restore_backup(source: Path, password: str, folder: Path, make_password: Callable[[Path], str]) -> list[Restored]:
    """Write the keys of a backup as keystores into `folder`; `make_password(path)` makes the file with a password.

    A key that is there already is kept. Raises H1005 before anything is written where a name stands for another key.
    """
    from keepers.chain.keys import keystore_address

    secrets = _open(source, password)
    for name, secret in secrets.items():
        path = folder / f"{name}.json"
        if path.exists() and keystore_address(path) != LocalSigner(secret).address:
            raise HearthError(
                "H1005",
                f"{path} holds another key than the backup's {name}: nothing was written",
                next=("move it away, or use another home: hearth config set home FOLDER",),
            )
    done = []
    for name, secret in secrets.items():
        path = folder / f"{name}.json"
        fresh = not path.exists()
        if fresh:
            beside = path.with_suffix(".pass")
            text = read_secret(beside) if beside.exists() else make_password(beside)
            write_keystore(path, secret, text)
        done.append(Restored(name, LocalSigner(secret).address, path, fresh))
    return done


def _open(source: Path, password: str) -> dict[str, bytes]:
    """Secrets by name. Raises H1006 for a file that is no backup, H1102 for a wrong password."""
    return {name: decrypt(keystore, password, f"key {name} of {source}") for name, keystore in _content(source).items()}


def _content(source: Path) -> Mapping[str, Any]:
    check_private(source)
    try:
        if source.stat().st_size > MAX_BYTES:
            raise ValueError("too large")
        raw = loads(source.read_text(encoding="utf-8"))
        rows = {str(row["name"]): row["keystore"] for row in raw["keys"]} if raw["schema"] == SCHEMA else {}
    except (ValueError, KeyError, TypeError):
        rows = {}
    wrong = [n for n, k in rows.items() if not isinstance(k, dict) or not n or n != Path(n).name or n.startswith(".")]
    if not rows or wrong:
        raise HearthError("H1006", f"{source} is no backup of keys", next=("hearth key backup FILE makes one",))
    return rows
