"""What anybody may ask an attester: GET /v1/epochs/{epoch}, …/seats/{seat}, …/signed, /v1/nodes/{node},
/v1/observations/{epoch}/{seat} and /v1/leaves/{epoch}/{node}.

It says nothing that is secret. `…/signed` is what watchers compare: all signatures of an epoch that are held here; an
observation with its body is what a node compares with what it knows of itself (canaries). A leaf comes with its proof,
so nobody has to believe it: agents learn from it whether a draw is still owed.
"""

from __future__ import annotations

from collections.abc import Callable

from keepers.protocol.uptime_tree import UptimeTree
from keepers.roles.attester.exchange import Exchange
from keepers.roles.attester.observe import Seen
from keepers.wire.codec import ShownLeaf, encode
from keepers.wire.routing import Refused, Request, Response, Route, json_response, path_number


def read_routes(
    exchange: Exchange, seen: Seen, last: Callable[[], int], tree: Callable[[], UptimeTree | None]
) -> list[Route]:
    """The routes; `last` gives the newest reported epoch, `tree` the leaves after it."""

    def epoch(request: Request) -> Response:
        number = path_number(request.params["epoch"])
        return json_response(
            {
                "epoch": number,
                "reported": number <= last(),
                "observations": sorted(exchange.held(number)),
                "views": {
                    str(view & 0xFFFF): {
                        "digest": "0x" + proposal.digest.hex(),
                        "leader": proposal.seat,
                        "signers": sorted(exchange.signatures(number, proposal.digest)),
                    }
                    for view, proposal in sorted(exchange.proposals(number).items())
                },
            }
        )

    def seat(request: Request) -> Response:
        numbers = path_number(request.params["epoch"]), path_number(request.params["seat"])
        return Response(200, encode(exchange.record(*numbers)))

    def signed(request: Request) -> Response:
        return Response(200, encode(exchange.everything(path_number(request.params["epoch"]))))

    def observation(request: Request) -> Response:
        number, by = path_number(request.params["epoch"]), path_number(request.params["seat"])
        found = exchange.observation(number, by)
        if found is None:
            raise Refused(404, "H6302", f"no observation of seat {by} of epoch {number} is here")
        return Response(200, encode(found))

    def node(request: Request) -> Response:
        number = path_number(request.params["node"])
        slot = seen.last_slot(number)
        return json_response({"node": number, "last_seen": None if slot is None else list(slot), "advisory": True})

    def leaf(request: Request) -> Response:
        number, index = path_number(request.params["epoch"]), path_number(request.params["node"])
        now = tree()
        # the newest only: an older one would have to be built again for whoever asks
        if now is None or now.header.epoch != number or index >= now.header.count:
            raise Refused(404, "H6302", f"epoch {number} is not the newest here, or has no node {index}")
        shown = ShownLeaf(number, index, _word(now.header.pack()), _word(now.word(index)), b"".join(now.proof(index)))
        return Response(200, encode(shown))

    return [
        Route("GET", "/v1/epochs/{epoch}", epoch),
        Route("GET", "/v1/epochs/{epoch}/seats/{seat}", seat),
        Route("GET", "/v1/epochs/{epoch}/signed", signed),
        Route("GET", "/v1/observations/{epoch}/{seat}", observation),
        Route("GET", "/v1/nodes/{node}", node),
        Route("GET", "/v1/leaves/{epoch}/{node}", leaf),
    ]


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")
