"""nginx with its nchan module, where both are installed: the C server that the gateway is held against."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local.ports import free_port
from tests.bench.gateway.servers import HOST, WEBSOCKET, Posting, posting_to, request
from tests.bench.gateway.stories import Story
from tests.waiting import wait_until

MISSING = "nginx with its nchan module is not installed here: the bare loop alone is the yardstick"
UP_WITHIN_S = 20.0
MOST_SECTIONS = 7
"""Channels that one subscriber may listen to (nchan_channel_id takes no more)."""

LARGEST_STORY = 65_536
"""Bytes of a story that are kept in memory on their way."""

_MODULE = Path("lib") / "nginx" / "modules" / "ngx_nchan_module.so"
_SBIN = "/usr/sbin:/usr/local/sbin"  # not on every user's path
_CONFIGURATION = """\
load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile {connections};
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    {temporary}
    client_body_buffer_size {largest};
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    server {{
        listen {listen} backlog=4096;
        location ~ ^/pub/([^/]+)$ {{
            nchan_publisher;
            nchan_channel_id $1;
            nchan_message_buffer_length 100;
            nchan_message_timeout 60s;
        }}
{streams}{sockets}    }}
}}
"""
_LISTENING = """\
        location ~ ^/{kind}{parts}$ {{
            nchan_subscriber {subscriber};
            nchan_channel_id {ids};
            nchan_subscriber_first_message newest;
        }}
"""
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def found(path: str | None = None) -> tuple[Path, Path] | None:
    """The program and its module; None where either is missing. `path`: where to look, PATH unless given."""
    program = shutil.which("nginx", path=path) or (None if path else shutil.which("nginx", path=_SBIN))
    if program is None:
        return None
    module = Path(program).resolve().parents[1] / _MODULE
    return (Path(program), module) if module.is_file() else None


def configuration(module: Path, folder: Path, port: int, connections: int) -> str:
    """One worker, on loopback, with a hundred stories of history; it writes nothing outside `folder`."""
    return _CONFIGURATION.format(
        module=module,
        folder=folder,
        connections=connections,
        temporary="\n    ".join(f"{name}_temp_path {folder / name};" for name in _TEMPORARY),
        largest=LARGEST_STORY,
        listen=f"{HOST}:{port}",
        streams="".join(_location("sub", "eventsource", count) for count in range(1, MOST_SECTIONS + 1)),
        sockets="".join(_location("ws", "websocket", count) for count in range(1, MOST_SECTIONS + 1)),
    )


def _location(kind: str, subscriber: str, count: int) -> str:
    """Where so many sections are listened to: `/sub/a/b/c`."""
    ids = " ".join(f"${number + 1}" for number in range(count))
    return _LISTENING.format(kind=kind, parts="/([^/]+)" * count, subscriber=subscriber, ids=ids)


class Nchan:
    """A running nginx. `pid` is its worker's: the master only looks on."""

    name = "nchan"

    def __init__(self, pid: int, port: int, posting: Posting) -> None:
        self.pid = pid
        self.address = (HOST, port)
        self._posting = posting

    def head(self, kind: str, client: int, sections: Sequence[str], cursor: str = "") -> str:
        if kind == "ws":
            return request(f"/ws/{'/'.join(sections)}", WEBSOCKET)
        return request(f"/sub/{'/'.join(sections)}", "accept: text/event-stream\r\n")

    async def put(self, stories: Sequence[Story]) -> None:
        for story in stories:
            await self._posting.post(f"/pub/{story.section}", story.item().model_dump_json().encode())


@asynccontextmanager
async def nchan(installed: tuple[Path, Path], folder: Path, connections: int) -> AsyncIterator[Nchan]:
    """Run it while the block lasts; what it writes stays in `folder`."""
    program, module = installed
    port, place = free_port(), folder / "nginx.conf"
    place.write_text(configuration(module, folder, port, connections))
    with (folder / "nginx.out").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            program, "-p", folder, "-c", place, "-e", folder / "error.log", stdout=output, stderr=output
        )
    try:
        message = f"nginx listens, its log is in {folder}"
        worker = await wait_until(lambda: _worker_of(process.pid), UP_WITHIN_S, message=message)
        posting = await posting_to((HOST, port))
        try:
            yield Nchan(worker, port, posting)
        finally:
            await posting.close()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _worker_of(master: int) -> int:
    """The pid of the worker; 0 until there is one. By then the master listens."""
    return int(Path(f"/proc/{master}/task/{master}/children").read_text() or 0)
