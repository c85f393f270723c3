"""What systemd is told of a `Type=notify` unit: ready, alive, stopping. Nothing happens where nobody listens."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


def notify(state: str) -> bool:
    """Send "READY=1", "STOPPING=1" or "WATCHDOG=1". False where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    target = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.connect(target)
            out.sendall(state.encode())
    except OSError:
        return False
    return True


def watchdog_interval(env: Mapping[str, str], pid: int) -> float | None:
    """Seconds between two signs of life: half of what WatchdogSec allows; None where none are wanted of this pid."""
    try:
        allowed = int(env.get("WATCHDOG_USEC", "0"))
        wanted = int(env.get("WATCHDOG_PID", str(pid)))
    except ValueError:
        return None
    return allowed / 2e6 if allowed > 0 and wanted == pid else None
