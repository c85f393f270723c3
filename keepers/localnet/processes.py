"""One process a person: starts `hearth up` with a settings file, freezes, resumes and stops it, keeps its log.

Each person has a session of its own, so Ctrl-C in a terminal reaches only us and we stop them in order. They end with
us even if we are killed (Linux): the kernel kills a child whose parent is gone, frozen or not. Start them from the main
thread, for the kernel counts the thread that forked as the parent.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import httpx

from keepers.localnet.anvil import dies_with_parent
from keepers.protocol.errors import HearthError

STOP_LIMIT = 25.0  # seconds: a role has 20 to flush its outbox and go
_LOG_TAIL = 4_000  # bytes of a log that an error quotes from


def up_command(settings: Path, roles: Sequence[str]) -> list[str]:
    """The command line of a person: the same `hearth up` as in production, of this interpreter."""
    main = "from keepers.cli.main import main; main()"
    return [sys.executable, "-c", main, "up", "--roles", ",".join(roles), "--config", str(settings)]


@dataclass
class Person:
    """A running process with a name. `health` is the base URL of its /livez and /readyz; empty = it has none."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    health: str = ""
    frozen: bool = False

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def freeze(self) -> None:
        """SIGSTOP: the machine goes dark, its connections stay open."""
        self._signal(signal.SIGSTOP)
        self.frozen = True

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)
        self.frozen = False

    def kill(self) -> None:
        """SIGKILL, as a power cut."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, limit: float = STOP_LIMIT) -> int:
        """SIGTERM, after `limit` seconds SIGKILL; the exit status. Repeating it is harmless."""
        if self.alive:
            self.ask()
            self.wait(limit)
        return int(self.process.returncode)

    def ask(self) -> None:
        """SIGTERM, without waiting; a frozen process is resumed first, or it could not hear it."""
        if self.frozen:
            self.resume()
        self._signal(signal.SIGTERM)

    def wait(self, limit: float) -> None:
        """Waits for the end, at most `limit` seconds, then kills."""
        try:
            self.process.wait(max(0.0, limit))
        except subprocess.TimeoutExpired:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def last_words(self) -> str:
        """The last line of its log that says something; "" if there is none."""
        try:
            with self.log.open("rb") as handle:
                handle.seek(max(0, self.log.stat().st_size - _LOG_TAIL))
                lines = handle.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


class Crew:
    """Everybody who was started, in order. A context manager: leaving it stops them all."""

    def __init__(self, folder: Path, cwd: Path, environment: Mapping[str, str] | None = None) -> None:
        self._folder, self._cwd = folder, cwd
        base = dict(os.environ) if environment is None else dict(environment)
        # Settings come from the person's file alone: what the shell exports must not reach into it.
        keep = ("HEARTH_ANVIL", "HEARTH_DATA", "HEARTH_TZ")
        self._environment = {k: v for k, v in base.items() if not k.startswith("HEARTH_") or k in keep}
        self.people: dict[str, Person] = {}
        atexit.register(self.stop_all)

    def start(self, name: str, command: Sequence[str], health: str = "") -> Person:
        """Starts a person; its output goes to `<folder>/logs/<name>.log`. Raises ValueError for a name in use."""
        if name in self.people and self.people[name].alive:
            raise ValueError(f"{name} is already running")
        log = self._folder / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            process = subprocess.Popen(
                list(command),
                cwd=self._cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=dies_with_parent(),
            )
        person = self.people[name] = Person(name, process, log, health)
        return person

    def dead(self) -> list[Person]:
        """People who have ended, by themselves or not."""
        return [person for person in self.people.values() if not person.alive]

    def check(self) -> None:
        """Raises H2903 if somebody has ended, with its last words and its log."""
        for person in self.dead():
            raise HearthError(
                "H2903",
                f"{person.name} has stopped with status {person.process.returncode}",
                why=(person.last_words(),),
                next=(f"read {person.log}",),
            )

    def wait_ready(self, limit: float = 60.0, say: Callable[[str], object] = lambda _: None) -> None:
        """Until every /readyz says yes. Raises H2903 (somebody ended) or H2904 (somebody is not ready in time)."""
        waiting = [person for person in self.people.values() if person.health]
        end = time.monotonic() + limit
        with httpx.Client(timeout=2.0, trust_env=False) as client:
            while waiting:
                self.check()
                for person in list(waiting):
                    with contextlib.suppress(httpx.HTTPError):
                        if client.get(f"{person.health}/readyz").status_code == 200:
                            waiting.remove(person)
                            say(person.name)
                if waiting and time.monotonic() > end:
                    names = ", ".join(person.name for person in waiting)
                    logs = " ".join(str(person.log) for person in waiting)
                    raise HearthError("H2904", f"{names}: not ready after {limit:.0f} s", next=(f"read {logs}",))
                if waiting:
                    time.sleep(0.1)

    def stop_all(self, limit: float = STOP_LIMIT) -> None:
        """Stops everybody at once and waits; who does not go in `limit` seconds is killed."""
        atexit.unregister(self.stop_all)
        alive = [person for person in self.people.values() if person.alive]
        for person in reversed(alive):
            person.ask()
        end = time.monotonic() + limit
        for person in alive:
            person.wait(end - time.monotonic())

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_all()
