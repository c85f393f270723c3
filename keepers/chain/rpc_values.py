"""Results of the JSON-RPC methods we use, as typed values. An endpoint is not trusted: what does not fit is Malformed.

web3's own formatters are not used here: they turn a missing or odd field into whatever exception comes along, and
money and finality rest on these words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from keepers.chain.ports import BlockRef
from keepers.chain.rpc_errors import Malformed

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_BYTES = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
COUNT_LIMIT = 1 << 53  # no block, time or index is above it; every database and JSON reader holds it


@dataclass(frozen=True, slots=True)
class RawLog:
    """One log as the chain gives it. `topics` of 32 bytes each; `index` within the block."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: bytes
    tx_hash: bytes
    index: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """Outcome of a mined transaction. `status` 1 = succeeded; `price` paid per gas in wei."""

    tx_hash: bytes
    status: int
    block_number: int
    block_hash: bytes
    gas_used: int
    price: int


def number(value: Any) -> int:
    """A quantity of at most 256 bits."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise Malformed(value, "a hex number")
    return int(value, 16)


def count(value: Any) -> int:
    """A quantity that counts blocks, seconds or places."""
    found = number(value)
    if found >= COUNT_LIMIT:
        raise Malformed(value, "a block number, a time or an index")
    return found


def data(value: Any) -> bytes:
    """Bytes of any length."""
    if not isinstance(value, str) or not _BYTES.fullmatch(value):
        raise Malformed(value, "bytes")
    return bytes.fromhex(value[2:])


def word(value: Any) -> bytes:
    """32 bytes: a hash or a topic."""
    found = data(value)
    if len(found) != 32:
        raise Malformed(value, "a hash")
    return found


def address(value: Any) -> str:
    """An address in lower case."""
    if len(data(value)) != 20:
        raise Malformed(value, "an address")
    return str(value).lower()


def block_ref(raw: Any) -> BlockRef | None:
    """A block of `eth_getBlockBy…`; None for null."""
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise Malformed(raw, "a block")
    return BlockRef(
        number=count(raw.get("number")),
        hash=word(raw.get("hash")),
        timestamp=count(raw.get("timestamp")),
        parent=word(raw.get("parentHash")),
        base_fee=number(raw.get("baseFeePerGas") or "0x0"),
    )


def log_list(raw: Any) -> list[RawLog]:
    """Logs of `eth_getLogs` in the chain's order; those that a reorg removed are left out."""
    if not isinstance(raw, list):
        raise Malformed(raw, "a list of logs")
    found = [_log(one) for one in raw if not (isinstance(one, dict) and one.get("removed"))]
    return sorted(found, key=lambda log: (log.block_number, log.index))


def _log(raw: Any) -> RawLog:
    try:
        return RawLog(
            address=address(raw["address"]),
            topics=tuple(word(topic) for topic in raw["topics"]),
            data=data(raw["data"]),
            block_number=count(raw["blockNumber"]),
            block_hash=word(raw["blockHash"]),
            tx_hash=word(raw["transactionHash"]),
            index=count(raw["logIndex"]),
        )
    except (KeyError, TypeError):
        raise Malformed(raw, "a log") from None


def receipt(raw: Any) -> Receipt | None:
    """A receipt; None while the transaction is not mined."""
    if raw is None or (isinstance(raw, dict) and raw.get("blockHash") is None):
        return None
    try:
        return Receipt(
            tx_hash=word(raw["transactionHash"]),
            status=number(raw.get("status", "0x1")),
            block_number=count(raw["blockNumber"]),
            block_hash=word(raw["blockHash"]),
            gas_used=count(raw["gasUsed"]),
            price=number(raw.get("effectiveGasPrice") or "0x0"),
        )
    except (KeyError, TypeError, AttributeError):
        raise Malformed(raw, "a receipt") from None
