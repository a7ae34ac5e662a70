"""Does the stream pass through nginx as the operator's guide has it, event by event, with its buffering on or off?"""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.ports import free_port, is_free
from shared.domain.story import Lane
from tests.services.gateway.stream.channels import WS
from tests.services.gateway.stream.listening import Gateway, gateway
from tests.services.gateway.stream.releases import released
from tests.waiting import wait_until

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "streaming.md"
SBIN = "/usr/sbin:/usr/local/sbin"  # not on every user's path
NGINX = shutil.which("nginx") or shutil.which("nginx", path=SBIN)
CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 64; }}
http {{
    access_log off;
    {temporary}
    upstream gateway {{ server 127.0.0.1:{behind}; }}
    server {{
        listen 127.0.0.1:{port};
        {setting}
{locations}
    }}
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not here")


def locations() -> str:
    """What the guide tells an operator to write, word for word."""
    [block] = re.findall(r"```\n(location .*?)```", GUIDE.read_text(), flags=re.DOTALL)
    return str(block)


@asynccontextmanager
async def behind_nginx(running: Gateway, folder: Path, setting: str) -> AsyncIterator[Gateway]:
    """The same gateway, reached through nginx while the block lasts."""
    port, place = free_port(), folder / "nginx.conf"
    place.write_text(
        CONFIGURATION.format(
            folder=folder,
            temporary=" ".join(f"{name}_temp_path {folder / name};" for name in TEMPORARY),
            behind=running.port,
            port=port,
            setting=setting,
            locations=locations(),
        )
    )
    assert NGINX is not None
    process = await asyncio.create_subprocess_exec(NGINX, "-p", folder, "-c", place, "-e", folder / "error.log")
    proxied = replace(running, port=port, listeners=[])
    try:
        await wait_until(lambda: not is_free(port), within=20, message=f"nginx listens, its log is in {folder}")
        yield proxied
    finally:
        for listener in proxied.listeners:
            await listener.close()
        process.terminate()
        await process.wait()


BUFFERING = (
    "proxy_buffering on;",
    "proxy_buffering off;",
    "proxy_buffering off; proxy_ignore_headers X-Accel-Buffering;",
)


@pytest.mark.parametrize("setting", BUFFERING)
async def test_every_event_comes_through_at_once(tmp_path: Path, setting: str) -> None:
    """One story at a time, each asked for only after the one before has come: nothing waits for a full buffer."""
    async with gateway() as running, behind_nginx(running, tmp_path, setting) as proxied:
        client = await proxied.listen(version="1.0")  # so that no chunks stand between the events
        assert (client.status, (await client.next()).event) == (200, "hello")
        for number in range(20):
            running.log.append(released(f"urn:{number}", 1, Lane.FLASH if number % 3 else Lane.ROUTINE))
            assert (await client.next()).data["story_id"] == f"urn:{number}"


async def test_who_comes_back_through_it_goes_on_where_it_was(tmp_path: Path) -> None:
    """The headers of the request pass too."""
    async with gateway() as running, behind_nginx(running, tmp_path, BUFFERING[0]) as proxied:
        client = await proxied.listen(version="1.0")
        running.log.append(released("urn:one", 1))
        await client.until_story("urn:one")
        await client.close()
        running.log.append(released("urn:two", 1))
        again = await proxied.listen(last_id=client.last_id, version="1.0")
        told = [event.data["story_id"] for event in await again.until_story("urn:two") if event.event == "story"]
        assert told == ["urn:two"]


async def test_a_websocket_passes_both_ways(tmp_path: Path) -> None:
    """Events come out, and what the client says gets in."""
    async with gateway() as running, behind_nginx(running, tmp_path, BUFFERING[0]) as proxied:
        client = await WS.greeted(proxied)
        running.log.append(released("urn:one", 1))
        assert (await client.until_story("urn:one"))[-1].data["story_id"] == "urn:one"
