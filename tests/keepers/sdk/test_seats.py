"""A seat's way in and out over the reference model, and what it is told to do at each step."""

from __future__ import annotations

import json

import pytest

from keepers.protocol.errors import HearthError
from keepers.protocol.messages import Domain, SignedObservation, VoidReport
from keepers.protocol.seats import REPEAT
from keepers.protocol.units import WAD
from keepers.sdk import evidence
from keepers.sdk.client import Hearth
from keepers.simulate.state import Revert
from keepers.wire.signatures import compact
from tests.keepers.roles.town import OWNER, key, number
from tests.keepers.roles.world_chain import ADDRESSES
from tests.keepers.sdk.conftest import Market

BOND = 10_000 * WAD
NAMES = [f"candidate {i}" for i in range(5)]


def candidate(market: Market, i: int, tokens: int = BOND) -> Hearth:
    """A person with tokens for a bond."""
    who = key(NAMES[i])
    market.town.world.call("token", "transfer", number(who), tokens, sender=OWNER)
    market.mine()
    return market.person(who)


def propose(market: Market, *members: Hearth) -> None:
    seats = [int(member.address, 16) for member in members]
    market.town.world.call("committee", "propose", seats, sender=OWNER)
    market.mine()


def wait(market: Market, seconds: int) -> None:
    market.mine(seconds)


@pytest.fixture
def seated(market: Market) -> list[Hearth]:
    """Five bonded seats, in force now."""
    members = [candidate(market, i) for i in range(5)]
    for i, member in enumerate(members):
        member.join(None, f"https://seat-{i}.example")
    propose(market, *members)
    notice = market.town.parameters.notice
    wait(market, notice)
    members[0].apply_table()
    wait(market, market.town.calendar.epoch_seconds)
    return members


def refusal(code: str, hearth: Hearth, verb: str, *arguments: object) -> HearthError:
    """The error of a verb that must send nothing."""
    with pytest.raises(HearthError) as found:
        getattr(hearth, verb)(*arguments)
    assert found.value.code == code, found.value
    return found.value


# ---- looking


def test_committee__an_endpoint_without_its_logs__is_named(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    me = candidate(market, 0)
    assert len(me.seats()) == 4
    monkeypatch.setattr("keepers.wire.committee.Committees._events", lambda self, first, last: [])
    assert me.seats() == (), "no report yet: there may be no committee"
    monkeypatch.setattr(type(me.suite.hub), "last_epoch", lambda self, at: 1)
    assert "no log of a committee" in refusal("H2006", me, "seats").message
    refusal("H2006", me, "seat")


# ---- in


def test_join__bonds_what_lacks__repeated_sends_nothing(market: Market) -> None:
    me = candidate(market, 0)
    before = me.seat()
    assert (before.state, before.missing_wei, before.signs) == ("no bond", BOND, False)
    assert before.next[0].startswith("hearth seat join --endpoint URL")
    view = me.join(None, "https://seat.example")
    assert (view.bond_wei, view.missing_wei, view.endpoint) == (BOND, 0, "https://seat.example")
    assert [call.function for call in market.sent] == ["approve", "join"]
    assert view.next == ("ask the owner to propose this account (AttesterCommittee.propose)",)
    assert me.join(None) == view, "nothing lacks, the endpoint is the same"
    assert len(market.sent) == 2
    assert me.join(None, "https://other.example").endpoint == "https://other.example"
    assert [call.function for call in market.sent] == ["approve", "join", "set_endpoint"]


def test_join__a_key_bonds_once__more_is_added(market: Market) -> None:
    me = candidate(market, 0, 3 * BOND)
    for _ in range(2):
        assert me.join(BOND, "https://seat.example", key="first").bond_wei == BOND
    assert me.join(5).bond_wei == BOND + 5
    assert [call.function for call in market.sent].count("join") == 2


def test_join__too_few_tokens_or_no_endpoint__nothing_sent(market: Market) -> None:
    me = candidate(market, 0, BOND - 1)
    error = refusal("H5003", me, "join", None, "https://seat.example")
    assert "send 0.0000 tokens" in error.next[0] and me.address in error.next[0]
    for url in ("", "seat.example", "ftp://seat.example", "https://", f"https://{'a' * 90}.example", "http://u@h",
                "https://h/?a=b", "http://h:0", "http://h:99999"):  # fmt: skip
        refusal("H1005", me, "join", None, url)
    public = market.person(key(NAMES[0]))
    public.deployment = public.deployment.model_copy(update={"local": False})
    refusal("H1005", public, "check_endpoint", "http://127.0.0.1:8700")
    assert me.check_endpoint("http://127.0.0.1:8700") == "http://127.0.0.1:8700", "a local network"
    assert market.sent == []


def test_in_force__from_the_epoch_after_anyone_applied_it(market: Market) -> None:
    members = [candidate(market, i) for i in range(4)]
    for member in members:
        member.join(None, "https://seat.example")
    stranger = market.person(key("stranger"))
    assert "nobody left" in refusal("H2587", stranger, "apply_table").why[0]
    propose(market, *members)
    view = members[1].seat()
    assert view.proposed_at and not view.due and view.next[0].startswith("wait for the notice")
    refusal("H2587", stranger, "apply_table")
    wait(market, market.town.parameters.notice)
    assert members[1].seat().next == ("hearth seat apply",)
    made = stranger.apply_table()
    assert (made.generation, made.seats, made.seat) == (2, 4, None)
    view = members[1].seat()
    assert view.seated and not view.signs and view.coming is not None
    assert (view.coming.seat, view.coming.start) == (1, view.epoch + 1)
    assert f"start before epoch {view.epoch + 1}" in view.next[0]
    wait(market, market.town.calendar.epoch_seconds)
    view = members[1].seat()
    assert view.signs and view.coming is None and view.next == ()
    assert [seat.account for seat in stranger.seats()] == [member.address for member in members]


def test_a_seat_of_the_owners_own_table__signs_without_a_bond(market: Market) -> None:
    view = market.person(market.town.seat_keys[2]).seat()
    assert view.signs and not view.seated and view.present is not None and view.present.seat == 2
    assert (view.state, view.bond_wei) == ("no bond", 0)
    assert "outlasts the owner's table" in view.next[0]


# ---- out


def test_leave__notice__apply__release__withdraw(market: Market, seated: list[Hearth]) -> None:
    me, p = seated[2], market.town.parameters
    refusal("H2583", me, "withdraw_bond")
    view = me.leave_seat()
    assert (view.state, view.leaving_at) == ("seated, leaving", view.now + p.notice)
    assert view.next == ("keep signing until the notice is over, then: hearth seat apply",)
    assert me.leave_seat() == view, "leaving once is enough"
    assert [call.function for call in market.sent].count("leave") == 1
    refusal("H2577", me, "join", 1)
    wait(market, p.notice)
    view = me.seat()
    assert view.due and view.next[0].startswith("hearth seat apply")
    seated[0].apply_table()
    view = me.seat()
    assert view.state == "out, bond held" and view.signs
    assert view.next[0].startswith("keep signing") and view.next[1].startswith("wait until")
    refusal("H2584", me, "withdraw_bond")
    refusal("H2578", me, "join", 1)
    wait(market, view.free_at - view.now)
    assert me.seat().next == ("hearth seat withdraw     the bond is free",)
    assert me.free_bond() == BOND
    assert me.withdraw_bond().state == "no bond"
    assert me.wallet().token_wei == BOND
    refusal("H2585", me, "withdraw_bond")
    refusal("H2581", me, "leave_seat")


def test_leave__of_four__the_table_stays_and_says_so(market: Market, seated: list[Hearth]) -> None:
    for i in (0, 1):
        seated[i].leave_seat()
    wait(market, market.town.parameters.notice)
    view = seated[0].seat()
    assert not view.due and "fewer than four seats" in view.stuck
    assert view.next[0].startswith("keep signing, the table cannot change yet: without those that leave")
    assert "fewer than four" in refusal("H2588", seated[3], "apply_table").why[0]


def test_apply__the_hub_may_refuse_what_is_due(market: Market, seated: list[Hearth]) -> None:
    """Reported epochs before the present table's first may still be refuted, and its predecessor signs them again."""
    seated[4].leave_seat()
    wait(market, market.town.parameters.notice)
    assert seated[4].seat().due
    market.town.world.hub._usable_at = lambda e: market.town.world.now + 1  # type: ignore[method-assign]
    market.mine()
    view = seated[4].seat()
    assert not view.due and "may still be refuted" in view.stuck
    assert view.next[0].startswith("keep signing, the table cannot change yet: the table before began lately")
    error = refusal("H2411", seated[0], "apply_table")
    assert error.next[0] == "wait until these are usable, then repeat"


def test_withdraw__at_once_where_it_never_sat(market: Market) -> None:
    me = candidate(market, 0)
    me.join(None, "https://seat.example")
    assert me.withdraw_bond().bond_wei == 0
    me.join(None, "https://seat.example")
    assert me.withdraw_bond().bond_wei == 0, "a second time is another action"


# ---- what is taken


def fall(market: Market, epoch: int, who: int) -> None:
    """A report of the epoch, signed by the seats in `who`, was refuted now."""
    generation = market.town.world.hub.committee(epoch)[0]
    market.town.world.refuter.faults[epoch, 0] = generation << 72 | who << 40 | market.town.world.now
    market.mine()


def test_punish__a_tenth__then_all__by_anyone(market: Market, seated: list[Hearth]) -> None:
    stranger = market.person(key("stranger"))
    epoch = seated[0].seat().epoch
    refusal("H2597", stranger, "punish", epoch)
    fall(market, epoch, 0b00101)
    assert stranger.unpunished(epoch) == (0,)
    assert stranger.punish(epoch) == ((seated[0].address, BOND // 10), (seated[2].address, BOND // 10))
    assert stranger.punish(epoch) == () and stranger.unpunished(epoch) == ()
    view = seated[0].seat()
    assert view.bond_wei == BOND * 9 // 10 and view.fault_at
    assert view.next[0].startswith("hearth seat join     the bond is short; 1,000.0000 tokens")
    wait(market, REPEAT - 100)
    later = seated[0].seat().epoch
    fall(market, later, 0b00001)
    assert stranger.punish(later) == ((seated[0].address, BOND * 9 // 10),)
    view = seated[0].seat()
    assert view.state == "seated, bond lost" and view.due
    stranger.apply_table()
    view = seated[0].seat()
    assert view.next[-1].startswith("use another account")
    wait(market, view.free_at - view.now)
    refusal("H2585", seated[0], "withdraw_bond")
    refusal("H2578", seated[0], "join", 1)
    for call, says in ((("join", 1, "https://s.example"), "withdraw first"), (("withdraw",), "nothing left")):
        with pytest.raises(Revert, match=says):
            market.town.world.call("committee", *call, sender=int(seated[0].address, 16))


def paper(market: Market, seat: int, signer: str, second_view: int = 7, **changes: object) -> str:
    """A file with an observation signed twice, or two void reports, by that seat of generation 2."""
    hub = Domain(31_337, market.deployment.address("AttestationHub"))
    who = key(signer)
    rows = []
    for i in range(2):
        if changes.get("void"):
            message: SignedObservation | VoidReport = VoidReport(2, 9, 9 + i, b"p" * 32, 7 if i == 0 else second_view)
            signature = compact(who.sign_digest(message.digest(hub)))
        else:
            message = SignedObservation(2, 9, seat, bytes([i]) * 32, 10**12)
            signature = who.sign_digest(message.digest(hub))
        plain = {k: "0x" + v.hex() if isinstance(v, bytes) else str(v) for k, v in vars(message).items()}
        kind = "void" if changes.get("void") else "observation"
        rows.append({"kind": kind, **plain, "signature": "0x" + signature.hex()})
    body = {"schema": evidence.SCHEMA, "chain_id": 31_337, "hub": hub.contract, "seat": seat, "statements": rows}
    return json.dumps(body)


@pytest.mark.parametrize("void", [False, True])
def test_prove__the_bond_is_taken__a_fifth_to_the_finder(market: Market, seated: list[Hearth], void: bool) -> None:
    finder = market.person(key("stranger"))
    shown = evidence.read(paper(market, 3, NAMES[3], void=void))
    assert finder.guilty(shown) == seated[3].address
    market.town.world.warp(market.town.world.now + 1)
    commitment = evidence.Evidence.commitment(shown, finder.address)
    market.town.world.call("committee", "commit", commitment, sender=int(finder.address, 16))
    wait(market, 1)
    view = finder.prove(shown)
    assert (view.account, view.bond_wei, view.state) == (seated[3].address, 0, "seated, bond lost")
    assert finder.wallet().token_wei == BOND // 5
    sent = len(market.sent)
    assert finder.prove(shown).bond_wei == 0 and len(market.sent) == sent, "proven once"


def test_prove__commits_first(market: Market, seated: list[Hearth]) -> None:
    market.person(key("stranger")).prove(evidence.read(paper(market, 3, NAMES[3])))
    assert [call.function for call in market.sent][-2:] == ["commit", "prove_equivocation"]


def test_prove__what_is_no_proof_costs_no_gas(market: Market, seated: list[Hearth]) -> None:
    finder = market.person(key("stranger"))
    before = len(market.sent)
    refusal("H2594", finder, "prove", evidence.read(paper(market, 3, NAMES[2])))
    refusal("H2592", finder, "prove", evidence.read(paper(market, 5, NAMES[3])))
    other = json.loads(paper(market, 3, NAMES[3])) | {"hub": "0x" + "11" * 20}
    refusal("H1006", finder, "prove", evidence.read(json.dumps(other)))
    assert len(market.sent) == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": "hearth.x/1"}, "its schema is"),
        ({"statements": []}, "no list of two"),
        ({"statements": {"0": 1}}, "no list of two"),
        ({"statements": [1, 2]}, "a statement is no JSON object"),
        ({"seat": "0x3"}, "is no whole number"),
        ({"hub": "0x12"}, "an address has 20 bytes"),
        ({"chain_id": True}, "is no whole number"),
    ],
)
def test_evidence__bad_files_are_named(market: Market, change: dict[str, object], says: str) -> None:
    body = json.loads(paper(market, 3, NAMES[3]))
    with pytest.raises(HearthError) as found:
        evidence.read(json.dumps(body | change))
    assert found.value.code == "H1006" and says in found.value.why[0]


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"null", b'{"schema": 1}', b"[" * 10_000, b"\xff\xfe"])
def test_evidence__garbage_is_no_proof(text: bytes) -> None:
    with pytest.raises(HearthError) as found:
        evidence.read(text)
    assert found.value.code == "H1006"


def test_evidence__the_same_twice_or_two_places(market: Market) -> None:
    body = json.loads(paper(market, 3, NAMES[3]))
    same = body | {"statements": [body["statements"][0]] * 2}
    with pytest.raises(HearthError, match="say the same"):
        evidence.read(json.dumps(same))
    with pytest.raises(HearthError, match="two places"):
        evidence.read(paper(market, 3, NAMES[3], second_view=8, void=True))


def test_statement_words__are_those_of_the_model(market: Market) -> None:
    shown = evidence.read(paper(market, 3, NAMES[3]))
    kind, words, signature = shown.first.args
    assert (kind, len(words), len(signature)) == (0, 5, 65)
    assert shown.first.place == (0, 2, 9, 0)
    assert ADDRESSES["hub"] == int(shown.hub, 16)
