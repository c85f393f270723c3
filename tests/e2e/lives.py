"""Keepers of a town as real processes that are killed with SIGKILL and started again, and what they leave behind.

Each keeper is its own command (`hearth settler`, `hearth attester`, `hearth agent`) with a settings file, a key and a
database of its own. Before a killed one starts again, a copy of its database is read: `Evidence` keeps what any keeper
ever held signed, which the keepers themselves forget after a few epochs.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from keepers.chain.keys import write_keystore, write_private
from keepers.chain.ports import OPEN_STATES
from keepers.localnet.anvil import ROOT
from keepers.localnet.network import LocalNetwork
from keepers.localnet.processes import Crew, Person
from keepers.outbox.tables import ATTEMPTS, ROWS
from keepers.protocol.hashing import keccak
from keepers.roles.attester.signlog import REPORT, SignLog, file_beside, scope_of
from keepers.roles.attester.tables import AttesterEquivocation, AttesterObservation, AttesterSignature
from keepers.store.engine import Store
from keepers.store.migrations import open_store
from keepers.wire.codec import Decoder, SignedObs
from tests.e2e.town import Town

SEATS = 4
PRICE_USD = "0.50"
_MAIN = "from keepers.cli.main import main; main()"
_SIGNED_OBS = Decoder(SignedObs)
_OBS: Any = AttesterObservation.__table__  # type: ignore[attr-defined]
_SIGNED: Any = AttesterSignature.__table__  # type: ignore[attr-defined]
_TWICE: Any = AttesterEquivocation.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Keeper:
    """One keeper: how it is started, where its database lies, which account sends its transactions ("": none)."""

    name: str
    role: str
    settings: Path
    database: Path
    address: str = ""

    @property
    def health(self) -> str:
        """Base URL of its /readyz."""
        return f"http://127.0.0.1:{tomllib.loads(self.settings.read_text(encoding='utf-8'))['health_port']}"


@dataclass(frozen=True)
class Row:
    """A row of an outbox with the hashes of its attempts: those that carry its effect, and those that only purge."""

    key: str
    state: str
    sends: frozenset[bytes]
    purges: frozenset[bytes]


@dataclass
class Evidence:
    """Everything that was ever found signed. `observed[seat, epoch]` and `reported[seat, epoch]` are digests."""

    observed: dict[tuple[int, int], set[bytes]] = field(default_factory=lambda: defaultdict(set))
    reported: dict[tuple[int, int], set[bytes]] = field(default_factory=lambda: defaultdict(set))
    twice: int = 0

    def add(self, store: Store) -> None:
        """What one attester's database holds of everybody's signatures."""
        with store.read() as connection:
            for row in connection.execute(select(_OBS)):
                if any(_SIGNED_OBS(row.signed).signature):  # a draft is not signed yet
                    self.observed[row.seat, row.epoch].add(bytes(row.digest))
            for row in connection.execute(select(_SIGNED)):
                self.reported[row.seat, row.epoch].add(bytes(row.digest))
            self.twice += len(connection.execute(select(_TWICE)).all())


class Lives:
    """The keepers of one town. `start_all`, then `kill` and `restart` in any order, then `stop_all`."""

    def __init__(self, network: LocalNetwork, town: Town, folder: Path) -> None:
        self.network, self.town, self.folder = network, town, folder
        self.crew = Crew(folder, ROOT)
        self.evidence = Evidence()
        self.kills: Counter[str] = Counter()
        self.caught = 0  # kills that hit a keeper with transactions on their way
        self.keepers: dict[str, Keeper] = {}

    # ---- who there is

    def add_attesters(self) -> None:
        """All seats, each with the sign log that its machine would have, had it signed the town's reports."""
        for i, seat in enumerate(self.network.seats[:SEATS]):
            section = {**seat.key.section(), "prices": [{"kind": "fixed", "usd": PRICE_USD}]}
            path = self.network.seat_settings(i, {"attester": section}, home=str(self._home(seat.key.name)))
            keeper = self._add(seat.key.name, "attester", path, seat.key.address)
            self._sign_log(keeper)

    def add_settler(self) -> None:
        """A settler that does everything that is anybody's."""
        key = self.network.key("settler")
        path = self._settings("settler", {"settler": key.section()})
        self._add("settler", "settler", path, key.address)

    def add_watcher(self, submit: bool = True) -> Keeper:
        """A watcher that proves what it finds."""
        key = self.network.key("watcher")
        path = self._settings("watcher", {"watcher": {**key.section(), "submit": submit}})
        return self._add("watcher", "watcher", path, key.address)

    def add_agent(self, name: str, nodes: Mapping[int, bytes], model: str, gpus: int) -> None:
        """An agent of `nodes`: index -> secret of the node's key. Their GPUs are a stand-in."""
        stores = [self._keystore(f"{name}-{node}", secret) for node, secret in nodes.items()]
        section = {
            "nodes": list(nodes),
            "keystores": [str(path) for path in stores],
            "stand_in": [f"{model}:{gpus}:{name}-{node}" for node in nodes],
        }
        self._add(name, "agent", self._settings(name, {"agent": section}))

    # ---- life and death

    def start_all(self, limit: float = 90.0) -> None:
        """Everybody, until each says that it is ready."""
        for keeper in self.keepers.values():
            self._start(keeper)
        self.crew.wait_ready(limit)

    def kill(self, name: str) -> None:
        """SIGKILL, whatever the process is doing; then a look at what it leaves."""
        person = self.crew.people[name]
        assert person.alive, f"{name} has ended by itself: {person.last_words()}"
        person.kill()
        keeper = self.keepers[name]
        self.kills[keeper.role] += 1
        with self._copy(keeper) as store:
            if store is None:
                return
            self.caught += bool(keeper.address) and _open_rows(store) > 0
            if keeper.role == "attester":
                self.evidence.add(store)

    def restart(self, name: str) -> None:
        """The same command again, on what is left."""
        self._start(self.keepers[name])

    def stop_all(self) -> None:
        """SIGTERM for everybody; who does not end with status 0 has failed."""
        self.crew.stop_all()
        for name, person in self.crew.people.items():
            assert person.process.returncode == 0, f"{name} ended with {person.process.returncode}: {person.log}"
        for keeper in self.keepers.values():
            if keeper.role == "attester":
                with self._copy(keeper) as store:
                    assert store is not None
                    self.evidence.add(store)

    # ---- what they know

    def busy(self, keeper: Keeper) -> bool:
        """Whether its outbox has an open row; read beside the living process."""
        if not keeper.address or not keeper.database.exists():
            return False
        store = Store.open(f"sqlite:///{keeper.database}", threaded=False)
        try:
            return _open_rows(store) > 0
        finally:
            store.close()

    def idle(self) -> bool:
        """Whether nobody's outbox has an open row."""
        return not any(self.busy(keeper) for keeper in self.keepers.values())

    def rows(self, keeper: Keeper) -> list[Row]:
        """The outbox of a keeper that has ended."""
        with self._copy(keeper) as store:
            assert store is not None
            with store.read() as connection:
                attempts = connection.execute(select(ATTEMPTS.c.row_id, ATTEMPTS.c.hash, ATTEMPTS.c.purpose)).all()
                rows = connection.execute(select(ROWS.c.id, ROWS.c.key, ROWS.c.state)).all()
        return [Row(r.key, r.state, _of(attempts, r.id, "send"), _of(attempts, r.id, "purge")) for r in rows]

    def sign_log(self, keeper: Keeper) -> list[tuple[str, int, int, bytes]]:
        """(kind, epoch, view, digest) of everything that a seat has signed."""
        log = self._log(keeper)
        try:
            log.verify()
            return [(row.kind, row.epoch, row.view, row.digest) for row in log.rows()]
        finally:
            log.close()

    def of_role(self, role: str) -> list[Keeper]:
        """Keepers of one role, in the order of their seats."""
        return [keeper for keeper in self.keepers.values() if keeper.role == role]

    # ---- inside

    def _home(self, name: str) -> Path:
        return self.folder / "home" / name

    def _settings(self, name: str, sections: Mapping[str, Any]) -> Path:
        return self.network.settings(f"lives-{name}", sections, home=str(self._home(name)))

    def _keystore(self, name: str, secret: bytes) -> Path:
        path = self.folder / "keys" / f"{name}.json"
        write_private(path.with_suffix(".pass"), "a test's password\n")
        write_keystore(path, secret, "a test's password")
        return path

    def _add(self, name: str, role: str, settings: Path, address: str = "") -> Keeper:
        database = self._home(name) / self.town.record.network / "state.db"
        made = self.keepers[name] = Keeper(name, role, settings, database, address)
        return made

    def _sign_log(self, keeper: Keeper) -> None:
        """What the town has signed for this seat, as a log that is in use."""
        log = self._log(keeper)
        for epoch, digest in self.town.digests.items():
            log.record(REPORT, epoch, 0, digest, self.town.now(), 1)
        log.settle()
        log.close()

    def _log(self, keeper: Keeper) -> SignLog:
        path = file_beside(f"sqlite:///{keeper.database}")
        assert path is not None
        scope = scope_of(self.town.record.chain_id, self.town.at("AttestationHub"), keeper.address)
        return SignLog.at(path, scope, machine_wide=False)

    def _start(self, keeper: Keeper) -> Person:
        command = [sys.executable, "-c", _MAIN, keeper.role, "--config", str(keeper.settings)]
        return self.crew.start(keeper.name, command, keeper.health)

    def _copy(self, keeper: Keeper) -> _Copy:
        return _Copy(keeper.database)


class _Copy:
    """A dead keeper's database, read from a copy: opening it in place would tidy up what the next start must find."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._folder = tempfile.TemporaryDirectory()
        self._store: Store | None = None

    def __enter__(self) -> Store | None:
        """None where it was killed before it had a database of this version."""
        target = Path(self._folder.name)
        for file in self._database.parent.glob("state.db*"):
            if file.suffix in (".db", ".db-wal"):
                shutil.copy(file, target / file.name)
        if (target / "state.db").exists():
            self._store = open_store(f"sqlite:///{target / 'state.db'}", threaded=False)
        return self._store

    def __exit__(self, *_: object) -> None:
        if self._store is not None:
            self._store.close()
        self._folder.cleanup()


def _open_rows(store: Store) -> int:
    query = select(ROWS.c.id).where(ROWS.c.state.in_([state.value for state in OPEN_STATES]))
    with store.read() as connection:
        return len(connection.execute(query).all())


def _of(attempts: Iterable[Any], row: int, purpose: str) -> frozenset[bytes]:
    return frozenset(bytes(a.hash) for a in attempts if a.row_id == row and a.purpose == purpose)


def node_secret(index: int) -> bytes:
    """Secret of the key that the town gives its `index`-th node."""
    return keccak(f"node {index}".encode())


def trials(default: int) -> int:
    """How many kills: HEARTH_CRASH_TRIALS, or the few that every run affords."""
    return int(os.environ.get("HEARTH_CRASH_TRIALS", "0")) or default
