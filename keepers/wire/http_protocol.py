"""uvicorn's HTTP protocol with one limit more: a request's head has to come within a time.

uvicorn waits for ever for the rest of a head, and each such connection takes one of the few that are served at a time:
without the limit a stranger with 512 half-sent requests shuts a seat off.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0


class TimelyProtocol(H11Protocol):
    """Closes a connection on which no whole head has come `HEAD_SECONDS` after it was opened or began to send one."""

    head_seconds = HEAD_SECONDS
    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._busy():
            self._relax()
        else:
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._relax()
        super().connection_lost(exc)

    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect(self) -> None:
        if self._head is None:
            self._head = self.loop.call_later(self.head_seconds, self._late)

    def _relax(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _late(self) -> None:
        self._head = None
        if not self._busy() and not self.transport.is_closing():
            self.transport.close()
