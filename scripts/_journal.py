"""The journal of a deployment: what is about to be sent, on disk before it is sent.

One JSON line an event: the plan first, then a `send` a transaction (nonce, hash, raw), then `done`. A deployment that
was interrupted at any instruction is resumed from it; a line cut off by a crash is dropped, for it was not yet sent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts._errors import DeployError


@dataclass(frozen=True)
class Send:
    """One signed attempt of the step at `nonce`. `raw` is the transaction as it went, or may have gone, out."""

    nonce: int
    key: str
    hash: str
    raw: str


class Journal:
    """Append-only, fsynced before each append returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan: dict[str, Any] | None = None
        self.done = False
        self._sends: dict[int, list[Send]] = {}
        self._read()

    @classmethod
    def beside(cls, record: Path) -> Journal:
        """The journal of the deployment that writes `record`."""
        return cls(record.parent / ".journal" / f"{record.stem}.jsonl")

    def _read(self) -> None:
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise DeployError("H7107", f"the journal {self.path} cannot be read", str(error)) from None
        whole = raw.rfind(b"\n") + 1
        if whole < len(raw):
            # the crash came in the middle of a line: its transaction never left this machine
            with self.path.open("r+b") as handle:
                handle.truncate(whole)
        for number, line in enumerate(raw[:whole].splitlines(), 1):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError):
                raise DeployError(
                    "H7107",
                    f"line {number} of the journal {self.path} is damaged",
                    "it is the only memory of what was sent",
                    "restore it from a backup, or deploy anew with another --record",
                ) from None

    def _take(self, line: Mapping[str, Any]) -> None:
        if line["kind"] == "plan":
            self.plan = dict(line["plan"])
        elif line["kind"] == "send":
            send = Send(int(line["nonce"]), str(line["key"]), str(line["hash"]), str(line["raw"]))
            self._sends.setdefault(send.nonce, []).append(send)
        elif line["kind"] == "done":
            self.done = True

    def _append(self, line: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, json.dumps(line).encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
        self._take(line)

    def begin(self, plan: dict[str, Any]) -> None:
        """First line: the plan, as `Plan.dump` gives it."""
        self._append({"kind": "plan", "plan": plan})

    def sending(self, send: Send) -> None:
        """Before a transaction is sent."""
        self._append({"kind": "send", "nonce": send.nonce, "key": send.key, "hash": send.hash, "raw": send.raw})

    def finish(self) -> None:
        """After the record is written."""
        self._append({"kind": "done"})

    def sends(self, nonce: int) -> list[Send]:
        """Every attempt at `nonce`, oldest first."""
        return list(self._sends.get(nonce, ()))
