"""The plan of a deployment: which contract is created at which nonce, which calls wire it, and what each must be.

Addresses are predicted from the deployer's nonce, so peers are immutables in both directions and nothing needs a
setter. A plan is fixed by (profile, sources, chain, deployer, first nonce, genesis); its id is a hash of all of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from eth_abi import encode as abi_encode
from eth_abi.exceptions import EncodingError
from eth_utils import to_checksum_address

from keepers.chain.codec import CONTRACTS, type_of
from keepers.protocol import hashing
from keepers.protocol.hashing import keccak
from scripts._errors import DeployError
from scripts._profile import DEPLOYER, Profile
from tools.compile import CODE_LIMIT, Artifact

# Deploy order: each at its own nonce. The order is the addresses' only dependence; no constructor calls a peer.
ORDER = CONTRACTS
INIT_LIMIT = 49_152  # bytes of init code, EIP-3860
PLAN_SCHEMA = "hearth.plan/1"


@dataclass(frozen=True)
class Ref:
    """An argument that is the address of another contract of the suite."""

    name: str


@dataclass(frozen=True)
class Call:
    """One call of the owner, not yet at a nonce. `key` names it in journals, `note` in plans."""

    key: str
    contract: str
    function: str
    args: tuple[Any, ...]
    note: str


@dataclass(frozen=True)
class Step:
    """One transaction. `data` is init code with arguments or calldata (hex); `address` is created or called."""

    key: str
    kind: Literal["create", "call"]
    contract: str
    address: str
    nonce: int
    args: list[Any]
    data: str
    note: str = ""
    gas: int = 0  # used in the rehearsal; 0 = not rehearsed

    @property
    def data_hash(self) -> str:
        return "0x" + keccak(bytes.fromhex(self.data[2:])).hex()


@dataclass(frozen=True)
class Plan:
    """Every transaction of a deployment, in order of its nonce."""

    profile: str
    chain_id: int
    deployer: str
    first_nonce: int
    genesis: int
    genesis_block_hash: str
    head: int
    compiler: str
    source_commit: str
    sources: dict[str, str]
    steps: list[Step]
    open: bool
    schema: str = PLAN_SCHEMA

    @property
    def id(self) -> str:
        """Hash (16 hex digits) of all that fixes the plan; gas figures and the head are left out."""
        body = [
            *(self.profile, self.chain_id, self.genesis_block_hash, self.deployer.lower(), self.first_nonce),
            *(self.genesis, [[s.key, s.nonce, s.data_hash] for s in self.steps]),
        ]
        return hashlib.sha256(json.dumps(body).encode()).hexdigest()[:16]

    def address(self, contract: str) -> str:
        """Predicted address of a contract of the suite."""
        return next(s.address for s in self.steps if s.kind == "create" and s.contract == contract)

    def dump(self) -> dict[str, Any]:
        """As JSON; creations without their init code, which the sources give again and its hash pins."""
        raw = asdict(self)
        for row, step in zip(raw["steps"], self.steps, strict=True):
            row["data_hash"] = step.data_hash
            row["args"] = [json_value(a) for a in step.args]
            if step.kind == "create":
                del row["data"]
        return {**raw, "id": self.id}


def json_value(value: Any) -> Any:
    """An ABI value for JSON: bytes as hex, sequences as lists, integers beyond 2^53 as decimal strings."""
    if isinstance(value, (bytes, bytearray)):
        return "0x" + bytes(value).hex()
    if isinstance(value, (list, tuple)):
        return [json_value(v) for v in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return str(value)
    return value


def abi_value(kind: str, value: Any) -> Any:
    """The inverse of `json_value` for the ABI type `kind`."""
    if isinstance(value, list):
        inner = kind[: kind.rindex("[")] if kind.endswith("]") else ""
        return [abi_value(inner, v) for v in value]
    if kind.startswith(("uint", "int")):
        return int(value)
    if kind.startswith("bytes") and isinstance(value, str):
        return bytes.fromhex(value[2:])
    return value


def create_address(deployer: str, nonce: int) -> str:
    """Checksummed address of what `deployer` creates at `nonce`."""
    return str(to_checksum_address(hashing.create_address(bytes.fromhex(deployer[2:]), nonce)))


def constructor_args(p: Profile, deployer: str, genesis: int) -> dict[str, list[Any]]:
    """Contract -> its constructor's arguments in order; `Ref` where it is a peer. Units are the contracts' own."""
    c, n, e = p.calendar, p.lengths, p.engine
    calendar = [genesis, c.slot_s, c.epochs_per_period]

    def who(address: str) -> str:
        return deployer if address == DEPLOYER else str(to_checksum_address(address))

    token, pool, registry, hub = Ref("ComputeToken"), Ref("StakingPool"), Ref("NodeRegistry"), Ref("AttestationHub")
    standing, escrow, market, engine = (
        Ref("NodeStanding"),
        Ref("LeaseEscrow"),
        Ref("LeaseMarket"),
        Ref("BurnMintEngine"),
    )
    return {
        "ComputeToken": [engine, who(p.token.holder), p.token.supply_tokens],
        "StakingPool": [token, registry, hub, market, escrow, p.stake_price, n.unbonding_s, c.period_s],
        "NodeRegistry": [
            *(pool, token, market, escrow, standing, *calendar),
            *(p.registry.fee_tokens, n.answer_window_s, n.cooldown_s),
        ],
        "AttestationHub": [
            *(registry, pool, *calendar, n.dispute_epochs, n.grace_epochs, n.abandon_s),
            *(
                p.price.first_usd,
                p.price.bound_bps,
                who(p.roles.guardian),
                Ref("ReportRefuter"),
                Ref("AttesterCommittee"),
            ),
            who(p.price.feed),
        ],
        "NodeStanding": [hub, registry, *calendar],
        "LeaseEscrow": [hub, registry, pool, market, engine, *calendar, e.bounty_bps, n.claim_s, n.abandon_s],
        "LeaseMarket": [hub, registry, pool, escrow, c.slot_s, p.max_age_s],
        "BurnMintEngine": [
            *(token, hub, registry, escrow, *calendar, p.max_age_s, e.spread_bps, e.peg_bps, e.cap_bps),
            *(e.fee_bps, e.attesters_bps, e.builders_bps, who(e.builders), e.bounty_bps),
        ],
        "ReportRefuter": [hub, *calendar],
        "AttesterCommittee": [
            *(hub, Ref("ReportRefuter"), token, *calendar, n.dispute_epochs),
            *(p.committee.bond_tokens, p.committee.notice_s, n.unbonding_s),
        ],
        "ComputeChallenge": [hub, registry, pool, *calendar, n.answer_window_s, p.challenge.rate_bps],
    }


def _inputs(artifact: Artifact, function: str) -> list[Mapping[str, Any]]:
    for entry in artifact.abi:
        if function == "__init__" and entry["type"] == "constructor":
            return list(entry["inputs"])
        if entry["type"] == "function" and entry["name"] == function:
            return list(entry["inputs"])
    if function == "__init__":
        return []
    raise DeployError("H7112", f"{artifact.name} has no function {function}", "the sources and this script disagree")


def encode(artifact: Artifact, function: str, args: Sequence[Any]) -> bytes:
    """ABI-encoded arguments of a function (`__init__`: the constructor). Raises H7112 where they do not fit."""
    inputs = _inputs(artifact, function)
    if len(inputs) != len(args):
        names = ", ".join(str(i["name"]) for i in inputs)
        why = f"it takes {len(inputs)} ({names}), the plan gives {len(args)}"
        raise DeployError("H7112", f"{artifact.name}.{function}: wrong number of arguments", why)
    try:
        return abi_encode([type_of(i) for i in inputs], list(args))
    except (EncodingError, TypeError, ValueError, OverflowError) as error:
        raise DeployError("H7112", f"{artifact.name}.{function}: arguments do not fit", str(error)) from None


def calldata(artifact: Artifact, function: str, args: Sequence[Any]) -> str:
    """Selector and arguments of a call, hex."""
    types = ",".join(type_of(i) for i in _inputs(artifact, function))
    return "0x" + (keccak(f"{function}({types})".encode())[:4] + encode(artifact, function, args)).hex()


def size_findings(artifacts: Mapping[str, Artifact]) -> list[str]:
    """Contracts that no chain would take: code or init code above the limits."""
    return [
        f"{a.name}: {a.deployed_size:,} bytes on chain (limit {CODE_LIMIT:,}), init code {len(a.code_bytes):,}"
        for a in artifacts.values()
        if a.deployed_size > CODE_LIMIT or len(a.code_bytes) > INIT_LIMIT
    ]


def build_plan(
    profile: Profile,
    artifacts: Mapping[str, Artifact],
    *,
    chain_id: int,
    deployer: str,
    first_nonce: int,
    genesis: int,
    genesis_block_hash: str,
    head: int,
    source_commit: str,
    open_entries: bool,
) -> Plan:
    """The plan of `profile` on a chain. Raises H7112 if sources and plan disagree or a contract is too large."""
    from scripts._wiring import wiring

    too_large = size_findings(artifacts)
    if too_large:
        raise DeployError("H7112", "a contract is too large to deploy", " · ".join(too_large))
    addresses = {name: create_address(deployer, first_nonce + i) for i, name in enumerate(ORDER)}

    def known(raw: Sequence[Any]) -> list[Any]:
        return [addresses[a.name] if isinstance(a, Ref) else a for a in raw]

    steps: list[Step] = []
    for name, raw in constructor_args(profile, deployer, genesis).items():
        args = known(raw)
        artifact = artifacts[name]
        data = artifact.code + encode(artifact, "__init__", args).hex()
        nonce = first_nonce + len(steps)
        steps.append(Step(f"deploy:{name}", "create", name, addresses[name], nonce, args, data))
    for call in wiring(profile, open_entries):
        args = known(call.args)
        data = calldata(artifacts[call.contract], call.function, args)
        nonce = first_nonce + len(steps)
        steps.append(Step(call.key, "call", call.contract, addresses[call.contract], nonce, args, data, call.note))
    return Plan(
        profile=profile.name,
        chain_id=chain_id,
        deployer=deployer,
        first_nonce=first_nonce,
        genesis=genesis,
        genesis_block_hash=genesis_block_hash,
        head=head,
        compiler=next(iter(artifacts.values())).compiler,
        source_commit=source_commit,
        sources={name: artifacts[name].key for name in ORDER},
        steps=steps,
        open=open_entries,
    )


def with_gas(plan: Plan, used: Sequence[int]) -> Plan:
    """The plan with the gas that its rehearsal used, step by step."""
    return replace(plan, steps=[replace(s, gas=g) for s, g in zip(plan.steps, used, strict=True)])
