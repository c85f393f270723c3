"""`hearth tx`: the outboxes of this config's keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import rich_click as click

from keepers.cli import output, units
from keepers.cli.options import Options, group
from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.chain.ports import Sent, TxState


@group(default="list")
def tx() -> None:
    """Transactions of the outbox: list, show."""


def _queues(options: Options) -> list[Any]:
    """The outboxes of the config's keys, read from the store alone: no chain is asked and no key is opened."""
    from keepers.chain.deployment import load_record
    from keepers.chain.keys import keystore_address
    from keepers.outbox.queue import Queue
    from keepers.sdk.connect import chosen_record, load_settings
    from keepers.store.migrations import open_store

    settings = load_settings(options.flags()).settings
    record = load_record(chosen_record(options.flags()))
    sections: Any = settings
    keystores = [sections.renter.keystore, sections.attester.keystore, sections.settler.keystore]
    found = [path for path in (*keystores, *sections.agent.keystores) if path is not None]
    if not found:
        raise HearthError("H1101", "no key is configured", next=("hearth config set renter.keystore FILE",))
    store = open_store(settings.database(record.network))
    addresses = dict.fromkeys(keystore_address(path) for path in found)
    return [Queue(store, address, record.codec(), lambda: 0) for address in addresses]


def _rows(queues: list[Any], states: Sequence[TxState], limit: int) -> list[Sent]:
    """Newest first, of all keys."""
    rows = [row for queue in queues for row in queue.rows(states, limit)]
    return sorted(rows, key=lambda row: -int(row.extra["created"]))[:limit]


def _data(row: Sent) -> dict[str, Any]:
    return {
        "key": row.key,
        "state": row.state.value,
        "call": row.extra.get("call"),
        "reason": row.reason,
        "code": row.code,
        "tx": "0x" + row.tx_hash.hex() if row.tx_hash else None,
        "block": row.block_number,
        "gas": row.gas_used,
        "nonce": row.nonce,
        "attempts": row.attempts,
    }


@tx.command("list")
@click.option("--open", "only_open", is_flag=True, help="Only what is not settled.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.pass_obj
def list_(options: Options, only_open: bool, limit: int) -> None:
    """Newest first, with the reason of what waits."""
    from keepers.chain.ports import OPEN_STATES

    rows = _rows(_queues(options), OPEN_STATES if only_open else (), limit)
    table = [
        [
            r.state.value,
            str(r.extra.get("call", "")),
            units.short("0x" + r.tx_hash.hex()) if r.tx_hash else "",
            r.reason,
            r.key,
        ]
        for r in rows
    ]
    options.emit(
        "txs",
        [_data(r) for r in rows],
        lambda: output.table(["state", "call", "tx", "reason", "key"], table, 160) if rows else "the outbox is empty",
    )


@tx.command()
@click.argument("key")
@click.pass_obj
def show(options: Options, key: str) -> None:
    """One row by its key, or by its transaction's hash."""
    queues = _queues(options)
    row = queues[0].status(key)
    if row is None and key.startswith("0x"):
        row = next((r for r in _rows(queues, (), 10_000) if "0x" + r.tx_hash.hex() == key.lower()), None)
    if row is None:
        raise HearthError("H1005", f"the outbox has no {key!r}", next=("hearth tx list",))
    data = _data(row)
    options.emit(
        "tx", data, lambda: "\n".join(f" {name:<9} {value}" for name, value in data.items() if value not in (None, ""))
    )
