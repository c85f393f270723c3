"""The real `hearth watcher` on anvil: false reports fall within their window, seats are punished, honest ones go on.

A quorum's keys are this test's: it signs what it likes. The watcher is a process with a settings file, an endpoint and
a key with gas; it is killed with SIGKILL between its commitment and its proof, and started again on what is left.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from keepers.chain.keys import LocalSigner
from keepers.cli.main import run
from keepers.cli.options import Options
from keepers.localnet.network import LocalNetwork
from keepers.protocol.hashing import keccak
from keepers.protocol.messages import RegisterNode, Report, SignedObservation, fingerprints_hash
from keepers.protocol.report import Facts, is_challenged, pack_signatures, view_number
from keepers.protocol.uptime_tree import UptimeTree
from keepers.roles.watcher import observe
from keepers.wire.attester_client import AttesterClient, Endpoint, make_http
from keepers.wire.codec import ObsBody, SignedObs
from keepers.wire.signatures import compact
from tests.e2e.lives import Lives
from tests.e2e.town import PRICE, QUORUM, Town

CLASS, STAKE = 3, 40_000
NODES = 131  # a part of one record, then groups of 64, 64 and 2
LIMIT_S = 60.0
GARBAGE = keccak(b"garbage")
Parts = list[tuple[bytes, bytes]]


@pytest.fixture
def blocks(town: Town) -> Iterator[Callable[[], None]]:
    """Called: from now on a block a second."""

    def every_second() -> None:
        town.chain.call("evm_setAutomine", False)
        town.chain.call("evm_setIntervalMining", 1)

    yield every_second
    town.chain.call("evm_setIntervalMining", 0)
    town.chain.call("anvil_dropAllTransactions")
    town.chain.call("evm_setAutomine", True)


@pytest.fixture
def lives(town: Town, network: LocalNetwork, tmp_path: Path) -> Iterator[Lives]:
    """Processes of this town."""
    made = Lives(network, town, tmp_path)
    try:
        yield made
    finally:
        made.crew.stop_all()


def node_key(index: int) -> LocalSigner:
    return LocalSigner(keccak(f"watched node {index}".encode()))


def register(town: Town, provider: int, count: int) -> None:
    """Nodes that count from the next epoch on."""
    domain, who = town.domain("NodeRegistry"), town.people["provider"]
    for i in range(count):
        prints = [keccak(f"watched gpu {i}".encode())]
        message = RegisterNode(provider, who, CLASS, 1, fingerprints_hash(prints), node_key(i).address)
        sig = node_key(i).sign_digest(message.digest(domain))
        town.send("provider", "NodeRegistry", "register_node", provider, CLASS, 1, prints, node_key(i).address, sig)
    town._counts[town.epoch() + 1] = count


def bond(town: Town) -> None:
    """Every seat stands behind its signatures."""
    amount = int(town.read("AttesterCommittee", "BOND"))
    for seat in town.seats:
        town.send("provider", "ComputeToken", "transfer", seat.address, amount)
        town.send(seat.address, "ComputeToken", "approve", town.at("AttesterCommittee"), amount)
        town.send(seat.address, "AttesterCommittee", "join", amount, "")


def lie(town: Town, bend: Callable[[Parts], Parts]) -> int:
    """The next report: a record of every node in two parts, bent before a quorum signs it."""
    e = town.tree.header.epoch + 1
    town.warp(town.calendar.end(e))
    truth = UptimeTree.at(town.tree.snapshot())
    _, drawn = town.read("AttestationHub", "seed", e)
    challenged = bool(drawn) and is_challenged(drawn, town.calendar.start(e), town.calendar.epoch_seconds)
    previous = truth.ring_word
    header = truth.header.reported(count=NODES, challenged=challenged)
    words = [i << 16 | 0b101 for i in range(NODES)]
    groups = [words[:1], words[1:65], words[65:129], words[129:]]
    roots = truth.apply_groups(header, groups).running
    raw = [b"".join(word.to_bytes(5, "big") for word in group) for group in groups]
    parts = bend([(raw[0], roots[0]), (raw[1] + roots[1] + raw[2] + roots[2] + raw[3], roots[3])])
    facts = Facts(NODES, 0, view_number(int(town.read("AttestationHub", "cancels", e)), 0), PRICE).pack()
    said = [word for data, root in parts for word in (keccak(data), root)]
    generation, _, _ = town.read("AttestationHub", "committee", e)
    message = Report(generation, e, previous, parts[-1][1], facts, keccak(b"".join(said)))
    digest = message.digest(town.domain("AttestationHub"))
    who, sigs = pack_signatures({s: compact(town.seats[s].sign_digest(digest)) for s in range(QUORUM)})
    town.send("seat", "AttestationHub", "post", parts[0][0])
    arguments = (previous, parts[-1][1], facts, said[:2], parts[-1][0], who, sigs)
    town.send("seat", "AttestationHub", "report", e, *arguments)
    return e


def garbage(parts: Parts) -> Parts:
    return [parts[0], (parts[1][0], GARBAGE)]


def doubled(parts: Parts) -> Parts:
    """The first record of the second part's middle group is of the node that closed the group before."""
    data, root = parts[1]
    at = 352
    return [parts[0], (data[:at] + (64 << 16 | 1).to_bytes(5, "big") + data[at + 5 :], root)]


def until(lives: Lives, condition: Callable[[], Any], limit: float = LIMIT_S) -> Any:
    end = time.monotonic() + limit
    while not (found := condition()):
        lives.crew.check()
        assert time.monotonic() < end, [person.last_words() for person in lives.crew.people.values()]
        time.sleep(0.05)
    return found


def events(town: Town, contract: str, name: str) -> list[tuple[Mapping[str, Any], str]]:
    """(arguments, transaction) of every event of that name since the start."""
    topic = "0x" + town.codec.topics(contract, (name,))[0].hex()
    rows = town.chain.call("eth_getLogs", {"fromBlock": "0x0", "address": town.at(contract), "topics": [topic]})
    found = []
    for row in rows:
        event = town.codec.event(
            row["address"], [bytes.fromhex(t[2:]) for t in row["topics"]], bytes.fromhex(row["data"][2:]),
            block_number=0, block_hash=b"", index=0,
        )  # fmt: skip
        assert event is not None
        found.append((event.args, str(row["transactionHash"])))
    return found


def gas_of(town: Town, tx: str) -> int:
    return int(town.chain.call("eth_getTransactionReceipt", tx)["gasUsed"], 16)


def last(town: Town) -> int:
    return int(town.read("AttestationHub", "last_epoch"))


def ready(health: str) -> tuple[int, dict[str, str]]:
    """Status and what is wrong, of /readyz; (0, {}) while nobody answers."""
    with contextlib.suppress(httpx.HTTPError):
        answer = httpx.get(f"{health}/readyz", timeout=2.0, trust_env=False)
        return answer.status_code, answer.json()["wrong"]
    return 0, {}


@pytest.mark.timeout(240)
def test_watcher__garbage_root_doubled_record_denied_check_in__each_falls_once(
    town: Town, lives: Lives, network: LocalNetwork, blocks: Callable[[], None], tmp_path: Path
) -> None:
    provider = town.provider("provider", STAKE)
    register(town, provider, NODES)
    bond(town)
    town.report_through(town.epoch())
    watcher = lives.add_watcher()
    account, health = watcher.address, watcher.health
    spent = int(town.chain.call("eth_getTransactionCount", account, "latest"), 16)
    assert spent == 0
    blocks()
    lives.start_all()
    honest = town.report()
    time.sleep(1.5)
    assert ready(health)[0] == 200 and last(town) == honest, "an honest report stands"

    # (a) a quorum signs a garbage root
    e = lie(town, garbage)
    until(lives, lambda: last(town) == e - 1)
    ((refuted, tx),) = events(town, "ReportRefuter", "Refuted")
    assert (refuted["epoch"], refuted["finder"].lower(), refuted["part"], refuted["group"]) == (e, account, 1, 2)
    until(lives, lambda: int(town.read("AttesterCommittee", "punished", e, 0)) == refuted["who"])
    taken = sum(event["taken"] for event, _ in events(town, "AttesterCommittee", "Punished"))
    assert town.tokens(account) == taken // 5 > 0
    until(lives, lambda: ready(health)[0] == 200)
    assert town.report() == e, "the committee reports again, with the next view"

    # (b) a doubled record in the middle group of the second part; the watcher dies between commitment and proof
    commits = len(events(town, "ReportRefuter", "Committed"))
    e = lie(town, doubled)
    until(lives, lambda: len(events(town, "ReportRefuter", "Committed")) == commits + 1)
    town.chain.call("evm_setIntervalMining", 0)  # chain time stands still while nobody watches
    lives.kill("watcher")
    assert last(town) == e, "it was killed before its proof was mined"
    lives.restart("watcher")
    until(lives, lambda: ready(health)[0] == 200)  # it has begun, and looks with the next block
    town.chain.call("evm_setNextBlockTimestamp", town.now() + 1)
    town.chain.call("evm_mine")
    town.chain.call("evm_setIntervalMining", 1)
    until(lives, lambda: last(town) == e - 1)
    until(lives, lambda: len({event["epoch"] for event, _ in events(town, "ReportRefuter", "Refuted")}) == 2)
    (again,) = [event for event, _ in events(town, "ReportRefuter", "Refuted") if event["epoch"] == e]
    assert (again["finder"].lower(), again["part"], again["group"]) == (account, 1, 1)
    until(lives, lambda: int(town.read("AttesterCommittee", "punished", e, 0)) == again["who"])
    assert len(events(town, "ReportRefuter", "Committed")) == 2, "one commitment each"
    assert town.report() == e

    # (c) a node checks in on chain, and the committee calls it down in that slot
    key = node_key(5).address
    town.chain.call("anvil_setBalance", key, hex(10**18))
    (came,) = town.events(town.send(key, "AttestationHub", "check_in", 5), "CheckedIn")
    town.report_through(came["epoch"] - 1)
    e = town.report({5: 1 << came["slot"]})
    until(lives, lambda: last(town) == e - 1)
    ((denied, _),) = events(town, "ReportRefuter", "CheckInRefuted")
    assert (denied["epoch"], denied["node"], denied["slot"], denied["by"].lower()) == (e, 5, came["slot"], account)
    town.tree = UptimeTree.at(town._history[e - 1])
    assert town.report() == e
    until(lives, lambda: ready(health)[0] == 200 and not lives.busy(watcher))

    # one of each effect: (commit, refute, punish) twice, refute_checkin once, and nothing else from this key
    assert int(town.chain.call("eth_getTransactionCount", account, "latest"), 16) == 7
    assert last(town) == e and town.read("AttestationHub", "ring_word", e) == town.tree.ring_word
    near = observe.REFUTE_GAS + 2 * observe.REFUTE_RECORD_GAS
    assert 0.5 * near < gas_of(town, tx) < 1.1 * near
    lives.stop_all()
    found = findings(watcher.settings)
    assert [(row["kind"], row["state"]) for row in found] == [
        ("check-in", "proven by us"), ("punish", "proven by us"), ("record", "proven by us"),
        ("punish", "proven by us"), ("root", "proven by us"),
    ]  # fmt: skip


def findings(settings: Path) -> list[dict[str, Any]]:
    """What `hearth watcher --once` says on the database that the process left; newest first. Nothing is unsettled."""
    import io
    from contextlib import redirect_stdout

    out = io.StringIO()
    with redirect_stdout(out):
        assert run(["watcher", "--once", "--json", "--config", str(settings)], Options()) == 0
    data = json.loads(out.getvalue())["data"]
    assert data["unsettled"] == 0
    found: list[dict[str, Any]] = data["findings"]
    return found


@pytest.mark.timeout(180)
def test_watcher__honest_committee__does_nothing__until_a_seat_signs_twice(
    town: Town, lives: Lives, network: LocalNetwork, blocks: Callable[[], None]
) -> None:
    """(d) Three real attesters; the fourth seat's key is ours, and gives two of them different observations."""
    bond(town)
    town.report_through(town.epoch() - 1)
    lives.add_attesters()
    del lives.keepers[network.seats[3].key.name]
    watcher = lives.add_watcher()
    begun = last(town)
    blocks()
    lives.start_all()
    until(lives, lambda: last(town) >= begun + 2, 120.0)
    assert ready(watcher.health)[0] == 200
    assert int(town.chain.call("eth_getTransactionCount", watcher.address, "latest"), 16) == 0
    metrics = httpx.get(f"{watcher.health}/metrics", timeout=2.0, trust_env=False).text
    assert "hearth_watcher_findings_total{" not in metrics

    with make_http() as http:
        twice(town, [AttesterClient(Endpoint(i, s.key.address, s.url), http) for i, s in enumerate(network.seats[:2])])
    proven = until(lives, lambda: events(town, "AttesterCommittee", "Equivocated"))
    assert [event["seat"].lower() for event, _ in proven] == [town.seats[3].address]
    assert int(town.read("AttesterCommittee", "seat_of", town.seats[3].address)) >> 128 == 0
    assert town.tokens(watcher.address) == int(town.read("AttesterCommittee", "BOND")) // 5
    assert 0.5 * observe.EQUIVOCATION_GAS < gas_of(town, proven[0][1]) < 1.1 * observe.EQUIVOCATION_GAS
    until(lives, lambda: ready(watcher.health)[0] == 200 and not lives.busy(watcher))
    assert int(town.chain.call("eth_getTransactionCount", watcher.address, "latest"), 16) == 2, "commitment and proof"
    reported = last(town)
    until(lives, lambda: last(town) > reported), "the committee goes on without that seat"


def twice(town: Town, clients: list[AttesterClient]) -> None:
    """Seat 3 signs two observations of the epoch that has just ended."""
    e = town.epoch()
    while town.now() < town.calendar.end(e) + 1:
        time.sleep(0.1)
    generation, _, _ = town.read("AttestationHub", "committee", e)
    for client, body in zip(clients, (b"one", b"another"), strict=True):
        message = SignedObservation(generation, e, 3, keccak(body), PRICE)
        sig = town.seats[3].sign_digest(message.digest(town.domain("AttestationHub")))
        client.send_observation(ObsBody(SignedObs(generation, e, 3, keccak(body), PRICE, sig), b""))
