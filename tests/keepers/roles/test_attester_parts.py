"""Sign log, ingest, exchange, prices and snapshots of an attester, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import msgspec
import pytest
from sqlalchemy import func, select, update

from keepers.chain.keys import LocalSigner
from keepers.chain.ports import BlockRef
from keepers.protocol.hashing import keccak
from keepers.protocol.merge import Body
from keepers.protocol.messages import Domain, Report, SignedObservation
from keepers.protocol.report import Facts
from keepers.roles.attester.exchange import Exchange, sealed
from keepers.roles.attester.ingest import Ingest
from keepers.roles.attester.observe import HeadLog, Seen
from keepers.roles.attester.prices import (
    CsvSource,
    Fixed,
    HttpSource,
    PriceUnavailable,
    build_sources,
    median_price,
    parse_price,
)
from keepers.roles.attester.tables import AttesterEquivocation, AttesterProposal
from keepers.roles.attester.view import gather
from keepers.store.migrations import open_store
from keepers.wire.attester_client import AttesterClient, Declined, Endpoint, Unreachable
from keepers.wire.codec import Beat, ObsBody, Proposal, SeatSignature, SignedObs, encode, pack_beats
from keepers.wire.committee import Committee
from keepers.wire.routing import Refused, Request
from keepers.wire.signatures import compact

SEATS = [LocalSigner(keccak(f"seat {i}".encode())) for i in range(4)]
COMMITTEE = Committee(1, 1, tuple(Endpoint(i, seat.address, f"http://seat-{i}") for i, seat in enumerate(SEATS)))
DOMAIN = Domain(31_337, "0x" + "22" * 20)
END = 10_000

# ---------------------------------------------------------------------- ingest


class Always:
    """An admission that counts everything once."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def admit(self, beat: Beat, now: float) -> str:
        return "repeat" if self.seen.has(beat.node, beat.epoch, beat.slot) else "counted"

    def admit_many(self, beats: Sequence[Beat], now: float) -> list[str]:
        return [self.admit(beat, now) for beat in beats]


def ingest_on(store: object, seen: Seen, observing: bool = True) -> Ingest:
    return Ingest("0xme", store, seen, Always(seen), lambda: 0.0, lambda: observing)  # type: ignore[arg-type]


def beat(node: int, slot: int, epoch: int = 3) -> Beat:
    return Beat(node, epoch, slot, 1, b"b" * 32, b"t" * 32, b"s" * 65)


@pytest.mark.attack("T53")
def test_counted_once_and_remembered_over_a_restart() -> None:
    store, seen = open_store("sqlite://", threaded=False), Seen()
    ingest = ingest_on(store, seen)
    assert ingest.take([beat(1, 0), beat(2, 0), beat(1, 11, epoch=4)]) == ["counted"] * 3
    assert ingest.take([beat(1, 0), beat(3, 0)]) == ["repeat", "counted"]
    again = Seen()
    ingest_on(store, again).restore()
    assert again.masks(3) == {1: 1, 2: 1, 3: 1} and again.masks(4) == {1: 1 << 11}
    assert again.last_slot(1) == (4, 11) and again.last_slot(9) is None
    assert again.close_slot(3, 0) == 3


@pytest.mark.attack("A13")
def test_skewed_attester_observes_nothing() -> None:
    seen = Seen()
    assert ingest_on(open_store("sqlite://", threaded=False), seen, False).take([beat(1, 0)]) == ["not-observing"]
    assert seen.masks(3) == {}


def test_route_answers_a_word_a_beat() -> None:
    ingest = ingest_on(open_store("sqlite://", threaded=False), Seen())
    assert ingest.heartbeats(Request("POST", "/", encode(beat(1, 0)))).body == b'["counted"]'
    assert ingest.heartbeats(Request("POST", "/", pack_beats([beat(2, 0)]), packed=True)).body == b'["counted"]'


def test_requests_that_wait_together_are_judged_together_and_answered_apart() -> None:
    seen = Seen()
    ingest = ingest_on(open_store("sqlite://", threaded=False), seen)
    ingest.take([beat(7, 0)])
    given = [encode(beat(1, 0)), b"{}", encode([beat(7, 0), beat(2, 0)]), pack_beats([beat(3, 0), beat(4, 1)]), b"x"]
    packed = [False, False, False, True, True]
    found = ingest.many([Request("POST", "/", b, packed=p) for b, p in zip(given, packed, strict=True)])
    assert [answer.status for answer in found] == [200, 400, 200, 200, 400]
    assert [found[i].body for i in (0, 2, 3)] == [b'["counted"]', b'["repeat","counted"]', b'["counted","counted"]']
    assert [answer.wasted for answer in found] == [0, 1, 1, 0, 1], "what was worth something costs its sender nothing"
    assert seen.masks(3) == {7: 1, 1: 1, 2: 1, 3: 1, 4: 2}


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("counted", 200),
        ("bad-signature", 401),
        ("wrong-key", 403),
        ("unknown-node", 403),
        ("late", 400),
        ("early", 400),
    ],
)
@pytest.mark.attack("T51")
def test_status_of_a_single_beat(word: str, status: int) -> None:
    class Says:
        def admit_many(self, given: Sequence[Beat], now: float) -> list[str]:
            return [word] * len(given)

    store, seen = open_store("sqlite://", threaded=False), Seen()
    ingest = Ingest("0xme", store, seen, Says(), lambda: 0.0, lambda: True)  # type: ignore[arg-type]
    assert ingest.heartbeats(Request("POST", "/", encode(beat(1, 0)))).status == status
    assert ingest.heartbeats(Request("POST", "/", encode([beat(1, 0)]))).status == 200, "a batch is told one by one"
    assert bool(seen.masks(3)) == (word == "counted"), "nothing else is stored"


@pytest.mark.attack("D08")
def test_not_acknowledged_if_it_cannot_be_stored() -> None:
    store, seen = open_store("sqlite://", threaded=False), Seen()
    ingest = ingest_on(store, seen)
    store.close()
    with pytest.raises(Exception, match="closed"):
        ingest.take([beat(1, 0)])
    assert seen.masks(3) == {}, "neither acknowledged nor counted"


# ---------------------------------------------------------------------- heads


@pytest.mark.attack("A12")
def test_head_log_knows_what_was_head_until_when() -> None:
    chain = [BlockRef(i, bytes([i]) * 32, 100 + i) for i in range(6)]
    state = {"head": chain[2], "now": 102.0}
    log = HeadLog(
        lambda: state["head"],  # type: ignore[arg-type, return-value]
        lambda number: chain[number] if number < 6 else None,
        lambda: state["now"],  # type: ignore[arg-type, return-value]
        1_000,
    )
    assert log.last_head_at(2, chain[2].hash) == 102.0
    state["now"] = 150.0
    assert log.last_head_at(2, chain[2].hash) == 150.0, "still head"
    state["head"] = chain[5]
    assert log.last_head_at(5, chain[5].hash) == 150.0
    assert log.last_head_at(2, chain[2].hash) == 150.0, "until we saw another"
    assert log.last_head_at(3, chain[3].hash) == 104.0, "never polled, but head until block 4 came"
    assert log.last_head_at(3, b"x" * 32) is None, "another fork, never seen"
    assert log.last_head_at(7, b"x" * 32) is None, "not there yet"
    state["head"] = BlockRef(5, b"y" * 32, 105)
    assert log.last_head_at(5, b"y" * 32) == 150.0
    assert log.last_head_at(5, chain[5].hash) == 150.0, "a reorged head counts"


# ---------------------------------------------------------------------- exchange


class World:
    """An exchange of seat 0 at a settable time."""

    def __init__(self, fits: Callable[[int, bytes], bool] = lambda epoch, body: True) -> None:
        self.now = END + 40.0
        self.fits = fits
        self.store = open_store("sqlite://", threaded=False)
        self.exchange = self.make()

    def make(self) -> Exchange:
        def lookup(epoch: int) -> Committee | None:
            return COMMITTEE if epoch in (8, 9) else None

        return Exchange(
            SEATS[0].address,
            self.store,
            DOMAIN,
            lambda: self.now,
            lookup,
            lookup,
            lambda e: END,
            lambda e, view: view <= 3,
            5,
            self.fits,
        )


def observation(seat: int, price: int = 5, epoch: int = 8, by: int | None = None, body: bytes | None = None) -> ObsBody:
    content = Body((1, 2, 3)).encode() if body is None else body
    message = SignedObservation(1, epoch, seat, keccak(content), price)
    signature = SEATS[seat if by is None else by].sign_digest(message.digest(DOMAIN))
    return ObsBody(SignedObs(1, epoch, seat, keccak(content), price, signature), content)


def test_observation_with_and_without_body() -> None:
    world = World()
    whole = observation(2)
    world.exchange.take_observation(ObsBody(whole.signed, b""))
    assert world.exchange.held(8) == {}, "a signature alone is not held"
    world.now += 10
    world.exchange.take_observation(whole)
    assert world.exchange.held(8)[2].held_at == END + 50
    world.now += 10
    world.exchange.take_observation(whole)
    assert world.exchange.held(8)[2].held_at == END + 50, "idempotent"
    again = world.make()
    again.restore({})
    assert again.held(8) == world.exchange.held(8), "survives a restart"


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        (observation(2, by=3), 403, "H6113"),
        (observation(2, epoch=7), 409, "H6116"),
        (observation(2, price=0), 400, "H6105"),
        (ObsBody(observation(2).signed, b"other body"), 400, "H6114"),
        (ObsBody(msgspec.structs.replace(observation(2).signed, seat=4), b""), 403, "H6117"),
        (ObsBody(msgspec.structs.replace(observation(2).signed, generation=2), b""), 403, "H6111"),
        (ObsBody(msgspec.structs.replace(observation(2).signed, signature=bytes(65)), b""), 401, "H6110"),
        (ObsBody(msgspec.structs.replace(observation(2).signed, price=6), b""), 403, "H6113"),
    ],
)
@pytest.mark.attack("A07", "A09", "T51")
def test_observation_is_refused(given: ObsBody, status: int, code: str) -> None:
    world = World()
    with pytest.raises(Refused) as caught:
        world.exchange.take_observation(given)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert world.exchange.held(8) == {}


def test_observation_before_the_end_of_its_epoch_is_refused() -> None:
    world = World()
    world.now = END - 6
    with pytest.raises(Refused) as caught:
        world.exchange.take_observation(observation(2))
    assert caught.value.code == "H6112"


def test_second_observation_of_a_seat_is_kept_as_evidence() -> None:
    world = World()
    world.exchange.take_observation(observation(2, price=5))
    world.now += 1
    world.exchange.take_observation(observation(2, price=6))
    assert world.exchange.held(8)[2].signed.price == 5, "the first one counts"
    with world.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(AttesterEquivocation)).scalar() == 1


@pytest.mark.attack("A19")
def test_more_observations_of_a_seat_are_kept_only_where_a_leaders_set_names_them() -> None:
    """Whoever equivocates could give each seat others, and no set could be followed by a quorum."""
    world = World()
    for price in (5, 6):
        world.exchange.take_observation(observation(2, price=price))
    with pytest.raises(Refused) as caught:
        world.exchange.take_observation(observation(2, price=7))
    assert (caught.value.status, caught.value.code) == (409, "H6118")
    named = proposal(observations=[observation(2, price=7).signed])
    world.exchange.take_proposal(named)
    for exchange in (world.exchange, restored(world)):
        exchange.take_observation(observation(2, price=7))
        found = exchange.find(observation(2, price=7).signed)
        assert found is not None and found.whole
        with pytest.raises(Refused):
            exchange.take_observation(observation(2, price=8))


def restored(world: World) -> Exchange:
    """The books after a restart."""
    again = world.make()
    again.restore({})
    return again


class Links:
    """Clients of three peers: seat 1 declines what has price 5, seat 2 is away."""

    def __init__(self) -> None:
        self.got: list[tuple[int, int, bool]] = []
        self.clients = [self.client(seat) for seat in (1, 2, 3)]

    def client(self, seat: int) -> AttesterClient:
        made = AttesterClient(COMMITTEE.endpoints[seat], httpx.Client())

        def send(given: ObsBody) -> None:
            if seat == 2:
                raise Unreachable("H2007", "away")
            if seat == 1 and given.signed.price == 5:
                raise Declined("H2007", "HTTP 409")
            self.got.append((seat, given.signed.price, bool(given.body)))

        made.send_observation = send  # type: ignore[method-assign]
        return made


def test_push_goes_on_after_what_a_peer_declines_and_offers_that_again() -> None:
    world, links = World(), Links()
    world.exchange.adopt_own(observation(0, price=5).signed, observation(0, price=5).body, world.now)
    world.exchange.take_observation(observation(1, price=6))
    world.exchange.take_observation(observation(3, price=7))
    for _ in range(2):
        assert world.exchange.push(8, links.clients, 0, True, True, None) == 1, "seat 2 is away"
    assert sorted(links.got) == [(1, 7, True), (3, 5, True), (3, 6, True)], "each once, to whoever took it"
    only = world.exchange.digests(8, {3})
    assert world.exchange.push(8, [links.client(2)], 0, True, True, None, only) == 1


@pytest.mark.attack("A09")
def test_body_that_nobody_can_read_is_not_held_and_does_not_hide_a_readable_one() -> None:
    world = World(fits=lambda epoch, body: len(body) == Body.length(3))
    world.exchange.take_observation(observation(2, body=b"x" * 7))
    assert world.exchange.held(8) == {}, "signed, whole, and of no use"
    world.now += 1
    world.exchange.take_observation(observation(2))
    assert world.exchange.held(8)[2].body == observation(2).body


class Peer:
    """A client that only remembers."""

    def __init__(self, seat: int) -> None:
        self.endpoint = COMMITTEE.endpoints[seat]
        self.got: list[tuple[int, bool]] = []

    def send_observation(self, given: ObsBody) -> None:
        self.got.append((given.signed.seat, bool(given.body)))


def test_push_brings_each_peer_what_it_lacks_once_and_never_its_own() -> None:
    world, peers = World(), [Peer(1), Peer(2)]
    own = observation(0)
    world.exchange.adopt_own(own.signed, own.body, world.now)
    world.exchange.take_observation(observation(1))
    for bodies, forward in ((False, False), (True, True), (True, True)):
        assert world.exchange.push(8, peers, 0, bodies, forward, None) == 0  # type: ignore[arg-type]
    assert peers[0].got == [(0, False), (0, True)]
    assert peers[1].got == [(0, False), (0, True), (1, True)]


def test_broadcast_reaches_each_peer_once() -> None:
    world, peers, sent = World(), [Peer(1), Peer(2)], []
    for _ in range(2):
        left = world.exchange.broadcast(peers, (8, b"d"), lambda client: sent.append(client), None)  # type: ignore[arg-type]
        assert left == 0
    assert sent == peers


def test_draft_is_never_replaced() -> None:
    world = World()
    for price in (5, 6):
        unsigned = msgspec.structs.replace(observation(0, price=price).signed, signature=bytes(65))
        world.exchange.draft(unsigned, observation(0).body)
    assert world.exchange.drafted(8) == (observation(0).body, 5)


def test_set_that_names_a_seat_twice_is_none() -> None:
    world = World()
    world.exchange.take_observation(observation(1))
    twice = msgspec.structs.replace(proposal(), observations=[observation(1).signed] * 2)
    assert gather(world.exchange, proposal()) is not None and gather(world.exchange, twice) is None


def test_somebody_with_our_key_is_noticed() -> None:
    world = World()
    world.exchange.take_observation(observation(0))
    assert world.exchange.impostor


def test_observation_of_an_earlier_self_is_no_impostors() -> None:
    """Signed before this process came back on an older copy of its books: it is held like anybody else's."""
    world = World()
    world.exchange._earlier_self = lambda epoch: epoch == 8
    world.exchange.take_observation(observation(0))
    assert not world.exchange.impostor and list(world.exchange.held(8)) == [0]


def test_own_observation_that_comes_back_is_none() -> None:
    world = World()
    own = observation(0)
    world.exchange.adopt_own(own.signed, own.body, world.now)
    world.exchange.take_observation(own)
    assert not world.exchange.impostor


def test_interrupted_draft_is_signed_as_it_was() -> None:
    world = World()
    unsigned = msgspec.structs.replace(observation(0).signed, signature=bytes(65))
    world.exchange.draft(unsigned, observation(0).body)
    again = world.make()
    again.restore({})
    assert again.drafted(8) == (observation(0).body, 5)
    assert again.held(8) == {}, "a draft is not an observation"


def proposal(
    seat: int = 0, by: int | None = None, view: int = 0, observations: Sequence[SignedObs] | None = None
) -> Proposal:
    given = signature(seat, view, by=by)
    chosen = [observation(1).signed] if observations is None else list(observations)
    made = Proposal(0, 8, 8, view, chosen, given.digest, seat, given.signature, given.message, bytes(65))
    signer = SEATS[seat if by is None else by]
    return msgspec.structs.replace(made, seal=signer.sign_digest(sealed(made).digest(DOMAIN)))


def signature(seat: int, view: int = 0, root: bytes = b"r" * 32, by: int | None = None) -> SeatSignature:
    """A seat's on a report of epoch 8 with some root."""
    message = Report(1, 8, b"w" * 32, root, Facts(3, 0, view, 5).pack(), b"x" * 32)
    digest = message.digest(DOMAIN)
    signed = compact(SEATS[seat if by is None else by].sign_digest(digest))
    return SeatSignature(0, 8, view, digest, seat, signed, message.words())


def test_proposal_of_the_leader_counts_as_its_signature() -> None:
    world = World()
    world.exchange.take_proposal(proposal())
    assert list(world.exchange.proposals(8)) == [0]
    assert list(world.exchange.signatures(8, proposal().digest)) == [0]
    again = world.make()
    again.restore({})
    assert again.proposals(8) == world.exchange.proposals(8)
    assert again.signatures(8, proposal().digest) == world.exchange.signatures(8, proposal().digest)


def test_stored_proposal_of_another_version_is_dropped_and_taken_anew() -> None:
    """The version before stored neither message nor seal; its books must not keep a seat from starting."""
    world = World()
    world.exchange.take_proposal(proposal())
    older = encode(list(msgspec.structs.astuple(proposal()))[:-2])
    table = AttesterProposal.__table__  # type: ignore[attr-defined]
    world.store.write(lambda connection: connection.execute(update(table).values(proposal=older)))
    again = restored(world)
    assert again.proposals(8) == {}
    assert list(again.signatures(8, proposal().digest)) == [0], "what else is stored is read"
    again.take_proposal(proposal())
    assert restored(world).proposals(8) == {0: proposal()}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (proposal(by=1), "H6113"),
        (proposal(seat=1), "H6115"),
        (proposal(seat=0, view=1), "H6115"),
        (proposal(seat=0, view=4), "H6112"),  # view 3 is the newest that may have begun
        (proposal(seat=0, view=1 << 16), "H6112"),  # after a cancellation that nobody has seen
    ],
)
@pytest.mark.attack("A19")
def test_proposal_is_refused(given: Proposal, code: str) -> None:
    with pytest.raises(Refused) as caught:
        World().exchange.take_proposal(given)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"view": 1}, "H6119"),
        ({"epoch": 9}, "H6119"),
        ({"kind": 1}, "H6119"),
        ({"digest": b"d" * 32}, "H6119"),
        ({"message": signature(3, root=b"q" * 32).message}, "H6119"),
        ({"message": signature(3).message[:160]}, "H6119"),
        ({"seat": 2}, "H6113"),
        ({"signature": bytes(64)}, "H6110"),
    ],
)
@pytest.mark.attack("A01")
def test_signature_counts_only_with_the_message_that_it_is_of(changes: dict[str, object], code: str) -> None:
    world, given = World(), signature(3)
    with pytest.raises(Refused) as caught:
        world.exchange.take_signature(msgspec.structs.replace(given, **changes))
    assert caught.value.code == code and world.exchange.record(8, 3).signatures == []
    world.exchange.take_signature(given)
    assert world.exchange.record(8, 3).signatures == [given]


@pytest.mark.parametrize("changes", [{"observations": []}, {"last": 9}, {"seal": proposal(view=4).seal}])
@pytest.mark.attack("A03")
def test_set_of_a_proposal_is_the_leaders_own(changes: dict[str, object]) -> None:
    world, given = World(), proposal()
    with pytest.raises(Refused) as caught:
        world.exchange.take_proposal(msgspec.structs.replace(given, **changes))
    assert caught.value.code == "H6113"
    world.exchange.take_proposal(given)
    assert world.exchange.proposals(8) == {0: given}


@pytest.mark.attack("A19")
def test_signature_of_a_view_to_come_is_not_kept() -> None:
    world = World()
    for view, kept in ((3, True), (4, False)):
        given = signature(3, view)
        if kept:
            world.exchange.take_signature(given)
        else:
            with pytest.raises(Refused, match="view 4 of epoch 8 has not begun"):
                world.exchange.take_signature(given)


def test_proposal_with_an_observation_of_another_epoch_is_refused() -> None:
    world = World()
    with pytest.raises(Refused, match="another epoch"):
        world.exchange.take_proposal(proposal(observations=[observation(1, epoch=9).signed]))
    assert world.exchange.proposals(8) == {}


def test_one_signature_a_seat_and_view() -> None:
    world = World()
    one, two = signature(3, root=b"1" * 32), signature(3, root=b"2" * 32)
    for given in (one, two):
        world.exchange.take_signature(given)
    assert list(world.exchange.signatures(8, one.digest)) == [3] and world.exchange.signatures(8, two.digest) == {}
    with pytest.raises(Refused) as caught:
        world.exchange.take_signature(signature(2, by=3))
    assert caught.value.code == "H6113"


# ---------------------------------------------------------------------- prices


@pytest.mark.parametrize(
    ("text", "price"), [("0.5", 5 * 10**11), (1, 10**12), ("1e-12", 1), ("9223372.036854775807", 2**63 - 1)]
)
def test_price_has_twelve_decimals(text: object, price: int) -> None:
    assert parse_price(text) == price


@pytest.mark.parametrize("text", ["", None, "abc", 0, "-1", "1e-13", "nan", "inf", "1e99", "9e999999", True, [], {}])
def test_no_price(text: object) -> None:
    with pytest.raises(ValueError, match=r"no price"):
        parse_price(text)


class Silent:
    """A source that never answers."""

    name = "silent"

    def fetch(self, now: int) -> int:
        raise PriceUnavailable("H6501", "silent: nothing")


@pytest.mark.attack("T44")
def test_median_of_what_answers() -> None:
    quote = median_price([Fixed(10, "a"), Fixed(10_000, "liar"), Silent(), Fixed(12, "b")], 0)
    assert quote.price == 12 and quote.failed == {"silent": "silent: nothing"}
    assert median_price([Fixed(10, "a"), Fixed(14, "b")], 0).price == 10, "the lower of the middle two"
    with pytest.raises(PriceUnavailable) as caught:
        median_price([Silent()], 0)
    assert (caught.value.code, caught.value.exit_code, caught.value.retryable) == ("H6501", 7, True)


def test_csv_source_takes_the_newest_row(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("time,usd\n100,0.5\n200,0.25\n")
    source = CsvSource(path)
    assert [source.fetch(t) for t in (100, 199, 200, 10**9)] == [5 * 10**11, 5 * 10**11, 25 * 10**10, 25 * 10**10]
    assert CsvSource(path, shift=150).fetch(50) == 25 * 10**10
    with pytest.raises(PriceUnavailable):
        source.fetch(99)
    dated = tmp_path / "dated.csv"
    dated.write_text("date,usd\n1970-01-02,0.5\n")
    assert CsvSource(dated).fetch(86_400) == 5 * 10**11
    dated.write_text("date,usd\n1970-01-02T02:00+02:00,0.5\n")
    assert CsvSource(dated).fetch(86_400) == 5 * 10**11, "a zone that is named counts"


@pytest.mark.parametrize("text", ["", "time,usd\n", "time,usd\n1,x\n", "time,usd\n5,1\n4,1\n", "a,b\n1,2\n"])
def test_csv_source_says_which_row_is_wrong(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(text)
    with pytest.raises(PriceUnavailable, match=r"prices\.csv") as caught:
        CsvSource(path)
    assert caught.value.code == "H1501"


@pytest.mark.parametrize(
    ("body", "price"),
    [
        (b'{"data":[{"usd":0.123456789012}]}', 123456789012),
        (b'{"data":[]}', None),
        (b"<html>", None),
        (b'{"data":[{"usd":null}]}', None),
        (b'{"data":[{"usd":NaN}]}', None),
        (b"[" * 100_000, None),
    ],
)
def test_http_source(body: bytes, price: int | None) -> None:
    http = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200, content=body)))
    source = HttpSource("http://prices/x", "data.0.usd", http)
    if price is None:
        with pytest.raises(PriceUnavailable):
            source.fetch(0)
    else:
        assert source.fetch(0) == price


def test_http_source_that_fails() -> None:
    http = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(500)))
    with pytest.raises(PriceUnavailable):
        HttpSource("http://prices/x", "usd", http).fetch(0)


def test_fixed_price_only_where_the_record_says_local() -> None:
    http = httpx.Client()
    assert build_sources([{"kind": "fixed", "usd": "0.5"}], True, http)[0].fetch(0) == 5 * 10**11
    with pytest.raises(PriceUnavailable) as caught:
        build_sources([{"kind": "fixed", "usd": "0.5"}], False, http)
    assert caught.value.code == "H1501"


@pytest.mark.parametrize(
    "specs",
    [
        [],
        [{"kind": "oracle"}],
        [{"kind": "fixed"}],
        [{"kind": "fixed", "usd": "1", "x": 1}],
        [{"kind": "http", "url": "http://x"}],
        [{"kind": "fixed", "usd": "ten"}],
        [{"kind": "http", "url": "ftp://x", "path": "usd"}],
        [{"kind": "csv", "path": "/nowhere.csv"}],
        [{"kind": "csv", "path": "/nowhere.csv", "shift": "soon"}],
        [{"kind": "csv", "path": "~no-such-user/prices.csv"}],
        [{"kind": "fixed", "usd": "1", "name": "a"}, {"kind": "fixed", "usd": "2", "name": "a"}],
    ],
)
def test_source_settings_are_checked(specs: list[dict[str, object]]) -> None:
    with pytest.raises(PriceUnavailable) as caught:
        build_sources(specs, True, httpx.Client())
    assert (caught.value.code, caught.value.exit_code) == ("H1501", 2)
