"""From config to a connected `Hearth`: settings, record, endpoints, key, outbox."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from keepers.chain.deployment import Deployment, load_record
from keepers.chain.keys import LocalSigner, Signer, open_keystore
from keepers.chain.ports import Call
from keepers.protocol.errors import HearthError
from keepers.runtime.settings import Loaded, Settings, load
from keepers.sdk.client import Hearth
from keepers.sdk.offers import MAX_BYTES
from keepers.sdk.sections import SECTIONS
from keepers.sdk.session import Session, Step
from keepers.sdk.types import Done

if TYPE_CHECKING:
    from pydantic import BaseModel

WAIT_S = 120.0  # longest wait for a transaction, unless --timeout says otherwise
LOOK_S = 0.25  # between two looks at the chain


class NothingSent(Exception):
    """A dry run or an unsigned batch got to the point where it would have sent. `calls` are what it would send."""

    def __init__(self, calls: Sequence[tuple[str, Call]], path: Path | None) -> None:
        super().__init__("nothing was sent")
        self.calls, self.path = tuple(calls), path


def load_settings(flags: Mapping[str, Any] | None = None) -> Loaded:
    """Settings with every role's section. `flags` are the command's: network, manifest, rpc, config, timeout."""
    given = dict(flags or {})
    out: dict[str, Any] = {}
    place = given.get("manifest") or given.get("network")
    if place:
        out["deployment"] = resolve_network(str(place))
    if given.get("rpc"):
        out["rpc_urls"] = given["rpc"]
    if given.get("timeout"):
        out["rpc_timeout_s"] = given["timeout"]
    config = Path(given["config"]) if given.get("config") else None
    return load(flags=out, sections=SECTIONS, config=config)


def check_settings(content: Mapping[str, Any]) -> None:
    """Raises H1001 unless the content of a config file would load."""
    sections: dict[str, type[BaseModel]] = SECTIONS
    load(flags=dict(content), sections=sections, env={}, files=())


def resolve_network(name: str) -> str:
    """A network that was added on this machine by its name, else the name or path as it is."""
    from keepers.runtime.settings import default_files

    added = default_files()[1].parent / "networks" / f"{name}.json"
    return str(added) if "/" not in name and not name.endswith(".json") and added.is_file() else name


def chosen_record(flags: Mapping[str, Any] | None = None) -> str:
    """Name or path of the chosen network's record. Raises H1003 where none is chosen."""
    settings = load_settings(flags).settings
    return _chosen(settings)


def _chosen(settings: Settings) -> str:
    if not settings.deployment:
        raise HearthError(
            "H1003",
            "no network is chosen",
            next=("--network NAME or --manifest FILE", "hearth network use NAME", "hearth demo"),
            exit_code=2,
        )
    return resolve_network(settings.deployment)


def key_of(section: Any) -> Signer | None:
    """The key of a section; None where it names no keystore. The .pass file beside it is tried without a password."""
    if section.keystore is None:
        return None
    path = Path(section.keystore).expanduser()
    if section.password is not None:
        return open_keystore(path, password=section.password.get_secret_value())
    beside = path.with_suffix(".pass")
    return open_keystore(path, password_file=beside if beside.exists() else None)


def connect(settings: Settings | None = None, **flags: Any) -> Hearth:
    """A `Hearth` on the chosen network, with the renter's key where one is configured."""
    from keepers.chain.rpc import ChainRpc, EndpointPool, RpcReader

    loaded = settings if settings is not None else load_settings(flags).settings
    deployment = load_record(_chosen(loaded))
    pool = EndpointPool(loaded.rpc_urls, deployment.chain_id, timeout=loaded.rpc_timeout_s)
    reader = RpcReader(ChainRpc(pool), deployment.codec(), deployment.policy())
    section: Any = getattr(loaded, "renter")  # noqa: B009 - sections are added at run time
    signer = key_of(section)
    reader.heads.poll()
    _same_chain(reader, deployment)
    session: Session | None = None
    if signer is not None:
        if flags.get("dry_run") or flags.get("unsigned"):
            target = flags.get("unsigned")
            session = Paper(signer.address, deployment, Path(target) if target else None)
        else:
            session = _session(loaded, deployment, reader, signer, float(flags.get("timeout") or WAIT_S))
    return Hearth(
        Fresh(reader),
        deployment,
        session=session,
        signer=signer,
        offers=section.offers,
        fetch=fetch_url,
    )


def _same_chain(reader: Any, deployment: Deployment) -> None:
    """A record of another chain with the same id (a restarted local network) must not be used: H2003."""
    genesis = reader.block(0)
    if genesis is not None and "0x" + genesis.hash.hex() != deployment.genesis_block_hash:
        raise HearthError(
            "H2002",
            f"the endpoint's chain {deployment.chain_id} is not the record's: another genesis block",
            why=(f"record {deployment.genesis_block_hash}", f"chain  0x{genesis.hash.hex()}"),
            next=("use the record of this chain, or the endpoint of that one",),
        )


def _session(settings: Settings, deployment: Deployment, reader: Any, signer: Signer, wait_s: float) -> Session:
    from keepers.outbox.outbox import Outbox
    from keepers.outbox.policy import Policy
    from keepers.store.migrations import open_store

    store = open_store(settings.database(deployment.network))
    fees = settings.fees
    policy = Policy(
        max_fee=int(fees.max_fee_gwei * 10**9),
        tip=int(fees.tip_gwei * 10**9),
        bump_after=fees.bump_after_s,
        max_bumps=fees.max_bumps,
    )
    folder = settings.home_path / deployment.network
    outbox = Outbox(
        store,
        reader.rpc,
        reader,
        signer,
        deployment.codec(),
        deployment.chain_id,
        lambda: reader.head().timestamp,
        policy=policy,
        lock_folder=folder,
    )

    def pump() -> None:
        outbox.step(reader.heads.poll())

    return Session(outbox, pump, lambda: time.sleep(LOOK_S), time.monotonic, wait_s)


class Fresh:
    """A reader whose `head` looks at the chain anew: a command lives for seconds and has no follower."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def head(self) -> Any:
        """The newest block."""
        return self._reader.heads.poll()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


class Paper(Session):
    """A session that sends nothing: it writes the calls as a Safe batch (or only lists them) and says so."""

    def __init__(self, address: str, deployment: Deployment, path: Path | None) -> None:
        self._address, self._deployment, self._path = address, deployment, path

    @property
    def address(self) -> str:
        """Who would pay the gas."""
        return self._address

    def run(
        self, action: str, steps: Sequence[Step], progress: Callable[[str, str], object] | None = None
    ) -> list[Done]:
        """Raises NothingSent, after the batch is written."""
        codec = self._deployment.codec()
        rows = []
        for step in steps:
            to, data = codec.encode(step.call)
            rows.append({"to": to, "value": "0", "data": "0x" + data.hex(), "contractMethod": None})
        if self._path is not None:
            batch = {
                "version": "1.0",
                "chainId": str(self._deployment.chain_id),
                "meta": {"name": action, "description": ", ".join(step.name for step in steps)},
                "transactions": rows,
            }
            self._path.write_text(json.dumps(batch, indent=1) + "\n", encoding="utf-8")
        raise NothingSent([(step.name, step.call) for step in steps], self._path)


def fetch_url(url: str) -> bytes:
    """The bytes at a URL, at most what a page of offers may have; no redirects. Raises H4201."""
    try:
        with httpx.stream("GET", url, timeout=10.0, follow_redirects=False, trust_env=False) as answer:
            if answer.status_code != 200:
                raise HearthError("H4201", f"{url} answers HTTP {answer.status_code}", retryable=True, exit_code=7)
            content = bytearray()
            for piece in answer.iter_bytes():
                content += piece
                if len(content) > MAX_BYTES:
                    raise HearthError("H4201", f"{url} gives more than {MAX_BYTES} bytes", exit_code=5)
            return bytes(content)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise HearthError(
            "H2007",
            f"{url} cannot be fetched",
            why=(type(error).__name__,),
            next=("retrying is safe",),
            retryable=True,
            exit_code=7,
        ) from None


__all__ = ["LocalSigner", "NothingSent", "check_settings", "chosen_record", "connect", "key_of", "load_settings"]
