"""The deployment record: what stands where, for keepers and for `check`. Its schema is keepers/chain/deployment.py."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keepers.chain.deployment import Deployment, load_record
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from scripts._errors import DeployError
from scripts._plan import Plan, json_value
from scripts._profile import DEPLOYER, Profile
from scripts._wiring import class_row

ROOT = Path(__file__).resolve().parents[1]
SUITE_VERSION = "1"  # the contracts' VERSION; keepers compare its major number


def code_hash(code: str) -> str:
    """keccak256 (hex) of code given as hex."""
    return "0x" + keccak(bytes.fromhex(code[2:])).hex()


def source_state() -> tuple[str, bool]:
    """(commit, clean?) of the repository; ("unknown", False) outside of one."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        dirty = subprocess.run(
            ["git", "status", "--porcelain", "--", "contracts", "scripts"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown", False
    return (head, True) if not dirty else (f"{head}-dirty", False)


def parameters(profile: Profile, deployer: str) -> dict[str, Any]:
    """All that constructors and wiring were given, in the contracts' units, for people and for `check`."""
    e, n = profile.engine, profile.lengths

    def who(address: str) -> str:
        return (deployer if address == DEPLOYER else address).lower()

    return {
        "dispute_epochs": n.dispute_epochs,
        "grace_epochs": n.grace_epochs,
        "max_age_s": profile.max_age_s,
        "abandon_s": n.abandon_s,
        "claim_s": n.claim_s,
        "answer_window_s": n.answer_window_s,
        "cooldown_s": n.cooldown_s,
        "unbonding_s": n.unbonding_s,
        "supply_wei": str(profile.token.supply_tokens),
        "first_price": str(profile.price.first_usd),
        "stake_price": str(profile.stake_price),
        "price_bound_bps": profile.price.bound_bps,
        "price_feed": who(profile.price.feed),
        "seat_bond_wei": str(profile.committee.bond_tokens),
        "seat_notice_s": profile.committee.notice_s,
        "registry_fee_wei": str(profile.registry.fee_tokens),
        "spread_bps": e.spread_bps,
        "peg_bps": e.peg_bps,
        "cap_bps": e.cap_bps,
        "fee_bps": e.fee_bps,
        "attesters_bps": e.attesters_bps,
        "builders_bps": e.builders_bps,
        "bounty_bps": e.bounty_bps,
        "challenge_rate_bps": profile.challenge.rate_bps,
        "challenge_network_s": profile.challenge.network_s,
        "builders": who(e.builders),
        "guardian": who(profile.roles.guardian),
        "owner": deployer.lower(),
        "classes": [json_value(class_row(row)) for row in profile.classes],
        "sheets": [
            json_value([s.notice_s, s.min_seconds, s.prepay_s, s.dark_limit_s, s.table_word]) for s in profile.sheets
        ],
    }


def make_record(
    profile: Profile,
    plan: Plan,
    network: str,
    receipts: Sequence[Mapping[str, Any]],
    code: Mapping[str, str],
    artifacts_settings: Mapping[str, str],
) -> Deployment:
    """The record of a finished plan. `receipts` in the order of the steps, `code` the runtime (hex) by contract."""
    contracts: dict[str, Any] = {}
    for step, receipt in zip(plan.steps, receipts, strict=True):
        if step.kind == "create":
            contracts[step.contract] = {
                "address": step.address.lower(),
                "args": [json_value(a) for a in step.args],
                "tx": receipt["transactionHash"],
                "block": int(receipt["blockNumber"], 16),
                "init_code_hash": step.data_hash,
                "runtime_hash": code_hash(code[step.contract]),
            }
    c = profile.calendar
    return Deployment.model_validate(
        {
            "suite_version": SUITE_VERSION,
            "network": network,
            "chain_id": plan.chain_id,
            "local": profile.network.local,
            "genesis_block_hash": plan.genesis_block_hash,
            "first_block": min(row["block"] for row in contracts.values()),
            "finality": profile.finality.model_dump(),
            "calendar": {"genesis": plan.genesis, "slot": c.slot_s, "epochs_per_period": c.epochs_per_period},
            "parameters": parameters(profile, plan.deployer),
            "contracts": contracts,
            "allowances": profile.allowances.model_dump(),
            "attesters": [
                {"seat": i, "address": seat.address, "url": seat.url}
                for i, seat in enumerate(profile.committee.attesters)
            ],
            "compiler": dict(artifacts_settings),
            "source_commit": plan.source_commit,
            "profile": plan.profile,
        }
    )


def with_attesters(record: Deployment, seats: Sequence[tuple[str, str]]) -> Deployment:
    """The record with the seats (address, URL) of a committee that was set later."""
    rows = [{"seat": i, "address": who.lower(), "url": url} for i, (who, url) in enumerate(seats)]
    return Deployment.model_validate({**record.model_dump(by_alias=True), "attesters": rows})


def write_record(record: Deployment, path: Path) -> None:
    """Writes the record whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(record.dump(), encoding="utf-8")
    part.replace(path)


def read_record(path: str) -> Deployment:
    """A record by path. Raises H7114."""
    try:
        return load_record(path if "/" in path or path.endswith(".json") else f"./{path}")
    except HearthError as error:
        raise DeployError(
            "H7114", error.message, " · ".join(error.why), "give the path of a deployment record"
        ) from None
