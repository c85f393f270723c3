"""`hearth simulate`: the network's code against the worst that it is made for, on virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from keepers.cli import output
from keepers.cli.options import Options, group
from keepers.cli.progress import Bar

if TYPE_CHECKING:
    from keepers.simulate.attestation.run import Verdict

CHANCE = click.FloatRange(0, 1)


@group(default="attestation")
def simulate() -> None:
    """Run parts of the network against loss, crashes and byzantine seats; a seed repeats a run."""


@simulate.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Everything that is drawn comes from it.")
@click.option("--epochs", type=click.IntRange(1), default=1_000, show_default=True, help="Epochs to live through.")
@click.option("--seats", type=click.IntRange(1, 31), default=7, show_default=True, help="Seats of the committee.")
@click.option("--nodes", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Nodes that beat.")
@click.option("--byzantine", type=click.IntRange(0, 10), help="Seats that do what they like; f where not given.")
@click.option("--dead", type=click.IntRange(0, 30), default=0, help="Seats that never start.")
@click.option("--strategy", default="", help="What byzantine seats do in every epoch; drawn where not given.")
@click.option("--crash", type=CHANCE, default=0.001, show_default=True, help="Chance that a process dies as it sends.")
@click.option(
    "--partition", type=CHANCE, default=0.02, show_default=True, help="Chance that an exchange is cut in two."
)
@click.option("--cancel", type=CHANCE, default=0.03, show_default=True, help="Chance that a report falls afterwards.")
@click.pass_obj
def attestation(
    options: Options,
    seed: int,
    epochs: int,
    seats: int,
    nodes: int,
    byzantine: int | None,
    dead: int,
    strategy: str,
    crash: float,
    partition: float,
    cancel: float,
) -> None:
    """A committee of real attesters: are reports right, single and in time, whatever f of them do? Exit 9 if not."""
    from keepers.protocol.errors import HearthError
    from keepers.protocol.merge import faults, quorum
    from keepers.simulate.attestation.byzantine import STRATEGIES
    from keepers.simulate.attestation.run import Run, Scenario

    bent = faults(seats) if byzantine is None else byzantine
    if bent > faults(seats) or bent + dead > seats - quorum(seats):
        raise HearthError(
            "H1005",
            f"{seats} seats stand at most {faults(seats)} byzantine, and {seats - quorum(seats)} byzantine or dead",
            next=("lower --byzantine or --dead, or raise --seats",),
        )
    if strategy and strategy not in STRATEGIES:
        raise HearthError("H1005", f"there is no strategy {strategy!r}", why=(f"known: {', '.join(STRATEGIES)}",))
    scenario = Scenario(
        seed=seed, epochs=epochs, seats=seats, nodes=nodes, byzantine=bent, dead=dead, strategy=strategy, crash=crash,
        partition=partition, cancel=cancel,
    )  # fmt: skip
    with Bar(options.quiet or options.json) as bar:
        verdict = Run(scenario).play(lambda done, of: bar.update(done, of, f"epoch {done}"))
    options.emit("simulation", output.plain(verdict), lambda: _text(verdict))
    if not verdict.safe or not verdict.live:
        late = () if verdict.live else (f"{verdict.missing} reports missing, {verdict.within_goal:.2%} in time",)
        what = "was late" if verdict.safe else "broke a rule"
        raise HearthError("H6601", f"seed {seed} {what}", why=(*verdict.failures[:3], *late))


def _text(verdict: Verdict) -> str:
    told = verdict.scenario
    rows = [
        ("reports", f"{verdict.reports} of {told.epochs} epochs, {verdict.voided} void, {verdict.missing} missing"),
        ("in ten minutes", f"{verdict.within_goal:.2%}, the slowest after {verdict.slowest_s:.0f} s"),
        ("slots", f"{verdict.slots_checked:,} checked: {verdict.slots_lost} lost, {verdict.slots_invented} invented"),
        ("wrong roots", str(verdict.wrong_roots)),
        ("signed twice", f"{verdict.signed_twice} by honest seats"),
        ("failures", str(verdict.failed)),
    ]
    lines = [
        f" seed {told.seed}   {told.seats} seats, {told.byzantine} byzantine, {told.dead} dead, {told.nodes} nodes",
        "",
    ]
    lines += [f" {name:<15} {said}" for name, said in rows]
    lines += ["", *(f" {number:>9,} {name}" for name, number in verdict.counts.items())]
    lines += [f" FAILED  {words}" for words in verdict.failures]
    return "\n".join(lines)
