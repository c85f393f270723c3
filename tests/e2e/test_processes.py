"""People of a local network as processes: frozen, resumed, stopped, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from keepers.localnet.anvil import ROOT, Anvil, RpcError, find_anvil
from keepers.localnet.network import LocalNetwork
from keepers.localnet.processes import Crew, up_command
from keepers.protocol.errors import HearthError

TICKER = "import time\nwhile True:\n    print('tick', flush=True)\n    time.sleep(0.05)"


def until(condition: Callable[[], bool], limit: float = 20.0) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_crew__freeze_resume_stop__one_person(tmp_path: Path) -> None:
    with Crew(tmp_path, tmp_path) as crew:
        person = crew.start("ticker", [sys.executable, "-c", TICKER])
        until(lambda: size(person.log) > 0)
        person.freeze()
        time.sleep(0.2)
        frozen = size(person.log)
        time.sleep(0.3)
        assert size(person.log) == frozen
        person.resume()
        until(lambda: size(person.log) > frozen)
        assert person.last_words() == "tick"
        with pytest.raises(ValueError, match="already running"):
            crew.start("ticker", [sys.executable, "-c", TICKER])
        person.freeze()
        assert person.stop(5) == -signal.SIGTERM  # it heard us although it was frozen
    assert not person.alive


def test_crew__deaf_person__is_killed_in_time(tmp_path: Path) -> None:
    deaf = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(99)"
    )
    crew = Crew(tmp_path, tmp_path)
    person = crew.start("deaf", [sys.executable, "-c", deaf])
    until(lambda: size(person.log) > 0)
    crew.stop_all(0.3)
    assert person.process.returncode == -signal.SIGKILL


def test_crew__somebody_died__names_log_and_last_words(tmp_path: Path) -> None:
    with Crew(tmp_path, tmp_path) as crew:
        person = crew.start(
            "short", [sys.executable, "-c", "print('I am out of gas'); raise SystemExit(4)"], "http://x"
        )
        until(lambda: not person.alive)
        with pytest.raises(HearthError) as found:
            crew.wait_ready(5)
        assert found.value.code == "H2903"
        assert "status 4" in found.value.message
        assert found.value.why == ("I am out of gas",)
        assert str(person.log) in found.value.next[0]


def test_crew__settings_of_the_shell__do_not_reach_people(tmp_path: Path) -> None:
    environment = {**os.environ, "HEARTH_RPC_URLS": "http://elsewhere"}
    show = "import os; print([k for k in os.environ if k.startswith('HEARTH_RPC')])"
    with Crew(tmp_path, tmp_path, environment) as crew:
        person = crew.start("show", [sys.executable, "-c", show])
        until(lambda: not person.alive)
        assert person.last_words() == "[]"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills the children of a killed parent")
@pytest.mark.parametrize("frozen", [False, True], ids=["running", "frozen"])
def test_parent_killed__nobody_is_left(tmp_path: Path, frozen: bool) -> None:
    """kill -9 of the demo: neither the chain nor a frozen node outlives it."""
    program = f"""
import sys, time
from pathlib import Path
from keepers.localnet.anvil import Anvil
from keepers.localnet.processes import Crew
chain = Anvil.start()
crew = Crew(Path({str(tmp_path)!r}), Path({str(tmp_path)!r}))
person = crew.start("sleeper", [sys.executable, "-c", "import time; time.sleep(99)"])
if {frozen}:
    person.freeze()
print(chain.pid, person.process.pid, flush=True)
time.sleep(99)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert all(running(pid) for pid in pids)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not any(running(pid) for pid in pids))


def test_anvil__port_taken_or_missing__says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Anvil.start() as first:
        with pytest.raises(HearthError) as refused:
            Anvil.start(port=first.port, log=tmp_path / "log", chain_id=99)
        assert refused.value.code == "H2902"
        with pytest.raises(RpcError, match="eth_nothing"):
            first.call("eth_nothing")
    assert not first.alive
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("HEARTH_ANVIL", raising=False)
    with pytest.raises(HearthError) as missing:
        find_anvil(tmp_path)
    assert missing.value.code == "H2901"
    assert missing.value.next[0] == "make install"


def test_network__files__are_private_and_whole(network: LocalNetwork) -> None:
    key = network.key("somebody")
    assert key is network.key("somebody")
    assert key.signer().address == key.address
    assert {p.stat().st_mode & 0o777 for p in (key.keystore, key.password_file)} == {0o600}
    record = network.record
    assert record.local
    assert [(a.address, a.url) for a in record.attesters] == [(s.key.address, s.url) for s in network.seats]
    path = network.seat_settings(0, {"attester": key.section()})
    assert f"listen_port = {network.seats[0].port}" in path.read_text()
    assert up_command(path, ["attester", "settler"])[-3:] == ["attester,settler", "--config", str(path)]
