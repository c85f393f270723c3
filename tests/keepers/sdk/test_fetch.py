"""A document from a URL: bounded, from where it was asked, and an error that says what to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from keepers.protocol.errors import HearthError
from keepers.sdk import fetch
from keepers.sdk.fetch import fetch_url, is_url


@contextmanager
def serving(status: int, body: bytes, location: str = "", drip: float = 0.0) -> Iterator[str]:
    """The URL of a server that answers so; with `drip` a byte every so many seconds."""
    over = threading.Event()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for byte in body if drip else b"":
                if over.wait(drip):
                    return
                self.wfile.write(bytes([byte]))
            if not drip:
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client had enough

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            over.set()
            server.shutdown()


asked: list[str] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    asked.clear()


def test_fetch__what_is_there(loopback: None) -> None:
    with serving(200, b"x" * 1_000) as url:
        assert fetch_url(f"{url}/a", 1_000, "H1006", "do") == b"x" * 1_000
        with pytest.raises(HearthError, match="gives more than 999 bytes") as error:
            fetch_url(f"{url}/a", 999, "H1006", "do")
    assert (error.value.code, error.value.exit_code) == ("H1006", 2)


@pytest.mark.parametrize(("status", "code"), [(404, "H1006"), (410, "H1006"), (500, "H2007"), (403, "H2007")])
def test_fetch__an_answer_without_a_document(loopback: None, status: int, code: str) -> None:
    with serving(status, b"") as url, pytest.raises(HearthError, match=f"answers HTTP {status}") as error:
        fetch_url(url, 10, "H1006", "do")
    assert error.value.code == code


@pytest.mark.parametrize("location", ["/b", "file:///etc/hostname", "https://elsewhere.example/"])
def test_fetch__a_redirect_is_not_followed(loopback: None, location: str) -> None:
    with serving(302, b"", location) as url, pytest.raises(HearthError, match="answers HTTP 302") as error:
        fetch_url(f"{url}/a", 10, "H1006", "do")
    assert error.value.code == "H1006" and "redirects are not followed" in error.value.why[0]
    assert asked == ["/a"]


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "http://", "http://[::1", "x://y"])
def test_fetch__no_http_url__nothing_is_asked(url: str) -> None:
    assert is_url(url)
    with pytest.raises(HearthError, match="is no http or https URL") as error:
        fetch_url(url, 10, "H1006", "do")
    assert (error.value.code, error.value.retryable) == ("H1006", False)


def test_fetch__a_drip_ends_with_the_time(loopback: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "ANSWER_S", 0.4)
    with serving(200, b"x" * 1_000, drip=0.05) as url, pytest.raises(HearthError, match="cannot be fetched") as error:
        fetch_url(url, 1_000, "H1006", "do")
    assert (error.value.code, error.value.retryable) == ("H2007", True)


def test_fetch__a_token_in_the_url_is_not_said(loopback: None) -> None:
    with serving(404, b"") as url, pytest.raises(HearthError) as error:
        fetch_url(f"{url}/r?key=secret5", 10, "H1006", "do")
    assert "secret5" not in str(error.value) and "key=***" in str(error.value)
