"""ape run deploy: the whole suite from a profile, planned, rehearsed, journalled, recorded.

Nothing is sent before the profile's rules hold, the plan has been executed on a throw-away chain and the deployer can
pay for it. Every transaction is in the journal before it is sent; `--resume` goes on after any interruption.
"""

# ape runs this file without registering it as a module, so what needs a module (dataclasses) lives in _deployment.py
from __future__ import annotations

from pathlib import Path

import click

from keepers.localnet.anvil import CHAIN_ID
from scripts import _ape
from scripts import _deployment as d
from scripts._errors import DeployError
from scripts._journal import Journal
from scripts._profile import load_profile
from scripts._send import fees_now


@click.command(short_help="Deploy the suite from a profile")
@click.option("--profile", "profile_name", help="A profile of scripts/profiles, or the path of one.")
@click.option("--network", help="eco:net:provider as ape knows it, or the URL of a node. No default.")
@click.option("--account", "alias", help="Ape account that deploys; its nonce must not move meanwhile.")
@click.option("--dry-run", is_flag=True, help="Plan and rehearse; send nothing. Without --network: on an empty chain.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted deployment from its journal.")
@click.option("--plan", "plan_file", type=click.Path(path_type=Path), help="With --dry-run: write it; else: follow it.")
@click.option("--open", "open_", is_flag=True, help="Open the entries: as the last step, or of a network that stands.")
@click.option("--record", "record_file", type=click.Path(path_type=Path), help="Where the deployment record goes.")
@click.option("--name", help="The network's name in the record (default: --network, or the profile's).")
@click.option("--confirm", "confirmed", help="The network's name, instead of typing it.")
@click.option("--max-fee", type=float, help="Ceiling of the gas price in gwei.")
@click.option("--allow-dirty", is_flag=True, help="Deploy from sources that are not committed.")
def cli(
    profile_name: str | None,
    network: str | None,
    alias: str | None,
    dry_run: bool,
    resume: bool,
    plan_file: Path | None,
    open_: bool,
    record_file: Path | None,
    name: str | None,
    confirmed: str | None,
    max_fee: float | None,
    allow_dirty: bool,
) -> None:
    """Deploys ComputeToken … BurnMintEngine from a profile, wires them and writes the deployment record."""
    if profile_name is None:
        raise DeployError("H7101", "--profile is missing", "", "ape run deploy --profile local --network URL")
    if network is None and not dry_run:
        raise DeployError("H1003", "--network is missing", "no script has a default network", "or try --dry-run")
    profile = load_profile(profile_name)
    d.check_profile(profile)
    artifacts = d.artifacts_of_suite()
    opens = open_ or profile.network.open
    if network is None:
        chain_id = profile.network.chain_ids[0] if profile.network.chain_ids else CHAIN_ID
        site = d.empty_site(chain_id)
        plan = d.rehearse(d.make_plan(profile, artifacts, site, d.NOBODY, opens), site, None)
        d.show_plan(plan, profile, None, site, artifacts)
        d.save_plan(plan, plan_file)
        return
    ceiling = d.ceiling(max_fee)
    title = name or (profile.name if "://" in network else "-".join(network.split(":")[:2]))
    d.check_name(title)
    record = record_file or d.default_record(profile, network)
    with _ape.connected(network) as connection:
        d.check_chain(profile, int(connection.call("eth_chainId"), 16))
        account = _ape.load_account(alias, profile.network.local)
        if record.exists() and not dry_run:
            if open_:
                d.open_only(connection, account, record, artifacts, confirmed)
                return
            raise DeployError(
                "H7107",
                f"{record} stands already",
                "one record, one deployment",
                f"ape run check --record {record}; or deploy with another --record",
            )
        site = d.look(connection, account.address)
        journal = Journal.beside(record)
        if dry_run:
            plan = d.rehearse(d.make_plan(profile, artifacts, site, account.address, opens), site, connection.url)
            d.show_plan(plan, profile, fees_now(connection, ceiling), site, artifacts)
            d.save_plan(plan, plan_file)
            return
        plan = d.start_or_resume(
            profile, artifacts, site, account.address, opens, journal, connection.url, resume, plan_file
        )
        fees = fees_now(connection, ceiling)
        d.show_plan(plan, profile, fees, site, artifacts)
        if journal.plan is None:
            if not profile.network.local and not allow_dirty and plan.source_commit.endswith(("-dirty", "unknown")):
                raise DeployError("H7105", "the sources are not committed", "nobody could rebuild the code", "commit")
            d.afford(plan, site, fees)
            d.confirm(title, profile.network.local, confirmed)
        _ape.unlock(account)
        if journal.plan is None:
            journal.begin(plan.dump())
        d.run_plan(connection, account, profile, plan, journal, record, network, title, artifacts, ceiling)
