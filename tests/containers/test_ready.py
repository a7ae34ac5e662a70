"""Does a container's health check say yes only to a 200?"""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.compose import ready as module
from deploy.compose.ready import ready
from deploy.local.ports import free_port


@contextmanager
def answering(status: int) -> Iterator[int]:
    """Answer /readyz with `status`, and any other path with 404, on the port this yields."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else HTTPStatus.NOT_FOUND)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "expected"), [(200, True), (503, False), (404, False), (302, False)])
def test_only_200_is_ready(status: int, expected: bool) -> None:
    """Whatever else a service answers, it cannot take work."""
    with answering(status) as port:
        assert ready(port) is expected


def test_a_port_nobody_listens_on_is_not_ready() -> None:
    """A service that has not come up yet is not ready, and that is no error of the check."""
    assert ready(free_port()) is False


def test_silence_is_not_ready() -> None:
    """A service that accepts connections but answers nothing does not hold the check up."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert ready(silent.getsockname()[1], within=0.05) is False


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_it_runs_alone_as_compose_runs_it(status: int, code: int) -> None:
    """The exit code is the answer; the script needs neither our packages nor any library."""
    assert module.__file__ is not None
    with answering(status) as port:
        command = [sys.executable, "-IS", str(Path(module.__file__)), str(port)]
        assert subprocess.run(command, check=False, timeout=20, cwd="/").returncode == code
