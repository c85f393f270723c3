"""refute: what a wrong entry costs, and every claim that is refused."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from keepers.protocol.challenge import entry_of, verdict
from tests.contracts.consensus.compute_challenge.conftest import GPUS, MIN_STAKE, ROUNDS, Court, N
from tests.contracts.consensus.drafts import events
from tests.fuzz import refutations
from tests.support.actors import OWNER, PROVIDER, SETTLER, STRANGER, Actor, Domain, keccak, node_key
from tests.support.constants import CURVE_ORDER, GWEI
from tests.support.products import Claim
from tests.support.suite import ROTATE_KEY, Suite

FAULTED, RETIRED = 4, 5
REPEAT = 30  # periods


def loss_of(suite: Suite, units: int) -> int:
    """Gwei of the token that so many units are worth."""
    return units * suite.parameters.stake_price // 10**12


def test_a_wrong_entry__committed_before__faults_and_slashes(court: Court) -> None:
    suite, claim = court.suite, court.lie()
    before, supply = court.own, suite.token.totalSupply()
    court.fell(claim)
    (event,) = events(suite.challenge, "Refuted")
    place = 1 << 96 | 1 << 64 | 5 << 32 | 200
    assert (event.node, event.epoch, event.finder, event.place) == (court.node, 4, SETTLER.address, place)
    assert event.committed == event.correct + 1
    assert event.units == GPUS * MIN_STAKE
    assert court.status == FAULTED
    loss = loss_of(suite, GPUS * MIN_STAKE)
    assert before - court.own == loss
    reward = loss // 5 * GWEI
    assert suite.token.balanceOf(SETTLER.address) == reward
    assert supply - suite.token.totalSupply() == loss * GWEI - reward
    assert suite.challenge.fault_of(court.node) == suite.epoch


@pytest.mark.attack("T42")
def test_a_provider_that_refutes_itself__loses_four_fifths(court: Court) -> None:
    """The finder is the provider's own owner: what it gets back is a fifth of what its stake loses."""
    suite, claim = court.suite, court.lie()
    before = court.own * GWEI + suite.token.balanceOf(PROVIDER.address)
    supply = suite.token.totalSupply()
    court.fell(claim, PROVIDER)
    loss = loss_of(suite, GPUS * MIN_STAKE) * GWEI
    lost = before - (court.own * GWEI + suite.token.balanceOf(PROVIDER.address))
    assert lost == supply - suite.token.totalSupply() == loss - loss // 5


def changed(court: Court, value: str) -> Claim:
    """A claim against the entry at GPU 0, round 0, (3, 7), which is not what it should be."""

    def change(c: Any) -> None:
        c[3, 7] = {"zero": 0, "one more": c[3, 7] + 1, "one less": c[3, 7] - 1, "high byte": c[3, 7] ^ 1 << 23}[value]

    return court.claim(court.answer({(0, 0): change}), 0, 0, 3, 7)


@pytest.mark.parametrize("value", ["zero", "one more", "one less", "high byte"])
def test_any_wrong_value__committed_before__falls(court: Court, value: str) -> None:
    claim = changed(court, value)
    court.fell(claim)
    (event,) = events(court.suite.challenge, "Refuted")
    assert event.committed == entry_of(claim.arguments["chunk"], 7) != event.correct


@pytest.mark.parametrize("round_", [0, 1])
def test_the_verdict__is_that_of_the_specification(court: Court, round_: int) -> None:
    def change(c: Any) -> None:
        c[5, 200] -= 3

    answer = court.answer({(1, round_): change})
    court.fell(court.claim(answer, 1, round_, 5, 200))
    (event,) = events(court.suite.challenge, "Refuted")
    found = (event.committed, event.correct)
    assert found == verdict(answer.work, answer.root, answer.shown(1, round_, 5, 200))


# ---- borders


@pytest.mark.parametrize("gpu", [0, 1, GPUS - 1])
@pytest.mark.parametrize("round_", [0, ROUNDS - 1])
@pytest.mark.parametrize("row, col", [(0, 0), (0, 127), (N - 1, 128), (N - 1, N - 1)])
def test_a_border__wrong_by_one__falls(court: Court, gpu: int, round_: int, row: int, col: int) -> None:
    """Three chains of two rounds: a list of six, filled up to eight."""
    claim = court.lie(gpu, round_, row, col)
    court.fell(claim)
    assert court.status == FAULTED


@pytest.mark.parametrize("gpu, round_", [(0, 0), (0, 1), (0, 7), (15, 0), (15, 4), (15, 7), (8, 1)])
def test_sixteen_chains__any_place__falls(suite: Suite, gpu: int, round_: int) -> None:
    court = Court.of(suite, rounds=8, gpus=16)
    court.fell(court.pretended(gpu, round_, 9, 130))
    assert court.status == FAULTED


@pytest.mark.parametrize("n", [1_024, 4_096])
def test_a_larger_product__one_wrong_entry__falls_and_a_right_one_not(suite: Suite, n: int) -> None:
    court = Court.of(suite, n=n, rounds=1, gpus=1)

    def change(c: Any) -> None:
        c[n - 1, n - 129] -= 1

    answer = court.answer({(0, 0): change})
    court.refused(court.claim(answer, 0, 0, n - 1, n - 128), "challenge: element is right")
    court.fell(court.claim(answer, 0, 0, n - 1, n - 129))
    assert court.status == FAULTED


@pytest.mark.parametrize("n", [8_192, 65_536])
def test_the_largest_products__a_chunk_of_garbage__falls(suite: Suite, n: int) -> None:
    court = Court.of(suite, n=n, rounds=512, gpus=16)
    court.fell(court.pretended(15, 256, n - 1, n - 1))
    assert court.status == FAULTED


def test_every_size__noise_falls_and_mended_it_stands() -> None:
    with boa.env.anchor():
        assert set(refutations.run(9, 1).values()) == {1}


def test_the_longest_list__two_places_that_meet_at_the_top__falls(suite: Suite) -> None:
    """16 chains of 2**31 rounds: a path of 64."""
    court = Court.of(suite, rounds=2**31, gpus=16)
    claim = court.pretended(15, 2**30, 0, 0)
    assert len(claim.arguments["list_path"]) == 64
    court.fell(claim)
    assert court.status == FAULTED


# ---- an honest answer


@pytest.mark.attack("A34")
@pytest.mark.parametrize("gpu, round_, row, col", [(0, 0, 0, 0), (1, 1, 100, 127), (2, 0, N - 1, 128), (2, 1, 77, 255)])
def test_an_honest_answer__any_entry__stands(court: Court, gpu: int, round_: int, row: int, col: int) -> None:
    court.refused(court.claim(court.answer(), gpu, round_, row, col), "challenge: element is right")


def test_a_round_after_a_lie__that_builds_on_it__stands(court: Court) -> None:
    """Each round is judged by the root before it, whatever that is of."""

    def change(c: Any) -> None:
        c[0, 0] += 1

    court.refused(court.claim(court.answer({(0, 0): change}), 0, 1, 4, 4), "challenge: element is right")


# ---- refused claims


def test_without_a_seed__is_refused(court: Court) -> None:
    claim = court.lie()
    for e in (0, 1, court.epoch + 1, 2**256 - 1):
        with boa.reverts("challenge: no seed"):
            court.refute(claim.but(epoch=e))


@pytest.mark.attack("A35")
def test_in_the_last_second_of_the_window__it_falls(court: Court) -> None:
    claim, q = court.lie(), court.suite.parameters
    court.suite.challenge.commit(claim.commitment())
    court.suite.at(q.end(4) + q.answer_window)
    court.refute(claim)
    assert court.status == FAULTED


@pytest.mark.attack("A35")
def test_a_second_after_the_window__is_refused(court: Court) -> None:
    claim, q = court.lie(), court.suite.parameters
    court.suite.challenge.commit(claim.commitment())
    court.suite.at(q.end(4) + q.answer_window + 1)
    with boa.reverts("challenge: window closed"):
        court.refute(claim)


def test_a_node_that_is_none__without_key__is_refused(court: Court) -> None:
    claim = court.lie()
    other = court.foreign(claim, node=court.node + 1)
    court.refused(other, "challenge: not the node's key")


def test_a_node_that_is_none__with_a_key__is_refused(court: Court) -> None:
    """The registry keeps no key without a node; a court must not trust that."""
    suite = court.suite
    other = court.foreign(court.lie(), node=court.node + 1)
    slot = next(s for s in suite.registry.compiler_data.storage_layout["storage_layout"].items() if s[0] == "keys")
    place = int.from_bytes(keccak(slot[1]["slot"].to_bytes(32, "big") + (court.node + 1).to_bytes(32, "big")), "big")
    boa.env.set_storage(suite.registry.address, place, int(node_key(court.node).address, 16) << 96)
    court.refused(other, "challenge: no such node")


def test_a_liveness_only_class__owes_no_answer__is_refused(court: Court) -> None:
    suite = court.suite
    node = suite.register_node(court.provider, suite.add_class(name="edge"))
    suite.report_until(5)
    other = court.foreign(court.lie(), node=node, key=node_key(node))
    court.refused(other, "challenge: liveness-only class")


@pytest.mark.attack("A34")
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"gpu": GPUS}, "challenge: no such GPU"),
        ({"gpu": 2**255}, "challenge: no such GPU"),
        ({"round": ROUNDS}, "challenge: no such round"),
        ({"row": N}, "challenge: no such row"),
        ({"row": 2**249}, "challenge: no such row"),
        ({"col": N}, "challenge: no such column"),
        ({"chunk": b""}, "challenge: chunk length"),
        ({"chunk": bytes(383)}, "challenge: chunk length"),
        ({"chunk": bytes(384)}, "challenge: not of this root"),
        ({"path": []}, "challenge: path length"),
        ({"path": [bytes(32)] * 8}, "challenge: path length"),
        ({"path": [bytes(32)] * 10}, "challenge: path length"),
        ({"path": [bytes(32)] * 9}, "challenge: not of this root"),
        ({"round": 0}, "challenge: previous in round 0"),
        ({"previous": bytes(32)}, "challenge: not of this root"),
        ({"row": 6}, "challenge: not of this root"),
        ({"col": 127}, "challenge: not of this root"),
        ({"gpu": 0}, "challenge: not of this root"),
        ({"list_path": []}, "challenge: list path"),
        ({"list_path": [bytes(32)]}, "challenge: not of this root"),
        ({"list_path": [bytes(32)] * 2}, "challenge: not of this root"),
        ({"list_path": [bytes(32)] * 64}, "challenge: not of this root"),
    ],
)
def test_a_claim_that_does_not_fit__is_refused(court: Court, changes: dict[str, Any], why: str) -> None:
    court.refused(court.lie().but(**changes), why)


@pytest.mark.attack("A34")
@pytest.mark.parametrize("length", [0, 1])
def test_two_leaves_apart__without_the_siblings_between__are_refused(suite: Suite, length: int) -> None:
    court = Court.of(suite, rounds=4)
    claim = court.pretended(0, 2, 1, 1)
    short = claim.arguments["list_path"][:length]
    court.refused(claim.but(list_path=short), "challenge: list path is short")


@pytest.mark.attack("A34")
def test_leaves_of_two_pairs__shown_as_one__are_refused(suite: Suite) -> None:
    """Rounds 1 and 2 are no siblings: a path that hashes them together leads nowhere."""
    court = Court.of(suite, rounds=4, gpus=1)
    claim = court.pretended(0, 2, 1, 1)
    court.refused(claim.but(list_path=claim.arguments["list_path"][:1]), "challenge: list path is short")


@pytest.mark.parametrize("length", [0, 64])
def test_a_signature_of_another_length__is_refused(court: Court, length: int) -> None:
    claim = court.lie()
    court.refused(claim.but(sig=claim.arguments["sig"][:length]), "challenge: signature length")


def test_a_signature_that_recovers_to_nobody__is_refused(court: Court) -> None:
    claim = court.lie()
    sig = claim.arguments["sig"]
    for wrong in (sig[:64] + b"\x1d", bytes(64) + b"\x1b", sig[:32] + CURVE_ORDER.to_bytes(32, "big") + b"\x1b"):
        other = claim.but(sig=wrong)
        with boa.env.anchor():
            court.refused(other, "challenge: signature")


def test_nobody_signed_for_nobody__is_refused(court: Court) -> None:
    """A node without a key (its first epoch is to come) and a signature of nobody agree on zero."""
    suite = court.suite
    node = suite.register_node(court.provider, court.class_id)
    other = court.foreign(court.lie(), node=node)
    court.refused(other.but(sig=bytes(65)), "challenge: signature")


def test_another_key__is_refused(court: Court) -> None:
    shown = court.answer()
    court.refused(court.claim(shown, 0, 0, 0, 0, key=STRANGER), "challenge: not the node's key")


def test_an_answer_to_another_contract__is_refused(court: Court) -> None:
    claim = court.lie()
    other = Domain(court.domain.chain_id, court.suite.hub.address)
    wrong = Claim.of(court.work(), claim.arguments["root"], court.answer().shown(0, 0, 0, 0), node_key(0), other)
    court.refused(claim.but(sig=wrong.arguments["sig"]), "challenge: not the node's key")


@pytest.mark.parametrize("field", ["seed", "seed_b", "epoch"])
def test_an_answer_to_other_seeds__is_no_lie(court: Court, field: str) -> None:
    """What a node signed of a chain that was reorganised away binds it to nothing."""
    claim = court.lie()
    wrong = court.foreign(claim, **{field: getattr(court.work(), field) - 1})
    court.refused(claim.but(sig=wrong.arguments["sig"]), "challenge: not the node's key")


# ---- the key of the epoch


def rotate(court: Court, key: Actor) -> None:
    domain = Domain(court.domain.chain_id, court.suite.registry.address)
    sig = key.sign(domain.digest(ROTATE_KEY, court.node, key.address))
    court.suite.registry.rotate_key(court.node, key.address, sig, sender=PROVIDER.address)


def test_a_key_rotated_since__the_one_of_the_epoch_signed__falls(court: Court) -> None:
    claim = court.lie()
    rotate(court, Actor("next key"))
    court.suite.report_until(5)
    court.fell(claim)
    assert court.status == FAULTED


def test_a_key_rotated_since__the_new_one_signed__is_refused(court: Court) -> None:
    claim, key = court.lie(), Actor("next key")
    rotate(court, key)
    court.suite.report_until(5)
    court.refused(court.foreign(claim, key=key, epoch=4), "challenge: not the node's key")


# ---- who found it


@pytest.mark.attack("T40")
def test_never_committed__is_refused(court: Court) -> None:
    with boa.reverts("challenge: not committed"):
        court.refute(court.lie())


@pytest.mark.attack("T40")
def test_committed_in_the_same_block__is_refused(court: Court) -> None:
    claim = court.lie()
    court.suite.challenge.commit(claim.commitment())
    with boa.reverts("challenge: not committed"):
        court.refute(claim)


@pytest.mark.attack("T40")
def test_who_copies_it__is_refused(court: Court) -> None:
    claim = court.lie()
    court.commit(claim)
    with boa.reverts("challenge: not committed"):
        court.refute(claim, STRANGER)


@pytest.mark.parametrize("field", ["gpu", "round", "row", "col"])
def test_another_place_than_committed__is_refused(court: Court, field: str) -> None:
    claim = court.lie()
    court.commit(claim.but(**{field: 0}))
    with boa.reverts("challenge: not committed"):
        court.refute(claim)


# ---- again


def test_the_same_epoch_again__is_the_same_fault(court: Court) -> None:
    claim = court.lie()
    court.fell(claim)
    court.refused(court.lie(row=9), "challenge: same fault")


@pytest.mark.attack("A35")
def test_an_earlier_epoch__is_the_same_fault(court: Court) -> None:
    """A node cannot take back what it signed before it knew that it was caught."""
    old = court.lie()
    court.suite.report_until(court.suite.epoch + 1)
    court.fell(court.lie(row=9))
    court.refused(old, "challenge: same fault")


def next_fault(court: Court, after: int, second: int) -> int:
    """A further lie, refuted `after` epochs after the last one's, in that second of the epoch; units asked."""
    suite = court.suite
    at = suite.parameters.end(int(suite.challenge.fault_of(court.node)) + after - 1) + second
    while suite.parameters.end(int(suite.hub.last_epoch()) + 1) < at - 10:
        suite.void(1) if at - suite.now < 30 * suite.parameters.epoch else suite.void(24)
    claim = court.lie()
    suite.challenge.commit(claim.commitment())
    suite.at(at)
    court.refute(claim)
    (event,) = events(suite.challenge, "Refuted")
    return int(event.units)


@pytest.mark.parametrize(("late", "times"), [(False, 2), (True, 1)])
def test_a_further_fault__within_30_periods__asks_twice(court: Court, late: bool, times: int) -> None:
    court.fell(court.lie())
    p, units = court.suite.parameters, GPUS * MIN_STAKE
    epochs = REPEAT * (p.period // p.epoch)
    asked = next_fault(court, epochs + 1, 0) if late else next_fault(court, epochs, p.epoch - 1)
    assert asked == times * units


# ---- retired, not granted


def test_a_retired_node__is_slashed_only(court: Court) -> None:
    claim, before = court.lie(), court.own
    court.suite.registry.retire_node(court.node, sender=PROVIDER.address)
    court.fell(claim)
    assert court.status == RETIRED
    assert before - court.own == loss_of(court.suite, GPUS * MIN_STAKE)


@pytest.mark.parametrize(
    ("peer", "why"), [("registry", "registry: caller may not fault"), ("pool", "pool: caller may not slash")]
)
def test_a_grant_taken_back__nothing_falls(court: Court, peer: str, why: str) -> None:
    contract = getattr(court.suite, peer)
    contract.set_grant(court.suite.challenge.address, 0, sender=OWNER.address)
    court.refused(court.lie(), why)
    assert court.suite.challenge.fault_of(court.node) == 0
