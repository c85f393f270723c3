"""A quorum's report as outbox rows: its large parts first, then the report itself, each row once."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from keepers.chain.contracts import Suite
from keepers.chain.ports import BlockRef, Send, Sender
from keepers.protocol.report import pack_signatures
from keepers.roles.attester.view import Built
from keepers.runtime.role import Skip

KIND = "report"


def row_key(built: Built, sender: Sender) -> str:
    """Outbox key of the report: one a digest and key (several seats may share an outbox in a replay)."""
    return f"attester:{sender.address}.{built.epoch}.{built.signed_view}:report-{built.digest.hex()[:16]}"


def rows(built: Built, signatures: Mapping[int, bytes], suite: Suite, sender: Sender, need: int) -> list[Send]:
    """The rows of a report, in the order in which they must be mined. `need`: the quorum."""
    # the hub takes exactly a quorum: more would only cost gas
    chosen = dict(sorted(signatures.items())[:need])
    who, packed = pack_signatures(chosen)
    hub = suite.hub
    if built.report is None:
        call = hub.report_void(built.last, built.previous_root, built.previous_header, built.signed_view, who, packed)
        return [Send(row_key(built, sender), KIND, call, priority=10, again=True)]
    report = built.report
    sends: list[Send] = []
    after = ""
    for part in report.posted:
        after = f"attester:{sender.address}.{built.epoch}:post-{part.hash.hex()}"
        sends.append(Send(after, "post", hub.post(part.data), priority=10, again=True))
    call = hub.report(
        built.epoch, report.previous, report.root, report.facts.pack(), report.part_words, report.data, who, packed
    )
    sends.append(Send(row_key(built, sender), KIND, call, priority=10, after=after, again=True))
    return sends


def still_wanted(built: Built, suite: Suite, head: BlockRef) -> None:
    """Raises Skip if the chain at `head` has a report of that epoch already: the last look before sending."""
    if suite.hub.last_epoch(at=head) >= built.epoch:
        raise Skip("already reported")


def submit(
    built: Built, signatures: Mapping[int, bytes], suite: Suite, sender: Sender, need: int, tx: Connection
) -> None:
    """Enqueue the rows of a report in one store transaction."""
    for send in rows(built, signatures, suite, sender, need):
        sender.enqueue(send, tx)
