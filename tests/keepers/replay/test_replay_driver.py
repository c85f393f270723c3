"""A small replay, whole: deployed contracts on a local chain, real roles, every wei compared."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from keepers.localnet.anvil import find_anvil
from keepers.protocol.errors import HearthError
from keepers.replay.driver import Replay
from keepers.replay.inputs import Inputs, read_traces
from keepers.replay.report import write_json, write_leases

Write = Callable[..., Path]
NODES = "node_id,gpu_model,gpu_count\nn0,t4,2\nn1,v100,4\n"
JOBS = """job_id,submit_s,duration_s,gpu_count,gpu_model
a,0,1000,2,t4
b,20,500,1,t4
c,1000,5000,1,any
d,1100,4000,1,t4|v100
e,1200,,1,any
f,4000,9000,2,any
"""
OUTAGES = """unit_id,start_s,end_s,available
u,0,900,1
u,900,1500,0
u,1500,9000,1
v,0,5000,1
v,5000,9000,0
v,9000,20000,1
"""


@pytest.fixture
def inputs(write: Write) -> Inputs:
    return Inputs(write("nodes.csv", NODES), write("jobs.csv", JOBS), write("out.csv", OUTAGES), seed=7)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("loopback")
def test_replay__every_lease_to_the_wei(inputs: Inputs, tmp_path: Path) -> None:
    try:
        find_anvil()
    except HearthError:
        pytest.skip("anvil is not installed: make install")
    heard: list[float] = []
    report = Replay(inputs, lambda done, total, text: heard.append(done / total), folder=tmp_path).run()
    assert report.faults() == []
    write_json(tmp_path / "report.json", report)
    write_leases(tmp_path / "leases.csv", report)
    document = json.loads((tmp_path / "report.json").read_text())
    assert (document["difference_wei"], document["held_wei"]) == (0, 0)
    assert document["deposited_wei"] == document["paid_wei"] + document["returned_wei"]
    assert document["minted_wei"] <= document["burned_wei"]
    assert document["challenged_epochs"] > 0
    assert document["answers"] >= 2 * document["parameters"]["warm_up_epochs"] > 0  # Pending nodes owe one each epoch
    assert (document["jobs"], document["leases"], document["unmatched"], document["skipped"]) == (6, 4, 1, 1)
    assert len((tmp_path / "leases.csv").read_text().splitlines()) == 5
    assert heard == sorted(heard)


def test_replay__unknown_model_is_told_with_its_row(inputs: Inputs, write: Write) -> None:
    strange = write("strange.csv", NODES + "n2,abacus,1\n")
    with pytest.raises(HearthError, match="row 4: no rate is known for the model 'abacus'") as error:
        read_traces(dataclasses.replace(inputs, nodes=strange))
    assert error.value.next == ("give a price file: --prices FILE",)
    prices = write("prices.csv", "gpu_model,usd_per_gpu_hour\nabacus,0.01\n")
    traces = read_traces(dataclasses.replace(inputs, nodes=strange, prices=prices))
    assert traces.rates["abacus"].source == "prices"


def test_replay__a_model_too_long_for_a_class(inputs: Inputs, write: Write) -> None:
    long = write("long.csv", NODES + f"n2,{'x' * 33},1\n")
    prices = write("prices.csv", f"gpu_model,usd_per_gpu_hour\n{'x' * 33},0.01\n")
    with pytest.raises(HearthError, match=r"row 4: the model 'x+' cannot name a class"):
        read_traces(dataclasses.replace(inputs, nodes=long, prices=prices))
