"""Keepers are tested with the network blocked; a test that asks for `loopback` may talk to this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket, socket_allow_hosts


@pytest.fixture
def loopback() -> None:
    """Ask for it to use sockets of 127.0.0.1."""


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest) -> Iterator[None]:
    if "loopback" in request.fixturenames:
        enable_socket()
        socket_allow_hosts(["127.0.0.1", "localhost", "::1"], allow_unix_socket=True)
    else:
        disable_socket(allow_unix_socket=True)
    yield
    enable_socket()
