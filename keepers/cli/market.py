"""What `hearth init` says about the chain: how much a key needs, and what others ask for such machines."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keepers.cli import units
from keepers.outbox.policy import TIP
from keepers.protocol.errors import HearthError
from keepers.protocol.nodes import Status
from keepers.protocol.units import GWEI

if TYPE_CHECKING:
    from keepers.sdk.client import Hearth

# gas; the daemons measure their own. A watcher's day is a quiet one: GAS_DAYS of it pay about four refutations
GAS_A_DAY = {"renter": 200_000, "attester": 1_000_000, "settler": 2_000_000, "watcher": 60_000}
GAS_DAYS = 90  # for how long a key is to be funded


@dataclass(frozen=True)
class Machine:
    """What was found here: hardware class and GPUs."""

    class_name: str
    gpus: int


def gas_needed(section: str, base_fee: int, days: int = GAS_DAYS, tip: int = TIP) -> int:
    """Wei of the native coin for so many days of a key's usual work, at today's fee."""
    return GAS_A_DAY[section] * days * (base_fee + tip)


def fund_line(hearth: Hearth, section: str, address: str, machine: Machine | None) -> tuple[str, dict[str, Any]]:
    """What is to be sent to a key, in words and as JSON data; amounts are what is missing."""
    at = hearth.head()
    wallet = hearth.reads.wallet(address, at)
    gas = max(0, gas_needed(section, at.base_fee) - wallet.native_wei)
    parts = [f"{gas / 1e18:.4f} of the native coin (about {GAS_DAYS} days of gas)"] if gas else []
    data: dict[str, Any] = {"address": address, "native_wei": gas, "token_wei": 0}
    if machine is not None:
        class_id = next((c for c, name in hearth.reads.classes(at).items() if name == machine.class_name), None)
        if class_id is None:
            parts.append(f"(this network has no class {machine.class_name})")
        else:
            needed = hearth.reads.stake_for(class_id, machine.gpus, at) * GWEI
            data["token_wei"] = tokens = max(0, needed - wallet.token_wei)
            price = hearth.reads.price(at).low / 1e12
            said = f"{units.say_tokens(tokens)} ({machine.gpus} x the stake of {machine.class_name}"
            parts += [said + (f", a token at ${price:g})" if price else ")")] if tokens else []
    elif section == "attester":
        data["token_wei"] = lacks = max(0, hearth.seat(address).missing_wei - wallet.token_wei)
        parts += [f"{units.say_tokens(lacks)} (the bond of a seat)"] if lacks else []
    elif section == "renter" and not wallet.token_wei and not wallet.credits_wei:
        parts.append("tokens for what you rent")
    return (
        f"{units.short(address)} with {' and '.join(parts)}" if parts else f"{units.short(address)} has enough"
    ), data


def market_line(hearth: Hearth, machine: Machine) -> tuple[str, dict[str, Any]]:
    """Quartiles of the asks for that class, where a place with offers is configured, and how much of it is leased."""
    at = hearth.head()
    classes = hearth.reads.classes(at)
    nodes = [n for n in hearth.reads.nodes(at) if classes.get(n.class_id) == machine.class_name]
    active = [n for n in nodes if n.status is Status.ACTIVE]
    gpus, leased = sum(n.gpus for n in active), sum(n.reserved for n in active)
    parts, rates = [], []
    with suppress(HearthError):  # no place with offers yet: the registry alone speaks
        rates = sorted(row.rate_wei for row in hearth.offers().rows if row.class_name == machine.class_name)
    data: dict[str, Any] = {"class": machine.class_name, "gpus": gpus, "leased": leased, "asks": len(rates)}
    if rates:
        low, mid, high = (rates[(len(rates) - 1) * q // 4] for q in (1, 2, 3))
        data |= {"p25_wei": low, "median_wei": mid, "p75_wei": high}
        parts.append(
            f"{machine.class_name} asks here: p25 {units.say_rate(low)} · median {units.say_rate(mid)} · p75"
            f" {units.say_rate(high)} USD per GPU-hour"
        )
    parts.append(
        f"utilisation {100 * leased // gpus} % of {gpus} GPUs"
        if gpus
        else f"no {machine.class_name} is active here yet"
    )
    return "; ".join(parts), data
