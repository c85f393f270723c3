"""The handshake with a chain, at start and on reconnect, and the same tests for `hearth check`.

Each check returns a `Finding`; `handshake` raises the first that fails. Order: cheap and decisive first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from keepers.chain.codec import CONTRACTS
from keepers.chain.deployment import Deployment
from keepers.chain.ports import BlockRef
from keepers.chain.reverts import Reverted
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.runtime.clock import Clock
from keepers.runtime.version import MAJOR

SKEW_LIMIT_S = 30.0  # above it nothing is signed (protocol.md §7)
SKEW_WARN_S = 2.0
_VERSION_SELECTOR = keccak(b"VERSION()")[:4]


@dataclass(frozen=True, slots=True)
class Finding:
    """One test and its outcome. `detail` is one line for people; `error` is set where it failed.

    `skipped`: it could not be made, because one before it that it rests on failed. It is no pass.
    """

    name: str
    outcome: Literal["ok", "warn", "fail", "skipped"]
    detail: str
    error: HearthError | None = None


class CheckRpc(Protocol):
    """What the checks ask of a chain: `chain.rpc.ChainRpc`."""

    def block_by(self, which: int | str) -> BlockRef | None: ...

    def code(self, address: str, at: BlockRef) -> bytes: ...

    def eth_call(self, to: str, data: bytes, at: BlockRef, sender: str | None = None, value: int = 0) -> bytes: ...


def _failed(name: str, error: HearthError) -> Finding:
    return Finding(name, "fail", error.message, error)


def check_genesis(rpc: CheckRpc, deployment: Deployment) -> Finding:
    """The chain behind the endpoints is the record's: same block 0 (chain ids are not unique)."""
    block = rpc.block_by(0)
    found = "0x" + block.hash.hex() if block else "none"
    if found != deployment.genesis_block_hash:
        return _failed(
            "genesis block",
            HearthError(
                "H2002",
                f"the chain's genesis block is {found}, the record's {deployment.genesis_block_hash}",
                why=("another chain with the same id, or a local chain that was started anew",),
                next=("use the record of this chain",),
            ),
        )
    return Finding("genesis block", "ok", found)


def check_code(rpc: CheckRpc, deployment: Deployment, at: BlockRef) -> Finding:
    """Every contract of the record has the code that the record says."""
    for name in CONTRACTS:
        record = deployment.contracts[name]
        code = rpc.code(record.address, at)
        found = "0x" + keccak(code).hex()
        if not code or (record.runtime_hash and record.runtime_hash != found):
            what = f"has code {found}, the record says {record.runtime_hash}" if code else "has no code"
            return _failed(
                "code",
                HearthError(
                    "H2003",
                    f"{name} at {record.address} {what}",
                    next=("check the record; do not send anything",),
                ),
            )
    return Finding("code", "ok", f"{len(CONTRACTS)} contracts as in the record")


def check_version(rpc: CheckRpc, deployment: Deployment, at: BlockRef) -> Finding:
    """`VERSION` of the hub has the major number that we understand: newer = upgrade us, older = wait for them."""
    address = deployment.address("AttestationHub")
    try:
        version = _string(rpc.eth_call(address, _VERSION_SELECTOR, at))
    except Reverted:
        version = deployment.suite_version
    try:
        major = int(version.split(".")[0].lstrip("v"))
    except ValueError:
        major = -1
    if major == MAJOR:
        return Finding("contract version", "ok", version)
    error = (
        HearthError("H2004", f"the contracts have version {version}; this program understands {MAJOR}.x",
                    next=("upgrade: pipx upgrade hearth-compute",))
        if major > MAJOR
        else HearthError("H2006", f"the contracts still have version {version!r}")
    )  # fmt: skip
    return _failed("contract version", error)


def _string(data: bytes) -> str:
    if len(data) < 64:
        return ""
    length = int.from_bytes(data[32:64], "big")
    return data[64 : 64 + min(length, 64)].decode("ascii", "replace")


def check_clock(clock: Clock) -> Finding:
    """Our clock beside the chain's."""
    skew = clock.skew()
    if abs(skew) > SKEW_LIMIT_S:
        return _failed(
            "clock",
            HearthError(
                "H6001",
                f"the clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} the chain",
                why=(f"above {SKEW_LIMIT_S:.0f} s nothing is observed or signed",),
                next=("turn on time synchronisation (chrony, systemd-timesyncd)",),
            ),
        )
    return Finding("clock", "warn" if abs(skew) > SKEW_WARN_S else "ok", f"skew {skew:+.1f} s")


def handshake(rpc: CheckRpc, deployment: Deployment) -> None:
    """Raises the first failure: wrong chain (H2002), wrong code (H2003), version (H2004, H2006)."""
    head = rpc.block_by("latest")
    if head is None:
        raise HearthError("H2001", "the endpoints have no block")
    for finding in (
        check_genesis(rpc, deployment),
        check_code(rpc, deployment, head),
        check_version(rpc, deployment, head),
    ):
        if finding.error is not None:
            raise finding.error
