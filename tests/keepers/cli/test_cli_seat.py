"""`hearth seat`, `hearth network status`, `hearth node check-in`: plans before anything is sent, words, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from keepers.protocol.units import WAD
from tests.keepers.cli.conftest import Call, Said
from tests.keepers.cli.test_cli_machine import write_record
from tests.keepers.roles.town import OWNER, key, number
from tests.keepers.sdk.conftest import Market
from tests.keepers.sdk.test_seats import BOND, NAMES, paper, propose

Person = Callable[..., Said]


@pytest.fixture
def attester(hearth: Call, market: Market) -> Person:
    """hearth(…) with the key of `candidate i`, who has the tokens of a bond."""
    people = []
    for name in NAMES:
        market.town.world.call("token", "transfer", number(key(name)), BOND, sender=OWNER)
        people.append(market.person(key(name)))
    market.mine()

    def call(*arguments: str, who: int = 0) -> Said:
        return hearth(*arguments, connect=lambda options: people[who])

    return call


def join_all(attester: Person, market: Market) -> None:
    for who in range(5):
        said = attester("seat", "join", "--endpoint", f"https://seat-{who}.example", "--yes", who=who)
        assert said.code == 0, said.err
    propose(market, *(market.person(key(name)) for name in NAMES))
    market.mine(market.town.parameters.notice)
    assert attester("seat", "apply", "--yes").code == 0
    market.mine(market.town.calendar.epoch_seconds)


def test_show__says_what_is_missing_and_what_to_do(attester: Person) -> None:
    said = attester("seat")
    assert said.code == 0, said.err
    for words in ("state     no bond", "required 10,000.0000 HRTH", "no seat in it · generation 1", "hearth seat join"):
        assert words in said.out, said.out
    data = attester("seat", "show", "--json").data
    assert (data["signs"], data["missing_wei"], data["free_at"]) == (False, str(BOND), None)
    assert json.loads(attester("seat", "--json").out)["schema"] == "hearth.seat/1"


def test_join__plan_first__dry_run_sends_nothing(attester: Person, market: Market) -> None:
    call = ("seat", "join", "--endpoint", "https://seat.example")
    dry = attester(*call, "--dry-run")
    assert dry.code == 0, dry.err
    for words in (
        "plan  bond 10,000.0000 HRTH",
        "costs 1,000.0000 HRTH",
        "undo  hearth seat withdraw",
        "https://seat.ex",
    ):
        assert words in dry.err, dry.err
    assert market.sent == []
    assert attester(*call).code == 3, "nobody can answer"
    assert market.sent == []
    assert attester(*call, "--yes", "--json").data["bond_wei"] == str(BOND)
    assert attester(*call).code == 0, "nothing to do, nothing to ask"
    assert [c.function for c in market.sent] == ["approve", "join"]
    more = attester("seat", "join", "1", "--yes")
    assert more.code == 1 and "H5003" in more.err
    assert attester("seat", "join", "x", "--yes").code == 2
    assert "the seat has no endpoint yet" in attester("seat", "join", "--dry-run", who=1).err


def test_whole_way__in_and_out(attester: Person, market: Market) -> None:
    join_all(attester, market)
    said = attester("seat", "show")
    assert "seat 0 of 5 · generation 2" in said.out and "nothing to do" in said.out
    listed = attester("seat", "list")
    assert listed.out.count("seated") == 5 and "https://seat-4.example" in listed.out
    moved = attester("seat", "endpoint", "https://new.example", "--yes")
    assert moved.code == 0 and "keep the old address answering" in moved.err
    assert attester("seat", "withdraw", "--yes").code == 1
    left = attester("seat", "leave", "--yes")
    assert left.code == 0 and "it signs until that table is in force" in left.err
    assert "leaving   out of the table that is applied from" in left.out
    for last in ("--yes", "--dry-run"):
        early = attester("seat", "apply", last, who=1)
        assert early.code == 1 and "error[H2587]" in early.err and "plan" not in early.err
    market.mine(market.town.parameters.notice)
    done = attester("seat", "apply", "--yes", who=1)
    assert done.code == 0 and "generation 3: 4 seats" in done.out
    held = attester("seat", "withdraw", "--yes")
    assert held.code == 1 and "error[H2584]" in held.err
    market.mine(market.town.calendar.epoch_seconds * 3 + market.town.parameters.unbonding)
    home = attester("seat", "withdraw", "--yes")
    assert home.code == 0 and "state     no bond" in home.out
    assert market.town.world.token.balance[number(key(NAMES[0]))] == BOND


def test_prove_and_punish(attester: Person, market: Market, home: Path) -> None:
    join_all(attester, market)
    file = home / "twice.json"
    file.write_text(paper(market, 3, NAMES[3]))
    dry = attester("seat", "prove", str(file), "--dry-run", who=1)
    assert dry.code == 0 and "signed twice in epoch 9" in dry.err and "pays  2,000.0000 HRTH" in dry.err
    done = attester("seat", "prove", str(file), "--yes", who=1)
    assert done.code == 0 and "seated, bond lost" in done.out
    file.write_text("{}")
    assert attester("seat", "prove", str(file), "--yes").code == 2
    assert attester("seat", "prove", str(home / "none.json"), "--yes").code == 2
    for last in ("--yes", "--dry-run"):
        none = attester("seat", "punish", "9", last)
        assert none.code == 1 and "error[H2597]" in none.err and "plan" not in none.err
    generation = market.town.world.hub.committee(market.town.calendar.epoch(market.town.world.now))[0]
    market.town.world.refuter.faults[9, 0] = generation << 72 | 0b1 << 40 | market.town.world.now
    market.mine()
    taken = attester("seat", "punish", "9", "--yes")
    assert taken.code == 0 and "lost 1,000.0000 HRTH" in taken.out
    assert "its signers were punished" in attester("seat", "punish", "9").out


def test_without_a_key__a_named_account_can_be_looked_at(hearth: Call, market: Market) -> None:
    from keepers.sdk.client import Hearth

    looking = Hearth(market.town.chain, market.deployment, role="attester")
    seat = market.town.seat_keys[1].address
    said = hearth("seat", "show", seat, connect=lambda options: looking)
    assert said.code == 0 and "seat 1 of 4" in said.out and "no bond stands behind the seat" in said.out
    mine = hearth("seat", "leave", "--yes", connect=lambda options: market.person(market.town.seat_keys[1]))
    assert mine.code == 1 and "error[H2581]" in mine.err and "the owner seated it in the hub itself" in mine.err
    own = hearth("seat", connect=lambda options: looking)
    assert own.code == 4 and "hearth init attester" in own.err
    assert hearth("seat", "show", "0x12", connect=lambda options: looking).code == 2


def test_show__with_the_state_of_this_machines_sign_log(hearth: Call, market: Market, home: Path) -> None:
    from keepers.cli import signlog
    from keepers.roles.attester.signlog import SignLog

    path = write_record(home)
    assert hearth("init", "attester", "--manifest", str(path)).code == 0
    assert hearth("network", "add", str(path)).code == 0 and hearth("network", "use", "town").code == 0

    def show() -> str:
        return hearth("seat", connect=lambda options: market.person(key("candidate 0"))).out

    assert "sign log  none yet: the first start makes it" in show()
    from keepers.cli.options import Options

    with signlog._opened(Options(), fresh=True) as (log, _):
        assert isinstance(log, SignLog)
        assert "sign log  in use: the attester of this machine runs" in show()
    assert "sign log  new: listens one epoch before it signs, through epoch 0" in show()


def test_init_attester__is_told_the_bond(market: Market) -> None:
    from keepers.cli.market import fund_line

    said, data = fund_line(market.hearth, "attester", key("candidate 0").address, None)
    assert "10,000.0000 HRTH (the bond of a seat)" in said and data["token_wei"] == BOND
    market.town.world.call("token", "transfer", number(key("candidate 0")), BOND, sender=OWNER)
    market.mine()
    said, data = fund_line(market.hearth, "attester", key("candidate 0").address, None)
    assert "bond" not in said and data["token_wei"] == 0


def test_show__a_table_that_the_owner_set_past_the_seats(attester: Person, market: Market) -> None:
    join_all(attester, market)
    seats = [number(seat) for seat in market.town.seat_keys]
    world = market.town.world
    start = market.town.calendar.epoch(world.now) + 1
    world.call("hub", "set_committee", start, seats, ["" for _ in seats], sender=OWNER)
    market.mine(market.town.calendar.epoch_seconds)
    said = attester("seat")
    assert "state     seated" in said.out and "the owner set a table without this account" in said.out
    assert "no seat in it · generation 3" in said.out


def test_network_status__in_words(renter: Call, market: Market) -> None:
    market.town.run_epochs(3)
    said = renter("network", "status")
    assert said.code == 0, said.err
    for words in ("entries   open", "price     $0.5000", "epoch 4 runs · reported through 3",
                  "4 seats, 3 sign, 1 may fail", "reported, may be refuted", "usable"):  # fmt: skip
        assert words in said.out, said.out
    data = renter("network", "status", "--epochs", "2", "--json").data
    assert len(data["epochs"]) == 2 and data["due_epoch"] == 4
    market.town.world.call("hub", "pause_entries", sender=OWNER)
    market.mine(1)
    closed = renter("network", "status").out
    assert "CLOSED: entries are paused · anyone may lift the pause from 20" in closed


def test_network_status__before_the_first_report(renter: Call) -> None:
    said = renter("network", "status")
    assert said.code == 0, said.err
    assert "reported through 0 · usable none yet · epoch 1 is next, over in" in said.out


def node_person(market: Market, node: int) -> Callable[[object], object]:
    return lambda options: market.person(market.town.node_keys[node])


def test_check_in__plan__once_a_slot__only_by_the_nodes_key(hearth: Call, market: Market) -> None:
    market.mine(2 * market.town.calendar.epoch_seconds + 7 * market.town.calendar.slot)
    dry = hearth("node", "check-in", "1", "--dry-run", connect=node_person(market, 1))
    assert dry.code == 0, dry.err
    assert "plan  node 1 was up in slot 2.7" in dry.err and "of the node key, which holds 1.000000" in dry.err
    assert market.sent == []
    assert hearth("node", "check-in", "1", connect=node_person(market, 1)).code == 3
    done = hearth("node", "check-in", "1", "--yes", connect=node_person(market, 1))
    assert done.code == 0 and "checked in for slot 2.7 · epoch 2: .......#...." in done.out
    again = hearth("node", "check-in", "1", connect=node_person(market, 1))
    assert again.code == 0 and "it checked in already" in again.err
    assert [c.function for c in market.sent] == ["check_in"]
    other = hearth("node", "check-in", "1", "--yes", connect=node_person(market, 2))
    assert other.code == 4 and "error[H1104]" in other.err and "a rotated key counts" in other.err
    assert hearth("node", "check-in", "9", "--yes", connect=node_person(market, 1)).code == 2


def test_check_in__without_gas__says_how_much_and_where_to(hearth: Call, market: Market) -> None:
    market.mine(2 * market.town.calendar.epoch_seconds)
    market.town.chain.balances[market.town.node_keys[1].address] = 10**14
    said = hearth("node", "check-in", "1", "--yes", connect=node_person(market, 1))
    assert said.code == 1 and "error[H2013]" in said.err
    assert f"send some of the native coin to {market.town.node_keys[1].address}" in said.err
    assert market.sent == []


def test_check_in__before_its_first_epoch_or_retired(hearth: Call, market: Market) -> None:
    early = hearth("node", "check-in", "1", "--yes", connect=node_person(market, 1))
    assert early.code == 1 and "error[H2451]" in early.err and "counts from epoch 1 on" in early.err
    market.mine(2 * market.town.calendar.epoch_seconds)
    market.town.world.call("registry", "retire_node", 1, sender=number(market.town.operators[1]))
    market.mine(market.town.calendar.epoch_seconds)
    retired = hearth("node", "check-in", "1", "--yes", connect=node_person(market, 1))
    assert retired.code == 1 and "error[H2452]" in retired.err


def test_check_in__needs_the_nodes_key_in_the_config(hearth: Call, home: Path) -> None:
    path = write_record(home)
    hearth("network", "add", str(path))
    hearth("network", "use", "town")
    hearth("config", "set", "rpc_urls", "http://127.0.0.1:1")
    said = hearth("node", "check-in", "3", "--yes")
    assert said.code == 4 and "[agent] of the config has no key of node 3" in said.err, said.err


def test_agent__checks_in_by_itself_only_where_it_is_told_to(hearth: Call, home: Path) -> None:
    from keepers.chain.deployment import load_record
    from keepers.cli.config import write_settings
    from keepers.cli.up import build_role
    from keepers.roles.agent.decide import CheckInPolicy
    from keepers.roles.agent.role import Agent
    from keepers.sdk.connect import load_settings

    record = load_record(str(write_record(home)))
    made = hearth("key", "new", "node-3", "--json").data
    write_settings({"agent.nodes": "[3]", "agent.keystores": f'["{made["keystore"]}"]'}, None)

    def agent() -> Agent:
        built = build_role("agent", load_settings().settings, record)
        assert isinstance(built, Agent)
        return built

    assert (agent().check_in, list(agent().signers())) == (None, [])
    assert hearth("config", "set", "agent.check_in", "always").code == 2
    assert hearth("config", "set", "agent.check_in", "auto").code == 0
    assert agent().check_in == CheckInPolicy(2 * 10**15, 10**8)
    hearth("config", "set", "agent.check_in_daily", "0.5")
    assert agent().check_in == CheckInPolicy(5 * 10**17, 10**8)
    assert [signer.address for signer in agent().signers()] == [made["address"]]


def test_agent__prover_is_off__answers_no_challenge(hearth: Call, home: Path) -> None:
    from keepers.chain.deployment import load_record
    from keepers.cli.config import write_settings
    from keepers.cli.up import build_role
    from keepers.gpu.prover import ChildProver
    from keepers.roles.agent.role import Agent
    from keepers.sdk.connect import load_settings

    record = load_record(str(write_record(home)))
    made = hearth("key", "new", "node-3", "--json").data
    write_settings({"agent.nodes": "[3]", "agent.keystores": f'["{made["keystore"]}"]'}, None)
    built = build_role("agent", load_settings().settings, record)
    assert isinstance(built, Agent) and isinstance(built.prover, ChildProver)
    assert built.prover.pid is None, "no child before there is a challenge"
    assert hearth("config", "set", "agent.prover", "cuda").code == 2
    assert hearth("config", "set", "agent.prover", "off").code == 0
    built = build_role("agent", load_settings().settings, record)
    assert isinstance(built, Agent) and built.prover is None


def test_whose_key_acts(hearth: Call, home: Path) -> None:
    from keepers.chain.keys import keystore_address
    from keepers.protocol.errors import HearthError
    from keepers.sdk.connect import load_settings, signer_for

    def of(acts_as: str) -> str:
        signer = signer_for(load_settings().settings, acts_as)
        return signer.address if signer is not None else ""

    assert of("attester or renter") == ""
    hearth("init", "renter")
    renter = keystore_address(home / ".local/share/hearth/keys/renter.json")
    assert (of("attester"), of("attester or renter"), of("renter")) == ("", renter, renter)
    hearth("init", "attester")
    assert of("attester or renter") == of("attester") not in ("", renter)
    with pytest.raises(HearthError, match="no key of node 3"):
        of("node 3")


def test_tokens__to_the_last_wei(attester: Person) -> None:
    said = attester("seat", "join", "0.000000000000000001", "--endpoint", "https://s.example", "--yes", "--json")
    assert said.data["bond_wei"] == 1 and BOND > 10 * WAD
