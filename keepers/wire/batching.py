"""Requests that wait together are answered together: one call of a handler on one thread, off the event loop.

What costs most about a heartbeat, a commit and the way to another thread and back, is then paid once for all that came
in while the last batch was at work. Nobody waits for a batch to fill.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from keepers.wire.routing import Request, Response, problem

Handler = Callable[[Sequence[Request]], Sequence[Response]]
MAX_REQUESTS = 512  # of one call
MAX_BYTES = 1 << 20  # bodies of one call: 7,300 heartbeats, a fifth of a second of one core
MAX_WAITING = 4_096  # requests
MAX_WAITING_BYTES = 32 << 20
BUSY = problem(429, "H6106", "too much is waiting here: come again")


class Batcher:
    """Belongs to one event loop. `handle` gives a response for each request and must not raise."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="http-batch")
        self._waiting: list[tuple[Request, asyncio.Future[Response]]] = []
        self._bytes = 0
        self._working = False

    async def answer(self, request: Request) -> Response:
        """The handler's response; 429 where more waits than is wise to hold."""
        if len(self._waiting) >= MAX_WAITING or self._bytes + len(request.body) > MAX_WAITING_BYTES:
            return BUSY
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Response] = loop.create_future()
        self._waiting.append((request, future))
        self._bytes += len(request.body)
        if not self._working:
            self._working = True
            loop.call_soon(self._next, loop)  # what else came in with this turn of the loop goes along
        return await future

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._take()
        self._working = bool(batch)
        if batch:
            work = self._pool.submit(self._handle, [request for request, _ in batch])
            work.add_done_callback(lambda done: loop.call_soon_threadsafe(self._give, loop, batch, done.result()))

    def _take(self) -> list[tuple[Request, asyncio.Future[Response]]]:
        size = count = 0
        for request, _ in self._waiting[:MAX_REQUESTS]:
            size += len(request.body)
            if count and size > MAX_BYTES:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        self._bytes -= sum(len(request.body) for request, _ in batch)
        return batch

    def _give(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: Sequence[tuple[Request, asyncio.Future[Response]]],
        answers: Sequence[Response],
    ) -> None:
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():  # the sender may have gone
                future.set_result(answer)
        self._next(loop)
