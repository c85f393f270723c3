"""The compiled suite on pyrevm: deploy, call, decode. Addresses are numbers here, as in the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyrevm
from coincurve import PrivateKey, PublicKey
from eth_abi import decode, encode

from keepers.chain.keys import ORDER
from keepers.protocol.hashing import create_address, keccak, to_int
from keepers.protocol.messages import address_text
from keepers.simulate.state import Event
from keepers.simulate.world import CONTRACTS, Parameters
from tools import compile as compiler

NAMES = {
    "token": "ComputeToken",
    "pool": "StakingPool",
    "registry": "NodeRegistry",
    "hub": "AttestationHub",
    "standing": "NodeStanding",
    "escrow": "LeaseEscrow",
    "market": "LeaseMarket",
    "engine": "BurnMintEngine",
    "refuter": "ReportRefuter",
    "committee": "AttesterCommittee",
    "challenge": "ComputeChallenge",
}
ERROR = bytes.fromhex("08c379a0")


class Signer:
    """Keys by number, their signatures, and the recovery that the model uses."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, bytes], int] = {}
        self._keys: dict[int, PrivateKey] = {}

    def new(self, seed: int) -> int:
        """Address of the key made from a seed."""
        key = PrivateKey(keccak(b"key" + seed.to_bytes(32, "big")))
        address = to_int(keccak(key.public_key.format(compressed=False)[1:])[12:])
        self._keys[address] = key
        return address

    def sign(self, address: int, digest: bytes, v27: bool = False) -> bytes:
        """r ‖ s ‖ v of a digest; with `v27` s is flipped until v is 27, as the hub wants it."""
        raw = self._keys[address].sign_recoverable(digest, hasher=None)
        r, s, v = raw[:32], to_int(raw[32:64]), raw[64]
        if v27 and v == 1:
            s, v = ORDER - s, 0
        sig = r + s.to_bytes(32, "big") + bytes([27 + v])
        self._known[digest, sig] = address
        return sig

    def recover(self, digest: bytes, sig: bytes) -> int:
        """Signer of r ‖ s ‖ v, 0 where there is none."""
        known = self._known.get((digest, sig))
        if known is not None:
            return known
        if len(sig) != 65 or sig[64] not in (27, 28):
            return 0
        try:
            public = PublicKey.from_signature_and_message(sig[:64] + bytes([sig[64] - 27]), digest, hasher=None)
        except Exception:
            return 0
        found = to_int(keccak(public.format(compressed=False)[1:])[12:])
        self._known[digest, sig] = found
        return found


@dataclass(frozen=True)
class Function:
    """A function of a contract: selector and ABI types."""

    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def _type(entry: dict[str, Any]) -> str:
    """Canonical ABI type; structs as tuples."""
    if not entry["type"].startswith("tuple"):
        return str(entry["type"])
    return "(" + ",".join(_type(c) for c in entry["components"]) + ")" + entry["type"][5:]


def to_abi(kind: str, value: Any) -> Any:
    """A model value as eth_abi wants it: addresses as text, messages and rows as tuples."""
    if kind == "address":
        return address_text(value) if isinstance(value, int) else value
    if kind.endswith("[]"):
        return [to_abi(kind[:-2], v) for v in value]
    if kind.startswith("("):
        values = list(vars(value).values()) if hasattr(value, "__dict__") else list(value)
        return tuple(to_abi(k, v) for k, v in zip(kind[1:-1].split(","), values, strict=True))
    return value


def from_abi(kind: str, value: Any) -> Any:
    """A decoded value as the model has it: addresses as numbers, arrays and structs as tuples."""
    if kind == "address":
        return int(value, 16)
    if kind.endswith("[]"):
        return tuple(from_abi(kind[:-2], v) for v in value)
    if kind.startswith("("):
        return tuple(from_abi(k, v) for k, v in zip(kind[1:-1].split(","), value, strict=True))
    return value


# One word each: packed and read by hand, several times faster than by eth_abi.
WORDS = frozenset({"uint256", "address", "bytes32", "bool"})


def packed(kinds: Sequence[str], values: Sequence[Any]) -> bytes:
    """ABI encoding of model values."""
    if not WORDS.issuperset(kinds):
        return encode(kinds, [to_abi(k, v) for k, v in zip(kinds, values, strict=True)])
    return b"".join(v if isinstance(v, bytes) else int(v).to_bytes(32, "big") for v in values)


def unpacked(kinds: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """Model values of ABI-encoded data."""
    if not WORDS.issuperset(kinds):
        return tuple(from_abi(k, v) for k, v in zip(kinds, decode(kinds, data), strict=True))
    out: list[Any] = []
    for i, kind in enumerate(kinds):
        raw = data[32 * i : 32 * i + 32]
        out.append(raw if kind == "bytes32" else bool(raw[31]) if kind == "bool" else to_int(raw))
    return tuple(out)


@dataclass(frozen=True)
class Outcome:
    """Of a call: success, decoded values (one, or a tuple), the revert's words, events, gas."""

    ok: bool
    value: Any
    reason: str
    events: tuple[Event, ...]


class Chain:
    """All eleven contracts on one EVM."""

    def __init__(self, parameters: Parameters, deployer: int, chain_id: int = 1) -> None:
        self._artifacts = compiler.build(list(NAMES.values()))
        self.functions: dict[tuple[str, str], Function] = {}
        self._events: dict[bytes, tuple[str, list[tuple[str, bool]]]] = {}
        self.deployer = deployer
        creator = deployer.to_bytes(20, "big")
        self.addresses = {name: to_int(create_address(creator, i)) for i, name in enumerate(CONTRACTS)}
        self._who = {address: NAMES[name] for name, address in self.addresses.items()}
        env = pyrevm.Env(cfg=pyrevm.CfgEnv(chain_id=chain_id))
        self.evm = pyrevm.EVM(env=env, gas_limit=2**63, spec_id="CANCUN")
        self._number = 0
        self.warp(parameters.genesis - 1, 0)
        for name in CONTRACTS:
            self._read_abi(name)
        self._deploy(parameters)

    def warp(self, now: int, prevrandao: int) -> None:
        """Begins a block."""
        self._number += 1
        self.evm.set_block_env(
            pyrevm.BlockEnv(
                number=self._number, timestamp=now, prevrandao=prevrandao.to_bytes(32, "big"), gas_limit=2**63
            )
        )

    def call(self, contract: str, function: str, *arguments: Any, sender: int) -> Outcome:
        """One transaction."""
        return self._run(contract, function, arguments, sender, False)

    def view(self, contract: str, function: str, *arguments: Any) -> Any:
        """A view's value; the revert's words as Revert text where it refuses."""
        found = self._run(contract, function, arguments, self.deployer, True)
        if not found.ok:
            raise AssertionError(f"view {contract}.{function}{arguments} refused: {found.reason}")
        return found.value

    def push_constants(self) -> list[int]:
        """Every number that the runtime codes push: boundaries that a random generator would not find."""
        found: set[int] = set()
        for artifact in self._artifacts.values():
            code, at = artifact.runtime_bytes, 0
            while at < len(code):
                op = code[at]
                if 0x60 <= op <= 0x7F:
                    n = op - 0x5F
                    found.add(to_int(code[at + 1 : at + 1 + n]))
                    at += n
                at += 1
        return sorted(found)

    def _read_abi(self, name: str) -> None:
        for entry in self._artifacts[NAMES[name]].abi:
            kinds = tuple(_type(i) for i in entry.get("inputs", ()))
            if entry["type"] == "function":
                selector = keccak(f"{entry['name']}({','.join(kinds)})".encode())[:4]
                outputs = tuple(_type(o) for o in entry["outputs"])
                self.functions[name, entry["name"]] = Function(selector, kinds, outputs)
            elif entry["type"] == "event":
                topic = keccak(f"{entry['name']}({','.join(kinds)})".encode())
                fields = [(_type(i), bool(i["indexed"])) for i in entry["inputs"]]
                self._events[topic] = (entry["name"], fields)

    def _deploy(self, p: Parameters) -> None:
        at = self.addresses
        time = (p.genesis, p.slot, p.epochs_per_period)
        period = p.slot * 12 * p.epochs_per_period
        arguments: dict[str, tuple[Any, ...]] = {
            "token": (at["engine"], p.holder, p.supply),
            "pool": (
                at["token"], at["registry"], at["hub"], at["market"], at["escrow"],
                10**24 // p.price, p.unbonding, period,
            ),
            "registry": (
                at["pool"], at["token"], at["market"], at["escrow"], at["standing"],
                *time, p.registry_fee, p.answer_window, p.cooldown,
            ),
            "hub": (
                at["registry"], at["pool"], *time, p.dispute, p.grace, p.hub_abandon, p.price, p.bound, p.guardian,
                at["refuter"], at["committee"], 0,
            ),
            "refuter": (at["hub"], *time),
            "committee": (
                at["hub"], at["refuter"], at["token"], *time, p.dispute, p.seat_bond, p.notice, p.unbonding,
            ),
            "challenge": (at["hub"], at["registry"], at["pool"], *time, p.answer_window, p.rate),
            "standing": (at["hub"], at["registry"], *time),
            "escrow": (
                at["hub"], at["registry"], at["pool"], at["market"], at["engine"],
                *time, p.bounty, p.claim, p.escrow_abandon,
            ),
            "market": (at["hub"], at["registry"], at["pool"], at["escrow"], p.slot, p.market_max_age),
            "engine": (
                at["token"], at["hub"], at["registry"], at["escrow"], *time, p.engine_max_age, p.spread,
                p.peg, p.cap, p.fee, p.attesters, p.builders_share, p.builders, p.bounty,
            ),
        }  # fmt: skip
        for nonce, name in enumerate(CONTRACTS):
            artifact = self._artifacts[NAMES[name]]
            constructor = next(e for e in artifact.abi if e["type"] == "constructor")
            kinds = [_type(i) for i in constructor["inputs"]]
            values = [to_abi(k, v) for k, v in zip(kinds, arguments[name], strict=True)]
            self.evm.insert_account_info(address_text(self.deployer), pyrevm.AccountInfo(nonce=nonce))
            address = self.evm.deploy(address_text(self.deployer), artifact.code_bytes + encode(kinds, values))
            if int(address, 16) != at[name]:
                raise AssertionError(f"{name} lies at {address}, predicted {address_text(at[name])}")

    def _run(self, contract: str, function: str, arguments: tuple[Any, ...], sender: int, static: bool) -> Outcome:
        f = self.functions[contract, function]
        data = f.selector + packed(f.inputs, arguments)
        # a revert undoes the call by itself; a snapshot a call would run into the limit of call depth
        self.evm.reset_transient_storage()
        try:
            out = self.evm.message_call(
                caller=address_text(sender), to=address_text(self.addresses[contract]), calldata=data, is_static=static
            )
        except RuntimeError as error:
            return Outcome(False, None, _reason(str(error)), ())
        values = unpacked(f.outputs, out)
        value = None if not values else values[0] if len(values) == 1 else values
        events = () if static else tuple(self._decode(log) for log in self.evm.result.logs)
        return Outcome(True, value, "", events)

    def _decode(self, log: Any) -> Event:
        topics = [bytes.fromhex(t[2:]) if isinstance(t, str) else bytes(t) for t in log.topics]
        name, fields = self._events[topics[0]]
        plain = [k for k, indexed in fields if not indexed]
        data = log.data[1] if isinstance(log.data, tuple) else log.data
        body = iter(unpacked(plain, bytes(data)))
        heads = iter(topics[1:])
        values = []
        for kind, indexed in fields:
            values.append(unpacked((kind,), next(heads))[0] if indexed else next(body))
        return Event(self._who[int(log.address, 16)], name, tuple(values))


def _reason(text: str) -> str:
    """The words of a revert out of pyrevm's error text; empty where there are none."""
    start = text.find("0x08c379a0")
    if start < 0:
        return ""
    raw = bytes.fromhex("".join(c for c in text[start + 2 :].split('"')[0].split(" ")[0] if c in "0123456789abcdef"))
    return str(decode(["string"], raw[4:])[0])
