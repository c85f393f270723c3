"""The parts of a deployment, in the order in which they run: look, plan, rehearse, show, confirm, send, record."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from keepers.chain.bounded_json import loads
from keepers.chain.deployment import NETWORK_NAME, Deployment
from keepers.localnet.anvil import RpcError
from scripts import _ape
from scripts._errors import DeployError
from scripts._journal import Journal
from scripts._plan import Call, Plan, Step, build_plan, calldata, json_value, with_gas
from scripts._profile import Profile, broken_rules, rules
from scripts._record import make_record, read_record, source_state, write_record
from scripts._rehearsal import play, reason, throwaway
from scripts._send import Fees, Sender, gas_limit
from tools.compile import ROOT, Artifact, CompileError, build

# What a plan file holds beside its schema.
_PLAN = {
    "chain_id": int,
    "genesis_block_hash": str,
    "deployer": str,
    "first_nonce": int,
    "genesis": int,
    "source_commit": str,
    "sources": dict,
    "open": bool,
    "steps": list,
}
_STEP = {"key": str, "nonce": int, "data_hash": str, "gas": int}
# Who would deploy in a dry run without a network: an address that nobody has a key of.
NOBODY = "0x00000000000000000000000000000000000D3914"


@dataclass(frozen=True)
class Site:
    """What the chain says before a deployment."""

    chain_id: int
    genesis_block_hash: str
    head: int
    time: int
    nonce: int
    balance: int


def look(chain: Any, deployer: str) -> Site:
    """Reads the site from a chain."""
    head = chain.call("eth_getBlockByNumber", "latest", False)
    first = chain.call("eth_getBlockByNumber", "0x0", False)
    return Site(
        chain_id=int(chain.call("eth_chainId"), 16),
        genesis_block_hash=str(first["hash"]),
        head=int(head["number"], 16),
        time=int(head["timestamp"], 16),
        nonce=int(chain.call("eth_getTransactionCount", deployer, "latest"), 16),
        balance=int(chain.call("eth_getBalance", deployer, "latest"), 16),
    )


def empty_site(chain_id: int) -> Site:
    """The site of a dry run without a network: a chain on which nothing happened yet."""
    with throwaway(chain_id) as chain:
        return look(chain, NOBODY)


def artifacts_of_suite() -> dict[str, Artifact]:
    """Compiles what is not in the cache. Raises H7112."""
    from scripts._plan import ORDER

    try:
        return build(ORDER, say=True)
    except CompileError as error:
        raise DeployError("H7112", "the contracts do not compile", str(error)) from None


def check_profile(profile: Profile) -> None:
    """Raises H7101 with every rule that the profile breaks."""
    broken = broken_rules(profile)
    if broken:
        raise DeployError("H7101", f"profile {profile.name} breaks its rules", " · ".join(broken), "correct it")


def check_chain(profile: Profile, chain_id: int) -> None:
    """Raises H7103 where the profile is not meant for the chain."""
    allowed = profile.network.chain_ids
    if allowed and chain_id not in allowed:
        why = f"it allows chain id {', '.join(map(str, allowed))}"
        raise DeployError("H7103", f"profile {profile.name} is not for chain {chain_id}", why, "another --profile")


def check_name(network: str) -> None:
    """Raises H7114 where the record could not name its network so, before anything is sent."""
    if not NETWORK_NAME.fullmatch(network):
        form = "--name NAME: letters, digits, - _ ."
        raise DeployError("H7114", f"{network!r} cannot name a network: it names files", next_=form)


def ceiling(gwei: float | None) -> int | None:
    """--max-fee in wei a gas; None where it is not given. Raises H7114."""
    if gwei is not None and not 0 < gwei <= 10**9:
        raise DeployError("H7114", f"--max-fee {gwei:g} is no gas price", next_="gwei, above 0 and at most 1e9")
    return None if gwei is None else int(gwei * 10**9)


def make_plan(
    profile: Profile,
    artifacts: dict[str, Artifact],
    site: Site,
    deployer: str,
    open_entries: bool,
    pinned: dict[str, Any] | None = None,
) -> Plan:
    """The plan now, or, with `pinned` (a plan's JSON), the same plan again from the present sources and profile."""
    align = profile.calendar.align_s
    plan = build_plan(
        profile,
        artifacts,
        chain_id=site.chain_id,
        deployer=deployer,
        first_nonce=int(pinned["first_nonce"]) if pinned else site.nonce,
        genesis=int(pinned["genesis"]) if pinned else site.time // align * align,
        genesis_block_hash=site.genesis_block_hash,
        head=site.head,
        source_commit=str(pinned["source_commit"]) if pinned else source_state()[0],
        open_entries=bool(pinned["open"]) if pinned else open_entries,
    )
    return plan if pinned is None else _same(plan, pinned, site)


def _same(plan: Plan, pinned: dict[str, Any], site: Site) -> Plan:
    """`plan` with the gas of `pinned`. Raises H7103, H7105 or H7102 with the first thing that differs."""
    if (pinned["chain_id"], pinned["genesis_block_hash"]) != (site.chain_id, site.genesis_block_hash):
        raise DeployError("H7103", f"the plan was made for chain {pinned['chain_id']}, or for another one of this id")
    if str(pinned["deployer"]).lower() != plan.deployer.lower():
        why = f"the plan's deployer is {pinned['deployer']}, the account {plan.deployer}"
        raise DeployError("H7102", "the plan is for another account", why, "give its --account")
    changed = sorted(name for name, key in plan.sources.items() if pinned["sources"].get(name) != key)
    if changed:
        raise DeployError(
            "H7105",
            f"the sources of {', '.join(changed)} are not those of the plan",
            f"the plan was made from commit {pinned['source_commit'][:12]}",
            "check that commit out and repeat; or plan anew",
        )
    rows = pinned["steps"]
    for step, row in zip(plan.steps, rows, strict=False):
        if (step.key, step.nonce, step.data_hash) != (row["key"], row["nonce"], row["data_hash"]):
            raise DeployError("H7102", f"step {step.key} differs from the plan", "the profile has changed", "plan anew")
    if len(rows) != len(plan.steps):
        raise DeployError("H7102", "the profile has more or fewer steps than the plan", "", "plan anew")
    return with_gas(plan, [int(row["gas"]) for row in rows])


def show_plan(plan: Plan, profile: Profile, fees: Fees | None, site: Site, artifacts: dict[str, Artifact]) -> None:
    """The plan for people: contracts, addresses, gas, cost, wiring, rules."""
    echo = click.echo
    commit = plan.source_commit[:7] + (" with changes" if plan.source_commit.endswith("-dirty") else "")
    echo(
        f"plan  {plan.profile} on chain {plan.chain_id} · deployer {plan.deployer}, nonce {plan.first_nonce} · "
        f"block {plan.head:,} · source {commit} · {plan.compiler} · id {plan.id}"
    )
    echo(f" {'#':>2} {'contract':<16} {'address (CREATE, nonce)':<52} {'gas':>10} {'code':>7}  constructor")
    for i, step in enumerate(plan.steps, 1):
        if step.kind != "create":
            continue
        size = artifacts[step.contract].deployed_size
        args = ", ".join(_short(a) for a in step.args)
        echo(f" {i:>2} {step.contract:<16} {step.address} ({step.nonce}){'':<3} {step.gas:>10,} {size:>7,}  {args}")
    calls = [s for s in plan.steps if s.kind == "call"]
    echo(f" then {len(calls)} calls: " + ", ".join(s.note or s.key for s in calls))
    total = sum(s.gas for s in plan.steps)
    if fees is not None:
        limit = sum(gas_limit(s) for s in plan.steps)
        echo(
            f" gas {total:,} executed in the rehearsal · {total * (fees.cap + fees.tip) / 2 / 1e18:.4f} ETH, at most "
            f"{limit * fees.cap / 1e18:.4f} at {fees.cap / 1e9:.3f} gwei · balance {site.balance / 1e18:.4f}"
        )
    else:
        echo(f" gas {total:,} executed in the rehearsal")
    first = plan.genesis + profile.calendar.epoch_s
    echo(f" genesis {plan.genesis}: epoch 1 begins at {first} · owner of all is the deployer until it is handed over")
    echo(f" entries {'open at the end' if plan.open else 'stay paused: open them with --open'}")
    echo(" rules checked: " + " · ".join(f"{text} ok" for text, _ in rules(profile)))
    largest = max(artifacts.values(), key=lambda a: a.deployed_size)
    echo(f" largest contract {largest.name}, {largest.deployed_size:,} of 24,576 bytes ok")


def _short(value: Any) -> str:
    text = str(json_value(value))
    return f"{text[:6]}…{text[-4:]}" if len(text) == 42 and text.startswith("0x") else text


def confirm(network: str, local: bool, confirmed: str | None) -> None:
    """On a network that is not local, its name typed, or given with --confirm. Raises H7113 with exit code 3."""
    if local or confirmed == network:
        return
    if confirmed is not None:
        raise DeployError("H7113", f"--confirm says {confirmed!r}, the network is {network!r}")
    if not sys.stdin.isatty():
        raise DeployError("H7113", "no terminal to confirm on", "", f"--confirm {network}")
    if click.prompt(f"Type the network's name, {network}, to send", default="", show_default=False) != network:
        raise DeployError("H7113", "not confirmed; nothing was sent")


def afford(plan: Plan, site: Site, fees: Fees) -> None:
    """Raises H7104 with the sum that is missing."""
    most = sum(gas_limit(s) for s in plan.steps) * fees.cap
    if site.balance < most:
        raise DeployError(
            "H7104",
            f"{plan.deployer} has {site.balance / 1e18:.4f} ETH on chain {plan.chain_id}",
            f"at most {most / 1e18:.4f} ETH are needed",
            next_=f"send it {(most - site.balance) / 1e18:.4f} ETH",
        )


def _check_kinds(row: dict[str, Any], kinds: dict[str, type]) -> None:
    for name, kind in kinds.items():
        if not isinstance(row[name], kind) or (kind is int and not 0 <= row[name] < 2**63):
            raise ValueError(f"{name} is no {kind.__name__}")


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        raw = loads(path.read_text(encoding="utf-8"))
        if raw["schema"] != "hearth.plan/1":
            raise ValueError("not a plan of this version")
        _check_kinds(raw, _PLAN)
        for row in raw["steps"]:
            _check_kinds(row, _STEP)
        return dict(raw)
    except (OSError, ValueError, LookupError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise DeployError("H1006", f"{path} is not a plan", why, "make one with --dry-run") from None


def default_record(profile: Profile, network: str) -> Path:
    """Where the record goes: shipped records in keepers/deployments, local ones under build."""
    if profile.network.local:
        return ROOT / "build" / "deployments" / f"{profile.name}.json"
    name = "-".join(network.split(":")[:2]) if "://" not in network else profile.name
    return ROOT / "keepers" / "deployments" / f"{name}.json"


def rehearse(plan: Plan, site: Site, url: str | None) -> Plan:
    """The plan with executed gas, and a refusal (H7108) if any step would revert. `url`: the chain to fork."""
    # A block time at or after the genesis, so that the calendar has begun.
    with throwaway(plan.chain_id, url, None if url else max(site.time, plan.genesis)) as chain:
        return with_gas(plan, play(chain, plan).gas)


def run_plan(
    chain: Any,
    account: Any,
    profile: Profile,
    plan: Plan,
    journal: Journal,
    record: Path,
    network: str,
    title: str,
    artifacts: dict[str, Artifact],
    ceiling: int | None,
) -> None:
    """Sends the plan on `network` and writes the record of the network called `title`."""
    local = profile.network.local
    sender = Sender(
        chain,
        plan,
        journal,
        lambda step, gas, fees: _ape.sign(chain, account, plan.chain_id, step, gas, fees),
        # On a local chain the nonces keep the order and a failure costs nothing, so nothing waits for a block.
        window=len(plan.steps) if local else 1,
        poll=0.1 if local else 2.0,
        resend=1.0 if local else 10.0,
        ceiling=ceiling,
        say=click.echo,
    )
    receipts = sender.run()
    code = {s.contract: str(chain.call("eth_getCode", s.address, "latest")) for s in plan.steps if s.kind == "create"}
    settings = {
        "version": plan.compiler,
        "optimize": next(iter(artifacts.values())).optimize,
        "evm_version": next(iter(artifacts.values())).evm_version,
    }
    write_record(make_record(profile, plan, title, receipts, code, settings), record)
    journal.finish()
    gas = sum(int(r["gasUsed"], 16) for r in receipts)
    click.echo(f"deployed  {len(code)} contracts, {len(receipts)} transactions, {gas:,} gas")
    click.echo(f"record    {record}")
    click.echo(f"next      ape run check --record {record} --network {_ape.masked(network)}")


def open_only(chain: Any, account: Any, path: Path, artifacts: dict[str, Artifact], confirmed: str | None) -> None:
    """Opens the entries of a deployed network: one call of the hub's owner."""
    record = read_record(str(path))
    confirm(record.network, record.local, confirmed)
    call = Call("open", "AttestationHub", "open_entries", (), "entries open")
    send_calls(chain, account, record, path, artifacts, [call], "open")
    click.echo(f"open      entries of {record.network} are open")


def send_calls(
    chain: Any,
    account: Any,
    record: Deployment,
    path: Path,
    artifacts: dict[str, Artifact],
    calls: Sequence[Call],
    purpose: str,
) -> None:
    """Sends calls of the owner to a deployed suite, journalled like a deployment. Raises H7103, H7108, H7109."""
    site = look(chain, account.address)
    if (record.chain_id, record.genesis_block_hash) != (site.chain_id, site.genesis_block_hash.lower()):
        raise DeployError("H7103", f"the record {path} is of another chain")
    steps = []
    for i, call in enumerate(calls):
        to = record.address(call.contract)
        data = calldata(artifacts[call.contract], call.function, call.args)
        try:
            gas = int(chain.call("eth_estimateGas", {"from": account.address, "to": to, "data": data}), 16)
        except RpcError as error:
            raise DeployError("H7108", f"{call.key} would revert: {reason(error)}", "nothing was sent") from None
        nonce = site.nonce + i
        steps.append(Step(call.key, "call", call.contract, to, nonce, list(call.args), data, call.note, gas))
    plan = Plan(
        profile=record.profile,
        chain_id=site.chain_id,
        deployer=account.address,
        first_nonce=site.nonce,
        genesis=record.calendar.genesis,
        genesis_block_hash=site.genesis_block_hash,
        head=site.head,
        compiler="",
        source_commit=record.source_commit,
        sources={},
        steps=steps,
        open=False,
    )
    _ape.unlock(account)
    journal = Journal(path.parent / ".journal" / f"{path.stem}.{purpose}-{site.nonce}.jsonl")
    journal.begin(plan.dump())
    Sender(
        chain,
        plan,
        journal,
        lambda step, gas, fees: _ape.sign(chain, account, plan.chain_id, step, gas, fees),
        window=len(steps) if record.local else 1,
        poll=0.1 if record.local else 2.0,
        resend=1.0 if record.local else 10.0,
        say=click.echo,
    ).run()
    journal.finish()


def start_or_resume(
    profile: Profile,
    artifacts: dict[str, Artifact],
    site: Site,
    deployer: str,
    opens: bool,
    journal: Journal,
    url: str | None,
    resume: bool,
    plan_file: Path | None,
) -> Plan:
    """The plan to send: the journal's, that of --plan, or a new one. Raises H7107, H7102, H7105, H7108."""
    if journal.plan is not None and not resume:
        raise DeployError(
            "H7107",
            "a deployment to this record was begun and not finished",
            f"journal {journal.path}",
            "--resume goes on with it; another --record begins anew",
        )
    if resume:
        if journal.plan is None:
            raise DeployError("H7107", "there is nothing to resume", f"no journal {journal.path}", "leave --resume out")
        return make_plan(profile, artifacts, site, deployer, opens, journal.plan)
    if plan_file is None:
        return rehearse(make_plan(profile, artifacts, site, deployer, opens), site, url)
    pinned = _read_plan(plan_file)
    plan = make_plan(profile, artifacts, site, deployer, opens, pinned)
    if plan.first_nonce != site.nonce:
        raise DeployError(
            "H7102",
            f"the plan begins at nonce {plan.first_nonce}, the account stands at {site.nonce}",
            "its addresses cannot come true",
            "make a new plan with --dry-run",
        )
    return rehearse(plan, site, url)


def save_plan(plan: Plan, path: Path | None) -> None:
    target = path or ROOT / "build" / "plans" / f"{plan.profile}-{plan.chain_id}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(plan.dump(), indent=1) + "\n", encoding="utf-8")
    click.echo(f"plan      {target}: nothing was sent; follow it with --plan {target}")
