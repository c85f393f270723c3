"""`hearth key`: encrypted keystores. No command prints or takes a secret on its line."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from keepers.cli import output, units
from keepers.cli.keyfiles import ask_password, key_folder, make_password
from keepers.cli.options import FILE, Options, group
from keepers.cli.rotate import rotate
from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.sdk.backup import Kept


@group(default="list")
def key() -> None:
    """Keys: new, import, list, test, rotate, backup."""


key.add_command(rotate)


def _named(options: Options, name: str) -> Path:
    """The keystore of that name in this home. Raises H1005 for what is no plain name."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name):
        raise units.bad("name of a key", name[:100], "letters, digits, - _ . and no folder, like renter or node-0")
    return key_folder(options) / f"{name}.json"


@key.command()
@click.argument("name", default="renter")
@click.option("--file", "target", type=FILE, help="Keystore file; default: keys/NAME.json of the home.")
@click.option("--password-file", type=FILE, help="Use this password instead of a new random one.")
@click.pass_obj
def new(options: Options, name: str, target: Path | None, password_file: Path | None) -> None:
    """Make a key: an encrypted keystore, and a random password in a file beside it (both 0600)."""
    from keepers.chain.keys import new_signer, write_keystore
    from keepers.chain.private_files import read_secret

    path = target or _named(options, name)
    if path.exists():
        raise HearthError("H1005", f"{path} is already there and is never overwritten", next=("choose another name",))
    beside = path.with_suffix(".pass")
    password = read_secret(password_file) if password_file else make_password(beside)
    _, secret = new_signer()
    address = write_keystore(path, secret, password)
    data = {"address": address, "keystore": str(path), "password_file": str(password_file or beside)}
    options.emit("key", data, lambda: f"{address}\n  keystore  {path}\n  password  {password_file or beside}")
    options.note(
        "note  the password beside its keystore protects backups, not this disk: move it where only you read it"
    )


@key.command("import")
@click.argument("name", default="renter")
@click.option("--keystore", type=FILE, help="An encrypted keystore of version 3 to copy.")
@click.option("--secret-file", type=FILE, help="A file (0600) with the hex secret; delete it afterwards.")
@click.option("--backup", type=FILE, help="A file of `hearth key backup`: every key of it, by its name.")
@click.option("--password-file", type=FILE, help="Password of the keystore, or of the backup.")
@click.pass_obj
def import_(
    options: Options,
    name: str,
    keystore: Path | None,
    secret_file: Path | None,
    backup: Path | None,
    password_file: Path | None,
) -> None:
    """Take over a key from a keystore, from a file with its secret, or all keys of a backup.

    Secrets are never read from the command line.
    """
    from keepers.chain.keys import LocalSigner, open_keystore, write_keystore, write_private
    from keepers.chain.private_files import check_private, read_secret

    if sum(given is not None for given in (keystore, secret_file, backup)) != 1:
        raise HearthError("H1005", "give one of --keystore, --secret-file and --backup")
    if backup is not None:
        _restore(options, backup, password_file)
        return
    target = _named(options, name)
    if target.exists():
        raise HearthError("H1005", f"{target} is already there and is never overwritten", next=("choose another name",))
    if keystore is not None:
        if password_file is None:
            raise HearthError("H1101", "the keystore needs its password", next=("--password-file FILE",))
        address = open_keystore(keystore, password_file=password_file).address
        check_private(keystore)
        write_private(target, keystore.read_text(encoding="utf-8"))
        where = password_file
    else:
        assert secret_file is not None
        text = read_secret(secret_file).removeprefix("0x")
        try:
            secret = bytes.fromhex(text)
        except ValueError:
            raise HearthError(
                "H1102", f"{secret_file} holds no hex secret", next=("64 hex digits, with or without 0x",)
            ) from None
        address = LocalSigner(secret).address
        where = password_file or target.with_suffix(".pass")
        password = read_secret(password_file) if password_file else make_password(where)
        write_keystore(target, secret, password)
        options.note(f"note  delete {secret_file}: it holds the key in the clear")
    data = {"address": address, "keystore": str(target), "password_file": str(where)}
    options.emit("key", data, lambda: f"{address}\n  keystore  {target}\n  password  {where}")


@key.command("list")
@click.pass_obj
def list_(options: Options) -> None:
    """Keystores of this home and the accounts they name; nothing is opened."""
    from keepers.chain.keys import keystore_address

    folder = key_folder(options)
    rows = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        try:
            rows.append([path.stem, keystore_address(path), str(path)])
        except HearthError as error:
            rows.append([path.stem, f"[{error.code}] {error.message}", str(path)])
    data = [{"name": name, "address": address, "keystore": path} for name, address, path in rows]
    options.emit(
        "keys",
        data,
        lambda: (
            output.table(["name", "address", "keystore"], rows, 200)
            if rows
            else f"no key in {folder}\nnext  hearth key new"
        ),
    )


@key.command()
@click.argument("file", type=FILE)
@click.option("--password-file", type=FILE, help="Default: the .pass file beside it, else a prompt.")
@click.pass_obj
def test(options: Options, file: Path, password_file: Path | None) -> None:
    """Open a keystore and sign something worthless with it; exit 4 if that fails."""
    from keepers.chain.keys import open_keystore, read_keystore
    from keepers.wire.signatures import BadSignature, recover

    read_keystore(file)  # before its password is asked for
    beside = file.with_suffix(".pass")
    where = password_file or (beside if beside.exists() else None)
    password = None
    if where is None:
        password = ask_password(None, str(file))
    signer = open_keystore(file, password, where)
    digest = secrets.token_bytes(32)
    try:
        back = recover(digest, signer.sign_digest(digest))
    except BadSignature:
        back = ""
    if back != signer.address:
        raise HearthError("H1102", f"{file} opens, but its signature does not come back to its account")
    options.emit("key", {"address": signer.address, "ok": True}, lambda: f"ok  {signer.address} opens and signs")


@key.command()
@click.argument("file", type=FILE)
@click.option("--password-file", type=FILE, help="The backup's password; else a prompt.")
@click.pass_obj
def backup(options: Options, file: Path, password_file: Path | None) -> None:
    """All keys of this home and its config in one encrypted file, opened again before it is called done.

    Back on any machine: hearth key import --backup FILE. Keep the password elsewhere than the file.
    """
    from keepers.sdk.backup import write_backup

    kept = _kept(options)
    options.note(f" plan  {len(kept)} keys into {file} (0600): {', '.join(k.name for k in kept) or 'none'}")
    if options.planned({"file": str(file), "keys": [k.name for k in kept]}):
        return
    done = write_backup(file, kept, ask_password(password_file, str(file), twice=True))
    data = {"file": str(file), "keys": [{"name": n, "address": a} for n, a in done.items()]}
    lines = [f"ok  {name:<12} {address}" for name, address in done.items()]
    options.emit("backup", data, lambda: "\n".join([*lines, f"wrote {file}: every key of it opens"]))
    options.note("next  copy it to another machine, and its password to a third place")


def _kept(options: Options) -> list[Kept]:
    """The keystores of the home's folder, and those that the config names elsewhere."""
    from keepers.sdk.backup import Kept
    from keepers.sdk.connect import load_settings

    settings: Any = load_settings(options.flags()).settings
    named: dict[Path, tuple[str, str | None]] = {}
    for section in ("renter", "operator", "attester", "settler"):
        row = getattr(settings, section)
        if row.keystore is not None:
            named[row.keystore.expanduser().absolute()] = (section, _text(row.password))
    for node, path in zip(settings.agent.nodes, settings.agent.keystores, strict=True):
        named[path.expanduser().absolute()] = (f"node-{node}", _text(settings.agent.password))
    folder = (settings.home_path / "keys").absolute()
    found: dict[str, Kept] = {}
    here = sorted(folder.glob("*.json")) if folder.is_dir() else []
    for path in [*here, *(path for path in named if path not in here)]:
        section, password = named.get(path, (path.stem, None))
        name, number = path.stem if path in here else section, 2
        while name in found:
            name, number = f"{section}-{number}", number + 1
        beside = path.with_suffix(".pass")
        found[name] = Kept(name, path, password, beside if password is None and beside.exists() else None)
    return list(found.values())


def _text(password: Any) -> str | None:
    return None if password is None else str(password.get_secret_value())


def _restore(options: Options, source: Path, password_file: Path | None) -> None:
    from keepers.sdk.backup import restore_backup

    folder = key_folder(options)
    password = ask_password(password_file, str(source))
    done = restore_backup(source, password, folder, make_password)
    data = [{"name": k.name, "address": k.address, "keystore": str(k.path), "fresh": k.fresh} for k in done]
    lines = [f"{k.address}  {k.path}{'' if k.fresh else '  kept'}" for k in done]
    options.emit("keys", data, lambda: "\n".join(lines))
    options.note("next  hearth init ROLE takes the keys it finds, or: hearth config set SECTION.keystore FILE")
