"""Before a seat signs anything: is its sign log the one that it had?"""

from __future__ import annotations

from keepers.chain.ports import BlockRef
from keepers.protocol.errors import HearthError
from keepers.roles.attester.desk import LATE_EPOCHS, Desk
from keepers.runtime.role import Fatal


def check_sign_log(desk: Desk, head: BlockRef) -> None:
    """A seat with a lost or old sign log must not sign: it could sign a second digest of one view."""
    hub = desk.context.suite.hub
    last = int(hub.last_epoch(at=head))
    desk.last = last
    watermark = desk.sign_book.watermark()
    signed = 0
    for epoch in range(last, max(0, last - LATE_EPOCHS), -1):
        committee = desk.committees.of_epoch(epoch)
        seat = committee.seat_of(desk.who) if committee else None
        if seat is not None and int(hub.meta(epoch, at=head)) >> 32 >> seat & 1:
            signed = epoch
            break
    if signed > watermark:
        lost = watermark == 0
        raise Fatal(
            HearthError(
                "H6401" if lost else "H6402",
                "this seat has signed before, and its sign log is not here"
                if lost
                else "the sign log is older than what this seat has signed",
                why=[f"the chain has its signature of epoch {signed}, the log ends at {watermark}"],
                next=["bring the database of the earlier machine", "or have the owner give the seat a new key"],
            ),
        )
    if watermark == 0 and last > 0:
        calendar = desk.calendar
        desk.listen_until = calendar.end(calendar.epoch(max(int(desk.started), calendar.genesis)) + 1)
        desk.log.info("a new sign log: listening until %d before the first signature", desk.listen_until)
