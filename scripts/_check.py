"""Compares a deployment record with the chain: source, code, immutables both ways, roles, grants, parameters.

Only reads. Code is rebuilt from the present sources by running the recorded constructors on a throw-away chain, so the
comparison covers the immutables too, byte for byte; the immutables are then named one by one for people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi import decode as abi_decode

from keepers.chain.codec import type_of
from keepers.chain.deployment import Deployment
from keepers.chain.ports import ZERO_ADDRESS
from keepers.localnet.anvil import RpcError
from keepers.protocol.hashing import keccak
from scripts._errors import DeployError
from scripts._plan import (
    ORDER,
    Plan,
    Ref,
    Step,
    abi_value,
    calldata,
    constructor_args,
    create_address,
    encode,
    json_value,
)
from scripts._profile import Profile, load_profile
from scripts._record import code_hash
from scripts._rehearsal import play, throwaway
from scripts._wiring import GRANTS
from tools.compile import Artifact

LOG_SPAN = 50_000  # blocks a query: what public nodes still answer
OK, DIFFERS, NOTE = "ok", "DIFFERS", "note"
IN_FORCE = 2**128 - 1  # of a grant's word; above it, what was ever given


@dataclass(frozen=True)
class Finding:
    """One comparison. `status` is ok, DIFFERS, or note (a fact without an expectation)."""

    contract: str
    what: str
    record: str
    chain: str
    status: str


def _compare(contract: str, what: str, record: Any, chain: Any) -> Finding:
    a, b = _text(record), _text(chain)
    return Finding(contract, what, a, b, OK if a.lower() == b.lower() else DIFFERS)


def _text(value: Any) -> str:
    return str(json_value(list(value) if isinstance(value, tuple) else value))


def short(text: str, width: int = 66) -> str:
    """A value for a line of a table: the width of a hash."""
    return text if len(text) <= width else f"{text[: width - 6]}…{text[-4:]}"


class Live:
    """Reads of the deployed suite. `chain` answers JSON-RPC."""

    def __init__(self, chain: Any, record: Deployment, artifacts: Mapping[str, Artifact]) -> None:
        self._chain, self._record, self._artifacts = chain, record, artifacts

    def code(self, name: str) -> str:
        return str(self._chain.call("eth_getCode", self._record.address(name), "latest"))

    def has(self, name: str, function: str) -> bool:
        return any(e["type"] == "function" and e["name"] == function for e in self._artifacts[name].abi)

    def view(self, name: str, function: str, *args: Any) -> Any:
        """A view's result (a tuple where it has several); None where the call reverts."""
        artifact = self._artifacts[name]
        data = calldata(artifact, function, args)
        try:
            raw = self._chain.call("eth_call", {"to": self._record.address(name), "data": data}, "latest")
        except RpcError:
            return None
        entry = next(e for e in artifact.abi if e["type"] == "function" and e["name"] == function)
        try:
            out = abi_decode([type_of(o) for o in entry["outputs"]], bytes.fromhex(raw[2:]))
        except Exception:  # code of another contract answers with anything
            return None
        return out[0] if len(out) == 1 else out

    def last_event(self, name: str, event: str) -> tuple[Any, ...] | None:
        """Values of the newest log of an event in the order of its ABI; None if it never came."""
        entry = next((e for e in self._artifacts[name].abi if e["type"] == "event" and e["name"] == event), None)
        if entry is None:
            raise DeployError("H7112", f"{name} has no event {event}", "the sources and this script disagree")
        types = [type_of(i) for i in entry["inputs"]]
        topic = "0x" + keccak(f"{event}({','.join(types)})".encode()).hex()
        head = int(self._chain.call("eth_blockNumber"), 16)
        for last in range(head, self._record.first_block - 1, -LOG_SPAN):
            first = max(self._record.first_block, last - LOG_SPAN + 1)
            query = {
                "address": self._record.address(name),
                "topics": [topic],
                "fromBlock": hex(first),
                "toBlock": hex(last),
            }
            logs = self._chain.call("eth_getLogs", query)
            if logs:
                return _log_values(entry, logs[-1])
        return None

    def time(self) -> int:
        return int(self._chain.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def code_at(self, address: str) -> bytes:
        return bytes.fromhex(str(self._chain.call("eth_getCode", address, "latest"))[2:])


def _log_values(entry: Mapping[str, Any], log: Mapping[str, Any]) -> tuple[Any, ...]:
    plain = iter(abi_decode([type_of(i) for i in entry["inputs"] if not i["indexed"]], bytes.fromhex(log["data"][2:])))
    topics = iter(log["topics"][1:])
    return tuple(
        abi_decode([type_of(i)], bytes.fromhex(next(topics)[2:]))[0] if i["indexed"] else next(plain)
        for i in entry["inputs"]
    )


def immutable_values(artifact: Artifact, code: str) -> dict[str, Any]:
    """Immutables by name, read from the data section of live code (hex); integers, addresses as 0x strings."""
    section = bytes.fromhex(code[2:])[len(artifact.runtime_bytes) :]
    values: dict[str, Any] = {}
    for name, offset, length, kind in artifact.immutables:
        word = section[offset : offset + length]
        if kind == "address" or kind.endswith(".vyi"):
            values[name] = "0x" + word[12:32].hex()
        elif kind.startswith(("uint", "int", "bool")):
            values[name] = int.from_bytes(word[:32], "big")
        else:
            values[name] = "0x" + word.hex()
    return values


def deploy_steps(chain: Any, record: Deployment, artifacts: Mapping[str, Artifact]) -> tuple[Plan, dict[int, int]]:
    """The creations as they were sent: a plan with the recorded arguments and nonces, and the block time by nonce."""
    steps: list[Step] = []
    times: dict[int, int] = {}
    deployer = ""
    for name in ORDER:
        row = record.contracts[name]
        sent = chain.call("eth_getTransactionByHash", row.tx) if row.tx else None
        if sent is None:
            raise DeployError("H7115", f"{name}: the chain has no transaction {row.tx}", "wrong chain?")
        deployer, nonce = str(sent["from"]), int(sent["nonce"], 16)
        args = recorded_args(artifacts[name], row.args)
        data = artifacts[name].code + encode(artifacts[name], "__init__", args).hex()
        steps.append(Step(f"deploy:{name}", "create", name, row.address, nonce, args, data))
        block = chain.call("eth_getBlockByNumber", hex(row.block), False)
        times[nonce] = int(block["timestamp"], 16)
    plan = Plan(
        profile=record.profile,
        chain_id=record.chain_id,
        deployer=deployer,
        first_nonce=steps[0].nonce,
        genesis=record.calendar.genesis,
        genesis_block_hash=record.genesis_block_hash,
        head=0,
        compiler="",
        source_commit=record.source_commit,
        sources={},
        steps=steps,
        open=False,
    )
    return plan, times


def recorded_args(artifact: Artifact, args: Sequence[Any]) -> list[Any]:
    """Constructor arguments of a record as ABI values. Raises H7112 where their number is another."""
    inputs = next((e["inputs"] for e in artifact.abi if e["type"] == "constructor"), [])
    if len(inputs) != len(args):
        raise DeployError(
            "H7112",
            f"{artifact.name}: the record has {len(args)} constructor arguments, the sources take {len(inputs)}",
            "these are not the sources of this deployment",
            "check out the record's commit",
        )
    try:
        return [abi_value(type_of(i), a) for i, a in zip(inputs, args, strict=True)]
    except (ValueError, TypeError) as error:
        raise DeployError("H7114", f"{artifact.name}: an argument of the record is unreadable", str(error)) from None


def check_identity(chain: Any, record: Deployment) -> Iterator[Finding]:
    """Chain id and genesis block."""
    yield _compare("chain", "chain id", record.chain_id, int(chain.call("eth_chainId"), 16))
    first = chain.call("eth_getBlockByNumber", "0x0", False)
    yield _compare("chain", "genesis block", record.genesis_block_hash, first["hash"])


def check_code(
    live: Live, record: Deployment, artifacts: Mapping[str, Artifact], plan: Plan, rebuilt: Mapping[str, str]
) -> Iterator[Finding]:
    """Init code, runtime code, CREATE addresses and each immutable of every contract."""
    for step in plan.steps:
        name, row = step.contract, record.contracts[step.contract]
        code = live.code(name)
        yield _compare(name, "address (CREATE)", row.address, create_address(plan.deployer, step.nonce))
        yield _compare(name, "init code of source", row.init_code_hash, step.data_hash)
        yield _compare(name, "code on chain", row.runtime_hash, code_hash(code))
        yield _compare(name, "code of source", code_hash(rebuilt[name]), code_hash(code))
        if not code.startswith(artifacts[name].runtime):
            continue  # other code: its data section means something else
        expected = immutable_values(artifacts[name], rebuilt[name])
        actual = immutable_values(artifacts[name], code)
        for key, value in expected.items():
            yield _compare(name, key, value, actual[key])


def check_peers(
    live: Live, record: Deployment, artifacts: Mapping[str, Artifact], profile: Profile
) -> Iterator[Finding]:
    """Every peer by the constructor's own list, and both directions where two contracts name each other."""
    refs = {
        name: [a.name for a in args if isinstance(a, Ref)]
        for name, args in constructor_args(profile, ZERO_ADDRESS, record.calendar.genesis).items()
    }
    known = {
        name: {v for v in immutable_values(artifacts[name], live.code(name)).values() if isinstance(v, str)}
        for name in ORDER
    }
    for name, peers in refs.items():
        for peer in dict.fromkeys(peers):
            address = record.address(peer)
            # the engine's hub is the one peer that its owner may replace, so it is stored, not immutable
            if (name, peer) == ("BurnMintEngine", "AttestationHub"):
                continue
            there = "names it" if address in known[name] else "does not name it"
            both = " (both ways)" if name in refs[peer] else ""
            yield _compare(name, f"peer {peer}{both}", "names it", there)


def check_roles(live: Live, record: Deployment) -> Iterator[Finding]:
    """Owners, offers of ownership, guardian."""
    parameters = record.parameters
    for name in ORDER:
        if live.has(name, "owner"):
            yield _compare(name, "owner", parameters.get("owner", ZERO_ADDRESS), live.view(name, "owner"))
        if live.has(name, "pending_owner"):
            yield _compare(name, "pending owner", ZERO_ADDRESS, live.view(name, "pending_owner"))
    if live.has("AttestationHub", "guardian"):
        guardian = live.view("AttestationHub", "guardian")
        yield _compare("AttestationHub", "guardian", parameters.get("guardian", ZERO_ADDRESS), guardian)


def check_grants(live: Live, record: Deployment) -> Iterator[Finding]:
    """The rights in force of each caller that the wiring has granted."""
    for contract, caller, rights in GRANTS:
        word = live.view(contract, "grant_of", record.address(caller))
        yield _compare(contract, f"grant of {caller}", rights, "no answer" if word is None else word & IN_FORCE)


# What a setter may have changed since: (contract, event, index of the new value, parameter of the record).
_CHANGES = (
    ("AttestationHub", "PriceBoundSet", 1, "price_bound_bps"),
    ("BurnMintEngine", "FeeSet", 1, "fee_bps"),
    ("BurnMintEngine", "FeeSet", 2, "attesters_bps"),
    ("BurnMintEngine", "FeeSet", 3, "builders_bps"),
    ("BurnMintEngine", "PegSet", 1, "peg_bps"),
    ("BurnMintEngine", "BuildersSet", 1, "builders"),
)


def check_parameters(live: Live, record: Deployment) -> Iterator[Finding]:
    """Parameters that setters can move, classes, sheets, committee, price."""
    for contract, event, index, key in _CHANGES:
        values = live.last_event(contract, event)
        expected = record.parameters.get(key, "")
        yield _compare(contract, key, expected, expected if values is None else values[index])
    values = live.last_event("BurnMintEngine", "HubSet")
    hub = record.address("AttestationHub")
    yield _compare("BurnMintEngine", "peer AttestationHub", hub, hub if values is None else values[1])
    for i, row in enumerate(record.parameters.get("classes", [])):
        yield _compare("NodeRegistry", f"class {i} {row[0]}", row, live.view("NodeRegistry", "class_of", i))
    for i, row in enumerate(record.parameters.get("sheets", [])):
        notice, least, prepay, dark, table = (int(v) for v in row)
        word = notice << 224 | least << 192 | prepay << 160 | dark << 128 | table
        yield _compare("LeaseEscrow", f"sheet {i}", word, live.view("LeaseEscrow", "sheet", i))
    yield from _committee(live, record)
    word = live.view("AttestationHub", "price")
    if word is not None:
        flags, age = word & (2**24 - 1), live.time() - (word >> 24 & (2**40 - 1))
        state = "paused" if flags & 1 else "clamped" if flags & 2 else "open"
        text = f"{(word >> 192) / 1e12:g} USD, {age} s old, entries {state}"
        yield Finding("AttestationHub", "price", "", text, NOTE)


def _committee(live: Live, record: Deployment) -> Iterator[Finding]:
    clock = record.calendar
    epoch = max(1, (live.time() - clock.genesis) // (12 * clock.slot))
    found = live.view("AttestationHub", "committee", epoch)
    generation, table, n = found if found else (0, ZERO_ADDRESS, 0)
    code = live.code_at(table) if n else b""
    seats = ["0x" + code[1 + 32 * i + 12 : 1 + 32 * i + 32].hex() for i in range(n)]
    if generation <= 1 and record.attesters:
        expected = [seat.address for seat in sorted(record.attesters, key=lambda s: s.seat)]
        yield _compare("AttestationHub", f"committee of epoch {epoch}", expected, seats)
    else:
        text = f"generation {generation}, {n} seats"
        yield Finding("AttestationHub", f"committee of epoch {epoch}", "", text, NOTE)


def check_all(chain: Any, record: Deployment, artifacts: Mapping[str, Artifact]) -> list[Finding]:
    """Every finding. Raises DeployError only where nothing can be compared at all."""
    findings = list(check_identity(chain, record))
    if any(f.status == DIFFERS for f in findings):
        return findings
    missing = [n for n in ORDER if chain.call("eth_getCode", record.address(n), "latest") in ("0x", None)]
    if missing:
        return [*findings, *(Finding(n, "code on chain", "code", "none", DIFFERS) for n in missing)]
    plan, times = deploy_steps(chain, record, artifacts)
    with throwaway(record.chain_id, None, max(0, min(times.values()) - 1)) as scratch:
        rebuilt = play(scratch, plan, times).code
    live = Live(chain, record, artifacts)
    findings += check_code(live, record, artifacts, plan, rebuilt)
    findings += check_peers(live, record, artifacts, load_profile("default"))
    findings += check_roles(live, record)
    findings += check_grants(live, record)
    findings += check_parameters(live, record)
    return findings
