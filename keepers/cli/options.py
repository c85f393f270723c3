"""The global flags, with the same meaning before and after the verb, and what every command does with them."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from keepers.chain.masking import mask_url
from keepers.cli import output
from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.chain.keys import Signer
    from keepers.sdk.client import Hearth


class FilePath(click.Path):
    """A path, given or typed; `~` is a home folder, as in the shell."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        try:
            return Path(value).expanduser()
        except RuntimeError:
            self.fail(f"{str(value)!r} begins with the home folder of a user that does not exist", param, ctx)


FILE = FilePath()
_NEXT = re.compile(r"^( *(?:next)? {2,})hearth ", re.M)  # `next  hearth status 1`, and such lines below it
SECONDS = click.FloatRange(0, 3_600, min_open=True)


@dataclass
class Options:
    """One call's global flags. `connect` opens the network; tests put a world of their own there."""

    network: str | None = None
    manifest: str | None = None
    rpc: str | None = None
    config: str | None = None
    json: bool = False
    yes: bool = False
    dry_run: bool = False
    unsigned: str | None = None
    quiet: bool = False
    verbose: int = 0
    no_color: bool = False
    timeout: float | None = None
    connect: Callable[[Options], Hearth] | None = field(default=None, repr=False)

    def hearth(self, acts_as: str = "renter", key: Signer | None = None) -> Hearth:
        """The SDK on the chosen network, with the key of that section of the config (`sdk.connect.signer_for`)."""
        if self.connect is not None:
            return self.connect(self)
        from keepers.sdk.client import Hearth

        return Hearth.from_config(acts_as=acts_as, key=key, **self.flags())

    def flags(self) -> dict[str, Any]:
        """What was given on the command line and goes to the settings."""
        names = ("network", "manifest", "rpc", "config", "timeout", "dry_run", "unsigned")
        return {name: value for name in names if (value := getattr(self, name)) not in (None, False)}

    # ---- output

    def say(self, text: str = "") -> None:
        """Data: stdout."""
        click.echo(text)

    def note(self, text: str) -> None:
        """Everything else: stderr, silent with -q and with --json."""
        if not self.quiet and not self.json:
            click.echo(self.repeatable(text), err=True)

    def repeatable(self, text: str) -> str:
        """The text; its lines of what to try next with the flags that chose config, network and endpoint.

        They work as printed, but for an endpoint whose URL may hold a secret: `--rpc URL`.
        """
        rpc = self.rpc if self.rpc is None or mask_url(self.rpc) == self.rpc else "URL"
        given = (("-c", self.config), ("-n", self.network), ("--manifest", self.manifest), ("--rpc", rpc))
        flags = "".join(f" {flag} {shlex.quote(value)}" for flag, value in given if value)
        return _NEXT.sub(lambda found: f"{found[1]}hearth{flags} ", text) if flags else text

    def emit(self, schema: str, data: Any, text: Callable[[], str], hearth: Hearth | None = None) -> None:
        """The JSON document with --json, else the text."""
        self.say(self.document(schema, data, hearth) if self.json else self.repeatable(text()))

    def document(self, schema: str, data: Any, hearth: Hearth | None = None) -> str:
        """The JSON document of a command: what, on which network, at which block."""
        if hearth is None:
            return output.document(schema, data)
        head, final = hearth.reader.head(), hearth.reader.final()
        block: Mapping[str, Any] = {
            "number": head.number,
            "hash": "0x" + head.hash.hex(),
            "final": final.number,
            "finality": f"{hearth.deployment.finality.kind} {hearth.deployment.finality.value}",
        }
        return output.document(schema, data, hearth.deployment.network, hearth.deployment.chain_id, block)

    def progress(self, step: str, state: str) -> None:
        """One line a step of an action."""
        self.note(f"  {step} … {state}")

    def paint(self, text: str, style: str) -> str:
        """Text in a colour where stdout is a terminal that wants one; the word is always there as well."""
        return click.style(text, **output.STYLES[style]) if output.wants_color(sys.stdout, self.no_color) else text

    def planned(self, data: Any, hearth: Hearth | None = None) -> bool:
        """With --dry-run: says so, as `hearth.plan/1` with --json, and is True."""
        if self.dry_run:
            self.emit("plan", data, lambda: "dry run: nothing was sent", hearth)
        return self.dry_run

    # ---- questions

    def confirm(self, question: str = "Proceed?") -> None:
        """Ask; --yes answers. Raises H5005 (exit 3) for a no, or where nobody can answer."""
        if self.yes or self.dry_run or self.unsigned:
            return
        if not sys.stdin.isatty():
            raise HearthError(
                "H5005",
                "this needs a yes, and there is no terminal to ask on",
                next=("repeat with --yes",),
            )
        click.echo(f"{question} [y/N] ", nl=False, err=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise HearthError("H5005", "not confirmed: nothing was sent")

    def confirm_name(self, name: str, what: str) -> None:
        """Ask for a name to be typed; --yes answers. Raises H5005 (exit 3)."""
        if self.yes or self.dry_run or self.unsigned:
            return
        if not sys.stdin.isatty():
            raise HearthError(
                "H5005",
                f"{what}: this needs a yes, and there is no terminal to ask on",
                next=("repeat with --yes",),
            )
        click.echo(f"{what}. Type {name} to go on: ", nl=False, err=True)
        if sys.stdin.readline().strip() != name:
            raise HearthError("H5005", "not confirmed: nothing was sent")


_GLOBALS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("-n", "--network"), {"metavar": "NAME", "help": "Network by name, or the path of its record."}),
    (("--manifest",), {"metavar": "FILE", "help": "Deployment record, instead of a name."}),
    (("--rpc",), {"metavar": "URL", "help": "Chain endpoint; several with commas."}),
    (("-c", "--config"), {"metavar": "FILE", "help": "Config file."}),
    (("--json",), {"is_flag": True, "help": "One JSON document on stdout."}),
    (("-y", "--yes"), {"is_flag": True, "help": "Answer yes to questions; lifts no limit."}),
    (("--dry-run",), {"is_flag": True, "help": "Show the plan, send nothing."}),
    (("--unsigned",), {"metavar": "FILE", "help": "Write the calls as a Safe batch, send nothing."}),
    (("-q", "--quiet"), {"is_flag": True, "help": "Only data."}),
    (("-v", "--verbose"), {"count": True, "help": "More; -vv with tracebacks."}),
    (("--no-color",), {"is_flag": True, "help": "No colours."}),
    (("--timeout",), {"type": SECONDS, "metavar": "S", "help": "Longest wait for the chain, seconds."}),
)


def global_options() -> list[click.Option]:
    """Fresh global flags for one command; a value given goes to the call's `Options`, wherever it stands."""

    def store(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if parameter.name and value not in (None, False, 0):
            setattr(context.ensure_object(Options), parameter.name, value)

    return [click.Option([*names], expose_value=False, callback=store, **how) for names, how in _GLOBALS]


class Command(click.RichCommand):
    """A verb that takes the global flags too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = {name for parameter in self.params for name in parameter.opts}
        self.params += [option for option in global_options() if not own & set(option.opts)]


class Group(click.RichGroup):
    """A noun: its verbs are `Command`s, it takes the global flags as well, and the bare noun means `default`."""

    command_class = Command

    def __init__(self, *args: Any, default: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += global_options()
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`hearth wallet` is `hearth wallet show`."""
        asks = any(arg in ctx.help_option_names for arg in args)
        if self.default and not asks and not any(arg in self.commands for arg in args):
            args = [self.default, *args] if not args or args[0].startswith("-") else args
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant; a usage error names the nearest ones."""
        name, known = args[0] if args else "", self.list_commands(ctx)
        if name and not name.startswith("-") and name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, n=2)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"See `{ctx.command_path} --help`."
            ctx.fail(f"No such command {name!r}. {hint}")
        return super().resolve_command(ctx, args)


def command(name: str | None = None, **kwargs: Any) -> Callable[[Callable[..., Any]], Command]:
    """`@command()`: a verb whose function gets the call's `Options` first."""

    def wrap(function: Callable[..., Any]) -> Command:
        made: Command = click.command(name, cls=Command, **kwargs)(click.pass_obj(function))
        return made

    return wrap


def group(name: str | None = None, default: str = "", **kwargs: Any) -> Callable[[Callable[..., Any]], Group]:
    """`@group(default="show")`: a noun, and the verb that the bare noun means."""

    def wrap(function: Callable[..., Any]) -> Group:
        made: Group = click.group(name, cls=Group, default=default, **kwargs)(function)
        return made

    return wrap
