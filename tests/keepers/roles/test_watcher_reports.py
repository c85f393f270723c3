"""False reports, denied check-ins, punishments on the reference model: the watcher proves each, once, and goes on."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from keepers.chain.ports import Sent, TxState
from keepers.protocol.hashing import keccak
from keepers.protocol.records import FULL_MASK
from keepers.roles.watcher.facts import Policy, State
from keepers.roles.watcher.observe import row_key
from keepers.simulate.state import Revert
from tests.keepers.roles.town import OWNER
from tests.keepers.roles.watched import BOND, GARBAGE, Parts, Watched

NODES = 330  # two groups in the first part, four in the second
CUT = 2


@pytest.fixture(scope="module")
def crowd() -> Watched:
    """Many nodes; made once, for registering them takes most of the time. Each test ends with a true report."""
    made = Watched(nodes=NODES)
    made.report(made.records(range(0, NODES, 3)))
    return made


def garbage_root(parts: Parts) -> Parts:
    return [*parts[:-1], (parts[-1][0], GARBAGE)]


def garbage_first_root(parts: Parts) -> Parts:
    return [(parts[0][0], GARBAGE), *parts[1:]]


def garbage_between(parts: Parts) -> Parts:
    data, root = parts[1]
    return [parts[0], (data[: 352 + 320] + GARBAGE + data[704:], root)]


def shorter(parts: Parts) -> Parts:
    return [parts[0], (parts[1][0][:-2], parts[1][1])]


def ends_with_a_root(parts: Parts) -> Parts:
    data, root = parts[1]
    return [parts[0], (data[: 2 * 352], root)]


def record_of(part: bytes, group: int, place: int) -> slice:
    at = group * 352 + place * 5
    return slice(at, at + 5)


def replaced(part: int, group: int, place: int, record: bytes) -> object:
    def bend(parts: Parts) -> Parts:
        data, root = parts[part]
        where = record_of(data, group, place)
        made = list(parts)
        made[part] = (data[: where.start] + record + data[where.stop :], root)
        return made

    return bend


def raw(node: int, mask: int = 0b11, spare: int = 0) -> bytes:
    return (node << 16 | spare << 14 | mask).to_bytes(5, "big")


def skipped(parts: Parts) -> Parts:
    """The last record is left out, and the root is the one with it."""
    data, root = parts[1]
    return [parts[0], (data[:-5], root)]


LIES = {
    "garbage root": (garbage_root, "root"),
    "garbage root of the first part": (garbage_first_root, "root"),
    "garbage root between two groups": (garbage_between, "root"),
    "another mask in a middle group of the second part": (replaced(1, 1, 10, raw(202, 0b111)), "root"),
    "doubled node in a middle group of the second part": (replaced(1, 1, 10, raw(201)), "record"),
    "node of the first part again": (replaced(1, 1, 0, raw(5)), "record"),
    "invented node beyond the count": (replaced(1, 3, 0, raw(NODES)), "record"),
    "spare bit": (replaced(1, 1, 63, raw(255, spare=1)), "record"),
    "out of order in the first group": (replaced(0, 0, 1, raw(0)), "record"),
    "part cut within a record": (shorter, "length"),
    "part that ends with a running root": (ends_with_a_root, "length"),
    "skipped record": (skipped, "root"),
}


@pytest.mark.parametrize("name", LIES)
def test_false_report__committed_refuted_punished__the_committee_reports_again(crowd: Watched, name: str) -> None:
    bend, kind = LIES[name]
    crowd.bond()
    watcher = crowd.watch(f"watcher of {name}")
    begun = len(crowd.chain.mined)
    e = crowd.report(crowd.records(range(NODES)), CUT, bend)  # type: ignore[arg-type]
    assert crowd.world.hub.last_epoch == e
    crowd.looks(watcher, times=8)
    assert crowd.world.hub.last_epoch == e - 1, "it fell within its window"
    assert [(name, outcome) for _, name, outcome in crowd.chain.mined[begun:]] == [
        ("commit", "ok"), ("refute", "ok"), ("punish", "ok"),
    ]  # fmt: skip
    cancels = crowd.world.hub.cancels(e) - 1
    finder = int(watcher.account, 16)
    assert crowd.world.refuter.fault_of(e, cancels) >> 96 == finder
    rows = {row.finding.kind: row for row in watcher.findings.all() if row.finding.epoch == e}
    assert {k: r.state for k, r in rows.items()} == {kind: State.OURS, "punish": State.OURS}
    punished = [e for e in crowd.chain.log if e.name == "Punished" and int(e["finder"], 16) == finder]
    taken = sum(event["taken"] for event in punished)
    assert crowd.world.token.balance[finder] == taken // 5 == rows["punish"].finding.bounty > 0
    again = crowd.report(crowd.records(range(0, NODES, 2)))
    crowd.look(watcher)
    assert again == e == watcher.books.last and watcher.verdicts == ()
    assert watcher.books.tree.ring_word == crowd.world.hub.ring_word(e) == crowd.tree.ring_word


def test_honest_network__nothing_is_found_and_nothing_sent() -> None:
    made = Watched(nodes=70)
    watcher = made.watch()
    made.check_in(3, 4)
    made.report(made.records([3], 0b1))
    made.report(made.records(range(70), FULL_MASK))
    made.void(3)
    made.report(made.records(range(0, 70, 2)))
    made.report()
    made.look(watcher)
    assert (watcher.books.checked, watcher.books.last) == (7, made.world.hub.last_epoch)
    assert watcher.books.tree.ring_word == made.tree.ring_word
    assert watcher.findings.all() == [] and made.chain.mined == []
    assert made.look(watcher) == ["skipped"], "no epoch is new"
    assert watcher.context.health is not None and watcher._alarm() is None


def test_reports_on_top_of_a_false_one__fall_with_it() -> None:
    made = Watched()
    watcher = made.watch()
    e = made.report(bend=garbage_root)
    made.begin(made.calendar.end(e) + 60)
    # the liars go on before anybody looks: an empty report on their own root
    header = made.tree.header.reported(count=3, challenged=made.world.hub._challenged(e))
    root, hub = GARBAGE, made.world.hub
    before = header.ring_word(root)
    made.begin(made.calendar.end(e + 1))
    from keepers.protocol.messages import Report
    from keepers.protocol.report import Facts
    from tests.keepers.roles.town import PRICE

    facts = Facts(3, 0, 0, PRICE).pack()
    digest = Report(1, e + 1, before, root, facts, keccak(keccak(b"") + root)).digest(hub.domain)
    who, sigs = made.sign(digest)
    made.world.call("hub", "report", e + 1, before, root, facts, [], b"", who, sigs, sender=OWNER)
    made.step(made.world.now)
    made.look(watcher)
    assert watcher.books.false is not None and len(watcher.books.false.above) == 1
    # its window is over: the false root is final, and that is said
    assert [v.state for v in watcher.verdicts] == [State.LATE]
    assert watcher.verdicts[0].code == "H6704" and made.chain.mined == []
    assert "H6704" in str(watcher._alarm())


def test_denied_check_in__refuted_without_commitment__nobody_punished() -> None:
    made = Watched()
    watcher = made.watch()
    made.report()
    made.check_in(1, 3)
    e = made.report(made.records([1, 2], 0b1010), bend=lambda parts: parts)
    made.looks(watcher)
    assert made.mined("commit", "refute", "refute_checkin", "punish") == [("refute_checkin", "ok")]
    assert made.world.hub.last_epoch == e - 1
    (row,) = watcher.findings.all()
    assert (row.finding.kind, row.finding.node, row.state) == ("check-in", 1, State.OURS)
    assert made.report(made.records([2], 0b1010)) == e
    made.look(watcher)
    assert watcher.books.last == e and watcher.verdicts == ()


def test_check_in_of_a_slot_that_was_reported_up__is_nothing() -> None:
    made = Watched()
    watcher = made.watch()
    made.check_in(1, 3)
    made.report(made.records([1], 0b10))
    made.looks(watcher, times=2)
    assert watcher.findings.all() == []


def test_false_report_above_a_denied_check_in__the_report_first_then_the_check_in() -> None:
    made = Watched(dispute=3)
    watcher = made.watch()
    made.check_in(1, 3)
    denied = made.report(made.records([1], 0b1000))
    false = made.report(bend=garbage_root)
    made.looks(watcher, times=8)
    assert [name for name, _ in made.mined("refute", "refute_checkin", "punish")] == [
        "refute", "refute_checkin", "punish",
    ]  # fmt: skip
    assert made.world.hub.last_epoch == denied - 1
    assert made.world.committee.punished(false, 0) != 0


def test_losing_a_race__is_success(caplog: pytest.LogCaptureFixture) -> None:
    """Two watchers, one refutation: the second finds the work done, and is not alarmed by it."""
    caplog.set_level(logging.INFO, "hearth.watcher")
    made = Watched()
    first, second = made.watch("first"), made.watch("second")
    e = made.report(bend=garbage_root)
    made.looks(first, second, times=8)
    outcomes = made.mined("refute", "punish")
    assert [name for name, outcome in outcomes if outcome == "ok"] == ["refute", "punish"]
    states = [{row.finding.kind: row.state for row in w.findings.all()} for w in (first, second)]
    assert states == [
        {"root": State.OURS, "punish": State.OURS},
        {"root": State.OTHER, "punish": State.OTHER},
    ]
    assert second.verdicts == () and made.world.hub.cancels(e) == 1
    assert "bug" not in caplog.text
    assert sum(made.world.committee.accounts[int(s.address, 16)].bond for s in made.seats) == 4 * BOND - 3 * BOND // 10


def test_dry__finds_alarms_and_sends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    made = Watched()
    watcher = made.watch(policy=Policy())
    made.report(bend=garbage_root)
    made.looks(watcher, times=3)
    assert made.chain.mined == [] and watcher.signer() is None
    (row,) = watcher.findings.all()
    assert (row.state, row.finding.provable, row.finding.bounty) == (State.OPEN, True, 3 * BOND // 10 // 5)
    errors = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(errors) == 1 and errors[0].code == "H6701", "said once"  # type: ignore[attr-defined]
    metrics = watcher.context.metrics
    assert metrics is not None
    text = metrics.text().decode()
    assert 'hearth_watcher_findings_total{kind="root",network="town"} 1.0' in text
    assert 'hearth_watcher_epochs_checked{network="town"} 1.0' in text
    left = row.finding.deadline - made.clock.now() + 12
    assert f'hearth_watcher_evidence_deadline_seconds{{network="town"}} {left:.1f}' in text


def test_killed_at_any_moment__one_effect() -> None:
    """A new process on the old database after every block: the same rows, and one of each effect."""
    made = Watched()
    watcher = made.watch()
    e = made.report(bend=garbage_root)
    for _ in range(10):
        made.look(watcher)
        watcher.close()
        watcher = made.watch(store=watcher.context.store)
    assert made.mined("commit", "refute", "punish") == [("commit", "ok"), ("refute", "ok"), ("punish", "ok")]
    assert made.world.hub.cancels(e) == 1
    sender = made.chain.sender(made.chain.senders[watcher.account])
    rows = [r for r in watcher.findings.all() if r.finding.kind == "root"]
    assert [r.state for r in rows] == [State.OURS]
    assert sender.rows[row_key(rows[0].finding.key, "prove")].state is TxState.DONE


def test_short_of_time__refuted_without_a_commitment() -> None:
    """The window closes in a few minutes: that it falls matters more than who is paid."""
    made = Watched()
    watcher = made.watch()
    e = made.report(bend=garbage_root)
    made.step(made.world.hub.usable_at(e) - 200)
    made.looks(watcher, times=4)
    assert made.mined("commit", "refute") == [("refute", "ok")]
    assert made.world.refuter.fault_of(e, 0) >> 96 == 0


def test_proof_refused_in_the_last_minutes__tried_again_before_the_window_closes() -> None:
    """An endpoint that lags simulates the proof on an old block, once."""
    watched = Watched(dispute=24)
    watcher = watched.watch()
    e = watched.report(bend=garbage_root)
    closes = int(watched.world.hub.usable_at(e))
    watched.step(closes - 250)
    call = watched.world.call
    refused: list[str] = []

    def lagging(contract: str, function: str, *arguments: Any, **how: Any) -> Any:
        if function == "refute" and not refused:
            refused.append(function)
            raise Revert("refuter: header")
        return call(contract, function, *arguments, **how)

    watched.world.call = lagging  # type: ignore[method-assign]
    watched.looks(watcher, times=15)
    assert watched.world.hub.last_epoch == e - 1 and refused


def test_own_proof_that_the_outbox_has_not_confirmed_yet__is_nobody_elses() -> None:
    """The follower sees the block before the outbox has its receipt."""
    made = Watched()
    watcher = made.watch()
    made.check_in(1, 3)
    made.report(made.records([1], 0b1000))
    made.look(watcher)
    sender = made.chain.senders[watcher.account]
    ((name, done),) = [(k, row) for k, row in sender.rows.items() if row.state is TxState.DONE]
    sender.rows[name] = Sent(name, TxState.PENDING)
    made.look(watcher)
    assert [v.state for v in watcher.verdicts] == [State.SENT]
    sender.rows[name] = done
    made.look(watcher)
    assert [row.state for row in watcher.findings.all()] == [State.OURS] and watcher.verdicts == ()
    assert made.mined("refute_checkin") == [("refute_checkin", "ok")]
