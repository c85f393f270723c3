"""The way to anvil for a replay: one kept connection, and a memory for what can never change.

Blocks are mined by the driver alone and never taken back, so a view pinned to a block's hash, or a block by its
number, has one answer for ever; and every seat asks the same. Everything else goes through.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from keepers.chain.rpc_errors import NotConnected
from keepers.protocol.errors import HearthError

CACHED = 20_000  # views; a replay's epoch asks for a few hundred


class ChainTransport:
    """JSON-RPC to one local port: a `chain.pool.Wire` for the roles, and `call` for the driver itself."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._socket: socket.socket | None = None
        self._views: OrderedDict[str, Any] = OrderedDict()
        self._ids = 0

    def post(self, requests: Sequence[tuple[str, list[Any]]]) -> list[Mapping[str, Any]]:
        """Answers in order, views from memory where they were asked before."""
        keys = [_view_key(method, params) for method, params in requests]
        answers: list[Mapping[str, Any] | None] = [
            {"result": self._views[key]} if key is not None and key in self._views else None for key in keys
        ]
        missing = [at for at, answer in enumerate(answers) if answer is None]
        fresh = self._asked([requests[at] for at in missing]) if missing else []
        for at, answer in zip(missing, fresh, strict=True):
            answers[at] = answer
            key = keys[at]
            if key is not None and answer.get("result") is not None:
                self._remember(key, answer["result"])
        return [answer for answer in answers if answer is not None]

    def call(self, method: str, *params: Any) -> Any:
        """Result of one call. Raises H9001 with the chain's words."""
        return self.calls([(method, params)])[0]

    def calls(self, requests: list[tuple[str, Any]]) -> list[Any]:
        """Results of several calls in one round trip, in order."""
        answers = self._asked(requests)
        for (method, _), answer in zip(requests, answers, strict=True):
            error = answer.get("error")
            if error is not None:
                raise HearthError("H9001", f"the local chain refuses {method}: {str(error.get('message'))[:300]}")
        return [answer["result"] for answer in answers]

    def close(self) -> None:
        """Let the connection go."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _remember(self, key: str, result: Any) -> None:
        self._views[key] = result
        if len(self._views) > CACHED:
            self._views.popitem(last=False)

    def _asked(self, requests: Sequence[tuple[str, Any]]) -> list[Any]:
        rows = []
        for method, params in requests:
            self._ids += 1
            rows.append({"jsonrpc": "2.0", "id": self._ids, "method": method, "params": list(params)})
        found = {answer.get("id"): answer for answer in self._post(rows)}
        return [found[row["id"]] for row in rows]

    def _post(self, rows: list[Any]) -> list[Any]:
        body = json.dumps(rows).encode()
        # Head and body in one packet: the chain wakes once a request.
        head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        head += "Content-Type: application/json\r\n\r\n"
        for attempt in (0, 1):
            try:
                if self._socket is None:
                    self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=120)
                    self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._socket.sendall(head.encode() + body)
                with http.client.HTTPResponse(self._socket) as response:
                    response.begin()
                    answer = json.loads(response.read())
                return answer if isinstance(answer, list) else [answer]
            except (http.client.HTTPException, OSError) as error:
                self.close()  # an idle connection was dropped: open another, once
                if attempt:
                    raise NotConnected(f"the local chain on port {self.port}", error) from error
        raise AssertionError("unreachable")


def _view_key(method: str, params: Sequence[Any]) -> str | None:
    """What a request asks that can never be answered otherwise later: a view pinned to a block hash, or a block by its
    number (there are no reorgs here). None for everything else."""
    if method == "eth_getBlockByNumber" and params[0].startswith("0x"):
        return f"block{params[0]}{params[1]}"
    if method != "eth_call" or len(params) != 2 or not isinstance(params[1], dict):
        return None
    if "blockHash" not in params[1]:
        return None
    tx, where = params
    return f"{where['blockHash']}{tx['to']}{tx['data']}{tx.get('from', '')}"
