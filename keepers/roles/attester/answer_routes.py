"""POST /v1/{answers, openings} of nodes; for anybody GET /v1/answers/{epoch}/false[/{first node of the page}],
/v1/answers/{epoch}/{node}, /v1/classes/{class}."""

from __future__ import annotations

from keepers.roles.attester.answers import Answers
from keepers.wire.codec import ANSWER_LIMIT, OPENING_LIMIT, Decoder, OpenedRow, SignedAnswer, encode
from keepers.wire.routing import Request, Response, Route, json_response, path_number

_ANSWER, _OPENED = Decoder(SignedAnswer), Decoder(OpenedRow)


def answer_routes(answers: Answers) -> list[Route]:
    """The routes; a fixed segment stands before one in braces."""

    def answer(request: Request) -> Response:
        return Response(200, encode(answers.take_answer(_ANSWER(request.body))))

    def opening(request: Request) -> Response:
        answers.take_opening(_OPENED(request.body))
        return Response(200, b"true")

    def wrong(request: Request) -> Response:
        first = path_number(request.params.get("first", "0"))
        return Response(200, encode(answers.wrong(path_number(request.params["epoch"]), first)))

    def state(request: Request) -> Response:
        epoch, node = path_number(request.params["epoch"]), path_number(request.params["node"])
        return json_response(
            answers.state(epoch, node) or {"epoch": epoch, "node": node, "state": "none", "advisory": True}
        )

    def times(request: Request) -> Response:
        return json_response(answers.times.show(path_number(request.params["class"])))

    return [
        Route("POST", "/v1/answers", answer, limit=ANSWER_LIMIT),
        Route("POST", "/v1/openings", opening, limit=OPENING_LIMIT),
        Route("GET", "/v1/answers/{epoch}/false", wrong),
        Route("GET", "/v1/answers/{epoch}/false/{first}", wrong),
        Route("GET", "/v1/answers/{epoch}/{node}", state),
        Route("GET", "/v1/classes/{class}", times),
    ]
