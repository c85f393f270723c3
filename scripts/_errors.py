"""Errors of deployment and check: a stable code, what is wrong, why, and what to do next."""

from __future__ import annotations

from typing import IO, Any

import click

CODES = {
    "H7101": "the profile is not usable",
    "H7102": "the plan is stale",
    "H7103": "the chain is another one",
    "H7104": "the account cannot pay",
    "H7105": "the source is another one",
    "H7106": "a nonce of the plan is lost",
    "H7107": "a deployment is unfinished or done already",
    "H7108": "the rehearsal failed",
    "H7109": "a transaction failed on chain",
    "H7110": "no account to deploy from",
    "H7111": "a tool of the rehearsal is missing",
    "H7112": "the contracts do not compile or do not fit the plan",
    "H7113": "not confirmed",
    "H7114": "the record is not usable",
    "H7115": "the chain differs from the record",
    "H7116": "the chain does not answer",
}


class DeployError(click.ClickException):
    """Stops a script with exit code `exit_code`; printed as `error[H71xx] …` with why and next, never a traceback."""

    def __init__(self, code: str, message: str, why: str = "", next_: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.code, self.why, self.next = code, why, next_
        self.exit_code = exit_code

    def format_message(self) -> str:
        lines = [f"error[{self.code}] {self.message}"]
        if self.why:
            lines.append(f"  why   {self.why}")
        if self.next:
            lines.append(f"  next  {self.next}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.format_message()

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.format_message(), err=True, file=file)
