"""`hearth rebuild`, `proof` and `verify` in words, documents and exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.keepers.cli.conftest import Call as Say
from tests.keepers.sdk.test_audit import Chain, chain, deployment
from tests.keepers.sdk.test_fetch import serving

__all__ = ["chain", "deployment"]


class Box:
    """What the command needs of a connected SDK."""

    def __init__(self, chain: Chain, deployment: Any) -> None:
        self.reader, self.deployment = chain, deployment


def test_command__rebuild_and_proof__words_and_exit_codes(
    hearth: Say, chain: Chain, deployment: Any, tmp_path: Path
) -> None:
    def say(*arguments: str) -> Any:
        return hearth(*arguments, connect=lambda options: Box(chain, deployment))

    said = say("rebuild", "--write", "leaves", "--roots", "roots.csv")
    assert said.code == 0 and "40 epochs, 6 of them void" in said.out and "40 of 40 right; 40 compared" in said.out
    assert "next  hearth proof NODE 40" in said.err
    assert (tmp_path / "roots.csv").read_text().splitlines()[1].endswith("true")
    assert "from the leaves of epoch 40: 0 epochs" in say("rebuild", "--from", "leaves").out
    said = say("proof", "1", "40")
    assert said.code == 0 and "every root up to it is right" in said.out
    assert said.out.count("sibling") == chain.tree.depth
    chain.report(spoil="root")
    chain.report()
    said = say("rebuild", "-v")
    assert said.code == 9 and "error[H6301] the root of epoch 41 is wrong" in said.err
    assert "WRONG     epoch 41: " in said.out and "rests on a wrong one" in said.out
    data = say("rebuild", "--json").data
    assert (data["right"], data["fault"]["epoch"], data["epoch"]) == (False, 41, 40)
    assert say("proof", "1", "41").code == 9
    assert say("proof", "1", "x").code == 2


def test_command__verify__a_receipt_by_path_or_url(hearth: Say, chain: Chain, deployment: Any, loopback: None) -> None:
    def say(*arguments: str) -> Any:
        return hearth(*arguments, connect=lambda options: Box(chain, deployment))

    with serving(200, b"{}") as url:
        said = say("verify", f"{url}/r.json?key=abc")
    assert said.code == 2 and "error[H1006]" in said.err and "is no receipt" in said.err and "abc" not in said.err
    assert say("verify", f"{url}/r.json").code == 7, "nobody listens there any more"
    assert "is no http or https URL" in say("verify", "ftp://127.0.0.1/r.json").err
    assert "cannot be read" in say("verify", "0x.json").err
    assert "there is no lease 3" in say("verify", "3").err
