"""The gateway as the process it is, fed from a real Kafka, with a real Redis beside it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlencode

from cryptography.fernet import Fernet

from deploy.local.kafka import LocalKafka
from deploy.local.ports import free_port
from deploy.local.redis import LocalRedis
from shared.domain.keys import hash_key, new_key
from shared.domain.state import Principal
from shared.platform.provisioning import provision
from shared.platform.publishing import Outgoing, Publisher
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, key_of
from tests.bench.gateway.reading import status_of
from tests.bench.gateway.servers import HOST, WEBSOCKET, request
from tests.bench.gateway.stories import Story
from tests.bench.process import service
from tests.bench.releases import record_of

KEYS = 500
"""Subscribers whose keys the clients share, so that no limit of one key is met."""


class Gateway:
    """A gateway under test. `operator` is the header of a key that may see operations."""

    name = "gateway"

    def __init__(
        self,
        pid: int,
        port: int,
        publisher: Publisher,
        keys: Sequence[str],
        operator: str,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        """`trusted`: it speaks TLS, with a certificate that this context trusts."""
        self.pid = pid
        self.address = (HOST, port)
        self.operator = f"authorization: Bearer {operator}\r\n"
        self._trusted = trusted
        self._publisher = publisher
        self._keys = keys

    def key(self, client: int) -> str:
        """The header that names a client's subscriber."""
        return f"authorization: Bearer {self._keys[client % len(self._keys)]}\r\n"

    def head(self, kind: str, client: int, sections: Sequence[str], cursor: str = "") -> str:
        wanted = [("sections", section) for section in sections] + ([("cursor", cursor)] if cursor else [])
        if kind == "ws":
            return request(f"/v1/ws?{urlencode(wanted)}", self.key(client), WEBSOCKET)
        return request(f"/v1/stream?{urlencode(wanted)}", self.key(client))

    async def get(self, target: str, key: str) -> tuple[int, bytes]:
        """Ask once, with the header of a key; the status and the body."""
        return await got(self.address, request(target, key, "connection: close\r\n"), self._trusted)

    async def put(self, stories: Sequence[Story]) -> None:
        await self._publisher.publish_all([record_of(story.event()) for story in stories])

    async def put_as_newest(self, stories: Sequence[Story]) -> None:
        """Release them and record each as its story's newest, which is what the views are read from."""
        events = [story.event() for story in stories]
        records = [record_of(event, topic) for event in events for topic in (None, Topic.CURRENT)]
        await self._publisher.publish_all(records)


@asynccontextmanager
async def gateway(folder: Path, chain: Path | None = None) -> AsyncIterator[Gateway]:
    """Everything up and nobody there; all of it is gone with the block.

    `chain`: a PEM file with a certificate and its key; the gateway then speaks TLS.
    """
    trusted = ssl.create_default_context(cafile=chain) if chain else None
    keys, operator, port = [new_key("local") for _ in range(KEYS)], new_key("local"), free_port()
    async with AsyncExitStack() as opened:
        broker = await opened.enter_async_context(LocalKafka(folder / "kafka"))
        redis = await opened.enter_async_context(LocalRedis(folder / "redis"))
        kafka = KafkaSettings(bootstrap=broker.bootstrap)
        await provision(kafka, profile="local")
        publisher = await opened.enter_async_context(Publisher(kafka))
        await publisher.publish_all(_principals(keys))
        settings = {
            "WIRE_KAFKA": kafka.bootstrap,
            "WIRE_REDIS": redis.url,
            "WIRE_GATEWAY_PORT": str(port),
            "WIRE_OPERATOR_KEY": operator,
            "WIRE_SECRET_KEY": Fernet.generate_key().decode(),
            "WIRE_LOG_LEVEL": "warning",
            "WIRE_STREAM_PER_KEY": "0",  # one key for all ten thousand
        }
        if chain:
            settings |= {"WIRE_TLS_CERTIFICATE": str(chain), "WIRE_TLS_KEY": str(chain)}

        async def ready(at: int) -> bool:
            try:
                status, _ = await got((HOST, at), request("/readyz", "connection: close\r\n"), trusted)
            except ConnectionRefusedError:
                return False
            return status == HTTPStatus.OK

        pid = await opened.enter_async_context(service("gateway", folder, settings, port, ready=ready))
        yield Gateway(pid, port, publisher, keys, operator, trusted)


async def got(address: tuple[str, int], head: str, tls: ssl.SSLContext | None) -> tuple[int, bytes]:
    """The status and the body of one answer; the connection ends with it."""
    reader, writer = await asyncio.open_connection(*address, ssl=tls)
    writer.write(head.encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return status_of(answer), answer.partition(b"\r\n\r\n")[2]


def _principals(keys: Iterable[str]) -> list[Outgoing]:
    """The records of these keys, each of a subscriber of its own."""
    records = []
    for number, key in enumerate(keys):
        principal = Principal(
            key_id=f"key_bench{number:04}",
            hash=hash_key(key),
            prefix=key[:13],
            subscriber=f"sub-bench-{number}",
            person=f"bench-{number}",
            scopes=("subscriber",),
            created_at=datetime.now(UTC),
        )
        records.append(
            Outgoing(Topic.PRINCIPAL_STATE, key_of(principal.key_id, "key"), principal.model_dump_json().encode())
        )
    return records
