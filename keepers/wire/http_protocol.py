"""uvicorn's HTTP protocol with one limit more: nothing on a connection may take for ever.

uvicorn waits without end for the rest of a head, for a reader that takes no answer, and for a closed connection whose
last bytes nobody reads; each of them occupies one of the few connections that are served at a time, so a stranger with
512 of them would shut a seat off. Here every stage has a time, counted from its beginning and not from the last byte:
a peer that sends or reads a byte now and then gains nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
CYCLE_SECONDS = 60.0  # body, handler and answer; the body has a shorter limit of its own (`server.Limits`)
_HEAD, _TAKING, _CLOSING = "head", "taking", "closing"


class TimelyProtocol(H11Protocol):
    """Aborts a connection whose stage is over its time: `head_seconds` from its opening, or from the first byte of a
    further request, to a whole head; `cycle_seconds` from there until the answer is written, and as many until the
    peer has taken it; `head_seconds` to close. Between two requests it may rest for uvicorn's keep-alive time."""

    head_seconds = HEAD_SECONDS
    cycle_seconds = CYCLE_SECONDS
    _timer: asyncio.TimerHandle | None = None
    _stage: object = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._enter(_HEAD)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look(resting=False)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look(resting=True)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._look(resting=True)

    def shutdown(self) -> None:
        super().shutdown()
        self._look(resting=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._enter(None)
        super().connection_lost(exc)

    def _look(self, resting: bool) -> None:
        """Which stage this is; the same one goes on with the time that is left of it."""
        if self.transport.is_closing():
            self._enter(_CLOSING)
        elif self.cycle is not None and not self.cycle.response_complete:
            self._enter(self.cycle)
        elif not resting:
            self._enter(_HEAD)
        else:
            self._enter(_TAKING if self.transport.get_write_buffer_size() else None)

    def _enter(self, stage: object) -> None:
        if stage is self._stage and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._stage, self._timer = stage, None
        if stage is not None:
            seconds = self.head_seconds if stage in (_HEAD, _CLOSING) else self.cycle_seconds
            self._timer = self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        self._timer = None
        if self._stage is not _TAKING or self.transport.get_write_buffer_size():
            self.transport.abort()
