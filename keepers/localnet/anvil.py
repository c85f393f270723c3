"""The local chain: finds anvil, starts it on a free port and never leaves it behind.

The binary comes from `node_modules` (make install puts it there), from HEARTH_ANVIL or from the PATH, in that order
after HEARTH_ANVIL. A process dies with the Python process that started it, even if that is killed (Linux).
"""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from keepers.protocol.errors import HearthError

ROOT = Path(__file__).resolve().parents[2]
CHAIN_ID = 31_337
# The development mnemonic that anvil, ape and everybody else use: its keys are public and hold nothing elsewhere.
MNEMONIC = "test test test test test test test test test test test junk"
_START_LIMIT = 20.0  # seconds; 0.25 is usual, a loaded machine needs more
_PR_SET_PDEATHSIG = 1
_POOL_LIMIT = 2.0  # seconds: mined transactions are gone from the pool in milliseconds


class RpcError(Exception):
    """The node answered with an error; `data` is its revert data, where it gave any."""

    def __init__(self, method: str, message: str, data: Any = None) -> None:
        super().__init__(f"{method}: {message}")
        self.method, self.message, self.data = method, message, data


def find_anvil(root: Path = ROOT) -> Path:
    """Path of the anvil binary. Raises H2901 that says how to get it."""
    named = os.environ.get("HEARTH_ANVIL")
    modules = root / "node_modules"
    # The platform's binary itself, not the launcher around it: signals must reach the chain, not a wrapper.
    candidates = [Path(named)] if named else []
    candidates += sorted(modules.glob("@foundry-rs/anvil-*/bin/anvil"))
    candidates += [modules / ".bin" / "anvil"]
    on_path = shutil.which("anvil")
    candidates += [Path(on_path)] if on_path else []
    for path in candidates:
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise HearthError(
        "H2901",
        "anvil, the local chain, is not installed",
        why=(f"looked in HEARTH_ANVIL, {modules} and the PATH",),
        next=("make install", "or set HEARTH_ANVIL to the binary of anvil 1.7"),
    )


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a closing connection is no owner
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def dies_with_parent() -> Callable[[], None] | None:
    """A `preexec_fn`: the kernel kills the child when its parent ends, even a frozen one; None elsewhere than Linux."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # loaded before the fork: nothing may be imported after it

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return ask


class Anvil:
    """A running anvil. Use as a context manager, or call `stop`; at the latest it ends with this process."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path | None) -> None:
        self._process = process
        self.port = port
        self.log = log
        self.url = f"http://127.0.0.1:{port}"
        self._client = httpx.Client(timeout=60.0, trust_env=False)
        self._count = 0
        atexit.register(self.stop)

    @classmethod
    def start(
        cls,
        *,
        log: Path | None = None,
        port: int | None = None,
        block_time: float | None = None,
        chain_id: int = CHAIN_ID,
        accounts: int = 10,
        timestamp: int | None = None,
        fork_url: str | None = None,
        options: Sequence[str] = (),
        root: Path = ROOT,
    ) -> Anvil:
        """Starts a chain and waits until it answers.

        `block_time` in seconds (None: a block for each transaction), `accounts` of the development mnemonic with
        10,000 ether each, `timestamp` of block 0 in seconds, `fork_url` to begin from another chain's newest block.
        Raises HearthError H2901 (no binary) or H2902 (did not start; names the log).
        """
        binary = find_anvil(root)
        for attempt in range(3):  # a free port may be taken between the probe and the start
            chosen = port if port is not None else free_port()
            command = [str(binary), "--host", "127.0.0.1", "--port", str(chosen), "--chain-id", str(chain_id)]
            command += ["--accounts", str(accounts), "--mnemonic", MNEMONIC, "--quiet", *options]
            command += ["--block-time", f"{block_time:g}"] if block_time else []
            command += ["--timestamp", str(timestamp)] if timestamp is not None else []
            command += ["--fork-url", fork_url] if fork_url else []
            chain = cls._launch(command, chosen, log)
            if chain is not None:
                return chain
            if port is not None or attempt == 2:
                break
        raise HearthError(
            "H2902",
            "the local chain did not start",
            why=(f"port {chosen} taken, or anvil refused its options",),
            next=(f"read {log}" if log else "give a log file to see what anvil says",),
        )

    @classmethod
    def _launch(cls, command: Sequence[str], port: int, log: Path | None) -> Anvil | None:
        if not _is_free(port):
            return None  # another chain would answer in our place
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
        with (log or Path(os.devnull)).open("ab") as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C goes to us; we stop the chain last
                preexec_fn=dies_with_parent(),
            )
        chain = cls(process, port, log)
        end = time.monotonic() + _START_LIMIT
        while time.monotonic() < end and process.poll() is None:
            try:
                chain.call("eth_chainId")
                time.sleep(0.02)  # who lost a race for the port ends now
                if process.poll() is None:
                    return chain
            except (httpx.HTTPError, RpcError):
                time.sleep(0.02)
        chain.stop()
        return None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def call(self, method: str, *params: Any) -> Any:
        """Result of one JSON-RPC call. Raises RpcError with the node's words and revert data."""
        self._count += 1
        body = {"jsonrpc": "2.0", "id": self._count, "method": method, "params": list(params)}
        answer: Mapping[str, Any] = self._client.post(self.url, json=body).json()
        if "error" in answer:
            error = answer["error"]
            raise RpcError(method, str(error.get("message", error)), error.get("data"))
        return answer["result"]

    def rewind(self, snapshot: str) -> None:
        """Back to a snapshot of `evm_snapshot`. Raises RpcError where there is no such snapshot.

        The pool is emptied first: anvil clears it a moment after a receipt is there, and what is left in it would be
        mined again.
        """
        end = time.monotonic() + _POOL_LIMIT
        while any(int(count, 16) for count in self.call("txpool_status").values()) and time.monotonic() < end:
            time.sleep(0.01)
        self.call("anvil_dropAllTransactions")
        if self.call("evm_revert", snapshot) is not True:
            raise RpcError("evm_revert", f"no snapshot {snapshot}")

    def stop(self) -> None:
        """Ends the chain; repeating it is harmless."""
        atexit.unregister(self.stop)
        self._client.close()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> Anvil:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
