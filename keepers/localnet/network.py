"""A whole network in one folder: the chain, the deployed suite, people's keys and settings.

    with LocalNetwork.start(seats=4, say=print) as network:
        agent = network.key("agent-0")                                    a funded keystore in the run folder
        network.settings("agent-0", {"agent": {…}})                       its settings file
        crew.start("agent-0", up_command(network.folder / …, ["agent"]))  see `processes`

Everything lies in `build/localnet/<time>/`: anvil.log, deployment.json, keys/, settings/, home/, logs/. The suite is
deployed by the same `ape run deploy` as anywhere else, then `ape run seed_local` seats the committee and hands out
test tokens.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import tomli_w

from keepers.chain.deployment import Deployment, load_record
from keepers.chain.keys import LocalSigner, new_signer, open_keystore, write_keystore, write_private
from keepers.localnet.anvil import ROOT, Anvil, free_port
from keepers.protocol.errors import HearthError
from keepers.protocol.units import WAD

DEPLOY_LIMIT = 300  # seconds: a cold cache compiles the suite in 40 s on two cores
_TAIL = 12  # lines of a failed script that an error shows


@dataclass(frozen=True)
class PersonKey:
    """An encrypted key of the run folder. `address` is lower case."""

    name: str
    address: str
    keystore: Path
    password_file: Path

    def signer(self) -> LocalSigner:
        """The opened key."""
        return open_keystore(self.keystore, password_file=self.password_file)

    def section(self) -> dict[str, str]:
        """What a role's section of a settings file says about its key."""
        return {"keystore": str(self.keystore), "password_file": str(self.password_file)}


@dataclass(frozen=True)
class Seat:
    """A seat of the committee: its key and where it will listen."""

    key: PersonKey
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


class LocalNetwork:
    """A running local network; `stop` (or leaving the context) ends the chain, the folder stays."""

    def __init__(self, folder: Path, chain: Anvil, root: Path = ROOT) -> None:
        self.folder, self.chain, self.root = folder, chain, root
        self.record_file = folder / "deployment.json"
        self.seats: list[Seat] = []
        self._keys: dict[str, PersonKey] = {}

    # ---- start and stop

    @classmethod
    def start(
        cls,
        *,
        folder: Path | None = None,
        profile: str = "local",
        seats: int = 4,
        tokens: Mapping[str, int] | None = None,
        classes: Mapping[str, str] | None = None,
        block_time: float | None = 1.0,
        timestamp: int | None = None,
        root: Path = ROOT,
        say: Callable[[str], object] = lambda _: None,
    ) -> LocalNetwork:
        """Chain, deployment, committee, tokens. Returns when the record is written.

        `seats` keys attester-0 … are made, seated from epoch 1 and given a free port each. `tokens` maps names of
        people (keys are made for them) to whole test tokens. `classes`: name of a class the profile lacks -> minimum
        stake of a GPU in USD, or `USD:N:ROUNDS:DEADLINE` for one that is challenged. `block_time` in seconds (None: a
        block for each transaction), `timestamp` of block 0.
        Raises HearthError H2901, H2902 (no chain), H2905 (a script failed; shows its last lines).
        """
        run = folder or new_folder(root)
        run.mkdir(parents=True, exist_ok=True)
        network = cls(
            run, Anvil.start(log=run / "anvil.log", block_time=block_time, timestamp=timestamp, root=root), root
        )
        try:
            say(f"chain      anvil {network.chain.url}, log {run / 'anvil.log'}")
            network.seats = [Seat(network.key(f"attester-{i}"), "127.0.0.1", free_port()) for i in range(seats)]
            for name in tokens or {}:
                network.key(name)
            network.script("deploy", "--profile", profile, "--name", "local")
            say(f"contracts  deployed by ape run deploy --profile {profile}")
            network.seed(tokens or {}, classes or {})
            say(f"seeded     {seats} seats, {len(tokens or {})} people with test tokens")
        except BaseException:
            network.stop()
            raise
        return network

    def stop(self) -> None:
        """Ends the chain."""
        self.chain.stop()

    def __enter__(self) -> LocalNetwork:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # ---- scripts

    def script(self, name: str, *arguments: str) -> str:
        """Runs `ape run <name>` against this chain and this record; its output. Raises H2905."""
        binaries = Path(sys.executable).parent
        environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"}
        command = [sys.executable, "-c", "from ape._cli import cli; cli(prog_name='ape')", "run", name, *arguments]
        command += ["--network", self.chain.url, "--record", str(self.record_file)]
        try:
            done = subprocess.run(
                command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=DEPLOY_LIMIT
            )
        except subprocess.TimeoutExpired:
            raise HearthError("H2905", f"ape run {name} did not end within {DEPLOY_LIMIT} s") from None
        log = self.folder / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as out:
            out.write(done.stdout + done.stderr)
        if done.returncode != 0:
            tail = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-_TAIL:]
            raise HearthError("H2905", f"ape run {name} failed", why=tail, next=(f"read {log}",))
        return done.stdout

    def seed(self, tokens: Mapping[str, int], classes: Mapping[str, str]) -> None:
        """Seats the committee, adds classes, hands out whole test tokens to people by name."""
        arguments: list[str] = []
        for seat in self.seats:
            arguments += ["--attester", f"{seat.key.address}={seat.url}"]
        for name, amount in tokens.items():
            arguments += ["--tokens", f"{self.key(name).address}={amount}"]
        for name, stake in classes.items():
            arguments += ["--class", f"{name}={stake}"]
        if arguments:
            self.script("seed_local", *arguments)

    @property
    def record(self) -> Deployment:
        """The deployment record as it stands."""
        return load_record(self.record_file)

    # ---- people

    def key(self, name: str, ether: int = 100) -> PersonKey:
        """The key of a person, made and given `ether` for gas when it is asked for first."""
        known = self._keys.get(name)
        if known is not None:
            return known
        signer, secret = new_signer()
        folder = self.folder / "keys"
        password = secrets.token_urlsafe(24)
        keystore, password_file = folder / f"{name}.json", folder / f"{name}.pass"
        write_private(password_file, password + "\n")
        write_keystore(keystore, secret, password)
        self.chain.call("anvil_setBalance", signer.address, hex(ether * WAD))
        made = self._keys[name] = PersonKey(name, signer.address, keystore, password_file)
        return made

    def settings(self, name: str, sections: Mapping[str, Any], **values: Any) -> Path:
        """Writes `settings/<name>.toml` (deployment, RPC, home, a free health port, `values`, sections); its path."""
        content: dict[str, Any] = {
            "deployment": str(self.record_file),
            "rpc_urls": [self.chain.url],
            "home": str(self.folder / "home" / name),
            "health_port": free_port(),
            "poll_s": 0.25,  # a block a second
            "log_style": "text",
            **values,
            **sections,
        }
        path = self.folder / "settings" / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(tomli_w.dumps(content), encoding="utf-8")
        return path

    def seat_settings(self, index: int, sections: Mapping[str, Any], **values: Any) -> Path:
        """Settings of a seat: as `settings`, listening where the committee says."""
        seat = self.seats[index]
        return self.settings(seat.key.name, sections, **{"listen_host": seat.host, "listen_port": seat.port, **values})


def new_folder(root: Path = ROOT) -> Path:
    """A run folder named by the time, `build/localnet/<YYYYmmdd-HHMMSS>[-n]`, and `latest` pointing to it."""
    base = root / "build" / "localnet"
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    for attempt in range(100):
        folder = base / (stamp if not attempt else f"{stamp}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        link = base / "latest"
        with contextlib.suppress(OSError):  # a convenience; somebody else may be making it right now
            link.unlink(missing_ok=True)
            link.symlink_to(folder.name)
        return folder
    raise HearthError("H2905", f"no free run folder in {base}", next=("make clean",))


def people(names: Sequence[str], amount: int) -> dict[str, int]:
    """The same number of whole test tokens for everybody."""
    return dict.fromkeys(names, amount)
