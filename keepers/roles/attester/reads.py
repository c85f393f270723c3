"""What anybody may ask an attester: GET /v1/epochs/{epoch}, …/seats/{seat}, …/signed, and /v1/nodes/{node}.

It says nothing that is secret. `…/signed` is what watchers compare: all signatures of an epoch that are held here.
"""

from __future__ import annotations

from collections.abc import Callable

from keepers.roles.attester.exchange import Exchange
from keepers.roles.attester.observe import Seen
from keepers.wire.codec import encode
from keepers.wire.routing import Request, Response, Route, json_response, path_number


def read_routes(exchange: Exchange, seen: Seen, last: Callable[[], int]) -> list[Route]:
    """The routes; `last` gives the newest reported epoch."""

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

    def node(request: Request) -> Response:
        number = path_number(request.params["node"])
        slot = seen.last_slot(number)
        return json_response({"node": number, "last_seen": None if slot is None else list(slot), "advisory": True})

    return [
        Route("GET", "/v1/epochs/{epoch}", epoch),
        Route("GET", "/v1/epochs/{epoch}/seats/{seat}", seat),
        Route("GET", "/v1/epochs/{epoch}/signed", signed),
        Route("GET", "/v1/nodes/{node}", node),
    ]
