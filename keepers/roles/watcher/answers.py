"""False answers to the compute challenge: seats show them, the watcher judges them itself and keeps the proof.

A seat may show anything. What counts is a row that opens to an answer which the node's key has signed, to the seeds
that the chain drew, with an entry that is not the product's: `wire.refuting.Judge` says so from the chain alone. Who
shows an honest row is not asked again, for telling it from a false one is a whole product; who shows what nobody
signed, or does not answer, is left alone until the next look.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor

from keepers.chain.ports import BlockRef
from keepers.roles.watcher.facts import ANSWER, Finding
from keepers.wire.attester_client import AttesterClient, Unreachable
from keepers.wire.codec import ShownRow
from keepers.wire.committee import Committee, Committees
from keepers.wire.false_answers import MAX_PAGES, next_first, page_path, read_page
from keepers.wire.proof_file import encode_proof
from keepers.wire.refuting import Judge, Standing
from keepers.wire.routing import Refused

log = logging.getLogger("hearth.watcher")
# an honest seat shows none of these; other seeds and closed windows happen to it
_JUNK = (Standing.HONEST, Standing.MALFORMED, Standing.OTHER_KEY, Standing.NO_NODE, Standing.NO_WORK)
Page = tuple[AttesterClient, list[ShownRow]]


class FalseAnswers:
    """Over the seats of the committees. Used by one thread."""

    def __init__(self, judge: Judge, committees: Committees) -> None:
        self._judge, self._committees = judge, committees
        self._liars: set[str] = set()  # accounts of seats that are not asked again
        self._left: set[str] = set()  # nor these in this look

    def gather(
        self,
        epochs: Sequence[int],
        clients: Callable[[Committee], Sequence[AttesterClient]],
        pool: Executor | None,
        known: Callable[[int, int], bool],
        at: BlockRef,
    ) -> Iterator[tuple[Finding, bytes]]:
        """Ask the seats of these epochs: one finding a node and epoch, with its proof. `known(epoch, node)`: whether
        there is one already. Who does not answer is passed over."""
        self._left = set(self._liars)
        for epoch in epochs:
            committee = self._committees.of_epoch(epoch)
            if committee is None:
                continue
            found: set[int] = set()
            for client, rows in self._pages(epoch, clients(committee), pool):
                for row in rows:
                    node = row.answer.node
                    if node in found or known(epoch, node):
                        continue
                    made = self._judged(client, row, at)
                    if made is not None:
                        found.add(node)
                        yield made
                    elif client.endpoint.address in self._left:
                        break

    def _pages(self, epoch: int, clients: Sequence[AttesterClient], pool: Executor | None) -> Iterator[Page]:
        """A page of every seat, then the next one of those that have more."""
        asked = {client.endpoint.seat: (client, 0) for client in clients}
        for _ in range(MAX_PAGES):
            now = [one for one in asked.values() if one[0].endpoint.address not in self._left]
            ask = lambda one: _ask(one[0], epoch, one[1])  # noqa: E731
            pages = list(map(ask, now)) if pool is None else list(pool.map(ask, now))
            asked = {}
            for (client, _), rows in zip(now, pages, strict=True):
                if rows is None:
                    self._left.add(client.endpoint.address)
                elif rows:
                    asked[client.endpoint.seat] = client, next_first(rows)
                    yield client, rows
            if not asked:
                return

    def _judged(self, client: AttesterClient, row: ShownRow, at: BlockRef) -> tuple[Finding, bytes] | None:
        judged = self._judge.row(row, at, quick=False)
        answer = judged.answer
        if judged.proof is None:
            junk = judged.standing in _JUNK
            if junk:
                self._left.add(client.endpoint.address)
            if judged.standing is Standing.HONEST:
                self._liars.add(client.endpoint.address)
            log.log(
                logging.WARNING if junk else logging.INFO,
                "seat %d shows an answer of node %d as false that cannot be refuted: %s",
                client.endpoint.seat, answer.node, judged.why, extra={"epoch": answer.epoch},
            )  # fmt: skip
            return None
        key = f"answer-{answer.epoch}-{answer.node}-{answer.root.hex()[:16]}"
        why = f"node {answer.node} signed a false answer: {judged.why}"
        finding = Finding(
            key, ANSWER, answer.epoch, why, node=answer.node, deadline=judged.facts.deadline + 1, gas=judged.gas
        )
        return finding, encode_proof(judged.proof, self._judge.domain)


def _ask(client: AttesterClient, epoch: int, first: int) -> list[ShownRow] | None:
    """A page; None of a seat that has none, or no good one."""
    try:
        return read_page(client.get(page_path(epoch, first)), epoch, first)
    except (Unreachable, Refused) as error:
        log.info("a seat shows nothing", extra={"seat": client.endpoint.seat, "epoch": epoch, "reason": str(error)})
        return None


__all__ = ["FalseAnswers"]
