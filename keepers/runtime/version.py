"""Which release this is, and which contracts it understands."""

from __future__ import annotations

from importlib import metadata

MAJOR = 1  # major version of the contracts (`VERSION` = "1") whose words and events this release reads


def tool_version() -> str:
    """Version of the installed distribution; `source` when it runs from a folder."""
    try:
        return metadata.version("hearth-compute")
    except metadata.PackageNotFoundError:
        return "source"
