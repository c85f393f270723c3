"""Schema of the database, by numbered migrations that run at start.

A file in `versions/` is one step; it is never changed once released. `draft.py` writes the next one.
"""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Lock

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from keepers.protocol.errors import HearthError
from keepers.store.engine import Store, open_engine
from keepers.store.writer import begin_write

log = logging.getLogger("hearth.store")
FOLDER = Path(__file__).parent
_ONE = Lock()  # alembic installs its context for the whole process: threads that open databases take turns


def open_store(url: str, threaded: bool = True) -> Store:
    """Open a database and bring it to this version's schema.

    Raises H1201 where it cannot be opened or migrated, H1204 where a newer version wrote it. A file of an older
    version is copied to `<file>.bak-<revision>` before anything is changed.
    """
    engine = open_engine(url)
    try:
        migrate(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise HearthError(
            "H1201",
            f"the database at {engine.url.render_as_string(hide_password=True)} cannot be brought up to date",
            why=(str(error).splitlines()[0],),
            next=("check that its folder is yours and not full; the copy made before lies beside it",),
        ) from error
    except BaseException:
        engine.dispose()
        raise
    return Store(engine, threaded)


def scripts() -> ScriptDirectory:
    """All migrations of this version."""
    return ScriptDirectory(str(FOLDER), version_locations=[str(FOLDER / "versions")])


def migrate(engine: Engine) -> str | None:
    """Run what is missing; returns the revision before. Two processes that start together take turns."""
    directory = scripts()
    head = directory.get_current_head()
    with engine.connect() as connection:
        begin_write(connection)
        current = MigrationContext.configure(connection).get_current_revision()
        if current == head:
            connection.rollback()
            return current
        if current is not None and current not in {script.revision for script in directory.walk_revisions()}:
            connection.rollback()
            raise HearthError(
                "H1204",
                f"the database has schema {current}, which is newer than this version's {head}",
                why=("a newer version of this program has written it",),
                next=("upgrade the program, or restore the copy made before that: <file>.bak-<revision>",),
            )
        if current is not None:
            connection.rollback()
            _back_up(engine, current)
            begin_write(connection)
        _upgrade(connection, directory)
        connection.commit()
        log.info("migrated", extra={"from": current, "to": head})
        return current


def _upgrade(connection: Connection, directory: ScriptDirectory) -> None:
    def steps(revision: tuple[str, ...], _context: MigrationContext) -> object:
        return directory._upgrade_revs("head", revision)  # type: ignore[arg-type]

    with _ONE, EnvironmentContext(Config(), directory, fn=steps) as context:
        context.configure(connection=connection, transactional_ddl=True, render_as_batch=True)
        context.run_migrations()


def _back_up(engine: Engine, revision: str) -> None:
    """A consistent copy of a SQLite file; other databases have backups of their own."""
    if engine.dialect.name != "sqlite" or not engine.url.database or engine.url.database == ":memory:":
        return
    target = Path(f"{engine.url.database}.bak-{revision}")
    number = 1
    while target.exists():
        number += 1
        target = Path(f"{engine.url.database}.bak-{revision}.{number}")
    with engine.connect() as connection:
        connection.exec_driver_sql("VACUUM INTO ?", (str(target),))
    target.chmod(0o600)
    log.info("copied", extra={"copy": str(target)})
