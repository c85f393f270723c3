"""The chain alone is enough for every leaf, root, proof and bill, whoever brought the reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from vyper.compiler import compile_code

from keepers.chain.ports import Call
from keepers.cli.main import run
from keepers.cli.options import Options
from keepers.localnet.network import LocalNetwork
from keepers.protocol.hashing import keccak
from keepers.protocol.merkle import root_from_proof
from keepers.protocol.messages import Report
from keepers.protocol.records import Part, Record
from keepers.protocol.report import Facts, pack_signatures, records_hash, void_report
from keepers.wire.signatures import compact
from tests.e2e.town import GAS, PRICE, QUORUM, Town

ROOT = Path(__file__).resolve().parents[2]
STAKE, CLASS, RATE = 10_000, 3, 10**13
CARRY = keccak(b"carry(address[],bytes[])")[:4]


@pytest.fixture(scope="session")
def relay_code() -> str:
    """Init code of the relay."""
    path = ROOT / "contracts" / "mocks" / "Relay.vy"
    return str(compile_code(path.read_text(encoding="utf-8"), output_formats=["bytecode"])["bytecode"])


@pytest.fixture
def relay(town: Town, relay_code: str) -> str:
    """Its address."""
    return deployed(town, relay_code)


def deployed(town: Town, relay_code: str) -> str:
    """Address of another relay."""
    sent = town.chain.call(
        "eth_sendTransaction", {"from": town.people["stranger"], "data": relay_code, "gas": hex(GAS)}
    )
    while (receipt := town.chain.call("eth_getTransactionReceipt", sent)) is None:
        pass
    return str(receipt["contractAddress"])


Say = Callable[..., Any]


@pytest.fixture
def hearth(
    network: LocalNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Say:
    """hearth("rebuild") as a stranger runs it: with an endpoint and a record, no key, no file, no attester."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    record = tmp_path / "record.json"
    record.write_text(network.record.model_dump_json(by_alias=True), encoding="utf-8")

    def say(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        found = run([*arguments, "--manifest", str(record), "--rpc", network.chain.url, "--json"], Options())
        out, err = capsys.readouterr()
        assert found == code, err
        return json.loads(out)["data"] if out else json.loads(err)["error"]

    return say


def sent_to(town: Town, relay: str, encoded: Sequence[tuple[str, bytes]]) -> None:
    """One transaction of a stranger to the relay, which makes all calls (target, calldata)."""
    data = carrying(encoded)
    fields = {"from": town.people["stranger"], "to": relay, "data": "0x" + data.hex(), "gas": hex(GAS)}
    sent = town.chain.call("eth_sendTransaction", fields)
    receipt: Mapping[str, Any] | None = None
    while receipt is None:
        receipt = town.chain.call("eth_getTransactionReceipt", sent)
    assert int(receipt["status"], 16) == 1


def carrying(encoded: Sequence[tuple[str, bytes]]) -> bytes:
    """Calldata of a relay that makes these calls."""
    return CARRY + encode(["address[]", "bytes[]"], [[to for to, _ in encoded], [data for _, data in encoded]])


def carry(town: Town, relay: str, calls: Sequence[Call]) -> None:
    """The same for calls of the suite's contracts."""
    sent_to(town, relay, [town.codec.encode(call) for call in calls])


def parted(town: Town, records: Sequence[Record], cut: int, count: int) -> tuple[int, Call, Call]:
    """(epoch, post, report) of the next report in two parts cut at `cut`; the town takes it as sent."""
    e = town.tree.header.epoch + 1
    town.warp(town.calendar.end(e))
    _, drawn = town.read("AttestationHub", "seed", e)
    challenged = bool(drawn) and drawn <= town.calendar.start(e) + town.calendar.epoch_seconds // 3
    previous = town.tree.ring_word
    header = town.tree.header.reported(count=count, challenged=challenged)
    words = [r.index << 16 | r.u << 12 | r.mask for r in records]
    applied = town.tree.apply_groups(header, [words[:cut], words[cut:]])
    pieces = [b"".join(r.encode() for r in part) for part in (records[:cut], records[cut:])]
    parts = [Part(data, root) for data, root in zip(pieces, applied.running, strict=True)]
    generation, _, _ = town.read("AttestationHub", "committee", e)
    facts = Facts(count, 0, 0, PRICE).pack()
    message = Report(generation, e, previous, applied.root, facts, records_hash(parts))
    digest = message.digest(town.domain("AttestationHub"))
    who, sigs = pack_signatures({s: compact(town.seats[s].sign_digest(digest)) for s in range(QUORUM)})
    posted = [parts[0].hash, parts[0].root]
    town._history[e] = town.tree.snapshot()
    post = Call("AttestationHub", "post", (parts[0].data,))
    report = (e, previous, applied.root, facts, posted, parts[1].data, who, sigs)
    return e, post, Call("AttestationHub", "report", report)


def relayed_parts(town: Town, relay: str, records: Sequence[Record], cut: int, count: int) -> int:
    """The next report in two parts cut at `cut`, posted and reported by the relay in one transaction."""
    e, post, report = parted(town, records, cut, count)
    carry(town, relay, [post, report])
    assert town.read("AttestationHub", "ring_word", e) == town.tree.ring_word
    return e


def relayed_void(town: Town, relay: str, epochs: int) -> None:
    """The next epochs declared void, through the relay."""
    hi = town.tree.header.epoch + epochs
    town.warp(town.calendar.end(hi))
    generation, _, _ = town.read("AttestationHub", "committee", hi)
    root, header = town.tree.root, town.tree.header.pack()
    digest = void_report(town.tree, hi, 0, generation).digest(town.domain("AttestationHub"))
    who, sigs = pack_signatures({s: compact(town.seats[s].sign_digest(digest)) for s in range(QUORUM)})
    carry(town, relay, [Call("AttestationHub", "report_void", (hi, root, header, 0, who, sigs))])
    town.tree.void(hi)
    town._history[hi] = town.tree.snapshot()


def test_rebuild__reports_by_keys_and_by_contracts__every_leaf_root_and_proof(
    town: Town, relay: str, hearth: Say, tmp_path: Path
) -> None:
    provider = town.provider("provider", STAKE)
    for _ in range(4):
        town.node("provider", provider, CLASS)
    town.report_through(town.epoch())
    direct = town.report({1: 0b110})
    relayed = relayed_parts(
        town, relay, [Record(0, 0, 0, 0b1), Record(2, 0, 1, 0xFFF), Record(3, 0, 0, 0x800)], cut=2, count=4
    )
    relayed_void(town, relay, 2)
    town.report({0: 0, 2: 0xFFF, 3: 0})

    found = hearth("rebuild", "--write", "leaves.txt", "--roots", "roots.csv")
    assert found["right"] and found["epoch"] == town.tree.header.epoch == found["compared"]
    assert bytes.fromhex(found["root"][2:]) == town.tree.root
    assert bytes.fromhex(found["ring_word"][2:]) == town.tree.ring_word
    by_epoch = {row["epoch"]: row for row in found["roots"]}
    assert (by_epoch[direct]["records"], by_epoch[relayed]["records"]) == (1, 3)
    assert [row["void"] for row in found["roots"][-3:]] == [True, True, False]
    table = (tmp_path / "roots.csv").read_text().splitlines()
    assert len(table) == 1 + found["last"] and table[0].startswith("epoch,void,records")

    # every leaf: the file of leaves is the attesters' own state
    lines = (tmp_path / "leaves.txt").read_text().splitlines()[1:]
    assert {int(i): int(w, 16) for i, w in (line.split() for line in lines)} == {
        i: leaf.pack() for i, leaf in town.tree.leaves()
    }

    # a proof of any node and epoch holds against the word that the contract keeps
    for epoch in (direct, relayed, relayed + 1, found["epoch"]):
        for node in range(4):
            made = hearth("proof", str(node), str(epoch))
            siblings = [bytes.fromhex(s[2:]) for s in made["siblings"]]
            assert root_from_proof(node, int(made["leaf"], 16), siblings).hex() == made["root"][2:]
            assert made["ring_word"][2:] == town.read("AttestationHub", "ring_word", epoch).hex()
    town.usable(relayed)
    made = hearth("proof", "2", str(relayed))
    siblings = [bytes.fromhex(s[2:]) for s in made["siblings"]]
    read = town.read(
        "NodeStanding", "read_leaf", relayed, int(made["header"], 16), 2, int(made["leaf"], 16), siblings,
        town.calendar.end(relayed),
    )  # fmt: skip
    assert read[0] == 12 * town.calendar.slot

    # from the file of leaves, a later epoch; and a file that is not the chain's
    last = town.report({1: 0xFFF})
    again = hearth("rebuild", "--from", "leaves.txt")
    assert (again["started"], again["epoch"], len(again["roots"])) == (found["epoch"], last, 1)
    assert again["right"] and bytes.fromhex(again["root"][2:]) == town.tree.root
    text = (tmp_path / "leaves.txt").read_text().splitlines()
    index, word = text[1].split()
    (tmp_path / "false.txt").write_text("\n".join([text[0], f"{index} {int(word, 16) ^ 1:x}", *text[2:]]) + "\n")
    assert hearth("rebuild", "--from", "false.txt", code=2)["code"] == "H1006"
    assert hearth("rebuild", "--to", "999", code=1)["code"] == "H6304"
    assert hearth("proof", "4", str(last), code=1)["code"] == "H6302"


def test_rebuild__whoever_posted_and_carried__the_same(town: Town, relay: str, relay_code: str, hearth: Say) -> None:
    """A report in a call within a call; a part that another contract posted; two reports in one transaction with their
    parts; a part posted once more afterwards."""
    other = deployed(town, relay_code)
    provider = town.provider("provider", STAKE)
    for _ in range(4):
        town.node("provider", provider, CLASS)
    town.report_through(town.epoch())
    first = town.tree.header.epoch

    e, post, report = parted(town, [Record(0, 0, 0, 0b1), Record(2, 0, 1, 0xFFF)], 1, 4)
    inner = carrying([town.codec.encode(call) for call in (post, report)])
    sent_to(town, relay, [(other, inner)])
    assert town.read("AttestationHub", "ring_word", e) == town.tree.ring_word

    e, post, report = parted(town, [Record(1, 0, 0, 0b111), Record(3, 0, 0, 0x800)], 1, 4)
    carry(town, other, [post])
    carry(town, relay, [report])
    assert town.read("AttestationHub", "ring_word", e) == town.tree.ring_word

    _, post, report = parted(town, [Record(0, 0, 0, 0b110), Record(1, 0, 0, 0b11)], 1, 4)
    e, again, later = parted(town, [Record(0, 0, 0, 0xF), Record(2, 0, 0, 0)], 1, 4)
    carry(town, relay, [post, report, again, later])
    assert town.read("AttestationHub", "ring_word", e) == town.tree.ring_word
    # the part of the first report again, by a key, after the fact: it changes nothing
    town.send("stranger", "AttestationHub", "post", *post.args)

    found = hearth("rebuild", "--write", "leaves.txt")
    assert found["right"] and found["epoch"] == found["compared"] == first + 4
    assert bytes.fromhex(found["ring_word"][2:]) == town.tree.ring_word
    assert [row["records"] for row in found["roots"][-4:]] == [2, 2, 2, 2]
    lines = Path("leaves.txt").read_text().splitlines()[1:]
    assert {int(i): int(w, 16) for i, w in (line.split() for line in lines)} == {
        i: leaf.pack() for i, leaf in town.tree.leaves()
    }


def test_verify__a_whole_lease__every_second_and_every_wei(
    town: Town, relay: str, network: LocalNetwork, hearth: Say, tmp_path: Path
) -> None:
    """A lease with dark slots, a void epoch and a stop: settled, finished, and checked by a stranger."""
    calendar, operator = town.calendar, network.key("provider").signer()
    provider = town.provider("provider", STAKE)
    node = town.active_node("provider", provider, CLASS)
    town.buy("renter", 1_000)
    town.warp(calendar.start(town.epoch() + 1) + 3)
    lease = town.rent("renter", operator, provider, node, rate=RATE, duration=120, prepaid=80, gpus=2)
    first = calendar.epoch(lease.start)
    town.report_through(first + 1, {first + 1: {node: 0b1110_0000}})
    relayed_void(town, relay, 1)
    running = hearth("verify", "1")
    assert running["right"] and {s["what"] for s in running["spans"]} == {
        "attested",
        "dark",
        "void",
        "waiting",
        "unfunded",
    }
    exposed = hearth("exposure", "--noticed", "20s")
    assert (exposed["leases"], exposed["seats"]) == (1, 4)
    assert int(exposed["credits_wei"]) == int(running["held_wei"]) and int(exposed["bonds_wei"]) > 0
    assert int(exposed["rent_wei"]) <= 2 * RATE * 20 and int(exposed["all_wei"]) >= int(exposed["uptime_wei"]) > 0
    town.usable(first + 2)
    settled = town.settle(lease, int(town.people["stranger"], 16))
    town.warp(calendar.start(first + 4) + 6)
    town.send("renter", "LeaseEscrow", "stop", lease.id, 0)
    (tmp_path / "early.json").write_text(json.dumps(receipt_of(hearth, network)))
    town.report_through(town.epoch(), {first + 3: {node: 0b11}})
    end = calendar.epoch(lease.start + hearth("verify", "1")["settled_s"])
    town.report_through(max(end, town.tree.header.epoch))
    town.usable(town.tree.header.epoch)
    stop_epoch = calendar.epoch(town.read("LeaseEscrow", "until", lease.id) - 1)
    town.send("renter", "LeaseEscrow", "finish", lease.id, *town.proof(node, stop_epoch))

    found = hearth("verify", "1")
    assert found["right"], found["checks"]
    assert int(found["paid_wei"]) == found["settled_s"] * lease.rate
    assert int(found["deposited_wei"]) == int(found["paid_wei"]) + int(found["returned_wei"]) and not int(
        found["held_wei"]
    )
    by_kind: dict[str, int] = {}
    for span in found["spans"]:
        by_kind[span["what"]] = by_kind.get(span["what"], 0) + span["seconds_s"]
    assert by_kind["paid"] == found["settled_s"] and by_kind["void"] == 12 and by_kind["dark"] == 3 + 2
    assert sum(by_kind.values()) == 120 and by_kind["after"] > 0
    dark = [span for span in found["spans"] if span["what"] == "dark"]
    assert (dark[0]["epoch"], dark[0]["slots"]) == (first + 1, [5, 6, 7])
    assert int(found["bounty_wei"]) == settled["bounty"]

    # receipts: the early one still stands, the last one too, a forged one does not
    (tmp_path / "receipt.json").write_text(json.dumps(receipt_of(hearth, network)))
    assert hearth("verify", "receipt.json")["right"] and hearth("verify", "early.json")["right"]
    forged = json.loads((tmp_path / "receipt.json").read_text())
    line = next(line for line in forged["data"]["lines"] if int(line["paid_wei"]))
    line["paid_wei"] = int(line["paid_wei"]) + 1
    (tmp_path / "forged.json").write_text(json.dumps(forged))
    bad = hearth("verify", "forged.json", code=9)
    assert not bad["right"] and [c["right"] for c in bad["checks"]].count(False) == 2
    (tmp_path / "none.json").write_text("[]")
    assert hearth("verify", "none.json", code=2)["code"] == "H1006"
    assert hearth("verify", "7", code=1)["code"] == "H5001"


def receipt_of(hearth: Say, network: LocalNetwork) -> dict[str, Any]:
    """The document that `hearth receipt 1 --json` prints."""
    return {"schema": "hearth.receipt/1", "chain_id": network.record.chain_id, "data": hearth("receipt", "1")}
