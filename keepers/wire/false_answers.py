"""What a seat shows of false answers: pages of rows, by node.

`GET /v1/answers/{epoch}/false/{first}` gives one row of each node from `first` on, as many as fit; an empty page is the
end. A page that goes back, or is of another epoch, is refused: nobody is led in circles.
"""

from __future__ import annotations

from keepers.wire.codec import Decoder, ShownRow
from keepers.wire.routing import Refused

MAX_PAGES = 64  # of a seat and epoch that are read at one time
_ROWS = Decoder(list[ShownRow])


def page_path(epoch: int, first: int) -> str:
    """Path of the page that begins with a node."""
    return f"/v1/answers/{epoch}/false/{first}"


def read_page(body: bytes, epoch: int, first: int) -> list[ShownRow]:
    """The rows of a page. Raises Refused for what is none."""
    rows: list[ShownRow] = _ROWS(body)
    node = first - 1
    for row in rows:
        if row.answer.epoch != epoch or row.answer.node <= node:
            raise Refused(400, "H6105", f"node {row.answer.node} of epoch {row.answer.epoch} is not in its place")
        node = row.answer.node
    return rows


def next_first(rows: list[ShownRow]) -> int:
    """The node with which the page after these rows begins."""
    return rows[-1].answer.node + 1


__all__ = ["MAX_PAGES", "next_first", "page_path", "read_page"]
