"""`hearth node`: a provider's machines."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from keepers.cli import output, units
from keepers.cli.hardware import class_here
from keepers.cli.keyfiles import key_folder
from keepers.cli.options import FILE, Options, group
from keepers.cli.stake import own_provider
from keepers.cli.status import lease_data, lease_text
from keepers.protocol.errors import HearthError
from keepers.protocol.units import GWEI, WAD

if TYPE_CHECKING:
    from keepers.sdk.client import Hearth
    from keepers.sdk.types import SignedAsk


@group(default="list")
def node() -> None:
    """Your machines: list, register, price, drain, check-in, opt-in, opt-out, retire; their leases: notice, leave."""


@node.command("list")
@click.option("--provider", type=click.IntRange(0), metavar="ID", help="The key's own by default.")
@click.option("--all", "everybody", is_flag=True, help="Every node of the network.")
@click.pass_obj
def list_(options: Options, provider: int | None, everybody: bool) -> None:
    """Machines with their status and what is leased."""
    hearth = options.hearth()
    mine = None if everybody else own_provider(hearth, provider)
    classes = hearth.reads.classes()
    found = [(i, word) for i, word in enumerate(hearth.reads.nodes()) if mine is None or word.provider == mine]
    rows = [
        [
            str(i),
            str(w.provider),
            classes.get(w.class_id, str(w.class_id)),
            f"{w.reserved}/{w.gpus}",
            w.status.name,
            str(w.first),
            str(w.region),
        ]
        for i, w in found
    ]
    data = [{"node": i, "class": classes.get(w.class_id), **output.plain(w)} for i, w in found]
    headers = ["node", "provider", "class", "leased", "status", "first epoch", "region"]
    options.emit(
        "nodes",
        data,
        lambda: output.table(headers, rows) if rows else "no node yet\nnext  hearth node register",
        hearth,
    )


@node.command()
@click.option("--class", "class_name", metavar="NAME", help="Hardware class, like RTX-4090-24GB; what is found here.")
@click.option("--gpus", type=click.IntRange(1, 16), metavar="N", help="How many; all that are found by default.")
@click.option("--key", "keystore", type=FILE, help="Keystore of the node's own key; keys/node-0.json of the home.")
@click.option("--key-password-file", type=FILE, help="Its password; default: the .pass file beside it.")
@click.option("--payout", metavar="ADDRESS", help="Where pay goes; the key's own by default.")
@click.option("--region", type=click.IntRange(0, 65_535), default=0, show_default=True, metavar="ID")
@click.option(
    "--stake", "stake_text", metavar="TOKENS", help="Stake this much too; what the class asks for by default."
)
@click.option("--salt", default="", metavar="TEXT", help="Only if somebody else has taken the fingerprint of your GPU.")
@click.option("--price", "usd", metavar="USD", help="Sign an ask too, like 0.432 USD per GPU-hour.")
@click.option("--out", type=FILE, metavar="FOLDER", help="Write that ask into this folder; offers/ of the home.")
@click.option("--sheet", type=click.IntRange(0), default=0, show_default=True, metavar="ID", help="Its term sheet.")
@click.option(
    "--stand-in", "stand_in", metavar="LABEL", help="No GPU here: register a declared stand-in (local networks only)."
)
@click.pass_obj
def register(
    options: Options,
    class_name: str | None,
    gpus: int | None,
    keystore: Path | None,
    key_password_file: Path | None,
    payout: str | None,
    region: int,
    stake_text: str | None,
    salt: str,
    usd: str | None,
    out: Path | None,
    sheet: int,
    stand_in: str | None,
) -> None:
    """One plan: provider, node, stake, ask. Interrupted? The same command resumes at the first missing step.

    Writes the node into [agent] of the config, so that `hearth up` runs it.
    """
    from keepers.chain.keys import open_keystore
    from keepers.sdk.client import rate_wei

    rate = rate_wei(units.price(usd)) if usd else None
    more = units.token_gwei(stake_text) if stake_text else None
    keystore = (keystore or key_folder(options) / "node-0.json").expanduser()
    if not keystore.is_file():
        raise HearthError("H1101", f"there is no keystore {keystore}", next=("hearth init provider",))
    hearth = options.hearth()
    class_name = class_name or class_here()
    class_id = _class_id(hearth, class_name)
    if rate is not None:
        hearth.check_sheet(sheet)
    prints, found = _fingerprints(hearth, class_name, gpus, salt, stand_in)
    beside = keystore.with_suffix(".pass")
    signer = open_keystore(keystore, password_file=key_password_file or beside)
    me = hearth.address
    to = payout or me
    units.address_number(to)
    options.note(
        f" plan  provider of {units.short(me)} (payout {units.short(to)}) · node {units.short(signer.address)}"
        f" with {found} x {class_name}"
        f" · stake what is required{f' · sign an ask at {usd} USD per GPU-hour' if usd else ''}\n"
        " risk  a proven lie costs the minimum stake; silence costs pay only · undo:"
        " hearth node retire"
    )
    if options.planned({"class": class_name, "gpus": found, "key": signer.address, "payout": to}, hearth):
        return
    options.confirm()
    provider = hearth.register_provider(me, to, "", options.progress)
    index = hearth.register_node(provider, class_id, prints, signer, region, options.progress)
    view = hearth.stake(provider)
    short = max(0, view.required_gwei - view.staked_gwei) if more is None else more
    if short:
        hearth.add_stake(provider, short, options.progress)
    declared = f"{class_name}:{found}:{stand_in}" if stand_in else ""
    config = write_agent(options, index, keystore, key_password_file, declared)
    data = {"provider": provider, "node": index, "key": signer.address, "gpus": found, "config": str(config)}
    lines = [f"node {index} of provider {provider}: Pending until a report of a whole clean epoch is usable"]
    lines.append(f"wrote [agent] of {config}")
    if rate is not None:
        expiry = hearth.head().timestamp + units.duration("7d")
        signed = hearth.sign_ask(provider, [index], rate, sheet=sheet, expiry_at=expiry)
        path = _write_ask(hearth, signed, out or key_folder(options).parent / "offers")
        data |= {"ask": "0x" + signed.digest.hex(), "file": str(path)}
        lines.append(f"ask {path}: give it to renters, or serve its folder")
    options.emit("node", data, lambda: "\n".join(lines), hearth)
    options.note("next  hearth up" + ("" if usd else f"    ·    hearth node price {index} --usd 0.43 --out FOLDER"))


@node.command()
@click.argument("nodes", type=click.IntRange(0), nargs=-1, required=True)
@click.option("--usd", "usd", metavar="USD", required=True, help="USD per GPU-hour, like 0.432.")
@click.option("--valid", "valid", metavar="TIME", default="7d", show_default=True, help="How long the ask stands.")
@click.option("--sheet", type=click.IntRange(0), default=0, show_default=True, metavar="ID", help="Term sheet.")
@click.option("--min", "least", metavar="TIME", help="Shortest lease.")
@click.option("--max", "most", metavar="TIME", help="Longest lease.")
@click.option("--out", type=FILE, metavar="FOLDER", help="Write the offer into this folder; stdout by default.")
@click.pass_obj
def price(
    options: Options,
    nodes: tuple[int, ...],
    usd: str,
    valid: str,
    sheet: int,
    least: str | None,
    most: str | None,
    out: Path | None,
) -> None:
    """Sign an ask for nodes of one provider: no transaction, no gas. Anyone who has the file can take it."""
    from keepers.sdk.client import rate_wei
    from keepers.sdk.offers import to_json

    hearth = options.hearth()
    words = [hearth.reads.node(i) for i in nodes]
    if len({word.provider for word in words}) != 1:
        raise HearthError("H1005", "one ask is for nodes of one provider")
    rate = rate_wei(units.price(usd))
    signed = hearth.sign_ask(
        words[0].provider,
        nodes,
        rate,
        sheet=sheet,
        expiry_at=hearth.head().timestamp + units.duration(valid),
        min_duration_s=units.duration(least) if least else 0,
        max_duration_s=units.duration(most) if most else 2**32 - 1,
    )
    text = to_json(signed, hearth.market_domain)
    if out is None:
        options.say(text.rstrip())
        return
    path = _write_ask(hearth, signed, out)
    data = {"ask": "0x" + signed.digest.hex(), "file": str(path), "rate_wei": rate}
    options.emit(
        "ask",
        data,
        lambda: (
            f"ask 0x{signed.digest.hex()[:8]}… {units.say_rate(rate)} USD per GPU-hour for node"
            f" {', '.join(map(str, nodes))}: {path}"
        ),
        hearth,
    )


@node.command()
@click.option("--provider", type=click.IntRange(0), metavar="ID", help="The key's own by default.")
@click.pass_obj
def drain(options: Options, provider: int | None) -> None:
    """Withdraw every ask of the provider: no new lease; running ones go on to their end."""
    hearth = options.hearth()
    mine = own_provider(hearth, provider)
    options.note(
        f" plan  withdraw all asks of provider {mine} at once · running leases go on · undo: hearth node price"
    )
    if options.planned({"provider": mine}, hearth):
        return
    options.confirm()
    hearth.drain(mine, options.progress)
    options.emit("drain", {"provider": mine}, lambda: f"all asks of provider {mine} are withdrawn", hearth)
    options.note(f"next  hearth node list --provider {mine}")


@node.command()
@click.argument("lease")
@click.pass_obj
def notice(options: Options, lease: str) -> None:
    """End a lease on your node with the notice of its sheet: full pay until then, no forfeit. Operator or owner."""
    hearth = options.hearth()
    view = hearth.status(lease)
    options.note(
        f" plan  give notice on lease {view.ordinal} (node {view.terms.node}) · it runs on for the sheet's"
        " notice, paid in full · cannot be taken back"
    )
    if options.planned({"lease": view.ordinal}, hearth):
        return
    options.confirm()
    after = hearth.notice(lease, options.progress)
    options.emit("lease", lease_data(after), lambda: lease_text(options, after), hearth)
    options.note("next  hearth node drain, so that no new lease comes")


@node.command()
@click.argument("lease")
@click.pass_obj
def leave(options: Options, lease: str) -> None:
    """Stop a lease on your node at once (HOST_EXIT): its bond is forfeited to the renter. Only the provider's owner."""
    hearth = options.hearth()
    view = hearth.status(lease)
    options.note(
        f" plan  stop lease {view.ordinal} (node {view.terms.node}) now · attested seconds are paid\n"
        " risk  the sheet's forfeit goes from the bond to the renter · without it: hearth node notice"
        f" {view.ordinal}"
    )
    if options.planned({"lease": view.ordinal}, hearth):
        return
    options.confirm_name(f"lease-{view.ordinal}", f"leaving lease {view.ordinal} forfeits its bond")
    after = hearth.leave(lease, options.progress)
    options.emit("lease", lease_data(after), lambda: lease_text(options, after), hearth)
    options.note(f"next  hearth receipt {after.ordinal}")


@node.command("check-in")
@click.argument("index", type=click.IntRange(0))
@click.option("--key", "keystore", type=FILE, metavar="FILE", help="The node's keystore; that of [agent] by default.")
@click.option("--key-password-file", type=FILE, metavar="FILE", help="Its password; default: the .pass file beside.")
@click.pass_obj
def check_in(options: Options, index: int, keystore: Path | None, key_password_file: Path | None) -> None:
    """Show on chain that a node is up in this slot, where the attesters do not hear it. Its own key pays the gas.

    It counts as a heartbeat that every attester heard, no more: one slot (5 minutes by default).
    """
    from keepers.chain.keys import open_keystore
    from keepers.sdk.connect import load_settings

    key = None
    if keystore is not None:
        key = open_keystore(keystore, password_file=key_password_file or keystore.with_suffix(".pass"))
    tip = int(load_settings(options.flags()).settings.fees.tip_gwei * GWEI)
    hearth = options.hearth(f"node {index}", key)
    plan = hearth.check_in_plan(index, tip)
    there = bool(plan.slots >> plan.slot & 1)
    ends = hearth.calendar.slot_start(plan.epoch, plan.slot) + hearth.calendar.slot
    options.note(
        f" plan  node {index} was up in slot {plan.epoch}.{plan.slot} (ends {units.say_time(ends)}), said on chain by"
        f" {units.short(plan.key)}\n"
        + (" cost  nothing: it checked in already" if there else
           f" cost  up to {plan.cost_wei / WAD:.6f} of the native coin of the node key, which holds"
           f" {plan.balance_wei / WAD:.6f}")
    )  # fmt: skip
    if options.planned(plan, hearth):
        return
    if not there:
        options.confirm()
    done = hearth.check_in(index, tip, options.progress)
    slots = "".join("#" if done.slots >> k & 1 else "." for k in range(12))
    options.emit(
        "check-in",
        done,
        lambda: f"node {index} checked in for slot {done.epoch}.{done.slot} · epoch {done.epoch}: {slots}",
        hearth,
    )
    options.note(f"next  hearth proof {index} {done.epoch}    once that epoch is reported")


@node.command("opt-in")
@click.argument("index", type=click.IntRange(0))
@click.pass_obj
def opt_in(options: Options, index: int) -> None:
    """Owe an answer in every challenged epoch, for availability pay."""
    _opt(options, index, True)


@node.command("opt-out")
@click.argument("index", type=click.IntRange(0))
@click.pass_obj
def opt_out(options: Options, index: int) -> None:
    """Owe an answer only when the lot falls on the machine."""
    _opt(options, index, False)


def _opt(options: Options, index: int, into: bool) -> None:
    hearth = options.hearth()
    word = hearth.reads.node(index)
    name = "in" if into else "out"
    owes = "in every challenged epoch while a GPU is free" if into else "only when it is drawn"
    options.note(f" plan  opt node {index} {name} from the next epoch on · it then owes an answer {owes}")
    if options.planned({"node": index, "provider": word.provider, "opt": name}, hearth):
        return
    options.confirm()
    hearth.opt(index, into, options.progress)
    first = hearth.reads.node(index).opt_in
    said = f"opted in from epoch {first} on" if into else "opted out"
    options.emit("node", {"node": index, "opt_in": first}, lambda: f"node {index} is {said}", hearth)


@node.command()
@click.argument("index", type=click.IntRange(0))
@click.pass_obj
def retire(options: Options, index: int) -> None:
    """Take a machine out for ever; only with no lease on it."""
    hearth = options.hearth()
    word = hearth.reads.node(index)
    options.note(
        f" plan  retire node {index} of provider {word.provider} for ever · its GPUs may stand in another node"
        " after the cooldown"
    )
    if options.planned({"node": index, "provider": word.provider}, hearth):
        return
    options.confirm_name(f"node-{index}", f"retiring node {index} cannot be undone")
    hearth.retire(index, options.progress)
    options.emit("node", {"node": index, "status": "RETIRED"}, lambda: f"node {index} is retired", hearth)
    options.note("next  hearth stake remove all")


def _write_ask(hearth: Hearth, signed: SignedAsk, folder: Path) -> Path:
    from keepers.sdk.offers import to_json

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{signed.digest.hex()[:16]}.json"
    path.write_text(to_json(signed, hearth.market_domain), encoding="utf-8")
    return path


def write_agent(options: Options, index: int, keystore: Path, password_file: Path | None, stand_in: str) -> Path:
    """Add a node to [agent] of the config, or replace its entry: what `hearth up` reads."""
    from keepers.cli.config import write_settings
    from keepers.sdk.connect import load_settings

    section = load_settings(options.flags()).section("agent")
    rows = {
        node: [str(path), section.gpus[i] if section.gpus else "", section.stand_in[i] if section.stand_in else ""]
        for i, (node, path) in enumerate(zip(section.nodes, section.keystores, strict=True))
    }
    rows[index] = [str(keystore.expanduser().absolute()), "", stand_in]
    values = {
        "agent.nodes": json.dumps(list(rows)),
        "agent.keystores": json.dumps([row[0] for row in rows.values()]),
    }
    for place, name in ((1, "gpus"), (2, "stand_in")):
        if any(row[place] for row in rows.values()):
            values[f"agent.{name}"] = json.dumps([row[place] for row in rows.values()])
    if password_file is not None:
        values["agent.password_file"] = str(password_file.expanduser().absolute())
    return write_settings(values, options.config)


def _class_id(hearth: Hearth, name: str) -> int:
    classes = hearth.reads.classes()
    for class_id, known in classes.items():
        if known.lower() == name.lower():
            return class_id
    import difflib

    near = difflib.get_close_matches(name.upper(), classes.values(), n=3, cutoff=0.4)
    raise HearthError(
        "H1005",
        f"this network has no class {name!r}",
        why=f"it has {json.dumps(list(classes.values()))}",
        next=tuple(f"--class {n}" for n in near) or ("--class with one of these",),
    )


def _fingerprints(
    hearth: Hearth, class_name: str, gpus: int | None, salt: str, stand_in: str | None
) -> tuple[list[bytes], int]:
    from keepers.cli.hardware import uuids_here
    from keepers.gpu.fingerprint import fingerprint

    if stand_in is not None:
        if not hearth.deployment.local:
            raise HearthError(
                "H1005", "--stand-in is for local networks: this one is public", next=("leave --stand-in out",)
            )
        from keepers.gpu.stand_in import StandIn

        if not re.fullmatch(r"[0-9a-z.-]{1,60}", stand_in):
            raise units.bad("label of a stand-in", stand_in, "small letters, digits, - and . only, like alpha")
        uuids = StandIn(class_name, gpus or 1, stand_in).uuids()
    else:
        uuids = uuids_here(gpus)
    return [fingerprint(uuid, salt) for uuid in uuids], len(uuids)
