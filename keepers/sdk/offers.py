"""Signed asks as JSON, in a folder or at a URL; and the check of each against the chain.

Nothing trusts the place they lie in: an offer counts only if its operator signed it for this chain and market, its
generation is the provider's present one, it has not expired, and the node can be taken now. What is left out is
counted by its reason.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keepers.chain.bounded_json import loads
from keepers.chain.contracts import Suite
from keepers.chain.ports import BlockRef, Reader
from keepers.protocol.errors import HearthError
from keepers.protocol.leases import Sheet
from keepers.protocol.messages import Ask, Domain, address_text, unpack_nodes
from keepers.protocol.nodes import Node, Provider, Status
from keepers.protocol.stake import Own
from keepers.sdk.types import OfferBook, OfferRow, SignedAsk

SCHEMA = "hearth.offer/1"
MAX_BYTES = 1 << 20  # an offer is under 1 kB: more than this is not a page of offers
MAX_OFFERS = 10_000
_INTEGERS = (
    "provider",
    "nodes",
    "class_id",
    "rate",
    "min_duration",
    "max_duration",
    "sheet",
    "expiry",
    "generation",
    "salt",
)

Recover = Callable[[bytes, bytes], str]


def to_json(signed: SignedAsk, domain: Domain) -> str:
    """An offer as a JSON document; integers as decimal strings, so that no reader rounds them."""
    ask = {name: str(getattr(signed.ask, name)) for name in _INTEGERS}
    document = {
        "schema": SCHEMA,
        "chain_id": domain.chain_id,
        "market": domain.contract.lower(),
        "ask": ask,
        "signature": "0x" + signed.signature.hex(),
    }
    return json.dumps(document, indent=1) + "\n"


def from_json(value: Any, domain: Domain, source: str) -> SignedAsk:
    """An offer from parsed JSON. Raises ValueError with the reason for which it is left out."""
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise ValueError("not an offer of this version")
    if value.get("chain_id") != domain.chain_id or str(value.get("market", "")).lower() != domain.contract.lower():
        raise ValueError("for another network")
    raw = value.get("ask")
    if not isinstance(raw, dict):
        raise ValueError("not an offer of this version")
    numbers = {}
    for name in _INTEGERS:
        text = raw.get(name)
        number = int(text) if isinstance(text, str) and text.isdecimal() and len(text) <= 78 else text
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**256:
            raise ValueError("not an offer of this version")
        numbers[name] = number
    try:
        signature = bytes.fromhex(str(value.get("signature", "")).removeprefix("0x"))
    except ValueError:
        raise ValueError("not an offer of this version") from None
    ask = Ask(**numbers)
    return SignedAsk(ask, signature, ask.digest(domain), source)


def load(place: str, domain: Domain, fetch: Callable[[str], bytes]) -> tuple[list[SignedAsk], Counter[str]]:
    """Offers at `place` (a folder, a file, or an http(s) URL) and what was left out, by reason.

    `fetch` gets a URL's bytes. Raises H4201 where the place cannot be read at all.
    """
    found: dict[bytes, SignedAsk] = {}
    left_out: Counter[str] = Counter()
    for source, data in _documents(place, fetch):
        try:
            if len(data) > MAX_BYTES:
                raise ValueError("larger than an offer can be")
            value = loads(data)
        except ValueError as error:
            left_out["larger than an offer can be" if "larger" in str(error) else "not JSON"] += 1
            continue
        if isinstance(value, dict) and "offers" in value:
            value = value["offers"]
        for one in (value if isinstance(value, list) else [value])[:MAX_OFFERS]:
            try:
                signed = from_json(one, domain, source)
            except ValueError as error:
                left_out[str(error)] += 1
                continue
            found.setdefault(signed.digest, signed)
    return list(found.values()), left_out


def _documents(place: str, fetch: Callable[[str], bytes]) -> Iterable[tuple[str, bytes]]:
    if place.startswith(("http://", "https://")):
        yield place, fetch(place)
        return
    try:
        path = Path(place).expanduser()
        files = sorted(path.glob("*.json")) if path.is_dir() else [path]
        for file in files[:MAX_OFFERS]:
            with file.open("rb") as open_file:
                yield str(file), open_file.read(MAX_BYTES + 1)
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: what no path can hold
        raise HearthError(
            "H4201",
            f"offers cannot be read at {place}",
            why=str(getattr(error, "strerror", None) or error),
            next=("--offers FOLDER or URL", "hearth config set renter.offers FOLDER"),
        ) from None


@dataclass(frozen=True)
class _Facts:
    """Chain facts that several offers share."""

    now: int
    providers: dict[int, Provider]
    staked: dict[int, bool]
    nodes: dict[int, Node]
    by_class: dict[tuple[int, int], list[int]]
    sheets: dict[int, Sheet]
    classes: dict[int, str]


class OfferCheck:
    """Checks offers at one block with few round trips. `recover(digest, signature)` gives the signer's address."""

    def __init__(self, reader: Reader, suite: Suite, recover: Recover) -> None:
        self._reader, self._suite, self._recover = reader, suite, recover

    def book(self, offers: Sequence[SignedAsk], left_out: Counter[str], at: BlockRef) -> OfferBook:
        """The rows that stand at `at`, cheapest first (ties by node), and everything left out by reason."""
        left = Counter(left_out)
        facts = self._facts(offers, at)
        rows: dict[tuple[int, bytes], OfferRow] = {}
        for signed in offers:
            reason = self._refuse(signed, facts)
            if reason:
                left[reason] += 1
                continue
            for node in self._nodes_of(signed.ask, facts):
                why = self._refuse_node(signed.ask, node, facts)
                if why:
                    left[why] += 1
                else:
                    rows[node, signed.digest] = self._row(signed, node, facts)
        ordered = sorted(rows.values(), key=lambda row: (row.rate_wei, row.node, row.signed.digest))
        return OfferBook(tuple(ordered), dict(left), at.number)

    def _refuse(self, signed: SignedAsk, facts: _Facts) -> str:
        ask = signed.ask
        provider = facts.providers.get(ask.provider)
        if provider is None:
            return "unknown provider"
        try:
            signer = self._recover(signed.digest, signed.signature)
        except ValueError:
            return "signature is not the operator's"
        if signer.lower() != address_text(provider.operator):
            return "signature is not the operator's"
        if ask.generation != provider.generation:
            return "withdrawn by the provider"
        if ask.expiry <= facts.now:
            return "expired"
        if ask.sheet not in facts.sheets:
            return "unknown term sheet"
        if not 0 < ask.rate < 2**64 or ask.min_duration > ask.max_duration:
            return "terms that nobody can take"
        return "" if facts.staked[ask.provider] else "below the required stake"

    def _nodes_of(self, ask: Ask, facts: _Facts) -> list[int]:
        if ask.nodes == 0:
            return facts.by_class.get((ask.provider, ask.class_id), [])
        try:
            return unpack_nodes(ask.nodes)
        except ValueError:
            return []

    def _refuse_node(self, ask: Ask, node: int, facts: _Facts) -> str:
        word = facts.nodes.get(node)
        if word is None or word.provider != ask.provider:
            return "not the provider's node"
        if word.status is not Status.ACTIVE:
            return f"node {word.status.name.lower()}"
        return ""

    def _row(self, signed: SignedAsk, node: int, facts: _Facts) -> OfferRow:
        ask, word = signed.ask, facts.nodes[node]
        return OfferRow(
            signed=signed,
            node=node,
            provider=ask.provider,
            class_id=word.class_id,
            class_name=facts.classes.get(word.class_id, f"class {word.class_id}"),
            region=word.region,
            gpus=word.gpus,
            free_gpus=word.free,
            rate_wei=ask.rate,
            min_duration_s=ask.min_duration,
            max_duration_s=ask.max_duration,
            sheet_id=ask.sheet,
            sheet=facts.sheets[ask.sheet],
            expiry_at=ask.expiry,
        )

    def _facts(self, offers: Sequence[SignedAsk], at: BlockRef) -> _Facts:
        registry, pool, escrow = self._suite.registry, self._suite.pool, self._suite.escrow
        provider_count, node_count, sheet_count, class_count = self._reader.read_many(
            [
                registry.view("provider_count"),
                registry.view("count"),
                escrow.view("sheet_count"),
                registry.view("class_count"),
            ],
            at,
        )
        ids = sorted({o.ask.provider for o in offers if o.ask.provider < provider_count})
        words = self._reader.read_many([registry.view("provider", p) for p in ids], at)
        owned = self._reader.read_many([pool.view("own", p) for p in ids], at)
        required = self._reader.read_many([pool.view("required", p) for p in ids], at)
        wanted = self._named_nodes(offers, node_count)
        node_words = self._reader.read_many([registry.view("node", i) for i in wanted], at)
        nodes = {i: Node.unpack(word) for i, word in zip(wanted, node_words, strict=True)}
        sheet_ids = sorted({o.ask.sheet for o in offers if o.ask.sheet < sheet_count})
        sheet_words = self._reader.read_many([escrow.view("sheet", s) for s in sheet_ids], at)
        class_ids = sorted({word.class_id for word in nodes.values() if word.class_id < class_count})
        class_rows = self._reader.read_many([registry.view("class_of", c) for c in class_ids], at)
        by_class: dict[tuple[int, int], list[int]] = {}
        for i, word in nodes.items():
            by_class.setdefault((word.provider, word.class_id), []).append(i)
        return _Facts(
            now=at.timestamp,
            providers={p: Provider.unpack(word) for p, word in zip(ids, words, strict=True)},
            staked={p: Own.unpack(own).assets >= need for p, own, need in zip(ids, owned, required, strict=True)},
            nodes=nodes,
            by_class=by_class,
            sheets={s: Sheet.unpack(word) for s, word in zip(sheet_ids, sheet_words, strict=True)},
            classes={c: str(row[0]) for c, row in zip(class_ids, class_rows, strict=True)},
        )

    @staticmethod
    def _named_nodes(offers: Sequence[SignedAsk], count: int) -> list[int]:
        if any(o.ask.nodes == 0 for o in offers):
            return list(range(count))  # an ask for a class may mean any node of its provider
        named: set[int] = set()
        for offer in offers:
            try:
                named.update(i for i in unpack_nodes(offer.ask.nodes) if i < count)
            except ValueError:
                continue
        return sorted(named)
