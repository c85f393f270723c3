"""`hearth key rotate operator`: another key signs a provider's asks from a block on.

The order is that of an outage at any point: the new keystore is on the disk before the transaction, the config names it
after. What an interrupted rotation left is found again; no key is ever removed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keepers.cli import units
from keepers.cli.keyfiles import key_folder, make_password
from keepers.cli.options import Options
from keepers.cli.stake import own_provider
from keepers.protocol.errors import HearthError
from keepers.protocol.messages import address_text

if TYPE_CHECKING:
    from keepers.chain.keys import Signer
    from keepers.sdk.client import Hearth
    from keepers.sdk.types import SignedAsk


def rotate_operator(options: Options, provider: int | None, keystore: Path | None, password_file: Path | None) -> None:
    """Plan, question, key, transaction, config; then which asks have to be signed again."""
    hearth = options.hearth()
    mine = own_provider(hearth, provider)
    hearth.require_owner(mine, f"provider {mine}'s owner", "its operator key")
    before = hearth.reads.provider(mine)
    old = address_text(before.operator)
    folder = key_folder(options).parent / "offers"
    void = _standing(hearth, mine, before.generation, folder)
    options.note(
        f" plan  provider {mine}: a new operator key instead of {units.short(old)} · one transaction of"
        f" {units.short(hearth.address)}, then [operator] of the config\n"
        f" risk  every ask signed before is void at that block, {len(void)} of them in {folder}: sign them again ·"
        " running leases go on · undo: the old key again, without its asks"
    )
    if options.planned({"provider": mine, "old": old, "void_asks": _data(void)}, hearth):
        return
    options.confirm_name(f"provider-{mine}", f"a new operator of provider {mine} voids all its asks")
    path, signer = _new_key(options, hearth, mine, keystore, password_file)
    after = hearth.rotate_operator(mine, signer.address, options.progress)
    config = _switch(options, mine, path, password_file)
    void = [ask for ask in void if ask.ask.generation != after.generation]
    data: dict[str, Any] = {
        "provider": mine,
        "old": old,
        "new": signer.address,
        "keystore": str(path),
        "generation": after.generation,
        "config": str(config),
        "void_asks": _data(void),
    }
    lines = [
        f"provider {mine}: its asks are signed by {signer.address}; {units.short(old)} signs nothing more, its keystore"
        " stays where it is",
        f"wrote {path} into [operator] of {config}",
        f"asks signed before are void ({len(void)} in {folder}): sign them again, and hand out the new files",
    ]
    options.emit("key", data, lambda: "\n".join(lines), hearth)
    options.note("next  " + "\n      ".join([*_again(void, folder), "hearth key backup FILE"]))


def _standing(hearth: Hearth, provider: int, generation: int, folder: Path) -> list[SignedAsk]:
    """Asks of the provider in this home's folder that are of its present generation."""
    from keepers.sdk.offers import load

    if not folder.is_dir():
        return []
    found, _ = load(str(folder), hearth.market_domain, lambda url: b"")
    now = hearth.head().timestamp
    return [
        one
        for one in found
        if (one.ask.provider, one.ask.generation) == (provider, generation) and one.ask.expiry > now
    ]


def _data(void: list[SignedAsk]) -> list[dict[str, Any]]:
    return [{"ask": "0x" + one.digest.hex(), "file": one.source, "rate_wei": one.ask.rate} for one in void]


def _again(void: list[SignedAsk], folder: Path) -> list[str]:
    """The command that signs each void ask anew."""
    from keepers.protocol.messages import unpack_nodes

    return [
        f"hearth node price {' '.join(map(str, unpack_nodes(one.ask.nodes)))} --usd {units.say_rate(one.ask.rate)}"
        f" --sheet {one.ask.sheet} --out {folder}"
        for one in void
        if one.ask.nodes
    ] or [f"hearth node price NODE --usd USD --out {folder}"]


def _new_key(
    options: Options, hearth: Hearth, provider: int, keystore: Path | None, password_file: Path | None
) -> tuple[Path, Signer]:
    """The keystore that was named; else the one that an interrupted rotation left, or a fresh one."""
    from keepers.chain.keys import new_signer, open_keystore, write_keystore

    if keystore is None:
        keystore = _left_over(options, hearth, provider) or _next_path(key_folder(options))
        if not keystore.exists():
            _, secret = new_signer()
            write_keystore(keystore, secret, make_password(keystore.with_suffix(".pass")))
    keystore = keystore.expanduser().absolute()
    return keystore, open_keystore(keystore, password_file=password_file or keystore.with_suffix(".pass"))


def _left_over(options: Options, hearth: Hearth, provider: int) -> Path | None:
    """The newest keystore of an earlier call whose key never was the operator, or is it and the config lacks it."""
    from keepers.chain.keys import keystore_address
    from keepers.sdk.connect import load_settings

    known = _numbered(key_folder(options))
    if not known:
        return None
    newest, operators = known[max(known)], hearth.operators(provider)
    address = keystore_address(newest)
    if address not in operators:
        return newest
    named = load_settings(options.flags()).section("operator").keystore
    unnamed = named is None or named.expanduser().absolute() != newest.absolute()
    return newest if address == operators[-1] and unnamed else None


def _next_path(folder: Path) -> Path:
    return folder / f"operator-{max(_numbered(folder), default=1) + 1}.json"


def _numbered(folder: Path) -> dict[int, Path]:
    found = {}
    for path in folder.glob("operator-*.json"):
        match = re.fullmatch(r"operator-(\d+)", path.stem)
        if match:
            found[int(match[1])] = path
    return found


def _switch(options: Options, provider: int, keystore: Path, password_file: Path | None) -> Path:
    """[operator] of the config names the new key."""
    from keepers.cli.config import write_settings

    values = {"operator.keystore": str(keystore)}
    if password_file is not None:
        values["operator.password_file"] = str(password_file.expanduser().absolute())
    try:
        return write_settings(values, options.config)
    except HearthError as error:
        raise HearthError(
            error.code,
            f"the chain has the new operator of provider {provider}, the config could not be changed",
            why=(error.message,),
            next=(f"hearth config set operator.keystore {keystore}", "hearth key rotate operator"),
        ) from None
