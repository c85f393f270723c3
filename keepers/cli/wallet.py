"""`hearth wallet`: tokens and credits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from keepers.cli import units
from keepers.cli.options import Options, group
from keepers.cli.stake import own_provider
from keepers.protocol.units import credits_for

if TYPE_CHECKING:
    from keepers.sdk.types import Wallet


@group(default="show")
def wallet() -> None:
    """Tokens and credits: show, buy, refund, redeem."""


def _text(wallet: Wallet) -> str:
    worth = credits_for(wallet.backing_wei, wallet.price)
    return "\n".join(
        [
            f" key      {wallet.address}          block {wallet.block}",
            f" gas      {wallet.native_wei / 10**18:.6f}",
            f" tokens   {units.say_tokens(wallet.token_wei)} at ${wallet.price / 10**12:.4f} · allowance"
            f" {units.say_tokens(wallet.allowance_wei)}",
            f" credits  {units.say_usd(wallet.credits_wei)} · backing {units.say_tokens(wallet.backing_wei)},"
            f" worth {units.say_usd(worth)} now",
        ]
    )


@wallet.command()
@click.argument("address", required=False)
@click.pass_obj
def show(options: Options, address: str | None) -> None:
    """What an address holds; yours by default."""
    wanted = None if address is None else units.address(address)
    hearth = options.hearth()
    found = hearth.wallet(wanted)
    options.emit("wallet", found, lambda: _text(found), hearth)


@wallet.command()
@click.argument("usd")
@click.option("--idempotency-key", default="", metavar="TEXT", help="Repeating it buys once.")
@click.pass_obj
def buy(options: Options, usd: str, idempotency_key: str) -> None:
    """Burn tokens for USD of credits; the purse carries their backing."""
    amount = units.usd_wei(usd)
    hearth = options.hearth()
    options.note(
        f" plan  burn tokens for {units.say_usd(amount)} of credits · undo: hearth wallet refund, less the spread"
    )
    if options.planned({"buy_wei": amount}, hearth):
        return
    options.confirm()
    found = hearth.buy(amount, options.progress, idempotency_key)
    options.emit("wallet", found, lambda: _text(found), hearth)
    options.note("next  hearth offers")


@wallet.command()
@click.argument("usd", default="all")
@click.option("--idempotency-key", default="", metavar="TEXT", help="Repeating it refunds once.")
@click.pass_obj
def refund(options: Options, usd: str, idempotency_key: str) -> None:
    """Turn credits back into tokens, less the spread; `all` by default. Always open."""
    amount = None if usd == "all" else units.usd_wei(usd)
    hearth = options.hearth()
    options.note(
        f" plan  turn {'all credits' if amount is None else units.say_usd(amount)} back into tokens, less the spread"
    )
    if options.planned({"refund_wei": amount}, hearth):
        return
    options.confirm()
    found = hearth.refund(amount, options.progress, idempotency_key)
    options.emit("wallet", found, lambda: _text(found), hearth)
    options.note("next  hearth wallet")


@wallet.command()
@click.option("--provider", type=click.IntRange(0), metavar="ID", help="A provider's tallies, to its payout.")
@click.pass_obj
def redeem(options: Options, provider: int | None) -> None:
    """Redeem tallies of closed periods: a provider's, or the bounties of this key."""
    hearth = options.hearth()
    key = int(hearth.address, 16) if provider is None else own_provider(hearth, provider)
    earned = hearth.earnings(key)
    closed = sum(t.closed for t in earned.tallies)
    options.note(f" plan  redeem {units.say_usd(earned.redeemable_wei)} in {closed} closed periods")
    if options.planned({"key": key, "periods": closed, "redeemable_wei": earned.redeemable_wei}, hearth):
        return
    if closed:
        options.confirm()
    done = hearth.redeem(key, options.progress)
    options.emit(
        "redeem",
        done,
        lambda: "\n".join(f"{d.what} {d.tx} gas {d.gas:,}" for d in done) or "nothing to redeem yet",
        hearth,
    )
    options.note("next  hearth earnings" + (f" --provider {provider}" if provider is not None else ""))
