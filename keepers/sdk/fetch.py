"""One document from a URL that nobody vouches for: bounded in size and time, and from nowhere else than was asked."""

from __future__ import annotations

import httpx

from keepers.chain.masking import mask_url
from keepers.protocol.errors import HearthError
from keepers.wire.attester_client import make_http

WAIT_S = 10.0  # for the next bytes
ANSWER_S = 60.0  # for the whole answer


def is_url(place: str) -> bool:
    """Whether a place that somebody names is a URL, of whatever scheme, and no path."""
    return "://" in place


def fetch_url(url: str, most: int, wrong: str, remedy: str) -> bytes:
    """The at most `most` bytes that a GET of an http(s) URL gives. No redirect is followed, no proxy asked.

    Raises an error of code `wrong` with `remedy` for what no retry would mend (no http(s) URL, a page that is not there
    or is elsewhere, too many bytes), H2007 for what it may (no answer, a server's own error).
    """
    said = mask_url(url)
    try:
        with make_http(WAIT_S, answer_s=ANSWER_S) as client, client.stream("GET", url) as answer:
            if answer.status_code != 200:
                raise _refused(said, answer.status_code, wrong, remedy)
            content = bytearray()
            for piece in answer.iter_bytes():
                content += piece
                if len(content) > most:
                    raise HearthError(wrong, f"{said} gives more than {most:,} bytes", next=(remedy,))
            return bytes(content)
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise HearthError(wrong, f"{said} is no http or https URL", why=(str(error),), next=(remedy,)) from None
    except httpx.HTTPError as error:
        raise HearthError(
            "H2007", f"{said} cannot be fetched", why=(type(error).__name__,), next=("retrying is safe",)
        ) from None


def _refused(said: str, status: int, wrong: str, remedy: str) -> HearthError:
    why = ("redirects are not followed: give the address that it points to",) if 300 <= status < 400 else ()
    code = wrong if status in (404, 410) or why else "H2007"
    return HearthError(code, f"{said} answers HTTP {status}", why=why, next=(remedy,))
