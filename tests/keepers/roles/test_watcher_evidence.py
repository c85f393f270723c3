"""Seats that sign twice: found by what honest seats hold, whatever liars show, and proven for the whole bond."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from keepers.chain.keys import LocalSigner
from keepers.protocol.hashing import keccak
from keepers.protocol.messages import Domain, Report, SignedObservation, VoidReport
from keepers.protocol.statements import REPORT, Statement
from keepers.roles.watcher.evidence import PER_PLACE, Evidence, decode_pair, encode_pair
from keepers.roles.watcher.facts import Policy, State
from keepers.roles.watcher.role import EVIDENCE, Watcher
from keepers.runtime.health import Health
from keepers.runtime.ticker import Trigger
from keepers.store.migrations import open_store
from keepers.wire.attester_client import Endpoint
from keepers.wire.codec import Decoder, EpochRecord, ObsBody, SeatSignature, SignedObs
from keepers.wire.committee import Committee
from keepers.wire.routing import Request, Router
from keepers.wire.signatures import compact
from tests.keepers.roles.town import OWNER, PRICE, Town, key, number
from tests.keepers.roles.watched import Watched
from tests.keepers.roles.world_chain import ADDRESSES

DOMAIN = Domain(31_337, f"0x{ADDRESSES['hub']:040x}")
SEATS = [key(f"seat {i}") for i in range(4)]
BOND = 10_000 * 10**18


class Tables:
    """The committee that a test knows."""

    committee = Committee(1, 1, tuple(Endpoint(i, seat.address, f"http://seat-{i}") for i, seat in enumerate(SEATS)))

    def of_epoch(self, epoch: int) -> Committee:
        return self.committee

    def of_generation(self, generation: int) -> Committee | None:
        return self.committee if generation == 1 else None


def evidence() -> Evidence:
    return Evidence(DOMAIN, Tables())  # type: ignore[arg-type]


def observation(seat: int, body: bytes, epoch: int = 5, signer: LocalSigner | None = None) -> SignedObs:
    message = SignedObservation(1, epoch, seat, keccak(body), PRICE)
    sig = (signer or SEATS[seat]).sign_digest(message.digest(DOMAIN))
    return SignedObs(1, epoch, seat, keccak(body), PRICE, sig)


def report(root: bytes, view: int = 0, epoch: int = 5) -> Report:
    return Report(1, epoch, keccak(b"previous"), keccak(root), view << 40 | PRICE << 64, keccak(b"records"))


def void(last: int, view: int = 0) -> VoidReport:
    return VoidReport(1, 5, last, keccak(b"previous"), view)


def signed(seat: int, message: Report | VoidReport, view: int = 0, epoch: int = 5) -> SeatSignature:
    digest, kind = message.digest(DOMAIN), int(isinstance(message, VoidReport))
    return SeatSignature(kind, epoch, view, digest, seat, compact(SEATS[seat].sign_digest(digest)), message.words())


def shows(observations: list[SignedObs] | None = None, signatures: list[SeatSignature] | None = None) -> EpochRecord:
    return EpochRecord(observations or [], signatures or [])


def test_two_observations_of_one_epoch__by_two_peers() -> None:
    made = evidence()
    assert made.judge(5, [shows([observation(2, b"a"), observation(1, b"b")])]) == []
    ((finding, data),) = made.judge(5, [shows([observation(2, b"c")])])
    assert (finding.kind, finding.epoch, finding.seat) == ("equivocation", 5, 2)
    first, second = decode_pair(data)
    assert {first.digest(DOMAIN), second.digest(DOMAIN)} == {
        SignedObservation(1, 5, 2, keccak(body), PRICE).digest(DOMAIN) for body in (b"a", b"c")
    }
    assert encode_pair(first, second) == data


def test_two_reports_of_one_view__a_report_and_a_void_one() -> None:
    one, other, nothing = report(b"one"), report(b"other"), void(6)
    for a, b in ((one, other), (one, nothing), (void(7), nothing)):
        ((finding, data),) = evidence().judge(5, [shows([], [signed(3, a), signed(3, b)])])
        assert finding.seat == 3 and decode_pair(data)[0].place == decode_pair(data)[1].place == (REPORT, 1, 5, 0)


def test_two_reports__by_two_peers() -> None:
    records = [shows([], [signed(0, report(b"one"))]), shows([], [signed(0, report(b"other"))])]
    ((finding, _),) = evidence().judge(5, records)
    assert finding.seat == 0


@pytest.mark.parametrize(
    ("why", "record"),
    [
        ("another view", shows(
            [], [signed(1, report(b"a")), signed(1, report(b"b", 1), view=1)])),
        ("another view than the peer says", shows(
            [], [signed(1, report(b"a")), signed(1, report(b"b", 1), view=0)])),
        ("another epoch", shows([observation(1, b"a"), observation(1, b"b", epoch=6)])),
        ("the same twice", shows([observation(1, b"a"), observation(1, b"a")])),
        ("signed by another", shows([observation(1, b"a"), observation(1, b"b", signer=SEATS[2])])),
        ("no signature", shows([observation(1, b"a"), SignedObs(1, 5, 1, keccak(b"b"), PRICE, bytes(65))])),
        ("a digest of something else", shows(
            [], [signed(1, report(b"a")), structs.replace(signed(1, report(b"b")), message=report(b"c").words())])),
        ("words of another kind", shows(
            [], [signed(1, report(b"a")), structs.replace(signed(1, report(b"b")), kind=1)])),
    ],
)  # fmt: skip
def test_no_equivocation(why: str, record: EpochRecord) -> None:
    assert evidence().judge(5, [record]) == [], why


def test_a_seat_that_floods__is_kept_within_bounds() -> None:
    made = evidence()
    found = made.judge(5, [shows([observation(1, bytes([i])) for i in range(100)])])
    assert len(found) == 1 and len(next(iter(made._signed[5].values()))) == PER_PLACE


def test_signatures_that_are_none__leave_nothing() -> None:
    made = evidence()
    junk = [structs.replace(signed(1, report(b"a", view), view), signature=bytes(64)) for view in range(50)]
    assert made.judge(5, [shows([], junk)]) == [] and made._signed[5] == {}


def test_words_that_are_too_short__prove_nothing() -> None:
    """A seat can sign the digest of anything; the contract takes whole words, and such a proof would fail for ever."""
    made = []
    for last in (b"short", b"other"):
        words = report(b"a").words()[:160] + last
        statement = Statement(REPORT, [words[at : at + 32] for at in range(0, len(words), 32)])
        sig = compact(SEATS[1].sign_digest(statement.digest(DOMAIN)))
        made.append(SeatSignature(0, 5, 0, statement.digest(DOMAIN), 1, sig, words))
    assert evidence().judge(5, [shows([], made)]) == []


def test_a_table_that_a_reorg_took_back__is_passed_over() -> None:
    tables = Tables()
    made = Evidence(DOMAIN, tables)  # type: ignore[arg-type]
    record = shows([observation(1, b"a"), observation(1, b"b")])
    assert len(made.judge(5, [record])) == 1
    tables.of_generation = lambda generation: None  # type: ignore[method-assign]
    assert made.judge(5, [record]) == []


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """A network of real attesters, of which seat 3 has a bond."""
    made = Town()
    w, seat = made.world, number(made.seat_keys[3])
    w.call("token", "transfer", seat, BOND, sender=OWNER)
    w.call("token", "approve", ADDRESSES["committee"], BOND, sender=seat)
    w.call("committee", "join", BOND, "", sender=seat)
    made.run_epochs(2)
    yield made


def watch(town: Town, policy: Policy) -> Watcher:
    signer = key("watcher")
    made = Watcher(signer, policy)
    store = open_store("sqlite://", threaded=False)
    context = replace(town.app.context, store=store, health=Health(), transport=town.transport)
    if policy.submit:
        context.senders[signer.address] = town.chain.sender(signer)
    made.mount(context)
    made.start()
    return made


def cycle(town: Town, watcher: Watcher, timer: str = "block") -> str:
    said = watcher.cycle(Trigger(timer, float(town.clock.now())))
    town.chain.mine(town.clock.now())
    return said


def test_equivocation__held_by_honest_seats__proven_for_the_bond(town: Town) -> None:
    """Seat 3 gives two attesters different observations; the watcher asks everybody and proves it, once."""
    watcher = watch(town, Policy(submit=True))
    e = town.calendar.epoch(town.clock.now())
    town.kill(3)
    town.run(town.calendar.end(e) + 70)
    for attester, body in zip(town.attesters[:2], (b"one", b"another"), strict=True):
        attester.desk.exchange.take_observation(ObsBody(observation(3, body, e), b""))
    town.ended = e
    town.run(town.calendar.end(e) + 300)
    assert town.world.hub.last_epoch == e, "one seat's lie stops nobody"
    assert cycle(town, watcher, EVIDENCE) == "skipped"
    (row,) = watcher.findings.open()
    assert (row.finding.kind, row.finding.seat, row.finding.epoch) == ("equivocation", 3, e)
    for _ in range(5):
        cycle(town, watcher)
        town.run(town.clock.now() + 30)
    assert (town.outcomes("commit"), town.outcomes("prove_equivocation")) == (["ok"], ["ok"])
    account = number(town.seat_keys[3])
    assert town.world.committee.accounts[account].bond == 0
    assert town.world.token.balance[int(watcher.account, 16)] == BOND // 5
    assert [row.state for row in watcher.findings.all()] == [State.OURS]
    assert watcher.verdicts == () and watcher.findings.all()[0].finding.bounty == BOND // 5
    # asked again, the same evidence is nothing new
    cycle(town, watcher, EVIDENCE)
    assert len(watcher.findings.all()) == 1 and cycle(town, watcher) == "skipped"


def test_honest_seats__nothing_is_found(town: Town) -> None:
    watcher = watch(town, Policy())
    town.run_epochs(2)
    for timer in (EVIDENCE, "block", f"{EVIDENCE}-late", "block"):
        cycle(town, watcher, timer)
    equivocations = [row for row in watcher.findings.all() if row.finding.epoch > town.ended - 2]
    assert equivocations == [] and watcher.evidence._signed[town.ended] != {}


def test_signed__shows_both_signatures_of_a_place_and_what_they_stand_for(town: Town) -> None:
    """A seat's second signature for a view counts for nothing, and is shown beside the first."""
    attester = town.attesters[0]
    e = town.world.hub.last_epoch
    router = Router(attester.routes())

    def shown() -> Any:
        return Decoder(EpochRecord)(router.dispatch(Request("GET", f"/v1/epochs/{e}/signed")).body)

    before = shown()
    assert len({given.seat for given in before.signatures}) >= 3
    assert len({(given.seat, given.view) for given in before.signatures}) == len(before.signatures)
    assert all(attester.desk.exchange.is_of_its_place(given) for given in before.signatures)
    current = town.calendar.epoch(town.clock.now())
    town.run(town.calendar.end(current) + 95)
    e = current
    first = next(given for given in shown().signatures if given.seat != 0)
    said = report(b"other", first.view, e)
    other = said.digest(attester.desk.domain)
    seat = town.seat_keys[first.seat]
    second = SeatSignature(0, e, first.view, other, first.seat, compact(seat.sign_digest(other)), said.words())
    attester.desk.exchange.take_signature(second)
    after = [given for given in shown().signatures if (given.seat, given.view) == (first.seat, first.view)]
    assert {given.digest for given in after} == {first.digest, other}
    assert attester.desk.exchange.signatures(e, other) == {}, "evidence counts for no quorum"


def test_seats_that_are_down_or_talk_nonsense__are_passed_over(town: Town) -> None:
    watcher = watch(town, Policy())
    town.transport.down |= {"seat-0", "seat-1"}
    try:
        assert cycle(town, watcher, EVIDENCE) == "skipped"
        assert watcher.evidence._signed
    finally:
        town.transport.down.clear()


@pytest.mark.parametrize("bonded", [True, False])
def test_a_seat_that_signs_twice_in_every_view__costs_one_proof_at_most(bonded: bool) -> None:
    """The first proof takes the whole bond; whoever sent the rest would be out of gas when a false report comes."""
    watched = Watched()
    watched.report()
    accounts, account = watched.world.committee.accounts, number(SEATS[1])
    if not bonded:
        accounts[account] = replace(accounts[account], bond=0)
        watched.step(watched.clock.now() + 1)
    watcher = watched.watch()
    twice = [signed(1, report(root, view), view) for view in range(30) for root in (b"one", b"other")]
    watcher.evidence.gather = lambda *_: watcher.evidence.judge(5, [shows([], twice)])  # type: ignore[method-assign]
    for _ in range(3):
        watcher.ask_seats(watched.chain.head())
        watched.looks(watcher)
    sent = watched.mined("commit", "prove_equivocation")
    assert sent == ([("commit", "ok"), ("prove_equivocation", "ok")] if bonded else [])
    rows = watcher.findings.all()
    assert len(rows) <= 3 and {row.state for row in rows} == ({State.OURS, State.GONE} if bonded else {State.GONE})
    assert watcher.verdicts == () and accounts[account].bond == 0
