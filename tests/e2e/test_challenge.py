"""False answers by the real command on a real chain: shown, proven, refuted, paid; an honest one costs nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keepers.cli.main import run
from keepers.localnet.network import LocalNetwork
from keepers.protocol.challenge import Work
from keepers.protocol.messages import Answer
from keepers.protocol.nodes import Node, Status
from keepers.protocol.stake import Own
from keepers.wire import refuting
from keepers.wire.codec import AskedRow, OpenedRow, ShownRow, SignedAnswer, encode
from tests.e2e.town import NODE_KEYS, Town
from tests.support.products import Answered

N, ROUNDS, GPUS, MIN_STAKE = 256, 2, 2, 300 * 10**9
STAKE = 40_000  # whole tokens
Hearth = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def hearth(network: LocalNetwork, town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Hearth:
    """hearth("show", …): (exit code, data, stderr) of `hearth challenge`, with the watcher's key."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    section = {"watcher": network.key("watcher").section()}
    path = network.settings(f"challenge-{tmp_path.name}", section, home=str(tmp_path / "home"))

    def call(*arguments: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = run(["-c", str(path), "--json", "--yes", "challenge", *arguments])
        said = capsys.readouterr()
        return code, json.loads(said.out)["data"] if said.out else None, said.err

    return call


def challenged(town: Town, nodes: int) -> tuple[list[int], int, int]:
    """Nodes of a provider in a class with rounds, in an epoch that has seeds: (nodes, provider, epoch)."""
    class_id = int(town.read("NodeRegistry", "class_count"))
    row = ("tiny challenge", 0, 1, 0, 0, 1, MIN_STAKE, N, ROUNDS, 4, False)
    town.send("owner", "NodeRegistry", "add_class", row)
    provider = town.provider("provider", STAKE)
    made = [town.node("provider", provider, class_id, GPUS) for _ in range(nodes)]
    town.report_through(town.epoch() + 1)
    epoch = town.tree.header.epoch + 1
    assert all(town.read("ComputeChallenge", "seeds", epoch))
    return made, provider, epoch


def answer(town: Town, node: int, epoch: int, false: bool = True) -> ShownRow:
    """A row of what the node signed: with a wrong entry in GPU 1, round 1, row 7, column 200, or an honest one."""
    word = Node.unpack(int(town.read("NodeRegistry", "node", node)))
    seed, seed_b = town.read("ComputeChallenge", "seeds", epoch)
    work = Work(node, epoch, seed, seed_b, word.class_id, N, ROUNDS, GPUS)
    made = Answered(work, {(1, 1): _spoil} if false else {})
    digest = Answer(node, epoch, seed, seed_b, made.root).digest(town.domain("ComputeChallenge"))
    opening = made.opening(1, 1, 7)
    signed = SignedAnswer(node, epoch, seed, seed_b, made.root, NODE_KEYS[node].sign_digest(digest))
    return ShownRow(
        signed,
        OpenedRow(
            node, epoch, made.root, AskedRow(1, 1, 7), opening.row, b"".join(opening.path), opening.previous,
            b"".join(opening.list_path),
        ),
    )  # fmt: skip


def _spoil(c: Any) -> None:
    c[7, 200] += 1


def own(town: Town, provider: int) -> int:
    """Gwei that the provider has staked itself."""
    return Own.unpack(int(town.read("StakingPool", "own", provider))).assets


def nonce(town: Town) -> int:
    return int(town.chain.call("eth_getTransactionCount", town.people["watcher"], "latest"), 16)


def test_false_answers_of_two_nodes__shown__proven__refuted__paid(
    hearth: Hearth, town: Town, blocks: Callable[[], None], tmp_path: Path
) -> None:
    (first, second), provider, epoch = challenged(town, nodes=2)
    file, proof = tmp_path / "bad.json", tmp_path / "proof.json"
    file.write_bytes(encode([answer(town, node, epoch) for node in (first, second)]))
    blocks()

    code, shown, err = hearth("show", str(file))
    assert code == 0, err
    assert [(row["node"], row["refutable"], row["col"]) for row in shown] == [(first, True, 200), (second, True, 200)]
    loss, reward = int(shown[0]["loss_wei"]), int(shown[0]["reward_wei"])
    assert reward == loss // 5 > 0
    code, _, err = hearth("prove", str(file), "-o", str(proof))
    assert code == 0 and json.loads(proof.read_text())["to"].lower() == town.at("ComputeChallenge").lower(), err
    assert nonce(town) == 0, "neither needs a transaction"

    before, held = own(town, provider), town.tokens("watcher")
    code, (paid,), err = hearth("refute", str(proof))
    assert code == 0, err
    assert (paid["node"], paid["epoch"], int(paid["reward_wei"])) == (first, epoch, reward)
    assert town.status(first) == Status.FAULTED and town.status(second) != Status.FAULTED
    assert (before - own(town, provider)) * 10**9 == loss
    assert town.tokens("watcher") - held == reward
    assert nonce(town) == 2, "a commitment and a refutation"

    # the file has both: the first is told, the second refuted
    code, told, err = hearth("refute", str(file))
    assert code == 0, err
    assert [one["node"] for one in told] == [first, second] and int(told[0]["reward_wei"]) == reward
    assert town.status(second) == Status.FAULTED and nonce(town) == 4
    assert town.tokens("watcher") - held == sum(int(one["reward_wei"]) for one in told)
    assert hearth("refute", str(file))[1] == told and nonce(town) == 4, "repeated it sends nothing"
    code, again, _ = hearth("show", str(file))
    assert code == 0 and {row["standing"] for row in again} == {"the node's last fault covers this epoch"}


def test_an_honest_answer__is_refused_before_any_gas(hearth: Hearth, town: Town, tmp_path: Path) -> None:
    (node,), _, epoch = challenged(town, nodes=1)
    file = tmp_path / "honest.json"
    file.write_bytes(encode([answer(town, node, epoch, false=False)]))
    code, shown, _ = hearth("show", str(file))
    assert code == 0 and "every entry of the row is what it should be" in shown[0]["why"]
    code, _, err = hearth("refute", str(file))
    assert (code, "H2539" in err, nonce(town)) == (1, True, 0)


def test_the_estimate_of_gas__is_near_what_is_used_and_never_below(
    hearth: Hearth, town: Town, blocks: Callable[[], None], tmp_path: Path
) -> None:
    (node,), _, epoch = challenged(town, nodes=1)
    file = tmp_path / "bad.json"
    file.write_bytes(encode([answer(town, node, epoch)]))
    blocks()
    estimate = hearth("show", str(file))[1][0]["gas"]
    code, (paid,), err = hearth("refute", str(file))
    assert code == 0, err
    block = town.chain.call("eth_getBlockByNumber", hex(paid["block"]), True)
    used = {
        row["hash"]: int(town.chain.call("eth_getTransactionReceipt", row["hash"])["gasUsed"], 16)
        for row in block["transactions"]
    }
    refute = used[paid["tx"]]
    assert refute + refuting.COMMIT_GAS <= estimate <= 1.1 * (refute + refuting.COMMIT_GAS)
