"""A deployment that is interrupted anywhere goes on with `--resume`: nothing is deployed twice, nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keepers.chain.deployment import load_record
from keepers.chain.keys import LocalSigner, TxFields
from keepers.localnet.anvil import ROOT, Anvil, RpcError
from keepers.protocol.hashing import keccak
from scripts import _deployment as d
from scripts._errors import DeployError
from scripts._journal import Journal
from scripts._plan import ORDER, Plan, Step
from scripts._profile import Profile, load_profile
from scripts._send import Fees, Sender, gas_limit
from tools.compile import Artifact, build

DEPLOYER = LocalSigner(keccak(b"deployer"))


class PowerCut(BaseException):
    """The process is gone: no handler of the code under test may see it."""


class Flaky:
    """A chain that cuts the power before (or after) the n-th raw transaction reaches it."""

    def __init__(self, chain: Anvil, n: int, after: bool) -> None:
        self.chain, self.left, self.after = chain, n, after

    def call(self, method: str, *params: Any) -> Any:
        if method == "eth_sendRawTransaction":
            self.left -= 1
            if self.left < 0 and not self.after:
                raise PowerCut
            result = self.chain.call(method, *params)
            if self.left < 0:
                raise PowerCut
            return result
        return self.chain.call(method, *params)


class Forgetful:
    """A node that says yes to the first hand-over of each transaction and forgets it; `words` refuses later ones."""

    def __init__(self, chain: Anvil, words: str = "") -> None:
        self.chain, self.words, self.seen = chain, words, set[str]()

    def call(self, method: str, *params: Any) -> Any:
        if method == "eth_sendRawTransaction":
            if params[0] not in self.seen:
                self.seen.add(params[0])
                return "0x" + keccak(bytes.fromhex(params[0][2:])).hex()
            if self.words:
                raise RpcError(method, self.words)
        return self.chain.call(method, *params)


@pytest.fixture(scope="module")
def chain() -> Iterator[Anvil]:
    with Anvil.start() as made:
        made.call("anvil_setBalance", DEPLOYER.address, hex(10**21))
        yield made


@pytest.fixture(scope="module")
def artifacts() -> dict[str, Artifact]:
    return build(ORDER)


@pytest.fixture(scope="module")
def profile() -> Profile:
    """The local profile with one class: the creations are what matters here."""
    full = load_profile("local")
    return full.model_copy(update={"classes": full.classes[:1], "sheets": full.sheets[:1]})


@pytest.fixture
def site(chain: Anvil) -> Iterator[d.Site]:
    before = chain.call("evm_snapshot")
    yield d.look(chain, DEPLOYER.address)
    chain.rewind(before)


@pytest.fixture(scope="module")
def rehearsed(chain: Anvil, profile: Profile, artifacts: dict[str, Artifact]) -> list[int]:
    """Gas of each step; the same for every plan of this profile."""
    site = d.look(chain, DEPLOYER.address)
    plan = d.make_plan(profile, artifacts, site, DEPLOYER.address, True)
    return [step.gas for step in d.rehearse(plan, site, chain.url).steps]


def make(profile: Profile, artifacts: dict[str, Artifact], site: d.Site, gas: list[int]) -> Plan:
    plan = d.make_plan(profile, artifacts, site, DEPLOYER.address, True)
    return replace(plan, steps=[replace(s, gas=g) for s, g in zip(plan.steps, gas, strict=True)])


def sign(step: Step, gas: int, fees: Fees) -> bytes:
    to = step.address if step.kind == "call" else "0x"
    data = bytes.fromhex(step.data[2:])
    return DEPLOYER.sign_transaction(TxFields(31_337, step.nonce, to, data, 0, gas, fees.cap, fees.tip))


def nonce(chain: Anvil) -> int:
    return int(chain.call("eth_getTransactionCount", DEPLOYER.address, "latest"), 16)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("window", [1, 100], ids=["one-by-one", "all-at-once"])
def test_resume__power_cut_at_every_send__completes_once(
    chain: Anvil,
    profile: Profile,
    artifacts: dict[str, Artifact],
    rehearsed: list[int],
    tmp_path: Path,
    after: bool,
    window: int,
) -> None:
    for n in range(len(rehearsed)):
        before = chain.call("evm_snapshot")
        site = d.look(chain, DEPLOYER.address)
        plan = make(profile, artifacts, site, rehearsed)
        path = tmp_path / f"{n}.jsonl"
        journal = Journal(path)
        journal.begin(plan.dump())
        with pytest.raises(PowerCut):
            Sender(Flaky(chain, n, after), plan, journal, sign, window=window, poll=0.01).run()

        journal = Journal(path)  # a new process
        assert journal.plan is not None
        again = d.make_plan(profile, artifacts, d.look(chain, DEPLOYER.address), DEPLOYER.address, True, journal.plan)
        assert again.id == plan.id
        receipts = Sender(chain, again, journal, sign, window=window, poll=0.01).run()
        assert len(receipts) == len(plan.steps)
        assert nonce(chain) == site.nonce + len(plan.steps)
        assert all(len(journal.sends(step.nonce)) == 1 for step in plan.steps)
        for step in plan.steps:
            assert chain.call("eth_getCode", step.address, "latest") != "0x"
        chain.rewind(before)


def test_send__more_gas_than_a_block_holds__each_is_sent_once(artifacts: dict[str, Artifact], tmp_path: Path) -> None:
    """anvil throws away what stands behind the transaction at which a block is full."""
    with Anvil.start(block_time=1.0) as slow:
        slow.call("anvil_setBalance", DEPLOYER.address, hex(10**21))
        site = d.look(slow, DEPLOYER.address)
        plan = d.rehearse(d.make_plan(load_profile("local"), artifacts, site, DEPLOYER.address, True), site, slow.url)
        assert sum(gas_limit(step) for step in plan.steps) > 30_000_000  # what a block of anvil's holds
        sent: list[str] = []

        class Counting:
            def call(self, method: str, *params: Any) -> Any:
                sent.extend(params if method == "eth_sendRawTransaction" else ())
                return slow.call(method, *params)

        journal = Journal(tmp_path / "j.jsonl")
        journal.begin(plan.dump())
        receipts = Sender(Counting(), plan, journal, sign, window=100, poll=0.05, limit=30).run()
        assert len(receipts) == len(sent) == len(plan.steps)


@pytest.mark.parametrize("window", [1, 100], ids=["one-by-one", "all-at-once"])
def test_send__node_forgets_what_it_took__is_handed_over_again(
    chain: Anvil,
    site: d.Site,
    profile: Profile,
    artifacts: dict[str, Artifact],
    rehearsed: list[int],
    tmp_path: Path,
    window: int,
) -> None:
    plan = make(profile, artifacts, site, rehearsed)
    journal = Journal(tmp_path / "j.jsonl")
    journal.begin(plan.dump())
    receipts = Sender(Forgetful(chain), plan, journal, sign, window=window, poll=0.01, resend=0.02, limit=20).run()
    assert [r["transactionHash"] for r in receipts] == [journal.sends(s.nonce)[0].hash for s in plan.steps]
    assert all(len(journal.sends(step.nonce)) == 1 for step in plan.steps)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("insufficient funds for gas * price + value", "H7117"),
        ("already known", "H7118"),
        ("replacement transaction underpriced", "H7118"),
    ],
)
def test_send__node_refuses_the_second_hand_over__says_why_or_waits(
    chain: Anvil,
    site: d.Site,
    profile: Profile,
    artifacts: dict[str, Artifact],
    rehearsed: list[int],
    tmp_path: Path,
    words: str,
    code: str,
) -> None:
    plan = make(profile, artifacts, site, rehearsed)
    journal = Journal(tmp_path / "j.jsonl")
    journal.begin(plan.dump())
    with pytest.raises(DeployError, match=code):
        Sender(Forgetful(chain, words), plan, journal, sign, poll=0.01, resend=0.02, limit=0.5).run()


def test_send__forgotten_one_has_become_too_cheap__a_dearer_one_is_mined(
    chain: Anvil, site: d.Site, profile: Profile, artifacts: dict[str, Artifact], rehearsed: list[int], tmp_path: Path
) -> None:
    plan = make(profile, artifacts, site, rehearsed)
    journal = Journal(tmp_path / "j.jsonl")
    journal.begin(plan.dump())

    def dearer(step: Step, gas: int, fees: Fees) -> bytes:
        return sign(step, gas, Fees(fees.cap + len(journal.sends(step.nonce)), fees.tip))

    class Dear(Forgetful):
        """Forgets the first attempt of a nonce and calls it too cheap from then on; takes the next one."""

        def call(self, method: str, *params: Any) -> Any:
            if method == "eth_sendRawTransaction" and any(
                params[0] == journal.sends(step.nonce)[-1].raw
                for step in plan.steps
                if len(journal.sends(step.nonce)) > 1
            ):
                return self.chain.call(method, *params)
            return super().call(method, *params)

    node = Dear(chain, "max fee per gas less than block base fee")
    receipts = Sender(node, plan, journal, dearer, poll=0.01, resend=0.02, limit=20).run()
    assert [r["transactionHash"] for r in receipts] == [journal.sends(s.nonce)[1].hash for s in plan.steps]
    assert all(len(journal.sends(step.nonce)) == 2 for step in plan.steps)


def test_resume__line_cut_off_in_the_journal__is_signed_again(
    chain: Anvil, site: d.Site, profile: Profile, artifacts: dict[str, Artifact], rehearsed: list[int], tmp_path: Path
) -> None:
    """A crash in the middle of a write: that transaction was not sent, for the write comes first."""
    plan = make(profile, artifacts, site, rehearsed)
    path = tmp_path / "j.jsonl"
    journal = Journal(path)
    journal.begin(plan.dump())
    with pytest.raises(PowerCut):
        Sender(Flaky(chain, 3, after=False), plan, journal, sign, poll=0.01).run()
    path.write_bytes(path.read_bytes()[:-100])
    journal = Journal(path)
    assert journal.sends(plan.steps[3].nonce) == []
    assert len(Sender(chain, plan, journal, sign, poll=0.01).run()) == len(plan.steps)


def test_resume__nonce_used_elsewhere__aborts(
    chain: Anvil, site: d.Site, profile: Profile, artifacts: dict[str, Artifact], rehearsed: list[int], tmp_path: Path
) -> None:
    plan = make(profile, artifacts, site, rehearsed)
    journal = Journal(tmp_path / "j.jsonl")
    journal.begin(plan.dump())
    with pytest.raises(PowerCut):
        Sender(Flaky(chain, 2, after=False), plan, journal, sign, poll=0.01).run()
    raw = DEPLOYER.sign_transaction(TxFields(31_337, nonce(chain), DEPLOYER.address, b"", 0, 21_000, 10**10, 10**9))
    chain.call("eth_sendRawTransaction", "0x" + raw.hex())
    with pytest.raises(DeployError, match="H7106"):
        Sender(chain, plan, journal, sign, poll=0.01, patience=0.1).run()
    assert chain.call("eth_getCode", plan.steps[2].address, "latest") == "0x"


def test_resume__other_source__refuses(
    site: d.Site, profile: Profile, artifacts: dict[str, Artifact], rehearsed: list[int]
) -> None:
    plan = make(profile, artifacts, site, rehearsed).dump()
    other = {**artifacts, "StakingPool": replace(artifacts["StakingPool"], key="0" * 64)}
    with pytest.raises(DeployError, match="H7105"):
        d.make_plan(profile, other, site, DEPLOYER.address, True, plan)


def test_resume__other_profile__refuses(
    site: d.Site, profile: Profile, artifacts: dict[str, Artifact], rehearsed: list[int]
) -> None:
    plan = make(profile, artifacts, site, rehearsed).dump()
    other = profile.model_copy(update={"registry": profile.registry.model_copy(update={"fee_tokens": 5})})
    with pytest.raises(DeployError, match="H7102"):
        d.make_plan(other, artifacts, site, DEPLOYER.address, True, plan)


def test_send__reverting_step__stops_and_says_what_stands(
    chain: Anvil, site: d.Site, profile: Profile, artifacts: dict[str, Artifact], rehearsed: list[int], tmp_path: Path
) -> None:
    plan = make(profile, artifacts, site, rehearsed)
    short = replace(
        plan, steps=[replace(plan.steps[0], gas=plan.steps[0].gas * 7 // 10), *plan.steps[1:]]
    )  # runs out of gas
    journal = Journal(tmp_path / "j.jsonl")
    journal.begin(short.dump())
    with pytest.raises(DeployError, match="H7109"):
        Sender(chain, short, journal, sign, poll=0.01).run()


def test_rehearsal__step_that_would_revert__is_refused_before_gas_is_spent(
    chain: Anvil, site: d.Site, profile: Profile, artifacts: dict[str, Artifact]
) -> None:
    bad = profile.model_copy(update={"lengths": profile.lengths.model_copy(update={"abandon_s": 1})})
    plan = d.make_plan(bad, artifacts, site, DEPLOYER.address, True)
    with pytest.raises(DeployError, match=r"H7108.*hub: abandon"):
        d.rehearse(plan, site, chain.url)
    assert nonce(chain) == site.nonce


def run_deploy(chain: Anvil, record: Path, *more: str) -> subprocess.Popen[str]:
    binaries = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [sys.executable, "-c", "from ape._cli import cli; cli()", "run", "deploy", "--profile", "local"]
    command += ["--network", chain.url, "--record", str(record), *more]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_command__killed_while_waiting__resumes_from_the_journal(tmp_path: Path) -> None:
    """kill -9 with transactions under way, the node forgets them all, the same command goes on."""
    record = tmp_path / "deployment.json"
    journal = tmp_path / ".journal" / "deployment.jsonl"
    with Anvil.start(options=["--no-mining"]) as chain:
        first = run_deploy(chain, record)
        end = time.monotonic() + 120
        while not (journal.exists() and len(journal.read_bytes().splitlines()) >= 4):
            assert first.poll() is None, first.communicate()[0]
            assert time.monotonic() < end
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        assert not record.exists()
        sent = [json.loads(line) for line in journal.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        for row in sent[1::2]:  # some of them
            try:
                chain.call("anvil_dropTransaction", row.get("hash", "0x" + "00" * 32))
            except RpcError:
                continue
        chain.call("evm_setAutomine", True)

        begun = Journal.beside(record)
        with pytest.raises(DeployError, match=r"(?s)H7107.*--resume"):
            d.start_or_resume(load_profile("local"), {}, None, "", True, begun, None, False, None)  # type: ignore[arg-type]

        resumed = run_deploy(chain, record, "--resume")
        out = resumed.communicate(timeout=120)[0]
        assert resumed.returncode == 0, out
        made = load_record(record)
        assert set(made.contracts) == set(ORDER)
        for contract in made.contracts.values():
            assert chain.call("eth_getCode", contract.address, "latest") != "0x"
        deployer = made.parameters["owner"]
        steps = len(json.loads(journal.read_text().splitlines()[0])["plan"]["steps"])
        assert int(chain.call("eth_getTransactionCount", deployer, "latest"), 16) == steps
