"""`hearth calibrate`: what it measures, what follows, and what it refuses."""

from __future__ import annotations

import sys
import tomllib
from types import SimpleNamespace

import httpx
import pytest

from keepers.chain import deployment
from keepers.cli import calibrate
from keepers.gpu import backends
from keepers.gpu.backends.cpu import CpuBackend
from keepers.gpu.measure import STEPS
from keepers.sdk import connect
from keepers.wire import attester_client
from tests.keepers.cli.conftest import Call


class Card:
    """A card whose round takes 0.5 s at any n."""

    name, timed = "torch", False

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def describe(self) -> str:
        return "a card of the test's"

    def prepare(self, n: int, kb: bytes) -> None:
        self.spent["prepare"] = 2.0

    def round(self, ka: bytes) -> None:
        for step in STEPS:
            self.spent[step] = self.spent.get(step, 0.0) + 0.125


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "load", lambda name: [CpuBackend()])


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "load", lambda name: [Card()])
    monkeypatch.setattr(calibrate, "_memory_gib", lambda device: 80)
    monkeypatch.setattr(calibrate.sizing, "CPU_N", 256)  # the CPU beside it is measured there


@pytest.mark.usefixtures("card")
def test_calibrate__a_card__gives_the_class_of_the_rule_and_who_misses_it(hearth: Call) -> None:
    said = hearth("calibrate", "--json", "--share", "30")
    assert said.code == 0, said.err
    found = said.data
    assert (found["n"], found["rounds"], found["honest_s"], found["deadline_s"]) == (65_536, 512, 256.0, 318)
    assert found["registrations_of_one_gpu"] == 1 and found["fits_epoch"] and found["round_trips_ms"] is None
    late = {cheat["what"]: cheat["late_s"] for cheat in found["cheats"]}
    assert late["half a card"] == late["one card behind two registrations"] == 194
    assert late["a card shared with a job (30% of it)"] == pytest.approx(256 / 0.7 - 318)
    assert late["a CPU like this one"] > 10_000
    row = tomllib.loads(found["row"])["classes"][0]
    assert (row["n"], row["rounds"], row["deadline_s"], row["honest_s"]) == (65_536, 512, 318, 256.0)


@pytest.mark.usefixtures("card")
def test_calibrate__a_card_in_words__names_every_margin_and_what_was_not_measured(hearth: Call) -> None:
    said = hearth("calibrate", "--name", "CARD-80GB", "--share", "5")
    assert "n = 65,536, R = 512: T = 256.0 s, L = 10 s, deadline 318 s" in said.out
    assert "would miss half a card: 512.0 s, late by 194.0 s" in said.out
    assert "WOULD PASS a card shared with a job (5% of it)" in said.out
    assert "network    not measured" in said.out and 'name = "CARD-80GB"' in said.out


@pytest.mark.usefixtures("cpu")
def test_calibrate__a_cpu_on_one_machine__has_no_allowance_and_says_what_it_proves(hearth: Call) -> None:
    said = hearth("calibrate", "--n", "256", "--local", "--rounds", "1", "--json")
    assert said.code == 0, said.err
    assert (said.data["n"], said.data["allowance_s"], said.data["rounds"]) == (256, 0, 1)
    assert said.data["cpu"] is None and all(said.data["measured"][f"{step}_s"] > 0 for step in STEPS)
    assert "such a class proves nothing" in hearth("calibrate", "--n", "256", "--local", "--rounds", "1").out


@pytest.mark.usefixtures("cpu")
@pytest.mark.parametrize(("n", "why"), [("1000", "no power of two"), ("128", "no power of two")])
def test_calibrate__a_size_that_contracts_do_not_take__is_a_usage_error(hearth: Call, n: str, why: str) -> None:
    said = hearth("calibrate", "--n", n)
    assert said.code == 2 and why in said.err


@pytest.mark.usefixtures("cpu")
def test_calibrate__a_device_that_is_not_there__is_a_usage_error(hearth: Call) -> None:
    said = hearth("calibrate", "--device", "1")
    assert said.code == 2 and "there is no device 1" in said.err


def test_calibrate__a_backend_that_is_not_there__is_h3125(hearth: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # its import fails
    monkeypatch.delitem(sys.modules, "keepers.gpu.backends.torch_backend", raising=False)
    said = hearth("calibrate", "--backend", "torch")
    assert said.code == 1 and "H3125" in said.err


@pytest.mark.usefixtures("cpu")
def test_calibrate__a_network_is_named__asks_its_attesters_for_their_round_trip(
    hearth: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "away":
            raise httpx.ConnectError("nobody")
        return httpx.Response(404)

    seats = [SimpleNamespace(url="http://here/"), SimpleNamespace(url="http://away")]
    monkeypatch.setattr(connect, "chosen_record", lambda flags: flags["network"])
    monkeypatch.setattr(deployment, "load_record", lambda name: SimpleNamespace(attesters=seats))
    monkeypatch.setattr(attester_client, "make_http", lambda: httpx.Client(transport=httpx.MockTransport(answer)))
    arguments = ("calibrate", "--n", "256", "--rounds", "1", "--local", "-n", "some")
    trips = hearth(*arguments, "--json").data["round_trips_ms"]
    assert trips["http://here/"] >= 0 and trips["http://away"] is None
    assert "http://away: no answer" in hearth(*arguments).out
