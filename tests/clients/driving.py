"""What is put on the wire, and who serves it? Releases at a steady pace, and a gateway process to be killed."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import httpx2
from cryptography.fernet import Fernet

from deploy.local import layout
from deploy.local.supervisor import ServiceProcess
from services.gateway.stream.frames import TOPIC_OF
from shared.domain.events import encode_event
from shared.domain.facts import Facts
from shared.domain.state import KillRecord
from shared.domain.story import Kind, Lane
from shared.platform.provisioning import provision
from shared.platform.publishing import Publisher
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.clients.oracle import Put
from tests.services.gateway.stream.releases import released

EVERY_S = 0.05
SUBSCRIBER = "acme"


@dataclass(slots=True)
class Driver:
    """Puts releases on the wire; `published` is its ledger, in the order of appending."""

    publisher: Publisher
    published: list[Put] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    async def go_on(self) -> None:
        """Tell one story after another until cancelled: one in ten of each of these kinds, most of them plain."""
        while True:
            number = next(self._numbers)
            story_id, turn = f"urn:example:story:{number}", number % 10
            section, language = "sport" if turn == 7 else "world", "de" if turn == 8 else "en"
            await self.put(Put(story_id, 1, "routine", section, language))
            if turn == 9:
                await self.put(Put(story_id, 2, "flash", section, language, kill=True))
            elif turn % 2:
                await self.put(Put(story_id, 2, "flash" if turn == 5 else "routine", section, language))
            await asyncio.sleep(EVERY_S)

    async def tell_all(self, story_id: str) -> None:
        """Put a story that every client wants."""
        await self.put(Put(story_id, 1, "routine", "world", "en"))

    async def put(self, put: Put) -> None:
        """Return when the broker has it. A kill's own record goes first, as the desk writes it."""
        lane, kind = Lane(put.lane), Kind.KILL if put.kill else Kind.PUBLISH if put.release_no == 1 else Kind.UPDATE
        facts = Facts(sections=(put.section,), languages=(put.language,), lanes=(lane,))
        event = released(put.story_id, put.release_no, lane, kind, facts=facts, reach=facts)
        if put.kill:
            dead = KillRecord(story_id=put.story_id, version=1, release_no=put.release_no, cause=event.event_id, at=1)
            await self.publisher.publish(Topic.KILLED, put.story_id, dead.model_dump_json().encode())
        self.published.append(put)
        await self.publisher.publish(TOPIC_OF[lane], put.story_id, encode_event(event))


@dataclass(slots=True)
class Gateway:
    """A real gateway process on a port that stays the same."""

    process: ServiceProcess
    url: str
    operator: str

    async def kill(self) -> None:
        """`kill -9`, and start it again; returns when it is ready."""
        await self.process.kill()
        await self.process.start()
        await self.process.ready()

    async def new_key(self) -> str:
        """The key of a subscriber whose one product is what is in English."""
        product = {"name": "English", "filter": {"languages": ["en"]}}
        new = {"subscriber": SUBSCRIBER, "person": "sue", "scopes": ["subscriber"]}
        async with httpx2.AsyncClient(
            base_url=self.url, timeout=30, headers={"authorization": f"Bearer {self.operator}"}
        ) as client:
            set_ = await client.put(f"/v1/subscribers/{SUBSCRIBER}/products", json={"products": [product]})
            set_.raise_for_status()
            issued = await client.post("/v1/keys", json=new)
            issued.raise_for_status()
            return str(issued.json()["key"])


@asynccontextmanager
async def driving(bootstrap: str, redis_url: str, logs: Path, origin: str) -> AsyncIterator[tuple[Gateway, Driver]]:
    """A gateway that is ready over topics of its own, and who puts releases there; pages of `origin` may read."""
    prefix = f"t{secrets.token_hex(5)}."
    kafka = KafkaSettings(bootstrap=bootstrap, topic_prefix=prefix)
    await provision(kafka, profile="local")
    told = {"secret_key": Fernet.generate_key().decode(), "operator": f"sl_local_{secrets.token_urlsafe(32)}"}
    ports = layout.choose_ports({})
    service = next(one for one in layout.services(ports, bootstrap, redis_url, told) if one.name == "gateway")
    extra = {"WIRE_TOPIC_PREFIX": prefix, "WIRE_CORS_ORIGINS": origin}
    process = ServiceProcess(replace(service, environment={**service.environment, **extra}), logs)
    async with Publisher(kafka) as publisher:
        await process.start()
        try:
            await process.ready()
            yield Gateway(process, f"http://127.0.0.1:{service.port}", told["operator"]), Driver(publisher)
        finally:
            await process.kill()
