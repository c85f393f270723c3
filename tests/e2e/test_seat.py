"""Seats and check-ins by the commands on a real chain: in, in force, out, the bond home; a slot that is saved."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from keepers.chain.attestations import Attestations
from keepers.chain.keys import write_keystore, write_private
from keepers.chain.pool import EndpointPool
from keepers.chain.ports import Event
from keepers.chain.rpc import ChainRpc, RpcReader
from keepers.cli.main import run
from keepers.localnet.anvil import ROOT
from keepers.localnet.network import LocalNetwork
from keepers.localnet.processes import Crew
from keepers.outbox.outbox import Outbox
from keepers.protocol.hashing import keccak
from keepers.protocol.merge import Observation, SnapshotNode, merge
from keepers.protocol.messages import RotateKey
from keepers.protocol.nodes import CHECK_IN_GAS
from keepers.protocol.units import WAD
from keepers.store.migrations import open_store
from tests.e2e.town import PRICE, Town

NAMES = ("provider", "other", "renter", "stranger", "seat")
BOND = 10_000 * WAD
_MAIN = "from keepers.cli.main import main; main()"
Hearth = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def hearth(network: LocalNetwork, town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Hearth:
    """hearth("seat", person="other"): (exit code, data, stderr), with that person's key in [attester]."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def call(*arguments: str, person: str = "stranger") -> tuple[int, Any, str]:
        section = {"attester": network.key(person).section()}
        home = str(tmp_path / "home" / person)
        path = network.settings(f"seat-{tmp_path.name}-{person}", section, home=home)
        capsys.readouterr()
        code = run(["-c", str(path), "--json", "--yes", *arguments])
        said = capsys.readouterr()
        return code, json.loads(said.out)["data"] if said.out else None, said.err

    return call


def reader_of(town: Town) -> RpcReader:
    pool = EndpointPool([town.chain.url], town.record.chain_id)
    reader = RpcReader(ChainRpc(pool), town.codec, town.record.policy())
    reader.heads.poll()
    return reader


def test_a_seat__join__in_force__leave__withdraw(hearth: Hearth, town: Town, tmp_path: Path) -> None:
    for name in ("stranger", "seat"):
        town.send("provider", "ComputeToken", "transfer", town.people[name], 2 * BOND)
    before = {name: town.tokens(name) for name in NAMES}
    batch = tmp_path / "batch.json"
    code, _, err = hearth("seat", "join", "--endpoint", "http://seat.example", "--unsigned", str(batch))
    assert code == 0, err
    to = [row["to"] for row in json.loads(batch.read_text())["transactions"]]
    assert to == [town.at("ComputeToken"), town.at("AttesterCommittee")]
    code, none, _ = hearth("seat")
    assert (code, none["state"], none["required_wei"]) == (0, "no bond", str(BOND))
    for name in NAMES:
        code, view, err = hearth("seat", "join", "--endpoint", f"http://{name}.example:8700", person=name)
        assert (code, view["bond_wei"]) == (0, str(BOND)), err
    code, again, err = hearth("seat", "join")
    assert (code, again["bond_wei"], town.tokens("stranger")) == (0, str(BOND), before["stranger"] - BOND), err
    town.send("owner", "AttesterCommittee", "propose", [town.people[name] for name in NAMES])
    code, _, err = hearth("seat", "apply")
    assert (code, "H2587" in err) == (1, True)
    assert hearth("seat")[1]["proposed_at"] is not None
    town.warp(town.now() + int(town.record.parameters["seat_notice_s"]))
    code, table, err = hearth("seat", "apply")
    assert (code, table["seats"], table["seat"]) == (0, 5, 3), err
    assert hearth("seat")[1]["signs"] is False
    town.warp(town.calendar.start(table["start"]))
    view = hearth("seat")[1]
    assert (view["state"], view["signs"], view["present"]["seat"]) == ("seated", True, 3)
    assert town.read("AttestationHub", "committee", table["start"])[0] == view["present"]["generation"]
    assert [row["endpoint"] for row in hearth("seat", "list")[1]] == [f"http://{name}.example:8700" for name in NAMES]

    code, view, err = hearth("seat", "leave")
    assert (code, view["state"]) == (0, "seated, leaving"), err
    assert hearth("seat", "leave")[1] | {"now": 0} == view | {"now": 0}, "leaving once is enough"
    assert (hearth("seat", "apply")[0], hearth("seat", "withdraw")[0]) == (1, 1)
    town.warp(town.now() + int(town.record.parameters["seat_notice_s"]))
    code, table, err = hearth("seat", "apply", person="other")
    assert (code, table["seats"]) == (0, 4), err
    code, view, _ = hearth("seat")
    assert (view["state"], view["signs"]) == ("out, bond held", True)
    code, _, err = hearth("seat", "withdraw")
    assert (code, "H2584" in err) == (1, True)
    town.warp(town.calendar.start(table["start"] + 1) + int(town.record.parameters["unbonding_s"]))
    code, view, err = hearth("seat", "withdraw")
    assert (code, view["state"], view["signs"]) == (0, "no bond", False), err
    assert town.tokens("stranger") == before["stranger"]


def test_check_in__counts_in_the_report_although_nobody_saw_the_node(
    hearth: Hearth, town: Town, tmp_path: Path
) -> None:
    """The command's transaction, the hub's log, the attesters' rule, the report, and what the chain reads from it."""
    node = town.node("provider", town.provider("provider", 10_000), 3)
    secret, keystore = keccak(f"node {node}".encode()), tmp_path / "node.json"
    write_private(keystore.with_suffix(".pass"), "a test's password\n")
    write_keystore(keystore, secret, "a test's password")
    key = town.read("NodeRegistry", "key_of", node, town.epoch() + 1)
    epoch = town.epoch() + 1
    town.warp(town.calendar.slot_start(epoch, 2))
    call = ("node", "check-in", str(node), "--key", str(keystore))
    code, _, err = hearth(*call)
    assert (code, "H2013" in err, key.lower() in err) == (1, True, True)
    town.chain.call("anvil_setBalance", key, hex(WAD))
    code, done, err = hearth(*call)
    assert code == 0, err
    e, slot = done["epoch"], done["slot"]
    assert (e, slot >= 2, done["slots"]) == (epoch, True, 1 << slot)
    receipt = town.chain.call("eth_getTransactionReceipt", done["tx"])
    assert int(receipt["gasUsed"], 16) < CHECK_IN_GAS
    assert town.events(receipt, "CheckedIn") == [{"node": node, "epoch": e, "slot": slot}]

    reader = reader_of(town)
    follower = Attestations(reader, town.record.first_block)
    follower.refresh(reader.heads.poll())
    merged = merge(
        [Observation(seat, [0] * (node + 1), PRICE) for seat in range(4)],
        n=4,
        epoch=e,
        nodes=[SnapshotNode(0, e, False)] * (node + 1),
        leaf_of=town.tree.leaf,
        weights={},
        used_in_period=0,
        check_ins=follower.check_ins(e),
    )
    assert merged.masks[node] == 0xFFF & ~(1 << slot)
    town.report_through(e, {e: {node: merged.masks[node]}})
    town.usable(e)
    down, *_ = town.read("NodeStanding", "read_leaf", e, *_leaf(town, node, e), town.calendar.end(e))
    assert down == 11 * town.calendar.slot


def _leaf(town: Town, node: int, e: int) -> tuple[Any, ...]:
    header, leaf, siblings = town.proof(node, e)
    return header, node, leaf, siblings


@contextmanager
def daemon(network: LocalNetwork, town: Town, home: Path, person: str) -> Iterator[Outbox]:
    """A process that sends with a person's key, as its attester would: it holds the key and works the outbox."""
    store = open_store(f"sqlite:///{home / 'local' / 'state.db'}")
    reader = reader_of(town)
    outbox = Outbox(
        store,
        reader.rpc,
        reader,
        network.key(person).signer(),
        town.codec,
        town.record.chain_id,
        lambda: int(reader.head().timestamp),
        lock_folder=home / "locks",
    )
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.1):
            outbox.step(reader.heads.poll())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield outbox
    finally:
        ended.set()
        thread.join()
        outbox.close()
        store.close()


def test_a_running_daemon__stays_the_only_one_that_sends_with_its_key(
    hearth: Hearth, network: LocalNetwork, town: Town, tmp_path: Path
) -> None:
    """The command hands its transaction to the daemon's outbox and waits for it: one writer a key."""
    town.send("provider", "ComputeToken", "transfer", town.people["seat"], 2 * BOND)
    with daemon(network, town, tmp_path / "home" / "seat", "seat") as outbox:
        code, view, err = hearth("seat", "join", "--endpoint", "http://seat.example", person="seat")
        assert (code, view["bond_wei"]) == (0, str(BOND)), err
        assert [row.key.rsplit(":", 1)[1] for row in outbox.rows()] == ["join", "approve-bond"]
        assert sorted(row.nonce or 0 for row in outbox.rows()) == [0, 1]
    code, view, err = hearth("seat", "endpoint", "http://other.example", person="seat")
    assert (code, view["endpoint"]) == (0, "http://other.example"), "and sends itself where none runs"


def test_an_agent_that_checks_in_by_itself__as_a_process(
    network: LocalNetwork, town: Town, tmp_path: Path, blocks: Callable[[], None]
) -> None:
    """No seat listens: `hearth agent` with check_in = "auto" says on chain, by its node's key, that the node is up."""
    node = town.node("provider", town.provider("provider", 10_000), 3)
    key = network.key(f"checks-in-{tmp_path.name}")
    sig = key.signer().sign_digest(RotateKey(node, key.address).digest(town.domain("NodeRegistry")))
    town.send("provider", "NodeRegistry", "rotate_key", node, key.address, sig)
    town.warp(town.calendar.start(town.epoch() + 1))
    section = {
        "nodes": [node],
        "keystores": [str(key.keystore)],
        "password_file": str(key.password_file),
        "stand_in": ["RTX-4090-24GB:2:eta"],
        "check_in": "auto",
    }
    path = network.settings("checks-in", {"agent": section}, home=str(tmp_path / "home"))
    health = f"http://127.0.0.1:{tomllib.loads(path.read_text())['health_port']}"
    reader = reader_of(town)
    blocks()
    with Crew(tmp_path, ROOT) as crew:
        crew.start("agent", [sys.executable, "-c", _MAIN, "agent", "--config", str(path)], health)
        crew.wait_ready(60)
        end = time.monotonic() + 40
        found: list[Event] = []
        while not found and time.monotonic() < end:
            time.sleep(0.5)
            head = reader.heads.poll().number
            found = reader.events(town.record.first_block, head, "AttestationHub", ("CheckedIn",))
        text = httpx.get(f"{health}/metrics", trust_env=False).text
    assert [event["node"] for event in found][:1] == [node], crew.people["agent"].last_words()
    assert re.search(rf'^hearth_agent_check_ins_total{{network="local",node="{node}",result="sent"}} [1-9]', text, re.M)
    assert re.search(r'^hearth_agent_account_balance{network="local"} (100|99\.9)', text, re.M)
