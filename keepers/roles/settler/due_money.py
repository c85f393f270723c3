"""What is due for pay and stake: redeem tallies, withdraw mature tickets, mark pools that are below what they need.

Rules: docs/protocol.md §5 and §8.
"""

from __future__ import annotations

from keepers.roles.settler.facts import Action, Draft, PoolFacts, SettlerView, TicketFacts, is_mine

MAX_PERIODS = 32  # of one redemption


def redeem(view: SettlerView, draft: Draft) -> None:
    periods: dict[int, list[int]] = {}
    for tally in view.tallies:
        name = f"tally-{tally.key:x}-{tally.period}"
        ours = tally.key == view.own or tally.key in view.policy.providers
        if not ours and not (view.policy.redeem and view.policy.upkeep):
            draft.skip("redeem", name, "not our business")
        elif tally.period not in view.closed:
            draft.skip("redeem", name, "its period is open")
        else:
            periods.setdefault(tally.key, []).append(tally.period)
    for key, closed in sorted(periods.items()):
        closed.sort()
        for place in range(0, len(closed), MAX_PERIODS):
            part = tuple(closed[place : place + MAX_PERIODS])
            subject = f"tally-{key:x}-{part[0]}-{part[-1]}"
            draft.actions.append(Action("redeem", subject, key=key, periods=part))


def withdraw(view: SettlerView, ticket: TicketFacts, draft: Draft) -> None:
    name = f"ticket-{ticket.provider}-{ticket.owner}-{ticket.ticket}"
    if view.now < ticket.release:
        draft.skip("withdraw", name, "not mature")
    elif not is_mine(view, ticket.provider):
        draft.skip("withdraw", name, "not our business")
    else:
        draft.actions.append(
            Action("withdraw", name, provider=ticket.provider, owner=ticket.owner, ticket=ticket.ticket)
        )


def poke(view: SettlerView, pool: PoolFacts, draft: Draft) -> None:
    """A pool that is below its required stake is marked once a period."""
    if pool.assets >= pool.required or not view.policy.upkeep:
        return
    period = view.calendar.period(view.now)
    name = f"pool-{pool.provider}-{period}"
    if pool.last_below >= view.calendar.period_start(period):
        draft.skip("poke", name, "marked in this period")
        return
    draft.actions.append(Action("poke", name, provider=pool.provider))
