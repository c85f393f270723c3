"""The way to anvil for a replay: one kept connection, and a memory for what can never change.

Blocks are mined by the driver alone and never taken back, so a view pinned to a block's hash, or a block by its
number, has one answer for ever; and every seat asks the same. Everything else goes through.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections import OrderedDict
from typing import Any

import httpx

from keepers.protocol.errors import HearthError

CACHED = 20_000  # views; a replay's epoch asks for a few hundred


class ChainTransport(httpx.BaseTransport):
    """JSON-RPC to one local port for `EndpointPool`, and `call` for the driver itself."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._socket: socket.socket | None = None
        self._views: OrderedDict[str, Any] = OrderedDict()
        self._ids = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a single request or a batch, views from memory where they were asked before."""
        asked = json.loads(request.read())
        single = isinstance(asked, dict)
        rows = [asked] if single else asked
        keys = [_view_key(row) for row in rows]
        missing = [row for row, key in zip(rows, keys, strict=True) if key is None or key not in self._views]
        fresh = {answer.get("id"): answer for answer in self._post(missing)} if missing else {}
        answers = []
        for row, key in zip(rows, keys, strict=True):
            answer = fresh.get(row["id"])
            if answer is None and key is not None:
                answer = {"jsonrpc": "2.0", "id": row["id"], "result": self._views[key]}
            elif key is not None and answer is not None and answer.get("result") is not None:
                self._remember(key, answer["result"])
            answers.append(answer)
        return httpx.Response(200, content=json.dumps(answers[0] if single else answers).encode())

    def call(self, method: str, *params: Any) -> Any:
        """Result of one call. Raises H9001 with the chain's words."""
        return self.calls([(method, params)])[0]

    def calls(self, requests: list[tuple[str, Any]]) -> list[Any]:
        """Results of several calls in one round trip, in order."""
        rows = []
        for method, params in requests:
            self._ids += 1
            rows.append({"jsonrpc": "2.0", "id": f"d{self._ids}", "method": method, "params": list(params)})
        found = {answer["id"]: answer for answer in self._post(rows)}
        for row in rows:
            error = found[row["id"]].get("error")
            if error is not None:
                raise HearthError(
                    "H9001", f"the local chain refuses {row['method']}: {str(error.get('message'))[:300]}"
                )
        return [found[row["id"]]["result"] for row in rows]

    def close(self) -> None:
        """Let the connection go."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _remember(self, key: str, result: Any) -> None:
        self._views[key] = result
        if len(self._views) > CACHED:
            self._views.popitem(last=False)

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
                    raise httpx.ConnectError(f"the local chain on port {self.port} is gone: {error}") from error
        raise AssertionError("unreachable")


def _view_key(row: Any) -> str | None:
    """What a request asks that can never be answered otherwise later: a view pinned to a block hash, or a block by its
    number (there are no reorgs here). None for everything else."""
    if row["method"] == "eth_getBlockByNumber" and row["params"][0].startswith("0x"):
        return f"block{row['params'][0]}{row['params'][1]}"
    if row["method"] != "eth_call" or len(row["params"]) != 2 or not isinstance(row["params"][1], dict):
        return None
    if "blockHash" not in row["params"][1]:
        return None
    tx, where = row["params"]
    return f"{where['blockHash']}{tx['to']}{tx['data']}{tx.get('from', '')}"
