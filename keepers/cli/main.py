"""`hearth`: the tree of commands, and the one place where an error becomes words and an exit code."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import rich_click as click
from click.exceptions import Exit

from keepers.cli.options import Command, Group, Options

#: name -> (module, attribute, one line). The line stands here so that `--help` imports no command.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "init": ("init", "init", "Write a config and keys for a role; sends nothing."),
    "check": ("check", "check", "Test a set-up: chain, record, keys, database, ports, GPUs."),
    "explain": ("explain", "explain", "What an error code, an end reason, the exit codes or collusion mean."),
    "version": ("version", "version", "Versions of the tool and of the contracts it understands."),
    "offers": ("offers", "offers", "Offers that can be taken now, cheapest first."),
    "rent": ("rent", "rent", "Rent GPUs: plan, confirm, pay, open the lease."),
    "status": ("status", "status", "Your leases, or one of them."),
    "topup": ("rent", "topup", "Pay a running lease further ahead."),
    "close": ("rent", "close", "Stop a lease and show its bill."),
    "receipt": ("receipt", "receipt", "Everything that moved money in a lease, with its proofs."),
    "wallet": ("wallet", "wallet", "Tokens and credits: show, buy, refund, redeem."),
    "node": ("node", "node", "Your machines: list, register, price, drain, check-in, retire."),
    "stake": ("stake", "stake", "Stake behind your machines: show, add, remove, withdraw."),
    "earnings": ("earnings", "earnings", "What a provider has earned and can redeem."),
    "key": ("key", "key", "Keys: new, import, list, test, rotate, backup."),
    "seat": ("seat", "seat", "A seat of the committee: show, join, leave, withdraw, apply."),
    "signlog": ("signlog", "signlog", "What the attester's seat has signed; moving a seat to another machine."),
    "agent": ("up", "agent", "Run an agent: the daemon of a machine."),
    "attester": ("up", "attester", "Run an attester: a seat of the committee."),
    "settler": ("up", "settler", "Run a settler: permissionless upkeep for a bounty."),
    "watcher": (
        "watcher",
        "watcher",
        "Run a watcher: judges every report, refutes what is false; --once looks and says.",
    ),
    "up": ("up", "up", "Run the roles of this config in one process."),
    "network": ("network", "network", "Networks: list, show, status, add, use."),
    "config": ("config", "config", "Settings: show with their origin, set, path."),
    "verify": ("audit", "verify", "Check a lease's bill or a receipt from the chain alone."),
    "proof": ("audit", "proof", "The proof of a node's uptime after an epoch."),
    "challenge": ("challenge", "challenge", "A false answer to the compute challenge: show, prove, refute; canaries."),
    "calibrate": ("calibrate", "calibrate", "Measure this machine; the class of the challenge that fits it."),
    "rebuild": ("audit", "rebuild", "Every leaf and root from the chain alone; says which are right."),
    "exposure": ("exposure", "exposure", "What a committee that lies could cost at most, now."),
    "tx": ("tx", "tx", "Transactions of the outbox: list, show."),
    "replay": ("replay", "replay", "Live a day of a real cluster on a local chain."),
    "simulate": ("simulate", "simulate", "A committee under attack on virtual time; a seed repeats a run."),
    "demo": ("demo", "demo", "A market on this machine in three minutes."),
}


class Lazy(Group):
    """The root: a command's module is imported when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, line = COMMANDS[cmd_name]
        if ctx.resilient_parsing or _asks_for_help(ctx):
            # Help and completion of the root need names and lines only.
            return Command(cmd_name, short_help=line, help=line)
        found: click.Command = getattr(importlib.import_module(f"keepers.cli.{module}"), attribute)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        ctx.meta["hearth.called"] = True
        return super().resolve_command(ctx, args)


def _asks_for_help(ctx: click.Context) -> bool:
    return not ctx.meta.get("hearth.called")


@click.group(
    "hearth",
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.pass_context
def root(context: click.Context) -> None:
    """A market for GPU time, paid by the attested second. Start with `hearth demo`."""
    context.ensure_object(Options)
    if context.invoked_subcommand is None:
        context.meta.pop("hearth.called", None)
        click.echo(context.get_help())


def run(arguments: Sequence[str] | None = None, options: Options | None = None) -> int:
    """One call: its exit code. Errors are printed as words, or as JSON with --json; tracebacks only with -vv."""
    from keepers.cli import output
    from keepers.protocol.errors import HearthError

    obj = options or Options()
    try:
        result = root.main(
            args=None if arguments is None else list(arguments), prog_name="hearth", obj=obj, standalone_mode=False
        )
        return result if isinstance(result, int) and not isinstance(result, bool) else 0
    except Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        usage = HearthError("H1005", error.format_message(), next=("hearth --help",))
        if obj.json:
            click.echo(output.error_json(usage), err=True)
        else:
            error.show()
        return usage.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted: what was sent stays sent, `hearth tx list` shows it", err=True)
        return 130
    except HearthError as error:
        return _explain(error, obj)
    except BrokenPipeError:
        # The reader of our output is gone; keep Python from complaining about it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _explain(_of_file(error) or _defect(error, obj), obj)
    except Exception as error:
        if (
            type(error).__name__ == "NothingSent"
        ):  # its module is heavy, and only a plan that was not sent has loaded it
            return _unsent(error, obj)
        return _explain(_defect(error, obj), obj)


def _of_file(error: OSError) -> Any:
    """H1006 for a file or folder that the operating system refuses; None where no file was meant."""
    from keepers.protocol.errors import HearthError

    if error.filename is None:
        return None
    why = error.strerror or type(error).__name__
    return HearthError("H1006", f"{error.filename} cannot be read or written", why=why, next="check that path")


def _defect(error: Exception, obj: Options) -> Any:
    """H9001 that names a crash file; with -vv the error itself goes on."""
    from keepers.protocol.errors import HearthError

    if obj.verbose >= 2:
        raise error
    # The name of the class says where to look; its text may quote a secret, so it stays out.
    path = _crash_file(error)
    return HearthError(
        "H9001",
        f"a defect of ours: {type(error).__name__}",
        why=("this should never be seen",),
        next=((f"report it with {path} (places in our code only, no values)",) if path else ())
        + ("repeat with -vv for more (read it before you show it)",),
    )


def _crash_file(error: BaseException) -> str:
    """Where it happened, without values or messages, for those may quote a secret. "" if it cannot be kept."""
    import tempfile
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{type(error).__name__}", *(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)]
    try:
        handle, path = tempfile.mkstemp(prefix="hearth-crash-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")
    except OSError:
        return ""
    return path


def _explain(error: Any, obj: Options) -> int:
    from keepers.cli import output

    if obj.verbose >= 2:
        import traceback

        traceback.print_exception(error)
    click.echo(output.error_json(error) if obj.json else obj.repeatable(output.error_text(error)), err=True)
    return int(error.exit_code)


def _unsent(stop: Any, obj: Options) -> int:
    calls = [f"{name}: {call}" for name, call in stop.calls]
    if stop.path is not None:
        click.echo(
            f"{len(calls)} {'call' if len(calls) == 1 else 'calls'} written to {stop.path}, nothing was sent", err=True
        )
    elif not obj.quiet:
        click.echo("dry run, nothing was sent: " + " · ".join(calls), err=True)
    return 0


def main() -> None:
    """Entry point of the `hearth` script."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) if hasattr(signal, "SIGPIPE") else None
    sys.exit(run())


if __name__ == "__main__":
    main()
