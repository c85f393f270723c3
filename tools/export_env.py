"""Writes docs/env.md: every setting with its HEARTH_ name, type, default and meaning, from the settings themselves.

The page is committed; a difference is a deliberate commit. `--check` writes nothing and exits 1 where it differs.
"""

from __future__ import annotations

import argparse
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from keepers.runtime.settings import PREFIX, Settings
from keepers.sdk.sections import SECTIONS
from tools.export_abi import run

PAGE = Path("docs") / "env.md"

# Names that are read and are no settings (runtime/settings.py, RESERVED).
OTHERS = {
    "HEARTH_TZ": "`local`: times on the screen in this machine's zone, never those of receipts; else `utc`",
    "HEARTH_ANVIL": "path of the anvil that local networks run",
    "HEARTH_DATA": "folder with the traces that some tests and the replay's examples read",
    "HEARTH_DEPLOY_PASSWORD_FILE": "`ape run deploy`: file with the password of the deploying account",
    "HEARTH_MODEL_SEQUENCES": "tests: number of random sequences of the model beside the bytecode",
    "HEARTH_OUTAGE_STEP": "tests: seconds between two beginnings of an outage in a slot; 1 is the whole sweep",
    "HEARTH_REFUTE_SEQUENCES": "tests: the same, with reports that fall",
    "HEARTH_REFUTE_ATTEMPTS": "tests: number of random attempts at an honest report",
    "HEARTH_REFUTE_RECORDS": "tests: records of the largest report in which every place is made wrong",
    "HEARTH_SEAT_SEQUENCES": "tests: the same, with bonded seats",
    "HEARTH_BENCH_PEERS": "`make bench`: folder of the peers' harness",
    "HEARTH_CRASH_AT": "tests: the crash point, and which pass of it, at which the process kills itself",
    "HEARTH_CRASH_TRACE": "tests: file to which the names of crash points are written",
    "HEARTH_CRASH_TRIALS": "tests: number of random kills (of the outbox, and of whole keepers), instead of a few",
}

HEAD = """# Settings

Generated from the settings by `tools/export_env.py`; `make check-snapshots` compares.

A value comes from, first found: a flag, the environment, `./hearth.toml`, `~/.config/hearth/config.toml`,
`/etc/hearth/config.toml`, the deployment record, the default. `hearth config show` prints each value and where it came
from. In TOML a section is a table: `HEARTH_FEES__TIP_GWEI=1` is `tip_gwei = 1` under `[fees]`. Lists are separated by
commas where they hold plain values, else JSON. A *secret* may be given as a file instead: the name with `_FILE` behind
it; the file must be yours and closed to others (0600). Unknown names are refused, with the nearest known one.
"""


def kind_of(annotation: Any) -> str:
    """A type in words."""
    if get_origin(annotation) is Annotated:
        return kind_of(get_args(annotation)[0])
    origin, inner = get_origin(annotation), [a for a in get_args(annotation) if a is not type(None)]
    if origin in (Union, types.UnionType):
        return " or ".join(kind_of(a) for a in inner)
    if origin is tuple:
        return f"list of {kind_of(inner[0])}"
    if origin is dict:
        return "table"
    names = {
        str: "text",
        int: "whole number",
        float: "number",
        bool: "true or false",
        Path: "path",
        SecretStr: "secret",
    }
    return names.get(annotation, "number" if getattr(annotation, "__name__", "") == "Decimal" else str(annotation))


def default_of(field: FieldInfo) -> str:
    """A default as one would write it; - for none."""
    value = field.get_default(call_default_factory=True)
    if value is None or value == () or value == "":
        return "-"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The model of a nested section; None for a plain value."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    """(name in the environment, field) of every plain value of a model. Raises ValueError for one without a meaning."""
    for name, field in model.model_fields.items():
        if section_of(field.annotation) is None:
            if not field.description:
                raise ValueError(f"{model.__name__}.{name} has no description")
            yield f"{prefix}{name}".upper(), field


def table(model: type[BaseModel], prefix: str) -> str:
    """The table of one model."""
    lines = ["| name | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in rows(model, prefix):
        lines.append(f"| `{name}` | {kind_of(field.annotation)} | {default_of(field)} | {field.description} |")
    return "\n".join(lines) + "\n"


def render() -> str:
    """The page."""
    parts = [HEAD, "## Every process\n", table(Settings, PREFIX)]
    nested = {name: section_of(field.annotation) for name, field in Settings.model_fields.items()}
    sections = {name: model for name, model in nested.items() if model is not None} | SECTIONS
    for name, model in sections.items():
        words = (model.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ")
        parts += [f"## [{name}]\n", words + "\n", table(model, f"{PREFIX}{name}__")]
    parts += ["## Not settings\n", "Read from the environment only.\n"]
    parts.append("\n".join(["| name | meaning |", "| --- | --- |", *(f"| `{k}` | {v} |" for k, v in OTHERS.items())]))
    return "\n".join(parts) + "\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    args = parser.parse_args(argv)
    return run({PAGE: render()}, args.check, "settings")


if __name__ == "__main__":
    sys.exit(main())
