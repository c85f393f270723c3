"""Rebuilding from logs: what is right, what is wrong and where, and what an endpoint cannot hide."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keepers.chain import history
from keepers.chain.history import block_of_time, read_history
from keepers.chain.leaves_file import read_head, read_leaves
from keepers.chain.ports import BlockRef, Call, Event
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.merkle import root_from_proof
from keepers.protocol.units import M24
from keepers.protocol.uptime_tree import UptimeTree
from keepers.sdk import audit as audit_module
from keepers.sdk.audit import Audit
from keepers.simulate.world import Parameters
from tests.keepers.chain.test_attestations import Hub
from tests.keepers.roles.town import record

GENESIS = 1_800_000_000
SLOT = 300
EPOCH = 12 * SLOT


class Chain(Hub):
    """The hub's logs with its views, seen through an endpoint that may be bad. Block n comes after epoch n."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(seed)
        self.limit = 10**9  # blocks of one question
        self.asked = 0
        self.hide: set[tuple[str, int]] = set()  # (event, block)
        self.standing: int | None = None

    def ref(self, number: int) -> BlockRef:
        there = super().ref(number)
        return BlockRef(number, there.hash, GENESIS + (number + 7) * EPOCH)

    def events(self, first: int, last: int, contract: str | None = None, names: Sequence[str] = ()) -> list[Event]:
        self.asked += 1
        if last - first >= self.limit:
            raise HearthError("H2001", "eth_getLogs: the endpoint answers 'too many results'")
        found = super().events(first, last, contract, names)
        return [e for e in found if (e.name, e.block_number) not in self.hide]

    def final(self) -> BlockRef:
        return self.head()

    def read(self, call: Call, at: BlockRef) -> Any:
        if call.function == "last_epoch":
            return self.tree.header.epoch if self.standing is None else self.standing
        assert call.function == "ring_word"
        return self.words[call.args[0]]

    def read_many(self, calls: Sequence[Call], at: BlockRef) -> list[Any]:
        return [self.read(call, at) for call in calls]

    def again(self, epoch: int) -> None:
        """Epoch and all after it are cancelled; the next `report` is of that epoch."""
        state = next(s for s in reversed(self.states) if s.header.epoch == epoch - 1)
        self.tree = UptimeTree.at(state)
        self.count = max(3, self.tree.header.count)


@pytest.fixture
def deployment() -> Any:
    return record(["0x" + "11" * 20], Parameters(genesis=GENESIS, slot=SLOT))


@pytest.fixture
def chain() -> Chain:
    """Forty epochs: reports, posted parts, void ones."""
    made = Chain(5)
    for step in range(36):
        if step in (9, 20):
            made.void(3)
        else:
            made.report(posted=step % 7 == 3)
    return made


def test_rebuild__all_right__root_leaves_and_ring(chain: Chain, deployment: Any) -> None:
    heard: list[tuple[int, int, str]] = []
    found = Audit(chain, deployment, lambda *news: heard.append(news)).rebuild()  # type: ignore[arg-type]
    assert found.right and found.compared == len(found.rows) == chain.tree.header.epoch == 40
    assert (found.tree.root, found.tree.ring_word) == (chain.tree.root, chain.words[40])
    assert list(found.tree.words) == list(chain.tree.words)
    assert [row.ring_word for row in found.rows] == [chain.words[e] for e in range(1, 41)]
    assert sum(row.void for row in found.rows) == 6 and all(row.right for row in found.rows)
    assert {what.split(",")[0] for _, _, what in heard} >= {"roots", "words of the hub's ring"}
    assert all(0 < done <= total for done, total, _ in heard)
    part = Audit(chain, deployment).rebuild(17)  # type: ignore[arg-type]
    assert part.rows[-1].epoch == 17 and part.tree.ring_word == chain.words[17]


def test_rebuild__a_wrong_root__named_and_nothing_after_it_believed(chain: Chain, deployment: Any) -> None:
    chain.report(spoil="root")
    chain.report()
    found = Audit(chain, deployment).rebuild()  # type: ignore[arg-type]
    assert found.fault is not None and found.fault.epoch == 41
    assert [row.right for row in found.rows[-3:]] == [True, False, None]
    assert found.compared == 40 and found.tree.ring_word == chain.words[40]
    with pytest.raises(HearthError, match="the root of epoch 41 is wrong") as caught:
        Audit(chain, deployment).proof(0, 42)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.exit_code) == ("H6301", 9)
    assert Audit(chain, deployment).proof(0, 40)[0].epoch == 40  # type: ignore[arg-type]


def test_rebuild__a_wrong_record__the_record_is_named(chain: Chain, deployment: Any) -> None:
    chain.report(share=1.0)
    number = len(chain.blocks) - 1
    salt, (event,) = chain.blocks[number]
    data = bytearray(event["data"])
    data[7 * 5 : 7 * 5 + 5] = data[2 * 5 : 2 * 5 + 5]  # record 7 is record 2 once more
    chain.blocks[number] = (
        salt,
        [Event(event.contract, event.name, {**event.args, "data": bytes(data)}, number, b"", 0)],
    )
    found = Audit(chain, deployment).rebuild()  # type: ignore[arg-type]
    assert found.fault is not None
    assert (found.fault.epoch, found.fault.first, found.fault.node) == (41, 7, 2)


def test_rebuild__cancelled_and_signed_again__the_last_one_counts(chain: Chain, deployment: Any) -> None:
    chain.again(38)
    for _ in range(5):
        chain.report()
    found = Audit(chain, deployment).rebuild()  # type: ignore[arg-type]
    assert found.right and found.cancelled == 3
    assert (found.rows[-1].epoch, found.tree.ring_word) == (42, chain.words[42])
    # cancelled, and not signed again yet
    chain.standing = 41
    found = Audit(chain, deployment).rebuild()  # type: ignore[arg-type]
    assert (found.rows[-1].epoch, found.cancelled) == (41, 4)
    # epochs after the one asked for were not taken back
    assert Audit(chain, deployment).rebuild(to=39).cancelled == 4  # type: ignore[arg-type]


def test_rebuild__small_pages__same_result_and_one_block_too_much_is_said(
    chain: Chain, deployment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE", 16)
    chain.limit = 5
    found = Audit(chain, deployment).rebuild()  # type: ignore[arg-type]
    assert found.right and len(found.rows) == 40 and chain.asked > 8
    chain.limit = 0
    with pytest.raises(HearthError, match="too many results"):
        Audit(chain, deployment).rebuild()  # type: ignore[arg-type]


@pytest.mark.parametrize("lie", ["report", "last report", "part", "other part", "ring"])
def test_rebuild__an_endpoint_that_leaves_out_or_changes__is_not_believed(
    chain: Chain, deployment: Any, lie: str
) -> None:
    posted = next(n for n, (_, events) in enumerate(chain.blocks) if any(e.name == "Part" for e in events))
    if lie == "report":
        chain.hide.add(("Report", 12))
    elif lie == "last report":
        chain.hide.add(("Report", len(chain.blocks) - 1))
    elif lie == "part":
        chain.hide.add(("Part", posted))
    elif lie == "other part":
        salt, events = chain.blocks[posted]
        changed = [
            Event(e.contract, e.name, {**e.args, "data": b"\x00" * 5} if e.name == "Part" else e.args, posted, b"", i)
            for i, e in enumerate(events)
        ]
        chain.blocks[posted] = (salt, changed)
    else:
        chain.words[33] = keccak(b"another")
    with pytest.raises(HearthError) as caught:
        Audit(chain, deployment).rebuild()  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.exit_code) == ("H2006", 7)


def test_rebuild__from_leaves__of_the_ring_and_older(
    chain: Chain, deployment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = Audit(chain, deployment)  # type: ignore[arg-type]
    path = tmp_path / "leaves"
    kept = audit.rebuild(30)
    assert audit.write(path, kept.tree) == sum(w != 0 for w in kept.tree.words)
    again = audit.rebuild(start=path)
    assert again.right and again.started == 30 and [r.epoch for r in again.rows] == list(range(31, 41))
    assert again.tree.root == chain.tree.root
    assert audit.rebuild(30, path).rows == ()
    made, root = audit.proof(1, 35, path)
    assert root_from_proof(1, made.leaf, made.siblings) == root

    monkeypatch.setattr(audit_module, "RING", 4)  # now epoch 30 has left it: its report's event says the same
    old = audit.rebuild(start=path)
    assert old.right and old.compared == 4
    void = next(r.epoch for r in audit.rebuild().rows if r.void)
    audit.write(path, audit.rebuild(void).tree)
    with pytest.raises(HearthError, match="not the chain's") as caught:
        audit.rebuild(start=path)
    assert "was void" in caught.value.why[0]


def test_rebuild__leaves_that_are_not_the_chains__refused(chain: Chain, deployment: Any, tmp_path: Path) -> None:
    audit = Audit(chain, deployment)  # type: ignore[arg-type]
    path = tmp_path / "leaves"
    other = Chain(77)
    for _ in range(30):
        other.report()
    audit.write(path, other.tree)
    with pytest.raises(HearthError, match="not the chain's") as caught:
        audit.rebuild(start=path)
    assert (caught.value.code, caught.value.exit_code) == ("H6303", 9)
    for _ in range(60):
        other.report()
    audit.write(path, other.tree)
    with pytest.raises(HearthError) as caught:
        audit.rebuild(start=path)
    assert "epoch 90 is not reported; the last is 40" in caught.value.why
    audit.write(path, audit.rebuild(30).tree)
    path.write_text(path.read_text().replace(str(deployment.chain_id), "1", 1))
    with pytest.raises(HearthError, match="of another network"):
        audit.rebuild(start=path)
    with pytest.raises(HearthError, match="cannot be written"):
        audit.write(tmp_path / "no" / "folder", audit.rebuild(3).tree)
    with pytest.raises(HearthError, match="cannot be read"):
        audit.rebuild(start=tmp_path / "nothing")


@pytest.mark.parametrize("epoch", [0, 30])
def test_rebuild__leaves_of_a_header_of_ones_own_making__not_read(
    chain: Chain, deployment: Any, tmp_path: Path, epoch: int
) -> None:
    """A header could count 2**24 nodes, and one line of leaves name the last of them."""
    audit, path = Audit(chain, deployment), tmp_path / "leaves"  # type: ignore[arg-type]
    tree = audit.rebuild(epoch).tree
    audit.write(path, tree)
    head = json.loads(path.read_text().splitlines()[0])
    head["header"] = hex(replace(tree.header, count=M24).pack())
    path.write_text(f"{json.dumps(head)}\n{M24 - 1} 1\n")
    tracemalloc.start()
    try:
        with pytest.raises(HearthError, match="not the chain's"):
            audit.rebuild(start=path)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("epoch", [0, 30])
def test_rebuild__leaves_of_the_chain__begin_it(chain: Chain, deployment: Any, tmp_path: Path, epoch: int) -> None:
    audit, path = Audit(chain, deployment), tmp_path / "leaves"  # type: ignore[arg-type]
    audit.write(path, audit.rebuild(epoch).tree)
    assert audit.rebuild(start=path).tree.root == audit.rebuild().tree.root


def test_leaves_file__changed_meanwhile__refused(chain: Chain, deployment: Any, tmp_path: Path) -> None:
    audit, path = Audit(chain, deployment), tmp_path / "leaves"  # type: ignore[arg-type]
    audit.write(path, chain.tree)
    head = read_head(path)
    audit.write(path, audit.rebuild(30).tree)
    with pytest.raises(HearthError, match="is no file of leaves") as caught:
        read_leaves(path, head)
    assert "changed while it was read" in caught.value.why[0]


@pytest.mark.parametrize(
    ("line", "text", "why"),
    [
        (1, "{}", "no head"),
        (1, "junk", "no head"),
        (1, '{"schema": "hearth.leaves/2"}', "its schema is"),
        (1, f'{{"schema":"hearth.leaves/1","header":"0x0","epoch":0,"root":"{"0" * 64}","chain_id":1e999}}', "no head"),
        (2, "0", "line 2"),
        (2, "x y", "line 2"),
        (2, "0 0", "an empty leaf"),
        (2, "0 " + "f" * 64, "line 2"),
        (2, "99999999 1", "not ascending"),
        (3, "0 1", "not ascending"),
        (2, "0 -1", "line 2"),
        (2, "9" * 5_000 + " 1", "line 2"),
    ],
)
def test_leaves_file__each_bad_line__named(
    chain: Chain, deployment: Any, tmp_path: Path, line: int, text: str, why: str
) -> None:
    path = tmp_path / "leaves"
    Audit(chain, deployment).write(path, chain.tree)  # type: ignore[arg-type]
    lines = path.read_text().splitlines()
    lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(HearthError, match="is no file of leaves") as caught:
        read_leaves(path, read_head(path))
    assert why in caught.value.why[0] and caught.value.code == "H1006"


def test_leaves_file__one_bit_of_a_leaf__gives_another_root(chain: Chain, deployment: Any, tmp_path: Path) -> None:
    path = tmp_path / "leaves"
    Audit(chain, deployment).write(path, chain.tree)  # type: ignore[arg-type]
    lines = path.read_text().splitlines()
    index, word = lines[1].split()
    lines[1] = f"{index} {int(word, 16) ^ 1:x}"
    path.write_text("\n".join(lines))
    with pytest.raises(HearthError) as caught:
        read_leaves(path, read_head(path))
    assert "its leaves give the root" in caught.value.why[0]


def test_rebuild__epoch_that_is_not_there__named(chain: Chain, deployment: Any) -> None:
    with pytest.raises(HearthError, match="epoch 41 cannot be rebuilt") as caught:
        Audit(chain, deployment).rebuild(41)  # type: ignore[arg-type]
    assert caught.value.code == "H6304" and caught.value.retryable
    with pytest.raises(HearthError, match="node 5000 was not there"):
        Audit(chain, deployment).proof(5_000, 3)  # type: ignore[arg-type]


def test_block_of_time__by_halving(chain: Chain) -> None:
    head = chain.head()
    rng = random.Random(2)
    for t in (GENESIS, GENESIS + EPOCH, *(GENESIS + rng.randrange(60 * EPOCH) for _ in range(40))):
        expected = next((n for n in range(head.number + 1) if chain.ref(n).timestamp >= t), head.number + 1)
        assert block_of_time(chain, 0, t, head) == expected  # type: ignore[arg-type]


def test_read_history__parts_of_reports_that_were_replaced_are_not_kept(chain: Chain) -> None:
    found = read_history(chain, 0, chain.head(), after=10)  # type: ignore[arg-type]
    assert (found.first, found.last, found.base is not None and found.base.epoch) == (11, 40, 10)
    assert all(len(data) != 32 or root for e in found for data, root in e.log.parts)
    assert [e.epoch for e in found] == list(range(11, 41))


def test_read_history__cancelled_epochs__no_longer_stand(chain: Chain, deployment: Any) -> None:
    """A false report that fell is no fault of the chain's history; what was signed again is."""
    chain.report(spoil="root")
    chain.report()
    chain.again(41)
    chain._close([chain._event("Cancelled", first=41, last=42)])
    found = read_history(chain, 0, chain.head())  # type: ignore[arg-type]
    assert (found.last, found.cancelled) == (40, 2)
    assert Audit(chain, deployment).rebuild().right  # type: ignore[arg-type]
    chain.report()
    made = Audit(chain, deployment).rebuild()  # type: ignore[arg-type]
    assert made.right and made.tree.ring_word == chain.words[41]


def test_read_history__a_cancellation_from_before_the_part_that_is_read(chain: Chain) -> None:
    chain.again(9)
    chain._close([chain._event("Cancelled", first=9, last=40)])
    for _ in range(4):
        chain.report()
    found = read_history(chain, 0, chain.head(), after=10)  # type: ignore[arg-type]
    assert (found.first, found.last, found.base is not None and found.base.epoch) == (11, 12, 10)
    assert [e.epoch for e in found] == [11, 12]
