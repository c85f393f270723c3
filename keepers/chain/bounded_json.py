"""JSON from files and places that nobody vouches for: nothing is parsed that is nested deeper than documents of ours.

A parser recurses into what it reads. Python's own stops at the interpreter's recursion limit, but packages that other
people load beside ours raise that limit beyond what the stack holds, and then the process is killed.
"""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 64
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def loads(content: bytes | str, **how: Any) -> Any:
    """What `json.loads` gives with the options `how`. Raises ValueError for what is no JSON, or nested too deep."""
    body = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if nesting(body) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return json.loads(content, **how)


def nesting(body: bytes) -> int:
    """Depth of JSON text, brackets inside strings counted too."""
    depth = deepest = 0
    for byte in body.translate(None, _NO_BRACKETS):
        depth += 1 if byte in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest
