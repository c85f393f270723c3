"""The sections of a config file, one a role: what `hearth up` builds its roles from and `hearth config` knows.

[renter]    keystore, password_file, offers
[operator]  keystore, password_file                               (signs a provider's asks, where another key owns it)
[limits]    per_lease_usd, per_day_usd, max_usd_per_gpu_hour      (of the renter's key)
[agent]     nodes, keystores, password_file, gpus, stand_in      (one entry a node, in the same order),
            check_in, check_in_daily, prover, prover_memory_gib, canary_bps
[attester]  keystore, password_file, prices
[settler]   keystore, password_file, jail, upkeep, redeem, providers, native_usd
[watcher]   keystore, password_file, submit, unpaid, native_usd
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from keepers.runtime.settings import KeyedSection, PathSetting, Section

Index = Annotated[int, Field(ge=0, lt=2**32)]  # of a node or a provider
Usd = Annotated[Decimal, Field(gt=0, le=10**12)]


class RenterSection(KeyedSection):
    """The key of `hearth rent`, `wallet`, `node`, `stake`; and the place with offers."""

    offers: str = Field(default="", description="folder, file or URL with signed asks")


class OperatorSection(KeyedSection):
    """The operator key that signs a provider's asks; without one the key of [renter] does."""


class LimitsSection(Section):
    """What the renter's key may spend: USD each, none = no limit. A day is the last 24 hours."""

    per_lease_usd: Usd | None = Field(default=None, description="given to one lease at most")
    per_day_usd: Usd | None = Field(default=None, description="given to all leases in 24 hours at most")
    max_usd_per_gpu_hour: Usd | None = Field(default=None, description="highest price that is taken")


class AgentSection(Section):
    """The nodes of one agent process. One password opens all its keystores."""

    nodes: tuple[Index, ...] = Field(default=(), description="indexes in the registry")
    keystores: tuple[PathSetting, ...] = Field(default=(), description="a node's own key each")
    password: SecretStr | None = Field(default=None, description="opens all keystores; .pass files by default")
    gpus: tuple[str, ...] = Field(default=(), description="GPU indexes of each node, like '0,1'; empty = all")
    stand_in: tuple[str, ...] = Field(
        default=(), description="CLASS:COUNT:LABEL each, where there is no GPU (local only)"
    )

    check_in: Literal["off", "auto"] = Field(
        default="off",
        description="auto: check in on chain when too few attesters hear a node; its own key pays the gas",
    )
    check_in_daily: Decimal = Field(
        default=Decimal("0.002"), gt=0, le=10**6, description="native coin that a node's check-ins may cost in 24 hours"
    )
    prover: Literal["auto", "numpy", "torch", "off"] = Field(
        default="auto",
        description="what computes answers to challenges; auto: torch where it finds a card, else numpy; off: none",
    )
    prover_memory_gib: float = Field(
        default=0.0, ge=0, le=10**6, description="memory of the machine that it may hold; 0 = half of it"
    )
    canary_bps: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="how many of 10,000 owed answers each node fails on purpose, once in a PERIOD; 0 = none",
    )

    @field_validator("stand_in")
    @classmethod
    def _stand_in(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if text and not re.fullmatch(r"[A-Za-z0-9-]+:([1-9]|1[0-6]):[0-9a-z.-]{1,64}", text):
                raise ValueError(f"{text!r} must be CLASS:COUNT:label, like RTX-4090-24GB:2:alpha")
        return value

    @field_validator("gpus")
    @classmethod
    def _gpus(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if text and not re.fullmatch(r"\d+(,\d+)*", text):
                raise ValueError(f"{text!r} must be GPU indexes, like 0,1")
        return value

    @model_validator(mode="after")
    def _one_each(self) -> AgentSection:
        if len(self.nodes) != len(self.keystores):
            raise ValueError(f"{len(self.nodes)} nodes and {len(self.keystores)} keystores: give one keystore a node")
        for name in ("gpus", "stand_in"):
            if len(getattr(self, name)) not in (0, len(self.nodes)):
                raise ValueError(f"{name} has {len(getattr(self, name))} entries for {len(self.nodes)} nodes")
        return self


class AttesterSection(KeyedSection):
    """A seat's key and its price sources, such as {kind = "fixed", usd = "0.5"} (local), csv or http."""

    prices: tuple[dict[str, Any], ...] = Field(default=(), description="price sources; their median is signed")
    signlog_mirror: PathSetting | None = Field(default=None, description="file on another disk: copy of the sign log")


class SettlerSection(KeyedSection):
    """What this settler does. `native_usd`: USD of a whole native coin, 0 where gas costs nothing."""

    jail: bool = Field(default=True, description="whether it jails nodes that were down")
    upkeep: bool = Field(default=True, description="whether it also does what pays no bounty")
    redeem: bool = Field(default=True, description="whether it redeems tallies of others")
    providers: tuple[Index, ...] = Field(default=(), description="whose leases and tallies are its own business")
    native_usd: float = Field(default=0.0, ge=0, le=10**9, description="USD of a native coin; 0 = gas costs nothing")


class WatcherSection(KeyedSection):
    """What this watcher does. Without a keystore, or without `submit`, it looks and alarms, and sends nothing."""

    submit: bool = Field(default=False, description="whether it sends the proofs of what it finds")
    unpaid: bool = Field(default=True, description="whether it also sends proofs that pay less than their gas")
    native_usd: float = Field(default=0.0, ge=0, le=10**9, description="USD of a native coin; 0 = gas costs nothing")


SECTIONS: dict[str, type[BaseModel]] = {
    "renter": RenterSection,
    "operator": OperatorSection,
    "limits": LimitsSection,
    "agent": AgentSection,
    "attester": AttesterSection,
    "settler": SettlerSection,
    "watcher": WatcherSection,
}
