"""A network that is not local: an encrypted account, a plan that is followed, entries paused until the owner opens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_keyfile import create_keyfile_json

from keepers.chain.deployment import load_record
from keepers.chain.keys import LocalSigner
from keepers.localnet.anvil import ROOT, Anvil
from keepers.protocol.hashing import keccak
from scripts._ape import load_account
from scripts._check import Live
from scripts._deployment import afford, check_chain, confirm, look, make_plan
from scripts._errors import DeployError
from scripts._plan import ORDER, with_gas
from scripts._profile import load_profile
from scripts._send import Fees
from tools.compile import build

CHAIN_ID = 424_242
PASSWORD = "correct horse battery staple"
SECRET = keccak(b"owner of a public network")
PAUSED = 1


@pytest.fixture(scope="module")
def chain() -> Iterator[Anvil]:
    with Anvil.start(chain_id=CHAIN_ID) as made:
        made.call("anvil_setBalance", LocalSigner(SECRET).address, hex(10**18))
        yield made


def ape(home: Path, chain: Anvil, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`ape run …` with an ape home of its own that holds the account `deployer`."""
    accounts = home / "accounts"
    if not accounts.exists():
        accounts.mkdir(parents=True)
        stored = create_keyfile_json(SECRET, PASSWORD.encode(), iterations=1 << 10, kdf="scrypt")
        (accounts / "deployer.json").write_text(json.dumps(stored))
        (home / "password").write_text(PASSWORD + "\n")
        (home / "password").chmod(0o600)
    binaries = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}",
        "APE_DATA_FOLDER": str(home),
        "HEARTH_DEPLOY_PASSWORD_FILE": str(home / "password"),
    }
    command = [sys.executable, "-c", "from ape._cli import cli; cli()", "run", *arguments, "--network", chain.url]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, stdin=subprocess.DEVNULL
    )


def test_deploy__public__plan_followed_paused_then_opened(chain: Anvil, tmp_path: Path) -> None:
    home, plan, record = tmp_path / "ape", tmp_path / "plan.json", tmp_path / "public.json"
    common = ("deploy", "--profile", "default", "--account", "deployer", "--record", str(record))
    planned = ape(home, chain, *common, "--dry-run", "--plan", str(plan))
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "entries stay paused" in planned.stdout
    assert not record.exists()
    assert int(chain.call("eth_getTransactionCount", LocalSigner(SECRET).address, "latest"), 16) == 0

    made = ape(home, chain, *common, "--plan", str(plan), "--confirm", "default", "--allow-dirty")
    assert made.returncode == 0, made.stdout + made.stderr
    deployed = load_record(record)
    assert not deployed.local
    assert deployed.chain_id == CHAIN_ID
    assert {n: c.address for n, c in deployed.contracts.items()} == {
        s["contract"]: s["address"].lower() for s in json.loads(plan.read_text())["steps"] if s["kind"] == "create"
    }
    live = Live(chain, deployed, build(ORDER))
    assert live.view("AttestationHub", "price") & PAUSED == PAUSED
    assert PASSWORD not in made.stdout + made.stderr

    opened = ape(home, chain, *common, "--open", "--confirm", "default")
    assert opened.returncode == 0, opened.stdout + opened.stderr
    assert live.view("AttestationHub", "price") & PAUSED == 0


def test_deploy__plan_of_a_moved_nonce__is_stale(chain: Anvil) -> None:
    profile, artifacts = load_profile("default"), build(ORDER)
    who = LocalSigner(SECRET).address
    site = look(chain, who)
    pinned = make_plan(profile, artifacts, site, who, False).dump()
    assert make_plan(profile, artifacts, site, who, False, pinned).id == pinned["id"]
    other = {**pinned, "genesis_block_hash": "0x" + "22" * 32}
    with pytest.raises(DeployError, match=r"H7103"):
        make_plan(profile, artifacts, site, who, False, other)
    with pytest.raises(DeployError, match=r"H7102.*another account"):
        make_plan(profile, artifacts, site, "0x" + "33" * 20, False, pinned)


def test_deploy__wrong_chain_or_account__refused() -> None:
    with pytest.raises(DeployError, match=r"H7103"):
        check_chain(load_profile("local"), CHAIN_ID)
    with pytest.raises(DeployError, match=r"(?s)H7110.*--account is missing"):
        load_account(None, local=False)
    with pytest.raises(DeployError, match=r"(?s)H7110.*public development key"):
        load_account("TEST::0", local=False)
    with pytest.raises(DeployError, match=r"(?s)H7110.*no account 'nobody-at-all'"):
        load_account("nobody-at-all", local=True)


def test_confirm__other_name_or_no_terminal__exit_3() -> None:
    assert confirm("arbitrum", True, None) is None
    assert confirm("arbitrum", False, "arbitrum") is None
    for given in ("arbitrum-sepolia", None):
        with pytest.raises(DeployError, match=r"H7113") as refused:
            confirm("arbitrum", False, given)
        assert refused.value.exit_code == 3


def test_afford__too_little__names_the_missing_sum(chain: Anvil) -> None:
    profile, artifacts = load_profile("default"), build(ORDER)
    site = look(chain, "0x" + "44" * 20)
    plan = make_plan(profile, artifacts, site, "0x" + "44" * 20, False)
    with pytest.raises(DeployError, match=r"(?s)H7104.*send it 0\.0[0-9]+ ETH") as refused:
        afford(with_gas(plan, [10**6] * len(plan.steps)), site, Fees(10**9, 0))
    assert refused.value.exit_code == 6
