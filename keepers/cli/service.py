"""`hearth up --service`: a systemd unit of the user that runs the roles of a config."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from keepers.protocol.errors import HearthError

STOP_S = 25  # a role has 20 s to flush its outbox and go
WATCHDOG_S = 120
NOT_RESTARTED = "2 3 4 6 9"  # exit codes that a restart cannot mend

UNIT = """# written by `hearth up --service`
[Unit]
Description=Hearth: {roles}
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
NotifyAccess=main
ExecStartPre={check}
ExecStart={up}
Restart=on-failure
RestartSec=5
RestartPreventExitStatus={not_restarted}
WatchdogSec={watchdog}
TimeoutStopSec={stop}
NoNewPrivileges=true
ProtectSystem=strict
ReadWritePaths={home}

[Install]
WantedBy=default.target
"""


def command_of() -> list[str]:
    """How this program is started again, by absolute path."""
    script = Path(sys.executable).with_name("hearth")
    if script.is_file():
        return [str(script)]
    return [sys.executable, "-c", "from keepers.cli.main import main; main()"]


def unit_text(roles: Sequence[str], config: Path, home: Path, check_role: str) -> str:
    """The unit. `check_role`: what `hearth check` tests before each start."""
    hearth = command_of()
    up = [*hearth, "up", "--roles", ",".join(roles), "--config", str(config)]
    check = [*hearth, "check", check_role, "--quick", "--config", str(config)]
    return UNIT.format(
        roles=", ".join(roles),
        check=shlex.join(check),
        up=shlex.join(up),
        not_restarted=NOT_RESTARTED,
        watchdog=WATCHDOG_S,
        stop=STOP_S,
        home=home,
    )


def unit_path(name: str) -> Path:
    """Where a user's units lie."""
    base = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    return base / "systemd" / "user" / f"hearth@{name}.service"


def write_unit(path: Path, text: str) -> None:
    """Write it. Raises H1002 where the folder cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HearthError("H1002", f"{path} cannot be written", why=(str(error.strerror),)) from None


def start_commands(path: Path) -> list[list[str]]:
    """What makes systemd run the unit, now and after the next boot."""
    return [
        ["systemctl", "--user", "daemon-reload"],
        ["systemctl", "--user", "enable", "--now", path.name],
        ["loginctl", "enable-linger"],
    ]


def has_systemd() -> bool:
    """Whether a systemd of this user answers."""
    if shutil.which("systemctl") is None:
        return False
    asked = subprocess.run(["systemctl", "--user", "show-environment"], capture_output=True, timeout=10)
    return asked.returncode == 0


def start(path: Path) -> None:
    """Run `start_commands`. Raises H1402 with the words of the one that failed."""
    for command in start_commands(path):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise HearthError(
                "H1402",
                f"{shlex.join(command)} failed",
                why=(done.stderr.strip() or f"exit status {done.returncode}",),
                next=(f"journalctl --user -u {path.stem}",),
            )
