"""A progress bar on a terminal; elsewhere a line every ten seconds. Always on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

_EVERY = 10.0  # seconds between two lines where there is no terminal


class Bar:
    """`update(done, total, text)` as often as one likes."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._progress: Any = None
        self._task: Any = None
        self._last = time.monotonic()

    def __enter__(self) -> Bar:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
            )
            self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
            self._progress.start()
            self._task = self._progress.add_task("", total=None)
        return self

    def update(self, done: float, total: float, text: str) -> None:
        """`done` of `total`, whatever they count."""
        if self._progress is not None:
            self._progress.update(self._task, completed=done, total=total, description=text)
        elif not self._quiet and time.monotonic() - self._last >= _EVERY:
            self._last = time.monotonic()
            print(f"{100 * done / max(total, 1):3.0f} %  {text}", file=sys.stderr, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
