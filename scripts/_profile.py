"""The profile: every parameter of a deployment as data, read from profiles/<name>.toml and checked before gas is spent.

Amounts in a profile are what people say (tokens, USD, bps, epochs, seconds; the suffix names the unit); the plan turns
them into wei. An unknown key is an error, so is a missing one; only a class may leave its challenge out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from keepers.protocol import sizing
from keepers.protocol.challenge import check_size
from keepers.protocol.credits import MAX_ATTESTERS, MAX_BOUNTY, MAX_BUILDERS, MAX_CUT, MAX_SPREAD
from keepers.protocol.epochs import MAX_EPOCHS_PER_PERIOD, MAX_SLOT, RING, SLOTS
from keepers.protocol.merge import faults, quorum
from keepers.protocol.nodes import MAX_MIN_STAKE
from keepers.protocol.price import MAX_BOUND
from keepers.protocol.seats import MAX_BOND
from keepers.protocol.units import BPS, M64, MAX_SUPPLY, STAKE_PRICE_PRODUCT
from scripts._errors import DeployError

FOLDER = Path(__file__).resolve().parent / "profiles"
DEPLOYER = "deployer"


def _exact(places: int) -> Any:
    """Validator: a decimal string or an integer -> an integer with `places` decimals; nothing is rounded."""

    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise ValueError('write it as a string, "0.50", or as a whole number: a float is not exact')
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise ValueError(f"{value!r} is not a number") from None
        if number.is_finite() and number.adjusted() > 60:
            raise ValueError(f"{value} is too large")
        scaled = number.scaleb(places)
        if not number.is_finite() or scaled != int(scaled):
            raise ValueError(f"{value} has more than {places} decimals")
        if number < 0:
            raise ValueError(f"{value} is negative")
        return int(scaled)

    return BeforeValidator(parse)


Wei = Annotated[int, _exact(18)]  # tokens in, wei out
Micro = Annotated[int, _exact(12)]  # USD in, 12 decimals out
Nano = Annotated[int, _exact(9)]  # USD in, units of 1e-9 USD out
Bps = Annotated[int, Field(ge=0, le=BPS)]
Seconds = Annotated[int, Field(ge=0, lt=2**32)]
Address = Annotated[str, Field(pattern=r"^(deployer|0x[0-9a-fA-F]{40})$")]
RealAddress = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(_Strict):
    """Where the profile may be used. `chain_ids` empty = any; `local` = keys and prices for play are allowed."""

    chain_ids: list[int]
    local: bool
    open: bool  # lift the pause in which every hub starts, as the last step; refused unless local


class CalendarLengths(_Strict):
    slot_s: int = Field(ge=1, le=MAX_SLOT)
    epochs_per_period: int = Field(ge=1, le=MAX_EPOCHS_PER_PERIOD)
    align_s: int = Field(ge=1)  # GENESIS is the newest multiple of it that is not after the head's time

    @property
    def epoch_s(self) -> int:
        return self.slot_s * SLOTS

    @property
    def period_s(self) -> int:
        return self.epoch_s * self.epochs_per_period


class Lengths(_Strict):
    dispute_epochs: int = Field(ge=1)
    grace_epochs: int = Field(ge=1)
    # the hub counts a price's age over void epochs no further than 255
    max_age_epochs: int = Field(ge=1, le=168)
    abandon_s: Seconds
    claim_s: Seconds
    answer_window_s: Seconds
    cooldown_s: Seconds
    unbonding_s: Seconds


class Token(_Strict):
    supply_tokens: Wei
    holder: Address


class Price(_Strict):
    first_usd: Micro
    bound_bps: Bps
    feed: RealAddress  # an outside price with Chainlink's interface; zero = none


class Registry(_Strict):
    fee_tokens: Wei


class Engine(_Strict):
    spread_bps: Bps
    peg_bps: Bps
    cap_bps: Bps
    fee_bps: Bps
    attesters_bps: Bps  # of the fee
    builders_bps: Bps  # of the fee
    builders: Address
    bounty_bps: Bps


class Challenge(_Strict):
    rate_bps: Bps  # of the nodes with a free GPU on which the lot of an epoch falls
    network_s: float = Field(ge=0, lt=2**32)  # L of the sizing rule: what the network may take of a deadline


class Roles(_Strict):
    guardian: Address


class Finality(_Strict):
    kind: Literal["depth", "tag"]
    value: int | Literal["safe", "finalized"]


class Allowances(_Strict):
    """Seconds of the attesters' clock, by their names in the deployment record."""

    early: float = Field(gt=0)
    late: float = Field(gt=0)
    head: float = Field(gt=0)
    freeze: float = Field(gt=0)
    bodies: float = Field(gt=0)
    cutoff: float = Field(gt=0)
    view: float = Field(gt=0)
    openings: float = Field(gt=0)


class HardwareClass(_Strict):
    """A row of the registry's table. `min_stake_usd` is for one GPU.

    n, rounds, deadline and honest time all 0: liveness only, no node of the class owes an answer.
    """

    name: str = Field(min_length=1, max_length=32)
    kind: int = Field(ge=0, le=4)
    tier: int = Field(ge=0, le=2)
    vram_gib: int = Field(ge=0, lt=2**16)
    flags: int = Field(ge=0, lt=16)
    compute_units: int = Field(ge=0, lt=2**32)
    min_stake_usd: Nano
    n: int = Field(default=0, ge=0)
    rounds: int = Field(default=0, ge=0)
    deadline_s: Seconds = 0  # from the seed to the answer
    honest_s: float = Field(default=0, ge=0, lt=2**32)  # T: a chain of `rounds` on a whole card, as calibrate measures

    @property
    def challenged(self) -> bool:
        return any((self.n, self.rounds, self.deadline_s, self.honest_s))


class Step(_Strict):
    """One step of a sheet's table: below `uptime_bps` of a window, `credit_bps` of its fee go back."""

    uptime_bps: Bps
    credit_bps: Bps


class Sheet(_Strict):
    notice_s: Seconds
    min_seconds: Seconds
    prepay_s: Seconds
    dark_limit_s: Seconds  # 2**32 - 1: no downtime limit
    table: list[Step] = Field(max_length=4)

    @property
    def table_word(self) -> int:
        word = 0
        for step in reversed(self.table):
            word = word << 32 | step.uptime_bps << 16 | step.credit_bps
        return word


class Attester(_Strict):
    address: RealAddress
    url: str = Field(max_length=96)


class Committee(_Strict):
    bond_tokens: Wei  # that a seat needs to be proposed
    notice_s: Seconds  # from a proposal or a leave to the table without it
    attesters: list[Attester] = Field(max_length=31)


class Profile(_Strict):
    """A whole profile. `name` is the file's."""

    name: str
    about: str
    network: Network
    calendar: CalendarLengths
    lengths: Lengths
    token: Token
    price: Price
    registry: Registry
    engine: Engine
    challenge: Challenge
    roles: Roles
    finality: Finality
    allowances: Allowances
    classes: list[HardwareClass] = Field(min_length=1)
    sheets: list[Sheet] = Field(min_length=1)
    committee: Committee

    @property
    def max_age_s(self) -> int:
        return self.lengths.max_age_epochs * self.calendar.epoch_s

    @property
    def stake_price(self) -> int:
        """First stake price: tokens a USD, 12 decimals, 1e24 // P, for pool and hub alike."""
        return STAKE_PRICE_PRODUCT // self.price.first_usd


def _read(path: Path, folder: Path, depth: int) -> dict[str, Any]:
    """A profile's raw tables over those that it `extends`: tables merge key by key, lists are replaced whole."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        names = ", ".join(sorted(p.stem for p in folder.glob("*.toml"))) or "none"
        raise DeployError("H7101", f"there is no profile {path.stem!r}", f"profiles: {names}") from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DeployError("H7101", f"profile {path.name} cannot be read as TOML", str(error)) from None
    if "extends" not in raw:
        return raw
    parent = raw.pop("extends")
    if not isinstance(parent, str) or depth >= 4:
        raise DeployError("H7101", f"profile {path.stem}: extends {parent!r}", "name one profile, no circle")
    base = _read(folder / f"{parent}.toml", folder, depth + 1)
    for key, value in raw.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        base[key] = {**base[key], **value} if both else value
    return base


def load_profile(name: str, folder: Path = FOLDER) -> Profile:
    """Profile `name` (or a path ending in .toml). Raises DeployError H7101 that lists every wrong key at once."""
    path = Path(name) if name.endswith(".toml") else folder / f"{name}.toml"
    raw = _read(path, folder, 0)
    try:
        return Profile(name=path.stem, **raw)
    except TypeError:
        why = "the name is the file's; remove the key `name`"
    except ValidationError as error:
        rows = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        why = " · ".join(rows)
    raise DeployError("H7101", f"profile {path.stem} has wrong keys", why, "correct the profile")


def rules(p: Profile) -> Iterator[tuple[str, bool]]:
    """(rule with the profile's own figures, holds?) of everything that setters and constructors demand, and more."""
    yield from _money_rules(p)
    yield from _length_rules(p)
    c, a = p.calendar, p.allowances
    yield "genesis is aligned to whole slots", c.align_s % c.slot_s == 0
    yield (
        f"allowances late {a.late:g} <= freeze {a.freeze:g} < bodies {a.bodies:g} < cutoff {a.cutoff:g} s < epoch",
        (a.late <= a.freeze < a.bodies < a.cutoff < c.epoch_s),
    )
    yield (
        "a finality depth is a number, a tag a word",
        (p.finality.kind == "depth") == isinstance(p.finality.value, int),
    )
    yield "entries open by themselves on a local network only", p.network.local or not p.network.open
    names = [row.name for row in p.classes]
    yield (
        f"{len(names)} classes: different names of at most 32 bytes, minimum stakes that fit 60 bits",
        (
            len(set(names)) == len(names)
            and all(len(row.name.encode()) <= 32 and row.min_stake_usd <= MAX_MIN_STAKE for row in p.classes)
        ),
    )
    for row in p.classes:
        if row.challenged:
            yield from _challenge_rules(p, row)
    for i, sheet in enumerate(p.sheets):
        yield _sheet_rule(i, sheet, c.epoch_s)
    yield f"a seat's bond {p.committee.bond_tokens} wei is above zero", 0 < p.committee.bond_tokens <= MAX_BOND
    seats = [seat.address.lower() for seat in p.committee.attesters]
    n = len(seats)
    yield f"{committee_text(n)}: all different", len(set(seats)) == n


def committee_text(n: int) -> str:
    """A committee of n seats in words, with what follows from its size."""
    return f"{n} seats, f {faults(n)}, quorum {quorum(n)}" if n else "no seats yet"


def _money_rules(p: Profile) -> Iterator[tuple[str, bool]]:
    e = p.engine
    cut = e.bounty_bps + e.fee_bps
    yield f"peg {e.peg_bps} <= CAP {e.cap_bps} <= {BPS} bps", e.peg_bps <= e.cap_bps <= BPS
    yield f"bounty {e.bounty_bps} <= {MAX_BOUNTY} bps", e.bounty_bps <= MAX_BOUNTY
    yield f"bounty + fee {cut} <= {MAX_CUT} bps", cut <= MAX_CUT
    yield f"attesters {e.attesters_bps} <= {MAX_ATTESTERS} bps of the fee", e.attesters_bps <= MAX_ATTESTERS
    yield f"builders {e.builders_bps} <= {MAX_BUILDERS} bps of the fee", e.builders_bps <= MAX_BUILDERS
    yield f"spread {e.spread_bps} <= {MAX_SPREAD} bps", e.spread_bps <= MAX_SPREAD
    yield f"price bound {p.price.bound_bps} in 1 .. {MAX_BOUND} bps", 0 < p.price.bound_bps <= MAX_BOUND
    yield "price and stake price fit 64 bits", 0 < p.price.first_usd <= M64 and 0 < p.stake_price <= M64
    yield "supply in 1 .. 1e10 tokens", 0 < p.token.supply_tokens <= MAX_SUPPLY


def _length_rules(p: Profile) -> Iterator[tuple[str, bool]]:
    c, length = p.calendar, p.lengths
    dispute_s, ring_s = length.dispute_epochs * c.epoch_s, RING * c.epoch_s
    # A week of the default calendar is seven periods; a local network scales with it.
    floor = max(dispute_s, length.answer_window_s, length.claim_s) + 7 * c.period_s
    yield (
        f"unbonding {length.unbonding_s} >= max(dispute, answer, claim) + 7 periods = {floor} s",
        (length.unbonding_s >= floor),
    )
    yield (
        f"cooldown {length.cooldown_s} >= answer window {length.answer_window_s} s",
        (length.cooldown_s >= length.answer_window_s),
    )
    horizon = 2 * length.abandon_s + length.claim_s + dispute_s
    yield f"exits end {horizon} s after a stop, before its root leaves the ring ({ring_s} s)", horizon < ring_s
    yield (
        "abandon >= claim + dispute (a report that comes in time pays before the exit without proof)",
        (length.abandon_s >= length.claim_s + dispute_s),
    )


def size_fault(n: int, rounds: int, deadline_s: int) -> str:
    """Why the registry takes no challenged class of this size; empty if it does."""
    try:
        check_size(n, rounds)
    except ValueError as error:
        return str(error)
    return "" if deadline_s > 0 else "a challenge needs a deadline"


def _challenge_rules(p: Profile, row: HardwareClass) -> Iterator[tuple[str, bool]]:
    """The sizing rule for a challenged class. Source: docs/protocol.md §8; keepers/protocol/sizing.py."""
    network, openings, epoch = p.challenge.network_s, p.allowances.openings, p.calendar.epoch_s
    fault = size_fault(row.n, row.rounds, row.deadline_s)
    yield f"class {row.name}: {fault or f'n {row.n} and rounds {row.rounds} are powers of two in range'}", not fault
    least, needed = sizing.LEAST * network, float(sizing.HEADROOM) * row.honest_s + network
    yield f"class {row.name}: T {row.honest_s:g} s > 0 and >= 20 L = {least:g} s", 0 < row.honest_s >= least
    yield (
        f"class {row.name}: deadline {row.deadline_s} >= 1.2 T + L = {needed:g} s",
        row.deadline_s >= sizing.deadline_of(row.honest_s, network),
    )
    end = sizing.EPOCH_SHARE * epoch
    yield (
        f"class {row.name}: deadline {row.deadline_s} + openings {openings:g} <= 2/3 epoch = {float(end):g} s",
        sizing.fits(row.deadline_s, epoch, openings),
    )


def _sheet_rule(i: int, sheet: Sheet, epoch_s: int) -> tuple[str, bool]:
    steps = [step.uptime_bps for step in sheet.table]
    span = f"min_seconds {sheet.min_seconds} <= prepay {sheet.prepay_s} s"
    return (
        f"sheet {i}: notice {sheet.notice_s} >= epoch {epoch_s}, {span}, table falls",
        (
            sheet.notice_s >= epoch_s
            and sheet.min_seconds <= sheet.prepay_s
            and sheet.prepay_s > 0
            and steps == sorted(set(steps), reverse=True)
        ),
    )


def broken_rules(p: Profile) -> list[str]:
    """The rules of the profile that do not hold."""
    return [text for text, holds in rules(p) if not holds]
