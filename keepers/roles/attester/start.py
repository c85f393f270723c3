"""Before a seat signs anything: is its sign log the one that it had, and is nobody else signing for it?"""

from __future__ import annotations

from keepers.chain.ports import BlockRef
from keepers.protocol.errors import HearthError
from keepers.roles.attester.desk import LATE_EPOCHS, Desk
from keepers.roles.attester.doppelganger import unknown_signature
from keepers.roles.attester.signlog import LIVE, NEW, RETIRED, retired, stale
from keepers.runtime.role import Fatal

PEERS_KEEP = 4  # epochs back of which the other seats still say what they hold


def check_sign_log(desk: Desk, head: BlockRef) -> None:
    """Refuse to start, listen first, or be careful, as the log deserves.

    Fatal: H6404 retired; H6401, H6402 the mirror, the chain or a peer has a signature of this seat that the log lacks;
    H6408 the mirror cannot be read or written.
    """
    log = desk.sign_book.log
    if log.state == RETIRED:
        raise Fatal(retired())
    try:
        log.mirror_to(desk.mirror, desk.mirror_said)
    except HearthError as error:
        raise Fatal(error) from error
    last = desk.last = int(desk.context.suite.hub.last_epoch(at=head))
    signed = _signed_on_chain(desk, head, last)
    if signed > log.watermark():
        raise _stale(log.watermark(), f"the chain has its signature of epoch {signed}, the log ends at")
    current = desk.context.epoch()
    found = unknown_signature(desk, range(max(1, last - PEERS_KEEP), current))
    if found is not None:
        raise _stale(log.watermark(), f"{found}; the log ends at")
    if not log.newest:
        # an earlier self whose clock ran ahead of ours may have signed in a view that opens a little later
        log.guard = desk.started + desk.schedule.view
    if log.state == NEW and last > 0:
        desk.listen_until = desk.calendar.end(desk.calendar.epoch(max(int(desk.started), desk.calendar.genesis)) + 1)
        desk.log.info("a new sign log: listening until %d before the first signature", desk.listen_until)
    elif log.state != LIVE:
        log.settle()


def _signed_on_chain(desk: Desk, head: BlockRef, last: int) -> int:
    """The newest reported epoch that bears this seat's signature, of the last 24; 0 for none."""
    for epoch in range(last, max(0, last - LATE_EPOCHS), -1):
        committee = desk.committees.of_epoch(epoch)
        seat = committee.seat_of(desk.who) if committee else None
        if seat is not None and int(desk.context.suite.hub.meta(epoch, at=head)) >> 32 >> seat & 1:
            return epoch
    return 0


def _stale(watermark: int, why: str) -> Fatal:
    return Fatal(stale(watermark, why))
