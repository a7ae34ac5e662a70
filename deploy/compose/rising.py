"""When does the wire in containers stand, and what do scripts on this machine need to know to use it?"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from deploy.compose.tool import Compose, ComposeFailed, Container
from deploy.local import accounts, instance
from deploy.local.instance import Instance
from deploy.local.layout import DEMO_PORT
from deploy.local.ports import LOOPBACK

HOST = "host.docker.internal"  # this machine, as containers name it
STANDS_WITHIN_S = 180.0
_LOOK_EVERY_S = 1.0
_ASK_WHERE_THE_HOST_IS = f"import socket; print(socket.gethostbyname({HOST!r}))"

Say = Callable[[str], None]


def wait(compose: Compose, say: Say, within: float = STANDS_WITHIN_S) -> None:
    """Wait until every container works; raises `ComposeFailed` with the names of those that do not in time."""
    deadline = time.monotonic() + within
    told: set[str] = set()
    while True:
        containers = compose.containers()
        for one in containers:
            if one.works and one.service not in told:
                told.add(one.service)
                say(f"  {one}")
        if containers and not (lagging := failing(containers)):
            return
        if time.monotonic() > deadline:
            raise ComposeFailed(
                f"not ready after {within:.0f} s: {', '.join(lagging) or 'nothing runs'}; {_logs(compose)}"
            )
        time.sleep(_LOOK_EVERY_S)


def failing(containers: Iterable[Container]) -> list[str]:
    """Name what does not work, each with its state."""
    return [str(one) for one in containers if not one.works]


async def introduce(compose: Compose, operator: str, data: Path) -> Instance:
    """Make the accounts through the public API and write `run.json` for the wire in containers; may be repeated."""
    gateway = compose.published("gateway", 8080)
    keeping = data / "containers"
    keys = await accounts.ensure_keys(gateway, operator, instance.kept_keys(keeping))
    instance.keep_keys(keeping, keys)
    there = Instance(
        gateway=gateway,
        ingest=compose.published("ingest", 8081),
        monitor=compose.published("monitor", 8082),
        kafka="",
        redis="",
        keys={**keys, "operator": operator},
        demo_receiver=f"{HOST}:{DEMO_PORT}",
        demo_bind=where_containers_find_us(compose),
        in_containers=True,
    )
    instance.save(data, there)
    return there


def where_containers_find_us(compose: Compose) -> str:
    """Return the address of this machine on which a webhook from a container arrives.

    On Linux that is the bridge's own address. Where a virtual machine runs the containers, the name leads to what
    listens on loopback here, and its address is not ours to bind.
    """
    address = compose.ask("exec", "-T", "distribution", "python", "-c", _ASK_WHERE_THE_HOST_IS)
    return address if _is_ours(address) else LOOPBACK


def _is_ours(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
        return True


def _logs(compose: Compose) -> str:
    return f"`{' '.join(compose.command)} logs NAME` says why"
