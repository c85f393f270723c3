"""`hearth stake`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from keepers.cli import units
from keepers.cli.options import Options, group
from keepers.protocol.errors import HearthError

if TYPE_CHECKING:
    from keepers.sdk.client import Hearth
    from keepers.sdk.types import StakeView


@group(default="show")
def stake() -> None:
    """Stake behind your machines: show, add, remove, withdraw."""


def own_provider(hearth: Hearth, provider: int | None) -> int:
    """The provider given, else the key's only one. Raises H1005 where that is not clear, or there is no such one."""
    if provider is not None:
        hearth.reads.provider(provider)
        return provider
    mine = hearth.reads.providers_of(hearth.address)
    if len(mine) == 1:
        return mine[0]
    why = "this key owns no provider" if not mine else f"this key owns providers {', '.join(map(str, mine))}"
    raise HearthError("H1005", "which provider?", why=why, next=("--provider ID", "hearth node register"))


def _text(view: StakeView) -> str:
    lines = [
        f" provider  {view.provider} of {view.owner}",
        f" staked    {view.staked_gwei / 1e9:,.4f} HRTH · required {view.required_gwei / 1e9:,.4f}"
        f" · locked by bonds {view.locked_gwei / 1e9:,.4f}",
        f" state     {'enough: takes new leases' if view.enough else 'BELOW: no new lease until more is staked'}",
    ]
    lines += [
        f" ticket    {n}: {amount / 1e9:,.4f} HRTH from {units.say_when(release)}"
        for n, amount, release in view.tickets
    ]
    return "\n".join(lines)


@stake.command()
@click.option("--provider", type=click.IntRange(0), metavar="ID", help="The key's own by default.")
@click.pass_obj
def show(options: Options, provider: int | None) -> None:
    """Stake, what is required, what bonds lock, and tickets on their way out."""
    hearth = options.hearth()
    view = hearth.stake(own_provider(hearth, provider))
    options.emit("stake", view, lambda: _text(view), hearth)


@stake.command()
@click.argument("tokens")
@click.option("--provider", type=click.IntRange(0), metavar="ID", help="The key's own by default.")
@click.option("--idempotency-key", default="", metavar="TEXT", help="Repeating it stakes once.")
@click.pass_obj
def add(options: Options, tokens: str, provider: int | None, idempotency_key: str) -> None:
    """Stake tokens."""
    amount = units.token_gwei(tokens)
    hearth = options.hearth()
    mine = own_provider(hearth, provider)
    options.note(
        f" plan  stake {tokens} HRTH behind provider {mine} · undo: hearth stake remove, then wait for its ticket"
    )
    if options.planned({"provider": mine, "stake_gwei": amount}, hearth):
        return
    options.confirm()
    view = hearth.add_stake(mine, amount, options.progress, idempotency_key)
    options.emit("stake", view, lambda: _text(view), hearth)
    options.note(f"next  hearth stake show --provider {mine}")


@stake.command()
@click.argument("tokens")
@click.option("--provider", type=click.IntRange(0), metavar="ID", help="The key's own by default.")
@click.option("--idempotency-key", default="", metavar="TEXT", help="Repeating it removes once.")
@click.pass_obj
def remove(options: Options, tokens: str, provider: int | None, idempotency_key: str) -> None:
    """Begin to unbond tokens (`all`: everything that no bond locks); a ticket says when they are yours."""
    hearth = options.hearth()
    mine = own_provider(hearth, provider)
    view = hearth.stake(mine)
    shares = view.free_shares if tokens == "all" else hearth.shares_of(mine, units.token_gwei(tokens))
    options.note(f" plan  unbond {tokens} HRTH of provider {mine} · below the requirement it takes no new lease")
    if options.planned({"provider": mine, "shares": shares}, hearth):
        return
    options.confirm()
    after = hearth.remove_stake(mine, shares, options.progress, idempotency_key)
    options.emit("stake", after, lambda: _text(after), hearth)
    options.note("next  hearth stake withdraw TICKET, once it is mature")


@stake.command()
@click.argument("ticket", type=click.IntRange(0))
@click.option("--provider", type=click.IntRange(0), metavar="ID", help="The key's own by default.")
@click.pass_obj
def withdraw(options: Options, ticket: int, provider: int | None) -> None:
    """Withdraw a mature ticket to its owner."""
    hearth = options.hearth()
    mine = own_provider(hearth, provider)
    amount = hearth.ripe(mine, ticket)
    options.note(f" plan  withdraw ticket {ticket}: {amount / 1e9:,.4f} HRTH to the owner of provider {mine}")
    if options.planned({"provider": mine, "ticket": ticket, "gwei": amount}, hearth):
        return
    options.confirm()
    view = hearth.withdraw(mine, ticket, options.progress)
    options.emit("stake", view, lambda: _text(view), hearth)
    options.note("next  hearth wallet")
