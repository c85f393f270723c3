"""`hearth check [ROLE]`: is this set-up ready? Exit 9 on any fault, and where a check had to be skipped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from keepers.cli.options import Options, command

if TYPE_CHECKING:
    from keepers.runtime.checks import Finding

ROLES = ("renter", "provider", "agent", "attester", "settler", "watcher")
OUTCOMES = ("ok", "warn", "fail", "skipped")
STYLES = {"ok": "good", "warn": "late", "fail": "bad", "skipped": "bad"}


@command()
@click.argument("role", type=click.Choice(ROLES), required=False, metavar="[ROLE]")
@click.option("--quick", is_flag=True, help="For a service's start: no hardware, no port; money only warns.")
def check(options: Options, role: str | None, quick: bool) -> None:
    """Test a set-up: settings, record, endpoints, contracts, clock, keys, funds, database, ports, GPUs.

    ROLE is renter, provider, agent, attester, settler or watcher; without one, all that the config has keys for.

    SKIPPED is no pass: the check rests on one that failed. Exit 9 on a failed or skipped check; with --quick exit 7
    where retrying may help, so that a service is started again.
    """
    from keepers.cli.probes import Probes

    findings = Probes(options, role, quick).run()
    counts = {outcome: sum(f.outcome == outcome for f in findings) for outcome in OUTCOMES}
    data = [
        {
            "check": f.name,
            "outcome": f.outcome,
            "detail": f.detail,
            "code": f.error.code if f.error else None,
            "next": list(f.error.next) if f.error else [],
        }
        for f in findings
    ]

    def text() -> str:
        lines = []
        for f in findings:
            word = "SKIPPED" if f.outcome == "skipped" else f.outcome
            code = f"[{f.error.code}] " if f.error else ""
            lines.append(f" {options.paint(f'{word:<7}', STYLES[f.outcome])} {f.name:<18} {code}{f.detail}")
            if f.error is not None:
                lines += [f"         why   {why}" for why in f.error.why]
                lines += [f"         next  {fix}" for fix in f.error.next]
        lines.append(" · ".join(f"{name} = {n}" for name, n in counts.items()))
        return "\n".join(lines)

    options.emit("check", {"findings": data, **counts}, text)
    code = exit_code(findings, quick)
    if code:
        raise Exit(code)


def exit_code(findings: Sequence[Finding], quick: bool) -> int:
    """0, or 9; with `quick` 7 where all that failed may pass when it is tried again (a network that is not up yet)."""
    failed = [f for f in findings if f.outcome == "fail"]
    if not failed and not any(f.outcome == "skipped" for f in findings):
        return 0
    if quick and failed and all(f.error is not None and f.error.retryable for f in failed):
        return 7
    return 9
