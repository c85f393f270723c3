"""What the hub logged, epoch by epoch: reports, their parts and void epochs, whoever carried them to the chain.

Only events are read, never calldata, so a report that came through a multisig, a relayer or any other contract looks
like a direct one. What was cancelled no longer counts; a report of an epoch that was reported before replaces it and
everything after it. Nothing is judged here: `protocol.rebuild` does that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from keepers.chain.ports import BlockRef, Call, Event, Reader
from keepers.protocol.counters import Header
from keepers.protocol.epochs import Calendar
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.rebuild import EpochLog

PAGE = 5_000  # blocks of one question; halved where an endpoint refuses, doubled again where it does not
MAX_PAGE = 200_000
HUB = "AttestationHub"

Progress = Callable[[int, int, str], object]  # done, of how many, what


@dataclass(frozen=True, slots=True)
class Logged:
    """One epoch with the event that says so. `digest` is what was signed, `who` the seats that did; a void epoch has no
    `facts`."""

    epoch: int
    log: EpochLog
    digest: bytes
    who: int
    block: int
    tx: bytes
    facts: int = 0

    @property
    def void(self) -> bool:
        """Whether it was declared void."""
        return Header.unpack(self.log.header).void


@dataclass
class History:
    """Epochs that stand, without a gap, from `first` on.

    `base` is the log of the epoch before `first` where it was seen, its posted parts by their hashes only; `cancelled`
    counts epochs that were taken back.
    """

    first: int
    epochs: list[Logged] = field(default_factory=list)
    base: Logged | None = None
    cancelled: int = 0

    @property
    def last(self) -> int:
        """The last epoch that stands."""
        return self.first - 1 + len(self.epochs)

    def __iter__(self) -> Iterator[Logged]:
        return iter(self.epochs)

    def add(self, logged: Logged) -> None:
        """Appends an epoch, or replaces what stood from it on. Raises H2006 for a gap."""
        if logged.epoch < self.first:
            if logged.epoch == self.first - 1:
                self.base = logged
            self._cut(self.first)
            return
        if logged.epoch > self.last + 1:
            raise left_out(f"epoch {self.last + 1} is missing before epoch {logged.epoch}")
        self._cut(logged.epoch)
        self.epochs.append(logged)

    def cancel(self, first: int) -> None:
        """Takes back what stood from `first` on: it was refuted."""
        if self.base is not None and first <= self.base.epoch:
            self.base = None
        self._cut(max(first, self.first))

    def end_at(self, epoch: int) -> None:
        """Drops epochs after `epoch`, which no longer stand."""
        self._cut(max(epoch + 1, self.first))

    def _cut(self, epoch: int) -> None:
        gone = self.last - epoch + 1
        if gone > 0:
            self.cancelled += gone
            del self.epochs[-gone:]


def read_history(
    reader: Reader,
    first_block: int,
    at: BlockRef,
    *,
    after: int = 0,
    start_block: int = 0,
    progress: Progress | None = None,
) -> History:
    """The epochs after `after` that stand at block `at`, oldest first.

    `first_block` is the deployment's; `start_block` one below which no epoch ≥ `after` was reported
    (`block_of_time`). Raises H2006 where an endpoint leaves out what the contract says was logged.
    """
    history = History(after + 1)
    start = max(first_block, start_block)
    for event in pages(reader, start, at.number, HUB, ("Report", "Voided", "Cancelled"), progress, "reports"):
        if event.name == "Cancelled":
            history.cancel(int(event["first"]))
        elif event.name == "Report":
            history.add(logged_report(event))
        else:
            for logged in logged_voids(event):
                history.add(logged)
    standing = int(reader.read(Call(HUB, "last_epoch"), at))
    if standing > history.last:
        raise left_out(f"the hub counts {standing} epochs, the logs end with {history.last}")
    history.end_at(standing)
    _fill(reader, history, first_block, start, at.number, progress)
    return history


def block_of_time(reader: Reader, first_block: int, t: int, at: BlockRef) -> int:
    """The first block at or after second `t`, by halving; `at.number + 1` where there is none yet."""
    low, high = first_block, at.number + 1
    while low < high:
        middle = (low + high) // 2
        block = reader.block(middle)
        if block is None or block.timestamp >= t:
            high = middle
        else:
            low = middle + 1
    return low


def block_of_report(reader: Reader, first_block: int, calendar: Calendar, epoch: int, at: BlockRef) -> int:
    """A block below which no report of `epoch` can stand: the first one after its end."""
    return first_block if epoch <= 0 else block_of_time(reader, first_block, calendar.end(epoch), at)


def logged_report(event: Event) -> Logged:
    """A `Report`. Posted parts stand by their hashes: `with_parts` puts their bytes there."""
    words = [bytes(word) for word in event["parts"]]  # h_1, R_1, h_2, R_2 … of the posted parts
    root = bytes(event["root"])
    parts = (*zip(words[::2], words[1::2], strict=True), (bytes(event["data"]), root))
    log = EpochLog(int(event["header"]), root, parts)
    who, facts = int(event["who"]), int(event["facts"])
    return Logged(int(event["epoch"]), log, bytes(event["digest"]), who, event.block_number, event.tx_hash, facts)


def with_parts(logged: Logged, found: Mapping[bytes, bytes]) -> Logged:
    """The same with the bytes of its posted parts, by their hashes. Raises KeyError for one that is not there."""
    posted = tuple((found[key], root) for key, root in logged.log.parts[:-1])
    return replace(logged, log=EpochLog(logged.log.header, logged.log.root, (*posted, *logged.log.parts[-1:])))


def logged_voids(event: Event) -> Iterator[Logged]:
    """The epochs of a `Voided`. Raises H2006 for a range that no hub logs."""
    first, last = int(event["first"]), int(event["last"])
    if not 0 < first <= last or last - first > 1_000:
        raise left_out(f"a void report of epochs {first} to {last}")
    end = Header.unpack(int(event["header"]))
    for epoch in range(first, last + 1):
        behind = last - epoch
        header = Header(
            epoch=epoch,
            void_epochs=end.void_epochs - behind,
            challenged_epochs=end.challenged_epochs,
            indeterminate=end.indeterminate,
            count=end.count,
            void=True,
        )
        log = EpochLog(int(event["header"]) if behind == 0 else header.pack(), b"")
        yield Logged(epoch, log, bytes(event["digest"]), int(event["who"]), event.block_number, event.tx_hash)


def posted_parts(
    reader: Reader, wanted: Set[bytes], blocks: Sequence[tuple[int, int]], progress: Progress | None = None
) -> dict[bytes, bytes]:
    """Posted parts by their hashes: those of `wanted`, looked for in one range of blocks (inclusive) after the other.

    Raises H2006 where one was never posted, which no report can name.
    """
    found: dict[bytes, bytes] = {}
    for low, high in blocks:
        if wanted - set(found) and low <= high:
            for event in pages(reader, low, high, HUB, ("Part",), progress, "parts"):
                key, data = bytes(event["hash"]), bytes(event["data"])
                if key in wanted and keccak(data) == key:
                    found[key] = data
    missing = wanted - set(found)
    if missing:
        raise left_out(f"{len(missing)} posted parts are missing, one of them 0x{min(missing).hex()}")
    return found


def _fill(reader: Reader, history: History, first_block: int, start: int, last: int, progress: Progress | None) -> None:
    """Puts the bytes of posted parts in the place of their hashes; only those that a standing report names are kept."""
    wanted = {data for logged in history.epochs for data, _ in logged.log.parts[:-1]}
    # a part may have been posted long before the report that names it
    found = posted_parts(reader, wanted, ((start, last), (first_block, start - 1)), progress)
    history.epochs = [with_parts(logged, found) for logged in history.epochs]


def pages(
    reader: Reader,
    first: int,
    last: int,
    contract: str,
    names: Sequence[str] = (),
    progress: Progress | None = None,
    what: str = "events",
) -> Iterator[Event]:
    """Events of a contract in blocks first..last, in order, asked for in pages that the endpoint can bear."""
    page, at = PAGE, first
    while at <= last:
        to = min(last, at + page - 1)
        try:
            events = reader.events(at, to, contract, names)
        except HearthError as error:
            if page == 1 or error.code != "H2001":
                raise
            page = max(1, page // 4)  # "too many results", in as many words as there are providers
            continue
        yield from events
        at = to + 1
        page = min(MAX_PAGE, page * 2)
        if progress:
            progress(at - first, last - first + 1, f"{what} of blocks to {to}")


def left_out(why: str) -> HearthError:
    """H2006: what an endpoint gives cannot be all that the hub logged."""
    return HearthError(
        "H2006",
        "the endpoint's logs do not agree with the hub",
        why=(why,),
        next=("try another --rpc: this one prunes, lags or leaves logs out",),
    )
