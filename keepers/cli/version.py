"""`hearth version`."""

from __future__ import annotations

import platform
from importlib import metadata

from keepers.cli.options import Options, command

#: Major versions of the contracts whose words and events this release reads.
CONTRACTS = ("1",)


def tool_version() -> str:
    """Version of the installed distribution; `source` when it runs from a folder."""
    try:
        return metadata.version("hearth-compute")
    except metadata.PackageNotFoundError:
        return "source"


@command()
def version(options: Options) -> None:
    """Versions of the tool and of the contracts it understands."""
    data = {"hearth": tool_version(), "python": platform.python_version(), "contracts": list(CONTRACTS)}
    options.emit(
        "version",
        data,
        lambda: f"hearth {data['hearth']} · Python {data['python']} · contracts {', '.join(CONTRACTS)}.x",
    )
