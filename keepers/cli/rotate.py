"""`hearth key rotate NODE` and `hearth key rotate operator`: a key replaced on chain and in the settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from keepers.cli import units
from keepers.cli.keyfiles import key_folder, make_password
from keepers.cli.options import FILE, Command, Options
from keepers.cli.rotate_operator import rotate_operator
from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.chain.keys import Signer
    from keepers.sdk.client import Hearth


@click.command("rotate", cls=Command)
@click.argument("what", metavar="NODE|operator")
@click.option("--provider", type=click.IntRange(0), metavar="ID", help="Whose operator; the key's own by default.")
@click.option("--key", "keystore", type=FILE, metavar="FILE", help="Keystore of the new key; a fresh one by default.")
@click.option("--key-password-file", type=FILE, metavar="FILE", help="Its password; default: the .pass file beside.")
@click.pass_obj
def rotate(
    options: Options, what: str, provider: int | None, keystore: Path | None, key_password_file: Path | None
) -> None:
    """Replace a node's key from the next epoch on, or the operator key at once. Sent by the provider's owner.

    Interrupted? The same command goes on where it stopped; the old key is kept, and the config names the new one only
    once the chain has it. A node: signed by the new key as well; restart the agent when the next epoch begins; at most
    once in the registry's answer window. The operator: every ask signed before is void and has to be signed again.
    """
    if what == "operator":
        rotate_operator(options, provider, keystore, key_password_file)
        return
    if provider is not None:
        raise HearthError("H1005", "--provider goes with: hearth key rotate operator")
    _rotate_node(options, _index(what), keystore, key_password_file)


def _index(what: str) -> int:
    if not (what.isascii() and what.isdecimal()):
        raise units.bad("key to rotate", what, "the number of a node, or: operator")
    return int(what)


def _rotate_node(options: Options, node: int, keystore: Path | None, key_password_file: Path | None) -> None:
    hearth = options.hearth()
    word = hearth.reads.node(node)
    at = hearth.head()
    epoch = hearth.calendar.epoch(at.timestamp) + 1
    old = hearth.suite.registry.key_of(node, max(word.first, epoch), at=at).lower()
    from_then = units.say_when(hearth.calendar.start(epoch))
    options.note(
        f" plan  node {node} of provider {word.provider}: a new key instead of {units.short(old)}, from epoch {epoch}"
        f" ({from_then}) on · one transaction of {units.short(hearth.address)}, then [agent] of the config\n"
        " risk  beats of the old key count until then, those of the new one from then on: restart the agent at that"
        " time · no undo, and no other rotation for a while"
    )
    if options.planned({"node": node, "old": old, "from_epoch": epoch, "from_at": units.rfc3339(
            hearth.calendar.start(epoch))}, hearth):  # fmt: skip
        return
    options.confirm_name(f"node-{node}", f"rotating the key of node {node} cannot be undone")
    path, signer = _new_key(options, hearth, node, keystore, key_password_file)
    since = hearth.rotate_key(node, signer, options.progress)
    config = switch(options, node, path)
    starts = hearth.calendar.start(since)
    data: dict[str, Any] = {
        "node": node,
        "old": old,
        "new": signer.address,
        "keystore": str(path),
        "from_epoch": since,
        "from_at": units.rfc3339(starts),
        "config": str(config) if config else None,
    }
    lines = [f"node {node} signs with {signer.address} from epoch {since} ({units.say_when(starts)}) on"]
    lines.append(f"wrote {path} into [agent] of {config}" if config else f"[agent] of the config has no node {node}")
    options.emit("key", data, lambda: "\n".join(lines), hearth)
    options.note(
        f"next  restart the agent at {units.say_when(starts)}, then: hearth check agent, hearth key backup FILE"
    )


def _new_key(
    options: Options, hearth: Hearth, node: int, keystore: Path | None, password_file: Path | None
) -> tuple[Path, Signer]:
    """The keystore that was named; else the one that an interrupted rotation left, or a fresh one."""
    from keepers.chain.keys import keystore_address, new_signer, open_keystore, write_keystore

    shared = _agent_password(options)
    if keystore is None:
        folder, at = key_folder(options), hearth.head()
        number = 1
        while (folder / f"node-{node}-{number + 1}.json").exists():
            number += 1
        keystore = folder / f"node-{node}-{number}.json"
        if keystore.exists():
            owner = hearth.suite.registry.node_of_key(keystore_address(keystore), at=at)
            if owner and not (owner == node + 1 and hearth.key_from_next(node) == keystore_address(keystore)
                              and not _in_use(options, node, keystore)):  # fmt: skip
                keystore = folder / f"node-{node}-{number + 1}.json"
        if not keystore.exists():
            _, secret = new_signer()
            write_keystore(keystore, secret, shared or make_password(keystore.with_suffix(".pass")))
    keystore = keystore.expanduser().absolute()
    if password_file is not None:
        return keystore, open_keystore(keystore, password_file=password_file)
    return keystore, open_keystore(keystore, shared, None if shared else keystore.with_suffix(".pass"))


def _agent(options: Options) -> Any:
    from keepers.sdk.connect import load_settings

    return load_settings(options.flags()).section("agent")


def _agent_password(options: Options) -> str | None:
    """The one password of all the agent's keystores, where the config has one: a new keystore must open with it."""
    password = _agent(options).password
    return password.get_secret_value() if password is not None else None


def _in_use(options: Options, node: int, keystore: Path) -> bool:
    section = _agent(options)
    named = dict(zip(section.nodes, section.keystores, strict=True)).get(node)
    return named is not None and Path(named).expanduser().absolute() == keystore.expanduser().absolute()


def switch(options: Options, node: int, keystore: Path) -> Path | None:
    """Put the keystore of a node of [agent] in the place of its old one; None where the config has no such node."""
    from keepers.cli.config import write_settings

    section = _agent(options)
    if node not in section.nodes:
        return None
    after = [str(keystore if n == node else path) for n, path in zip(section.nodes, section.keystores, strict=True)]
    try:
        return write_settings({"agent.keystores": json.dumps(after)}, options.config)
    except HearthError as error:
        raise HearthError(
            error.code,
            f"the chain has the new key of node {node}, the config could not be changed",
            why=(error.message,),
            next=(f"hearth config set agent.keystores '{json.dumps(after)}'", f"hearth key rotate {node}"),
        ) from None
