"""Named places where a test kills the process. Off unless HEARTH_CRASH_AT is set before the start.

`HEARTH_CRASH_AT=name` dies at the first pass of `cp("name")`, `name:3` at the third. SIGKILL: no handler, no flush,
no exit hook runs, as when the kernel or the power ends it. `HEARTH_CRASH_TRACE=FILE` appends each name that is passed,
which is how a test finds all of them.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

_AT = "HEARTH_CRASH_AT"
_TRACE = "HEARTH_CRASH_TRACE"


class _Plan:
    """What the environment asks for, read once, and how often each name was passed."""

    def __init__(self) -> None:
        name, _, count = os.environ.get(_AT, "").partition(":")
        self.name = name
        self.left = int(count or 1)
        trace = os.environ.get(_TRACE, "")
        self.trace = Path(trace) if trace else None
        self.active = bool(name) or self.trace is not None


_plan = _Plan()


def cp(name: str) -> None:
    """A crash point. Costs one attribute read when off."""
    if not _plan.active:
        return
    if _plan.trace is not None:
        with _plan.trace.open("a", encoding="utf-8") as out:
            out.write(name + "\n")
    if name == _plan.name:
        _plan.left -= 1
        if _plan.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
