"""`hearth version`."""

from __future__ import annotations

import platform

from keepers.cli.options import Options, command
from keepers.runtime.version import MAJOR, tool_version


@command()
def version(options: Options) -> None:
    """Versions of the tool and of the contracts it understands."""
    data = {"hearth": tool_version(), "python": platform.python_version(), "contracts": [str(MAJOR)]}
    options.emit(
        "version",
        data,
        lambda: f"hearth {data['hearth']} · Python {data['python']} · contracts {MAJOR}.x",
    )
