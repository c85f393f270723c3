"""A file with every leaf after some epoch, from which a rebuild can begin. From whom it comes does not matter.

First line: JSON with schema, chain, hub, epoch, header, root. Then one line a node that has a record, ascending: its
index and its leaf word in hex. Whoever reads one trusts nothing in it: header and root must be those that the chain has
for that epoch (`sdk.audit`), and only then are leaves read, for a header of one's own making could count any number of
nodes. The leaves must give that root.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from keepers.chain.bounded_json import loads
from keepers.protocol.counters import Header
from keepers.protocol.errors import HearthError
from keepers.protocol.leaf_words import check_leaf
from keepers.protocol.uptime_tree import UptimeTree

SCHEMA = "hearth.leaves/1"
MAX_LINE = 4_096  # bytes: a longer one is no line of such a file


@dataclass(frozen=True)
class LeavesHead:
    """What the first line of a file says: whose leaves, after which epoch."""

    chain_id: int
    hub: str
    header: Header
    root: bytes

    @property
    def ring_word(self) -> bytes:
        """w of that epoch, if the file is right."""
        return self.header.ring_word(self.root)


def write_leaves(path: Path, tree: UptimeTree, chain_id: int, hub: str) -> int:
    """Writes the leaves of a tree; returns how many. The file appears whole or not at all. Raises OSError."""
    head = {
        "schema": SCHEMA,
        "chain_id": chain_id,
        "hub": hub.lower(),
        "epoch": tree.header.epoch,
        "header": hex(tree.header.pack()),
        "root": "0x" + tree.root.hex(),
    }
    half, count = path.with_name(path.name + ".part"), 0
    with half.open("w", encoding="ascii") as file:
        file.write(json.dumps(head) + "\n")
        for index, word in enumerate(tree.words):
            if word:
                file.write(f"{index} {word:x}\n")
                count += 1
    half.replace(path)
    return count


def read_head(path: Path) -> LeavesHead:
    """Reads the first line of a file. Raises H1006. Whether it is the chain's is for the caller to see."""
    try:
        with path.open("rb") as file:
            return _head(path, file.readline(MAX_LINE))
    except OSError as error:
        raise _unread(path, error) from None


def read_leaves(path: Path, head: LeavesHead) -> UptimeTree:
    """Reads a file that begins with `head`, which is known to be right, and hashes its leaves: they give its root.

    Raises H1006 with the line that is wrong.
    """
    try:
        with path.open("rb") as file:
            if _head(path, file.readline(MAX_LINE)) != head:
                raise _bad(path, 1, "the file was changed while it was read")
            tree = UptimeTree.of(head.header, _words(path, file, head.header))
    except OSError as error:
        raise _unread(path, error) from None
    if tree.root != head.root:
        raise _bad(path, 1, f"its leaves give the root 0x{tree.root.hex()}, it says 0x{head.root.hex()}")
    return tree


def _head(path: Path, line: bytes) -> LeavesHead:
    try:
        raw = loads(line)
        if raw["schema"] != SCHEMA:
            raise ValueError(f"its schema is {str(raw['schema'])[:40]!r}, not {SCHEMA!r}")
        word = int(raw["header"], 16)
        header, root = Header.unpack(word), bytes.fromhex(raw["root"].removeprefix("0x"))
        if header.pack() != word or header.epoch != raw["epoch"] or len(root) != 32:
            raise ValueError("its header, epoch and root do not fit together")
        return LeavesHead(int(raw["chain_id"]), str(raw["hub"]).lower(), header, root)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise _bad(path, 1, f"the first line is no head of a leaves file ({error})") from None


def _words(path: Path, file: BinaryIO, header: Header) -> list[int]:
    words: list[int] = []
    number = 1
    while line := file.readline(MAX_LINE):
        number += 1
        try:
            index_text, word_text = line.split()
            index, word = int(index_text), int(word_text, 16)
            if not len(words) <= index < header.count:
                raise ValueError(f"index {index} is not ascending below the {header.count} nodes of the header")
            if word == 0:
                raise ValueError("an empty leaf is not written")
            check_leaf(word, header)
        except ValueError as error:
            raise _bad(path, number, str(error)) from None
        words.extend([0] * (index - len(words)))
        words.append(word)
    return words


def _unread(path: Path, error: OSError) -> HearthError:
    return HearthError("H1006", f"{path} cannot be read: {error.strerror}")


def _bad(path: Path, line: int, why: str) -> HearthError:
    return HearthError(
        "H1006",
        f"{path} is no file of leaves",
        why=(f"line {line}: {why}",),
        next=("hearth rebuild --write FILE makes one", "leave --from out to rebuild from the first epoch"),
    )
