"""Settings of a process, with the origin of each value.

Order: flag > HEARTH_* > ./hearth.toml > ~/.config/hearth/config.toml > /etc/hearth/config.toml > deployment record >
built-in default. Nested keys: `[agent] node = 3` in TOML, `HEARTH_AGENT__NODE=3` in the environment. Unknown keys are
refused by name. A secret `x` may be given as a file by `x_file` (or HEARTH_X_FILE); the file must be yours and 0600.
Which network, node or lease is meant is never guessed from the environment but for HEARTH_DEPLOYMENT, the network.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    create_model,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from keepers.chain.bounded_json import loads
from keepers.chain.masking import mask_url
from keepers.chain.private_files import read_secret
from keepers.outbox.policy import Policy
from keepers.protocol.errors import HearthError
from keepers.protocol.units import GWEI

PREFIX = "HEARTH_"
_OUTBOX = Policy()
# Names of the environment that are no settings: they steer tests, scripts or people's terminals.
RESERVED = frozenset(
    {
        "HEARTH_ANVIL",
        "HEARTH_BENCH_PEERS",
        "HEARTH_CRASH_AT",
        "HEARTH_CRASH_TRACE",
        "HEARTH_CRASH_TRIALS",
        "HEARTH_DATA",
        "HEARTH_DEPLOY_PASSWORD_FILE",
        "HEARTH_MODEL_SEQUENCES",
        "HEARTH_OUTAGE_STEP",
        "HEARTH_REFUTE_ATTEMPTS",
        "HEARTH_REFUTE_RECORDS",
        "HEARTH_REFUTE_SEQUENCES",
        "HEARTH_SEAT_SEQUENCES",
        "HEARTH_TZ",
    }
)


def _expandable(value: Path) -> Path:
    """The path as it was given, once it is known that its ~ means somebody's home."""
    if str(value) == "." or "\x00" in str(value):
        raise ValueError("is empty, or the working folder: give a path")
    try:
        value.expanduser()
    except RuntimeError:
        raise ValueError(f"{str(value)!r} begins with the home folder of a user that does not exist") from None
    return value


PathSetting = Annotated[Path, AfterValidator(_expandable)]


class Section(BaseModel):
    """Base of a role's section: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class KeyedSection(Section):
    """A role that signs: an encrypted keystore and the file with its password. Without a keystore: dry mode."""

    keystore: PathSetting | None = Field(default=None, description="encrypted keystore of the key that signs")
    password: SecretStr | None = Field(default=None, description="its password; the .pass file beside it by default")


class FeeSettings(Section):
    """Fee limits of the outbox. Fees in gwei of the native coin, times in seconds."""

    max_fee_gwei: float = Field(default=_OUTBOX.max_fee / GWEI, gt=0, le=10**9, description="never pay more per gas")
    tip_gwei: float = Field(default=_OUTBOX.tip / GWEI, ge=0, le=10**9, description="priority fee per gas")
    bump_after_s: int = Field(
        default=_OUTBOX.bump_after, gt=0, le=86_400, description="replace an attempt that is not mined by then"
    )
    max_bumps: int = Field(
        default=_OUTBOX.max_bumps, ge=0, le=1_000, description="replacements of one transaction at most"
    )


class Settings(BaseSettings):
    """What every process reads. Role sections are added by `load(sections=…)`."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, env_prefix=PREFIX, env_nested_delimiter="__"
    )

    deployment: str = Field(default="", description="name or path of a deployment record")
    rpc_urls: tuple[str, ...] = Field(default=(), description="JSON-RPC endpoints, best first")
    home: PathSetting = Field(default=Path("~/.local/share/hearth"), description="keys, databases, locks")
    database_url: SecretStr | None = Field(default=None, description="default: state.db below home")
    log_level: str = Field(default="info", description="debug, info, warning or error")
    log_style: str = Field(default="json", description="json for machines, text for people")
    health_host: str = Field(default="127.0.0.1", description="address of /livez, /readyz and /metrics")
    health_port: int = Field(default=8600, ge=0, le=65535, description="its port; 0 = a free one")
    listen_host: str = Field(default="127.0.0.1", description="address of an attester's HTTP interface")
    listen_port: int = Field(default=8700, ge=0, le=65535, description="its port; 0 = a free one")
    rpc_timeout_s: float = Field(
        default=20.0, gt=0, le=3_600, description="seconds to connect, to wait, to read a body"
    )
    poll_s: float = Field(default=2.0, gt=0, le=3_600, description="seconds between looks at the chain")
    fees: FeeSettings = Field(default=FeeSettings(), description="limits of what a transaction may pay")

    @field_validator("rpc_urls", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str) and value.startswith("["):
            try:
                return tuple(loads(value))
            except ValueError:
                raise ValueError('must be URLs with commas between them, or a list like ["URL", "URL"]') from None
        return tuple(filter(None, value.split(","))) if isinstance(value, str) else value

    @field_validator("rpc_urls")
    @classmethod
    def _http(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"{mask_url(url)} must begin with http:// or https://")
            try:
                parts = urlsplit(url)
                right = bool(parts.hostname) and (parts.port or 80) > 0 and not re.search(r"\s", url)
            except ValueError:
                right = False
            if not right:
                raise ValueError(f"{mask_url(url)} has no host, or no port from 1 to 65535")
        return value

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        if value not in ("debug", "info", "warning", "error"):
            raise ValueError("must be debug, info, warning or error")
        return value

    @field_validator("log_style")
    @classmethod
    def _style(cls, value: str) -> str:
        if value not in ("json", "text"):
            raise ValueError("must be json or text")
        return value

    @property
    def home_path(self) -> Path:
        """`home` with ~ resolved."""
        return self.home.expanduser()

    def database(self, network: str) -> str:
        """URL of the database of one network: nothing crosses between networks."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home_path / network / 'state.db'}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and where each value came from, by dotted key."""

    settings: Settings
    origins: Mapping[str, str]

    def section(self, name: str) -> Any:
        """A role's section as its own model."""
        return getattr(self.settings, name)

    def show(self) -> list[tuple[str, str, str]]:
        """(key, value, origin) of every value for `config show`; secrets only as "set"."""
        rows: list[tuple[str, str, str]] = []
        _walk("", self.settings, self.origins, rows)
        return rows


def load(
    *,
    flags: Mapping[str, Any] | None = None,
    sections: Mapping[str, type[BaseModel]] | None = None,
    env: Mapping[str, str] | None = None,
    files: Sequence[Path] | None = None,
    config: Path | None = None,
    record: Mapping[str, Any] | None = None,
    flags_from: str = "flag",
) -> Loaded:
    """Read all sources. `config` (the -c flag) replaces the three usual files and must exist.

    `flags_from` is what messages call the origin of `flags`.

    Raises H1001 (a value is wrong), H1001 (unknown key, with the nearest known one), H1103 (a secret's file is open to
    others), H1002 (a file cannot be read).
    """
    model = _model(sections or {})
    sources: list[tuple[str, dict[str, Any]]] = []
    if record:
        sources.append(("network record", dict(record)))
    for path in reversed([config] if config else list(files if files is not None else default_files())):
        content = _read_toml(path, required=config is not None)
        if content is not None:
            sources.append((str(path), content))
    sources.append(("environment", _environment(model, os.environ if env is None else env)))
    sources.append((flags_from, {k: v for k, v in (flags or {}).items() if v is not None}))

    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, content in sources:
        _check_keys(model, content, origin)
        _merge(merged, _secrets(model, content, origin, ""), origin, "", origins)
    try:
        settings = model.model_validate(merged)
    except ValidationError as error:
        raise _invalid(error, origins) from error
    return Loaded(settings, origins)


def default_files() -> list[Path]:
    """The configuration files, nearest first."""
    base = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    return [Path("hearth.toml"), base / "hearth" / "config.toml", Path("/etc/hearth/config.toml")]


def _model(sections: Mapping[str, type[BaseModel]]) -> type[Settings]:
    fields: dict[str, Any] = {name: (kind, Field(default_factory=kind)) for name, kind in sections.items()}
    return create_model("Settings", __base__=_Quiet, **fields) if fields else _Quiet


class _Quiet(Settings):
    """Settings that take only what they are given: `load` has already read every source."""

    @classmethod
    def settings_customise_sources(  # type: ignore[override]
        cls, settings_cls: Any, init_settings: Any, **others: Any
    ) -> tuple[Any, ...]:
        return (init_settings,)


def _read_toml(path: Path, required: bool) -> dict[str, Any] | None:
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except FileNotFoundError:
        if not required:
            return None
        raise HearthError("H1002", f"no configuration file at {path}", next=("hearth init ROLE",)) from None
    except (OSError, UnicodeDecodeError, RuntimeError) as error:
        raise HearthError("H1002", f"the configuration file {path} cannot be read", why=(str(error),)) from error
    return parse_toml(text, str(path))


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """The content of a configuration file. Raises H1002 with the place that is wrong."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        why = "tables or lists nested too deep" if isinstance(error, RecursionError) else str(error)
        raise HearthError("H1002", f"{origin} is no TOML", why=why, next=f"correct {origin}") from error


def _environment(model: type[BaseModel], env: Mapping[str, str]) -> dict[str, Any]:
    zone = env.get("HEARTH_TZ", "")
    if zone.lower() not in ("", "utc", "local"):
        raise HearthError(
            "H1001", f"HEARTH_TZ={zone[:40]} is neither utc nor local", next="unset it, or say HEARTH_TZ=local"
        )
    out: dict[str, Any] = {}
    for name, value in sorted(env.items()):
        if not name.startswith(PREFIX) or name in RESERVED:
            continue
        keys = name[len(PREFIX) :].lower().split("__")
        kind: type[BaseModel] | None = model
        at = out
        for key in keys[:-1]:
            kind = _inner(kind, key)
            at = at.setdefault(key, {})
            if not isinstance(at, dict):
                raise HearthError("H1001", f"{name} says more of {PREFIX}{key.upper()}, which is set", next="unset one")
        at[keys[-1]] = _text_value(kind, keys[-1], value)
    return out


def _text_value(kind: type[BaseModel] | None, key: str, value: str) -> Any:
    """Environment text for a field that is a list or a mapping is JSON, or comma-separated for a list."""
    field = kind.model_fields.get(key) if kind else None
    if field is None or key == "rpc_urls":
        return value
    name = str(field.annotation)
    if value[:1] in "[{" and any(word in name for word in ("tuple", "list", "dict", "Mapping", "Sequence")):
        try:
            return loads(value)
        except ValueError:
            return value
    if "tuple" in name or "list" in name:
        return [part for part in value.split(",") if part]
    return value


def _inner(kind: type[BaseModel] | None, key: str) -> type[BaseModel] | None:
    """The model of a nested key, looking through Optional; None for a plain value."""
    field = kind.model_fields.get(key) if kind else None
    if field is None:
        return None
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _is_secret(kind: type[BaseModel] | None, key: str) -> bool:
    field = kind.model_fields.get(key) if kind else None
    return field is not None and SecretStr in (field.annotation, *get_args(field.annotation))


def _known(kind: type[BaseModel]) -> list[str]:
    return [*kind.model_fields, *(f"{key}_file" for key in kind.model_fields if _is_secret(kind, key))]


def _check_keys(kind: type[BaseModel], content: Mapping[str, Any], origin: str, at: str = "") -> None:
    known = _known(kind)
    for key, value in content.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            spelled = PREFIX + f"{at}{key}".replace(".", "__").upper() if origin == "environment" else f"{at}{key}"
            raise HearthError(
                "H1001",
                f"unknown setting {spelled} in {origin}",
                why=((f"did you mean {at}{near[0]}?",) if near else (f"known here: {', '.join(sorted(known))}",)),
                next=_where_to(origin),
            )
        inner = _inner(kind, key)
        if inner is not None and isinstance(value, Mapping):
            _check_keys(inner, value, origin, f"{at}{key}.")


def _where_to(origin: str) -> tuple[str, ...]:
    """What to do about a wrong value from there: `config show` cannot help while it stands."""
    if origin == "environment":
        return ("correct or unset the variable",)
    return ("hearth config path names the files that are read", "docs/env.md says what each setting may be")


def _secrets(kind: type[BaseModel], content: Mapping[str, Any], origin: str, at: str) -> dict[str, Any]:
    """The content with every `x_file` of a secret x replaced by x, read from the file."""
    out: dict[str, Any] = {}
    for key, value in content.items():
        inner = _inner(kind, key)
        if inner is not None and isinstance(value, Mapping):
            out[key] = _secrets(inner, value, origin, f"{at}{key}.")
        elif key.endswith("_file") and key not in kind.model_fields and _is_secret(kind, key[:-5]):
            if key[:-5] in content:
                raise HearthError("H1001", f"{origin} sets both {key[:-5]} and {key}", next=("remove one of them",))
            out[key[:-5]] = _FromFile(_secret_of(str(value), f"{at}{key} of {origin}"), str(value))
        else:
            out[key] = value
    return out


def _secret_of(file: str, setting: str) -> str:
    try:
        return read_secret(_expandable(Path(file)))
    except ValueError as error:
        raise HearthError("H1001", f"{setting}: {error}", next=("give the path of a file",)) from None
    except HearthError as error:
        raise HearthError(error.code, error.message, (*error.why, f"it is {setting}"), error.next) from error


class _FromFile(str):
    """A secret's text that remembers its file, for `config show`."""

    path: str

    def __new__(cls, text: str, path: str) -> _FromFile:
        made = super().__new__(cls, text)
        made.path = path
        return made


def _merge(into: dict[str, Any], content: Mapping[str, Any], origin: str, at: str, origins: dict[str, str]) -> None:
    for key, value in content.items():
        if isinstance(value, Mapping):
            below = into.setdefault(key, {})
            if isinstance(below, dict):
                _merge(below, value, origin, f"{at}{key}.", origins)
                continue
        into[key] = value
        origins[f"{at}{key}"] = f"{origin} (file {value.path})" if isinstance(value, _FromFile) else origin


def _invalid(error: ValidationError, origins: Mapping[str, str]) -> HearthError:
    lines = []
    for e in error.errors(include_input=False, include_url=False):
        parts = [str(part) for part in e["loc"]]
        named = (origins.get(".".join(parts[:n])) for n in range(len(parts), 0, -1))
        below = next((o for k, o in origins.items() if k.startswith(".".join(parts) + ".")), "its default")
        origin = next(filter(None, named), below)
        lines.append(f"{'.'.join(parts)}: {e['msg'].removeprefix('Value error, ')} (from {origin})")
    return HearthError(
        "H1001",
        f"{len(lines)} setting{'s are' if len(lines) > 1 else ' is'} wrong",
        why=tuple(lines),
        next=_where_to("environment" if all("(from environment" in line for line in lines) else ""),
    )


def _walk(at: str, model: BaseModel, origins: Mapping[str, str], rows: list[tuple[str, str, str]]) -> None:
    for name in type(model).model_fields:
        value, key = getattr(model, name), f"{at}{name}"
        if isinstance(value, BaseModel):
            _walk(f"{key}.", value, origins, rows)
            continue
        origin = origins.get(key, "default")
        if isinstance(value, SecretStr):
            shown = "set"
        elif value is None:
            shown = "-"
        elif isinstance(value, tuple | list):
            shown = ", ".join(mask_url(v) if isinstance(v, str) and "://" in v else str(v) for v in value) or "-"
        else:
            shown = mask_url(value) if isinstance(value, str) and "://" in value else str(value)
        rows.append((key, shown, origin))
