"""JSON logs, one object a line, with everything secret masked.

Fields: ts (RFC 3339 UTC), level, logger, msg, then whatever the call passed in `extra`. A value is masked where its
name says secret, and any text loses URL credentials, tokens in queries and long hex that is marked as a key.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

from keepers.chain.masking import MASK, mask_text

_SECRET_NAMES = re.compile(r"pass(word|phrase)?|secret|token|private|mnemonic|seed_phrase|authorization|api_?key", re.I)
_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}


def mask_value(name: str, value: Any) -> Any:
    """A log field, masked by its name and by what it looks like; containers are walked."""
    if _SECRET_NAMES.search(name) and not name.endswith(("_file", "_count", "_wei")):
        return MASK if value not in (None, "", False) else value
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {str(k): mask_value(str(k), v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [mask_value(name, v) for v in value]
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 53 else str(value)
    return mask_text(str(value))


class JsonFormatter(logging.Formatter):
    """One JSON object a record; a stack trace goes into `exc`, masked like all text."""

    def format(self, record: logging.LogRecord) -> str:
        out: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": mask_text(record.getMessage()),
        }
        for name, value in record.__dict__.items():
            if name not in _STANDARD:
                out[name] = mask_value(name, value)
        if record.exc_info:
            out["exc"] = mask_text(self.formatException(record.exc_info))
        return json.dumps(out, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """For a person at a terminal: time, level, logger, message and fields, masked the same way."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = " ".join(
            f"{name}={mask_value(name, value)}" for name, value in record.__dict__.items() if name not in _STANDARD
        )
        line = f"{at} {record.levelname.lower():<7} {record.name} {mask_text(record.getMessage())} {fields}".rstrip()
        return line + ("\n" + mask_text(self.formatException(record.exc_info)) if record.exc_info else "")


def setup(level: str = "info", style: str = "json", stream: TextIO | None = None) -> logging.Handler:
    """Send the `hearth` loggers (and warnings of libraries) to `stream` (stderr by default); returns the handler.

    Repeating it replaces the handler, so that a process never logs twice. httpx is kept at warnings: its info lines
    print whole URLs.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    for old in [h for h in root.handlers if getattr(h, "hearth", False)]:
        root.removeHandler(old)
    handler.hearth = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("hearth").setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "apscheduler", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return handler
