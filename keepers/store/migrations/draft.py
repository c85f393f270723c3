"""Prints the body of the next migration: what the tables of the named modules have and the schema lacks.

python -m keepers.store.migrations.draft keepers.outbox.tables keepers.roles.agent.tables …
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlmodel import SQLModel

from keepers.store.engine import open_engine
from keepers.store.migrations import migrate


def difference(connection: Connection) -> MigrationScript:
    """What would have to be done for the schema to match the tables that are imported by now."""
    context = MigrationContext.configure(connection, opts={"compare_type": False})
    return produce_migrations(context, SQLModel.metadata)


def main(modules: Sequence[str]) -> None:
    """Print the operations."""
    for module in modules:
        importlib.import_module(module)
    engine = open_engine("sqlite://")
    migrate(engine)
    with engine.connect() as connection:
        operations = difference(connection).upgrade_ops
        sys.stdout.write(render_python_code(operations) if operations is not None else "")


if __name__ == "__main__":
    main(sys.argv[1:])
