"""The watcher's account of uptime: after any mix of reports, lies, cancellations, reorgs and restarts it says what a
fresh reading of the chain says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from keepers.chain.ports import BlockRef, Call, Event
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.records import DARK
from keepers.protocol.uptime_tree import Snapshot, UptimeTree
from keepers.roles.watcher import books as module
from keepers.roles.watcher.books import Books
from keepers.roles.watcher.states import States
from keepers.store.engine import Store
from keepers.store.migrations import open_store
from tests.keepers.chain.test_attestations import Hub

DISPUTE = 12  # seconds, of which a block takes one


class Chain(Hub):
    """A hub whose committee lies now and then, with refutations, check-ins and what its views say at each block."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(seed)
        self.last_at: list[int] = [0]
        self.epochs: dict[int, Snapshot] = {0: self.tree.snapshot()}
        self.epochs_at: list[dict[int, Snapshot]] = [dict(self.epochs)]
        self.reported: dict[int, int] = {}  # epoch -> second of its report
        self.reported_at: list[dict[int, int]] = [{}]
        self.hidden: set[str] = set()

    # what it says

    def final(self) -> BlockRef:
        return self.head()

    def read(self, call: Call, at: BlockRef) -> Any:
        assert self.ref(at.number) == at, "a read of a block that is gone"
        if call.function == "last_epoch":
            return self.last_at[at.number]
        assert call.function == "ring_word"
        return UptimeTree.at(self.epochs_at[at.number][call.args[0]]).ring_word

    def events(self, first: int, last: int, contract: str | None = None, names: Sequence[str] = ()) -> list[Event]:
        found = super().events(first, last, contract, names)
        return [event for event in found if event.name not in self.hidden and event.contract == contract]

    # what happens

    def _event(self, name: str, **args: Any) -> Event:
        if "digest" in args:
            args["digest"] = keccak(self.draw.getrandbits(64).to_bytes(8, "big"))
        contract = "ReportRefuter" if name == "Refuted" else "AttestationHub"
        return Event(contract, name, args, len(self.blocks), b"", 0, timestamp=len(self.blocks))

    def _close(self, events: list[Event]) -> None:
        self.last_at.append(self.tree.header.epoch)
        super()._close(events)
        number = len(self.blocks) - 1
        self.blocks[-1] = (
            self.blocks[-1][0],
            [Event(e.contract, e.name, e.args, number, e.block_hash, e.index, b"", number) for e in self.blocks[-1][1]],
        )
        last, snapshot = self.tree.header.epoch, self.tree.snapshot()
        before = max(self.epochs)
        self.epochs = {e: s for e, s in self.epochs.items() if e < last}
        for epoch in range(before + 1, last):  # void ones
            header = replace(snapshot.header, epoch=epoch, void_epochs=snapshot.header.void_epochs - (last - epoch))
            self.epochs[epoch] = Snapshot(header, snapshot.words, snapshot.tree)
        self.epochs[last] = snapshot
        self.epochs_at.append(dict(self.epochs))
        self.reported = {e: t for e, t in self.reported.items() if e <= last}
        for epoch in range(max(self.reported, default=0) + 1, last + 1):
            self.reported[epoch] = number
        self.reported_at.append(dict(self.reported))

    def disputed(self) -> list[int]:
        """Epochs that can fall in the next block."""
        return [e for e, t in self.reported.items() if len(self.blocks) < t + DISPUTE]

    def check_in(self, node: int, slot: int) -> None:
        self._close([self._event("CheckedIn", node=node, epoch=self.tree.header.epoch + 1, slot=slot)])

    def cancel(self, first: int) -> None:
        """A report and all after it fall."""
        last = self.tree.header.epoch
        self.tree = UptimeTree.at(self.epochs[first - 1])
        self.count = max(3, self.tree.header.count)
        refuted = self._event(
            "Refuted", epoch=first, cancels=0, generation=1, who=7, finder="0x" + "00" * 20, part=0, group=0
        )
        self._close([refuted, self._event("Cancelled", first=first, last=last)])

    def undo(self, blocks: int) -> None:
        super().undo(blocks)
        del self.last_at[-blocks:], self.epochs_at[-blocks:], self.reported_at[-blocks:]
        self.epochs, self.reported = dict(self.epochs_at[-1]), dict(self.reported_at[-1])
        assert self.tree.header.epoch == self.last_at[-1]

    def reorg(self, blocks: int) -> None:
        """Another fork, one block longer, on which nothing has happened yet."""
        self.undo(blocks)
        for _ in range(blocks + 1):
            self._close([])


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """States and marks every few epochs and blocks, so that their ends are met."""
    monkeypatch.setattr(module, "CHECKPOINT", 4)
    monkeypatch.setattr(module, "MARKS", 6)
    monkeypatch.setattr(module, "PARTS", 2)


def books(chain: Chain, store: Store | None = None) -> Books:
    made = Books(chain, States(store or open_store("sqlite://", threaded=False)), 0, DISPUTE)  # type: ignore[arg-type]
    made.resume()
    return made


def says(chain: Chain, made: Books) -> dict[str, Any]:
    """What books say that a watcher acts upon; of reports that can still fall."""
    recent = min(chain.disputed(), default=1 << 32) - 1
    return {
        "last": made.last,
        "w": made.tree.ring_word,
        "false": None if made.false is None else (made.false.found.logged.digest, made.false.fault, made.false.above),
        "denied": {e: (d.node, d.slot, d.leaf, d.proof, d.others) for e, d in made.denied.items() if e > recent},
        "came": made.check_ins(made.last + 1),
        "digests": {e: f.logged.digest for e, f in made.epochs.items() if e > recent},
    }


def fresh(chain: Chain) -> Books:
    made = books(chain)
    made.refresh(chain.head())
    return made


def live(chain: Chain, made: Books, store: Store, steps: int) -> Books:
    """Everything that can happen to a chain and to a watcher, in any order."""
    draw = chain.draw
    for _ in range(steps):
        what = draw.random()
        if what < 0.45:
            chain.report(posted=draw.random() < 0.3)
        elif what < 0.55:
            chain.void(draw.randint(1, 3))
        elif what < 0.65:
            chain.report(share=0.8, posted=draw.random() < 0.3, spoil="root")
            if draw.random() < 0.8:
                lied = chain.tree.header.epoch
                if draw.random() < 0.5:
                    made.refresh(chain.head())
                chain.cancel(lied)
        elif what < 0.75:
            chain.check_in(draw.randrange(3), draw.randrange(12))
        elif what < 0.8 and chain.disputed():
            chain.cancel(draw.choice(chain.disputed()))
        elif what < 0.88 and len(chain.blocks) > 20:
            chain.reorg(draw.randint(1, 12))
        elif what < 0.93:
            made = books(chain, store)
        if draw.random() < 0.5:
            made.refresh(chain.head())
    made.refresh(chain.head())
    return made


@pytest.mark.parametrize("seed", range(30))
def test_any_life__says_what_a_fresh_reading_says(seed: int) -> None:
    chain, store = Chain(seed), open_store("sqlite://", threaded=False)
    made = live(chain, books(chain, store), store, 120)
    expected = says(chain, fresh(chain))
    assert says(chain, made) == expected
    resumed = books(chain, store)
    resumed.refresh(chain.head())
    assert says(chain, resumed) == expected


def test_restart__reads_on_from_the_stored_state() -> None:
    chain, store = Chain(5), open_store("sqlite://", threaded=False)
    made = books(chain, store)
    for _ in range(37):
        chain.report()
    made.refresh(chain.head())
    asked: list[int] = []
    plain = chain.events
    chain.events = lambda first, *rest: (asked.append(first), plain(first, *rest))[1]  # type: ignore[method-assign]
    again = books(chain, store)
    assert again.last == 24, "the newest before the disputed ones, 26 to 37"
    again.refresh(chain.head())
    assert again.last == 37 and again.checked == 13
    assert asked and min(asked) == 24, "the logs of before are not asked for again"


def test_stored_state_of_another_fork__is_not_taken() -> None:
    chain, store = Chain(6), open_store("sqlite://", threaded=False)
    made = books(chain, store)
    for _ in range(9):
        chain.report()
    made.refresh(chain.head())
    chain.reorg(3)
    for _ in range(DISPUTE):
        chain.check_in(0, 0)
    again = books(chain, store)
    assert again.last == 4, "that of epoch 8 stood in a block that is gone"
    again.refresh(chain.head())
    assert says(chain, again) == says(chain, fresh(chain))


def test_stored_state_that_is_not_the_hubs__is_not_taken() -> None:
    """A database that was changed by hand, or by a fault of the disk, is no ground to stand on."""
    chain, store = Chain(7), open_store("sqlite://", threaded=False)
    made = books(chain, store)
    for _ in range(8):
        chain.report(share=0.9)
    for _ in range(DISPUTE):
        chain.check_in(0, 0)
    made.refresh(chain.head())
    assert books(chain, store).last == 8
    states = States(store)
    (newest, *_) = states.newest_first()
    words = list(newest.words)
    words[next(i for i, word in enumerate(words) if word)] ^= 1 << 64
    states.keep(type(newest)(newest.epoch, newest.block, newest.header, tuple(words), newest.came))
    assert books(chain, store).last == 4


def test_endpoint_that_leaves_logs_out__is_refused_by_name() -> None:
    chain = Chain(8)
    for _ in range(3):
        chain.report()
    chain.cancel(3)
    chain.report()
    chain.hidden = {"Cancelled"}
    with pytest.raises(HearthError) as caught:
        fresh(chain)
    assert caught.value.code == "H2006" and "reported twice" in caught.value.why[0]
    chain.hidden = {"Report"}
    with pytest.raises(HearthError) as caught:
        fresh(chain)
    assert caught.value.code == "H2006" and "the hub counts 3 epochs" in caught.value.why[0]
    chain.hidden = set()
    assert fresh(chain).last == 3


@pytest.mark.parametrize("hidden", ["Report", "Cancelled", "CheckedIn"])
@pytest.mark.parametrize("known", [0, 4, 40])
def test_endpoint_that_left_logs_out_once__is_read_again(hidden: str, known: int) -> None:
    """One of several endpoints lags and answers "no logs": what it left out is not lost for the life of the process."""
    chain = Chain(12)
    made = books(chain)
    for _ in range(known):
        chain.report()
    made.refresh(chain.head())
    chain.hidden = {hidden}
    chain.check_in(0, 3)
    chain.report()
    if hidden == "Cancelled":
        chain.cancel(known + 1)
    if hidden != "CheckedIn":
        with pytest.raises(HearthError, match="H2006"):
            made.refresh(chain.head())
    chain.hidden = set()
    chain.report()
    made.refresh(chain.head())
    assert says(chain, made) == says(chain, fresh(chain))


def test_endpoint_that_lags__nothing_is_forgotten_or_refused() -> None:
    chain = Chain(11)
    made = books(chain)
    for _ in range(6):
        chain.report()
    made.refresh(chain.head())
    chain.lag = 3
    assert made.refresh(chain.head()) == 0
    assert made.last == 6
    chain.lag = 0
    chain.report()
    assert made.refresh(chain.head()) == 1


def test_endpoint_that_fails_midway__goes_on_where_it_stopped() -> None:
    chain = Chain(9)
    made = books(chain)
    for _ in range(5):
        chain.report(posted=True)
    head = chain.block
    broken: list[int] = []

    def block(number: int) -> BlockRef | None:
        if number == 3 and not broken:
            broken.append(number)
            raise HearthError("H2001", "gone for a moment")
        return head(number)

    for number, (salt, events) in enumerate(chain.blocks):  # an endpoint that does not stamp its logs
        stripped = [Event(e.contract, e.name, e.args, e.block_number, e.block_hash, e.index) for e in events]
        chain.blocks[number] = (salt, stripped)
    chain.block = block  # type: ignore[method-assign]
    with pytest.raises(HearthError, match="H2001"):
        made.refresh(chain.head())
    assert made.last == 2
    made.refresh(chain.head())
    assert made.last == 5 and made.checked == 5


def test_denied_check_in__found_with_its_proof_and_forgotten_when_it_falls() -> None:
    chain = Chain(10)
    made = books(chain)
    chain.report()
    chain.check_in(1, 11)
    chain.check_in(2, 0)
    chain.draw.choice = lambda options: DARK if DARK in options else options[0]  # type: ignore[method-assign, assignment]
    chain.report(share=1.0)
    made.refresh(chain.head())
    (denied,) = made.denied.values()
    assert (denied.node, denied.slot, denied.others) == (1, 11, 0), "node 2 was up in slot 0"
    chain.cancel(2)
    made.refresh(chain.head())
    assert made.denied == {} and made.last == 1
    assert made.check_ins(2) == {1: 1 << 11, 2: 1}, "what was checked in stays"
    assert list(made.fallen) == [(2, 0)]
