"""From config to a connected `Hearth`: settings, record, endpoints, key, outbox."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keepers.chain.deployment import Deployment, load_record
from keepers.chain.keys import LocalSigner, Signer, open_keystore
from keepers.protocol.errors import HearthError
from keepers.runtime.settings import Loaded, Settings, load
from keepers.sdk.client import Hearth
from keepers.sdk.fetch import fetch_url
from keepers.sdk.limits import Limits
from keepers.sdk.offers import MAX_BYTES
from keepers.sdk.sections import SECTIONS
from keepers.sdk.sending import WAIT_S, NothingSent, Outgoing, Paper
from keepers.sdk.session import Session

if TYPE_CHECKING:
    from pydantic import BaseModel


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


def check_settings(content: Mapping[str, Any], origin: str) -> None:
    """Raises H1001 unless `content`, that of the config file `origin`, would load."""
    sections: dict[str, type[BaseModel]] = SECTIONS
    load(flags=dict(content), sections=sections, env={}, files=(), flags_from=origin)


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


def signer_for(settings: Any, acts_as: str) -> Signer | None:
    """The key of a section ("renter", "attester"), of a node of [agent] ("node 3"), or of a section that has one
    ("attester or renter"). None where the config names none. Raises H1101 for a node that [agent] lacks."""
    if not acts_as.startswith("node "):
        found = (key_of(getattr(settings, name)) for name in acts_as.split(" or "))
        return next((key for key in found if key is not None), None)
    section, node = settings.agent, int(acts_as.removeprefix("node "))
    path = dict(zip(section.nodes, section.keystores, strict=True)).get(node)
    if path is None:
        raise HearthError(
            "H1101",
            f"[agent] of the config has no key of node {node}",
            why=(f"it has nodes {', '.join(map(str, section.nodes)) or '(none)'}",),
            next=("use the config of the node's agent: -c FILE", "--key FILE"),
        )
    password = section.password.get_secret_value() if section.password else None
    beside = Path(path).expanduser().with_suffix(".pass")
    return open_keystore(Path(path).expanduser(), password, None if password else beside)


def connect(
    settings: Settings | None = None, *, acts_as: str = "renter", key: Signer | None = None, **flags: Any
) -> Hearth:
    """A `Hearth` on the chosen network, with `key`, or that of `acts_as` (see `signer_for`) where one is configured."""
    from keepers.chain.rpc import ChainRpc, EndpointPool, RpcReader

    loaded = settings if settings is not None else load_settings(flags).settings
    deployment = load_record(_chosen(loaded))
    pool = EndpointPool(loaded.rpc_urls, deployment.chain_id, timeout=loaded.rpc_timeout_s)
    reader = RpcReader(ChainRpc(pool), deployment.codec(), deployment.policy())
    section: Any = getattr(loaded, "renter")  # noqa: B009 - sections are added at run time
    signer = key or signer_for(loaded, acts_as)
    reader.heads.poll()
    _same_chain(reader, deployment)
    bounds: Any = getattr(loaded, "limits")  # noqa: B009
    session: Session | None = None
    if signer is not None:
        if flags.get("dry_run") or flags.get("unsigned"):
            target = flags.get("unsigned")
            session = Paper(signer.address, deployment, Path(target) if target else None)
        else:
            session = Outgoing(loaded, deployment, reader, signer, float(flags.get("timeout") or WAIT_S))
    return Hearth(
        Fresh(reader),
        deployment,
        session=session,
        signer=signer,
        operator=lambda: key_of(loaded.operator),  # type: ignore[attr-defined]
        role=acts_as.partition(" ")[0],
        offers=section.offers,
        fetch=fetch_offers,
        limits=Limits(
            _fraction(bounds.per_lease_usd), _fraction(bounds.per_day_usd), _fraction(bounds.max_usd_per_gpu_hour)
        ),
    )


def _fraction(usd: Decimal | None) -> Fraction | None:
    return None if usd is None else Fraction(usd)


def _same_chain(reader: Any, deployment: Deployment) -> None:
    """A record of another chain with the same id (a restarted local network) must not be used: H2002."""
    genesis = reader.block(0)
    if genesis is not None and "0x" + genesis.hash.hex() != deployment.genesis_block_hash:
        raise HearthError(
            "H2002",
            f"the endpoint's chain {deployment.chain_id} is not the record's: another genesis block",
            why=(f"record {deployment.genesis_block_hash}", f"chain  0x{genesis.hash.hex()}"),
            next=("use the record of this chain, or the endpoint of that one",),
        )


class Fresh:
    """A reader whose `head` looks at the chain anew: a command lives for seconds and has no follower."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def head(self) -> Any:
        """The newest block."""
        return self._reader.heads.poll()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


def fetch_offers(url: str) -> bytes:
    """The page of offers at a URL. Raises H4201, H2007."""
    return fetch_url(url, MAX_BYTES, "H4201", "--offers FOLDER or URL")


__all__ = ["LocalSigner", "NothingSent", "check_settings", "chosen_record", "connect", "key_of", "load_settings"]
