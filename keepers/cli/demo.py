"""`hearth demo`."""

from __future__ import annotations

import rich_click as click

from keepers.cli.options import Options, command
from keepers.protocol.errors import HearthError


@command()
@click.option("--keep", is_flag=True, help="Leave the network up afterwards, until Ctrl-C.")
def demo(options: Options, keep: bool) -> None:
    """A market on this machine: a node goes dark midway, and the bill shows what that cost nobody.

    Exits 1 if any line of the bill is off by one wei.
    """
    from keepers.cli.receipt import receipt_html
    from keepers.demo.scenario import run

    wrong = run(say=options.say, keep=keep, page=lambda receipt, *where: receipt_html([receipt], *where))
    if wrong:
        raise HearthError("H5009", "the bill is off", why=wrong, next=("read the log files named above",))
