"""`hearth config`: settings and where each comes from."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import rich_click as click

from keepers.cli import output
from keepers.cli.options import Options, group
from keepers.protocol.errors import HearthError


@group(default="show")
def config() -> None:
    """Settings: show with their origin, set, path."""


@config.command()
@click.pass_obj
def show(options: Options) -> None:
    """Each value and where it came from; secrets only as `set`."""
    from keepers.sdk.connect import load_settings

    rows = load_settings(options.flags()).show()
    data = {key: {"value": value, "origin": origin} for key, value, origin in rows}
    options.emit("config", data, lambda: output.table(["setting", "value", "from"], [list(row) for row in rows], 200))


@config.command("set")
@click.argument("key")
@click.argument("value")
@click.pass_obj
def set_(options: Options, key: str, value: str) -> None:
    """Write one setting into the config file. Secrets are given as files: password_file, never password."""
    path = write_setting(key, value, options.config)
    options.emit("setting", {"key": key, "value": value, "path": str(path)}, lambda: f"{key} = {value}    {path}")


@config.command()
@click.pass_obj
def path(options: Options) -> None:
    """The files that are read, the first wins; and the one that `set` writes."""
    from keepers.runtime.settings import default_files

    files = [Path(options.config)] if options.config else default_files()
    data = [{"path": str(file), "exists": file.exists()} for file in files]
    options.emit(
        "paths", data, lambda: "\n".join(f"{'read ' if row['exists'] else 'no   '} {row['path']}" for row in data)
    )


def write_setting(key: str, value: str, config_file: str | None = None) -> Path:
    """Set a dotted key in the user's config file, keeping the rest. The result must load, or nothing is written.

    Raises H1001 (unknown key or wrong value), H1005 (a secret, or no key at all).
    """
    return write_settings({key: value}, config_file)


def write_settings(values: Mapping[str, str], config_file: str | None = None) -> Path:
    """Several at once, for settings that must agree with each other; see `write_setting`."""
    from keepers.runtime.settings import parse_toml

    for key in values:
        _check_key(key)
    target = Path(config_file) if config_file else default_target()
    after = _text(target)
    parse_toml(after, str(target))
    for key, value in values.items():
        after = _with(after, key, value)
    _write(target, after)
    return target


def _text(target: Path) -> str:
    """What the file holds now; empty where there is none. Raises H1002."""
    try:
        return target.read_text(encoding="utf-8") if target.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise HearthError("H1002", f"the configuration file {target} cannot be read", why=(str(error),)) from None


def default_target() -> Path:
    """The user's config file."""
    from keepers.runtime.settings import default_files

    return default_files()[1]


def _check_key(key: str) -> None:
    if not re.fullmatch(r"[a-z_]+(\.[a-z_]+)?", key):
        raise HearthError("H1005", f"{key!r} is no setting", next=("hearth config show",))
    if key.split(".")[-1] in ("password", "secret", "private_key"):
        raise HearthError(
            "H1005",
            "a secret is never written into the config",
            next=(f"hearth config set {key}_file FILE",),
        )


def _write(target: Path, after: str) -> None:
    from keepers.runtime.settings import parse_toml
    from keepers.sdk.connect import check_settings

    try:
        content = parse_toml(after, str(target))
    except HearthError as error:
        form = 'a list is written ["A", "B"], with quotes around it for the shell'
        raise HearthError("H1005", "the value is no TOML: nothing was written", error.why, form) from None
    check_settings(content, str(target))
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = target.with_name(target.name + ".part")
        beside.write_text(after, encoding="utf-8")
        os.replace(beside, target)
    except OSError as error:
        raise HearthError("H1002", f"{target} cannot be written", why=(str(error.strerror),)) from None


def _literal(value: str) -> str:
    if re.fullmatch(r"-?\d+(\.\d+)?|true|false", value):
        return value
    if value.startswith("["):
        return value
    return json.dumps(value, ensure_ascii=False)  # a TOML string escapes as JSON does


def _with(text: str, key: str, value: str) -> str:
    """TOML text with one key set: its line replaced, or added at the end of its table."""
    table, _, name = key.rpartition(".")
    line = f"{name} = {_literal(value)}"
    lines = text.splitlines()
    start = 0 if not table else next((i + 1 for i, row in enumerate(lines) if row.strip() == f"[{table}]"), -1)
    if start < 0:
        return "\n".join([*lines, *([""] if lines else []), f"[{table}]", line]) + "\n"
    end = next((i for i in range(start, len(lines)) if lines[i].lstrip().startswith("[")), len(lines))
    for i in range(start, end):
        if re.match(rf"\s*{re.escape(name)}\s*=", lines[i]):
            lines[i] = line
            return "\n".join(lines) + "\n"
    last = end
    while last > start and not lines[last - 1].strip():
        last -= 1
    lines.insert(last, line)
    return "\n".join(lines) + "\n"
