"""`hearth explain`: codes, end reasons, exit codes."""

from __future__ import annotations

import rich_click as click

from keepers.cli.options import Options, command
from keepers.protocol.errors import CODES, HearthError, find
from keepers.protocol.leases import REASON_TEXT, Reason

EXIT_CODES = {
    0: "done; an empty list is 0 too",
    1: "failed",
    2: "wrong usage: an argument, a setting or a file that cannot be used",
    3: "not confirmed, or a question and no terminal",
    4: "key missing, locked or without the role",
    5: "nothing matched",
    6: "refused by a limit or guard: spending limit, stale price, paused, a second signature",
    7: "endpoint, attester or board unreachable: retry is safe",
    8: "outcome unknown: signed and maybe sent; `hearth tx show` settles it, repeating is safe",
    9: "check, verify or rebuild found a fault",
    130: "interrupted",
}
WHO_PAYS = {
    Reason.RUNNING: "The lease has not stopped.",
    Reason.RENTER_CLOSED: "You closed it. Attested seconds are paid, the rest comes back. The bond goes home.",
    Reason.FUNDS: "What was prepaid is used up. Attested seconds are paid; unattested ones come back.",
    Reason.TERM: "The term is over. Attested seconds are paid; unattested ones come back.",
    Reason.HOST_NOTICE: "The provider gave the notice of its sheet. Full pay until then, no forfeit.",
    Reason.HOST_EXIT: "The provider left without notice: forfeit from the bond, to you, at most what you paid.",
    Reason.HOST_DOWN: "Dark for longer than the sheet allows: forfeit from the bond, to you, at most what you paid.",
    Reason.HOST_FAULT: "The node was proven to lie: forfeit from the bond, to you, at most what you paid.",
    Reason.CLUSTER: "Another node of the cluster failed and you stopped the others before their minimum time.",
    Reason.BARRED: "You cancelled the message before it opened: nothing was paid.",
}


@command()
@click.argument("what")
def explain(options: Options, what: str) -> None:
    """What an error code (H5001), an end reason (HOST_DOWN), `exit-codes` or `collusion` means, and what to do."""
    text = what.strip()
    if text.lower() == "collusion":
        from keepers.cli.exposure import explained

        data, said = explained()
        options.emit("explain", data, lambda: said)
        options.note("next  hearth exposure    the same of a network, now")
        return
    if text.lower() in ("exit-codes", "exit_codes", "exit"):
        options.emit(
            "explain", EXIT_CODES, lambda: "\n".join(f"{code:>4}  {line}" for code, line in EXIT_CODES.items())
        )
        return
    name = text.upper().replace("-", "_")
    row = find(name)
    if row is not None:
        lines = [f"{row.code}  {row.meaning}", f"  next   {row.remedy}"]
        lines.append(f"  exit   {row.exit_code}  {EXIT_CODES.get(row.exit_code, '')}")
        if row.retryable:
            lines.append("  Repeating it is safe.")
        options.emit("explain", row, lambda: "\n".join(lines))
        return
    if name in Reason.__members__:
        reason = Reason[name]
        options.emit(
            "explain",
            {"reason": name, "meaning": REASON_TEXT[reason], "who_pays": WHO_PAYS[reason]},
            lambda: f"{name}  {REASON_TEXT[reason]}\n  {WHO_PAYS[reason]}",
        )
        return
    import difflib

    known = (*CODES, *Reason.__members__, "EXIT_CODES", "COLLUSION")
    near = [
        found if found in CODES or found in Reason.__members__ else found.lower().replace("_", "-")
        for found in difflib.get_close_matches(name, known, n=4)
    ]
    raise HearthError(
        "H1005",
        f"{text!r} is no code, end reason or topic that this release knows",
        why=f"near it: {', '.join(near) or 'none'}",
        next=("hearth explain exit-codes", "docs/errors.md has every code"),
    )
