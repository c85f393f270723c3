"""`hearth key`: encrypted keystores. No command prints or takes a secret on its line."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

import rich_click as click

from keepers.cli import output
from keepers.cli.options import Options, group
from keepers.protocol.errors import HearthError


@group()
def key() -> None:
    """Keys: new, import, list, test."""


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


@key.command()
@click.argument("name", default="renter")
@click.option(
    "--file", "target", type=click.Path(path_type=Path), help="Keystore file; default: keys/NAME.json of the home."
)
@click.option("--password-file", type=click.Path(path_type=Path), help="Use this password instead of a new random one.")
@click.pass_obj
def new(options: Options, name: str, target: Path | None, password_file: Path | None) -> None:
    """Make a key: an encrypted keystore, and a random password in a file beside it (both 0600)."""
    from keepers.chain.keys import new_signer, write_keystore
    from keepers.chain.private_files import read_secret

    path = target or key_folder(options) / f"{name}.json"
    if path.exists():
        raise HearthError(
            "H1005", f"{path} is already there and is never overwritten", next=("choose another name",), exit_code=4
        )
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
@click.option("--keystore", type=click.Path(path_type=Path), help="An encrypted keystore of version 3 to copy.")
@click.option(
    "--secret-file", type=click.Path(path_type=Path), help="A file (0600) with the hex secret; delete it afterwards."
)
@click.option("--password-file", type=click.Path(path_type=Path), help="Password of the keystore that is written.")
@click.pass_obj
def import_(
    options: Options, name: str, keystore: Path | None, secret_file: Path | None, password_file: Path | None
) -> None:
    """Take over a key from a keystore, or from a file with its secret. Secrets are never read from the command line."""
    from keepers.chain.keys import LocalSigner, open_keystore, write_keystore, write_private
    from keepers.chain.private_files import check_private, read_secret

    if (keystore is None) == (secret_file is None):
        raise HearthError("H1005", "give either --keystore or --secret-file", exit_code=2)
    target = key_folder(options) / f"{name}.json"
    if target.exists():
        raise HearthError(
            "H1005", f"{target} is already there and is never overwritten", next=("choose another name",), exit_code=4
        )
    if keystore is not None:
        if password_file is None:
            raise HearthError("H1101", "the keystore needs its password", next=("--password-file FILE",), exit_code=4)
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
            raise HearthError("H1102", f"{secret_file} holds no hex secret", exit_code=4) from None
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
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--password-file", type=click.Path(path_type=Path), help="Default: the .pass file beside it, else a prompt."
)
@click.pass_obj
def test(options: Options, file: Path, password_file: Path | None) -> None:
    """Open a keystore and sign something worthless with it; exit 4 if that fails."""
    from keepers.chain.keys import open_keystore
    from keepers.wire.signatures import BadSignature, recover

    beside = file.with_suffix(".pass")
    where = password_file or (beside if beside.exists() else None)
    password = None
    if where is None:
        if not sys.stdin.isatty():
            raise HearthError("H1101", f"no password for {file}", next=("--password-file FILE",), exit_code=4)
        password = click.prompt("Password", hide_input=True, err=True)
    signer = open_keystore(file, password, where)
    digest = secrets.token_bytes(32)
    try:
        back = recover(digest, signer.sign_digest(digest))
    except BadSignature:
        back = ""
    if back != signer.address:
        raise HearthError("H1102", f"{file} opens, but its signature does not come back to its account", exit_code=4)
    options.emit("key", {"address": signer.address, "ok": True}, lambda: f"ok  {signer.address} opens and signs")
