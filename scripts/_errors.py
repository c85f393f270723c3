"""Errors of deployment and check: a stable code, what is wrong, why, and what to do next.

The codes are rows of `keepers.protocol.errors`, like everybody else's; here they end a script of ape.
"""

from __future__ import annotations

from typing import IO, Any

import click

from keepers.protocol.errors import row_of


class DeployError(click.ClickException):
    """Stops a script with its code's exit code; printed as `error[H71xx] …` with why and next, never a traceback."""

    def __init__(self, code: str, message: str, why: str = "", next_: str = "") -> None:
        super().__init__(message)
        row = row_of(code)
        self.code, self.why, self.next = code, why, next_ or row.remedy
        self.exit_code = row.exit_code

    def format_message(self) -> str:
        lines = [f"error[{self.code}] {self.message}"]
        if self.why:
            lines.append(f"  why   {self.why}")
        lines.append(f"  next  {self.next}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.format_message()

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.format_message(), err=True, file=file)
