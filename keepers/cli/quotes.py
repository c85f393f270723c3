"""The last offers that were shown, so that `hearth rent 1` means a row of them; one file a network."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.cli.options import Options
    from keepers.sdk.client import Hearth
    from keepers.sdk.types import Quote

VALID_S = 600  # how long a row may be rented by its number


@dataclass(frozen=True)
class Chosen:
    """A row of a quote: the ask and node it stands for, and what was asked for."""

    ask: str
    node: int
    gpu: str
    hours: str
    place: str
    max_usd: str | None
    regions: tuple[int, ...]


def _file(options: Options, hearth: Hearth) -> Path:
    from keepers.sdk.connect import load_settings

    home: Path = load_settings(options.flags()).settings.home_path
    return home / hearth.deployment.network / "last-offers.json"


def remember(options: Options, hearth: Hearth, quote: Quote, wish: Mapping[str, object]) -> str:
    """Keep the rows that were shown; the id of the quote. `wish` holds gpu, hours, place, max_usd, regions."""
    rows = [{"ask": "0x" + row.signed.digest.hex(), "node": row.node} for row in quote.rows]
    body = {"chain_id": hearth.deployment.chain_id, "at": hearth.head().timestamp, **wish, "rows": rows}
    name = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:8]
    path = _file(options, hearth)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps({"id": name, **body}) + "\n", encoding="utf-8")
    beside.replace(path)
    return name


def chosen(options: Options, hearth: Hearth, text: str) -> Chosen:
    """What `1` or `3fa9c012-1` means. Raises H1005 (exit 2), or H4201 (exit 5) where that quote is gone."""
    match = re.fullmatch(r"(?:([0-9a-f]{8})-)?([1-9]\d{0,4})", text.strip())
    if match is None:
        raise HearthError(
            "H1005",
            f"{text!r} is no row of an offer",
            next=("hearth offers, then its row: hearth rent 1", "or: hearth rent --gpu NAME --hours TIME"),
        )
    from keepers.chain.bounded_json import loads

    try:
        kept = loads(_file(options, hearth).read_text(encoding="utf-8"))
        rows, at = [(str(row["ask"]), int(row["node"])) for row in kept["rows"]], int(kept["at"])
        wish = (str(kept["gpu"]), str(kept["hours"]), str(kept["place"]), kept.get("max_usd"))
        regions = tuple(int(region) for region in kept.get("regions", ()))
    except FileNotFoundError:
        raise _gone("no offers were shown here yet") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise _gone("the file that keeps the last offers is damaged") from None
    if match[1] and match[1] != kept.get("id"):
        raise _gone(f"quote {match[1]} is not the last one")
    if kept.get("chain_id") != hearth.deployment.chain_id:
        raise _gone("the last offers were of another chain")
    age = hearth.head().timestamp - at
    if age > VALID_S:
        raise _gone(f"the last offers are {age} s old, {VALID_S} s are allowed")
    if int(match[2]) > len(rows):
        raise HearthError(
            "H1005",
            f"the last offers had {len(rows)} rows, there is no row {match[2]}",
            next=("hearth offers",),
        )
    return Chosen(*rows[int(match[2]) - 1], *wish, regions)


def _gone(why: str) -> HearthError:
    return HearthError("H4201", "that row cannot be rented any more", why=(why,), next=("hearth offers",))
