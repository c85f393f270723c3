"""What an attester measures: `hearth_attester_…` of docs/operators/attester.md. Nothing happens without metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import zip_longest

from keepers.protocol.epochs import SLOTS
from keepers.protocol.merge import Body
from keepers.roles.attester.prices import Quote
from keepers.roles.attester.view import Built
from keepers.runtime.metrics import AttesterMetrics, Metrics


def agreement(ours: Body, theirs: Body) -> float:
    """Share of a seat's node slots that it saw as we did, 0 to 1; 1 for no node."""
    pairs = list(zip_longest(ours.bits, theirs.bits, fillvalue=0))
    apart = sum((a ^ b).bit_count() for a, b in pairs)
    return 1.0 - apart / (SLOTS * len(pairs)) if pairs else 1.0


class AttesterGauges:
    """`seat` gives our seat at this moment, for the label."""

    def __init__(self, metrics: Metrics | None, network: str, seat: Callable[[], int | None]) -> None:
        self._metrics, self._network, self._seat = metrics, network, seat

    @property
    def _group(self) -> AttesterMetrics | None:
        return None if self._metrics is None else self._metrics.attester

    def _labels(self) -> tuple[str, str]:
        seat = self._seat()
        return self._network, "" if seat is None else str(seat)

    def beats(self, word: str, number: int) -> None:
        """So many heartbeats were judged with that word."""
        if self._group:
            self._group.heartbeats.labels(*self._labels(), word).inc(number)

    def ingest(self, seconds: float) -> None:
        """A batch took so long, arrival to commit."""
        if self._group:
            self._group.ingest_seconds.labels(*self._labels()).observe(seconds)

    def answer(self, class_id: int, seconds: float) -> None:
        """A node of a class answered so long after the seed."""
        if self._group:
            self._group.answer_seconds.labels(*self._labels(), str(class_id)).observe(seconds)

    def slot(self, nodes: int) -> None:
        """A slot has closed with so many nodes seen."""
        if self._group:
            self._group.nodes_observed.labels(*self._labels()).set(nodes)

    def lag(self, epochs: int) -> None:
        """So many ended epochs have no report."""
        if self._group:
            self._group.report_lag_epochs.labels(*self._labels()).set(epochs)

    def observed(self, epoch: int) -> None:
        """Our observation of an epoch is signed."""
        if self._group:
            self._group.signlog_watermark.labels(*self._labels()).set(epoch)

    def mirror(self, works: bool) -> None:
        """Whether the sign log's mirror took the last row."""
        if self._group:
            self._group.signlog_mirror_ok.labels(*self._labels()).set(int(works))

    def prices(self, quote: Quote) -> None:
        """Sources gave these prices."""
        if not self._group:
            return
        for name, price in quote.by_source.items():
            self._group.price_usd.labels(*self._labels(), name).set(price / 1e12)
        spread = max(quote.by_source.values()) / min(quote.by_source.values()) - 1
        self._group.price_spread.labels(*self._labels()).set(spread)

    def peers(self, own: int | None, bodies: Mapping[int, Body]) -> None:
        """Observations of one epoch by seat: how far each peer saw what we saw."""
        if not self._group or own is None or own not in bodies:
            return
        for seat, body in bodies.items():
            if seat != own:
                ratio = agreement(bodies[own], body)
                self._group.peer_agreement.labels(*self._labels(), str(seat)).set(ratio)

    def signed(self, epoch: int) -> None:
        """We signed a report of an epoch."""
        if self._group:
            self._group.report_signed_epoch.labels(*self._labels()).set(epoch)

    def submitted(self, epoch: int) -> None:
        """We handed a report to the outbox."""
        if self._group:
            self._group.report_submitted_epoch.labels(*self._labels()).set(epoch)

    def match(self, same: bool) -> None:
        """Whether our digest is the leader's, or the one that was reported."""
        if self._group:
            self._group.report_digest_match.labels(*self._labels()).set(int(same))

    def reported(self, built: Built) -> None:
        """This is the report that the chain took."""
        if self._group and built.report is not None:
            self._group.report_exceptions.labels(*self._labels()).set(built.exceptions)
            self._group.report_indeterminate.labels(*self._labels()).set(built.report.facts.indet.bit_count())
