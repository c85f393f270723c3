"""Where this home keeps its keys, how a password is made, and how one is asked for."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.cli.options import Options


def key_folder(options: Options) -> Path:
    """Where keystores of this home lie."""
    from keepers.sdk.connect import load_settings

    home: Path = load_settings(options.flags()).settings.home_path
    return home / "keys"


def make_password(path: Path) -> str:
    """A random password in a new file of mode 0600 beside the keystore."""
    from keepers.chain.keys import write_private

    password = secrets.token_urlsafe(32)
    write_private(path, password + "\n")
    return password


def ask_password(path: Path | None, what: str, twice: bool = False) -> str:
    """The text of a password file, else what is typed. Raises H1101 (exit 4) where there is no terminal."""
    from keepers.chain.private_files import read_secret

    if path is not None:
        return read_secret(path)
    if not sys.stdin.isatty():
        raise HearthError("H1101", f"no password for {what}", next=("--password-file FILE",))
    return str(click.prompt("Password", hide_input=True, err=True, confirmation_prompt=twice))
