"""Who uses a wire, and what do they do? A desk files, editors decide, subscribers are told; each with their own key."""

import base64
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import httpx2

from tests.journeys.inbox import Inbox
from tests.journeys.instance import Wire
from tests.journeys.listening import Stream, listen
from tests.receivers.recording import Recorder
from tests.receivers.serving import Script, receiving
from tests.waiting import wait_until

SETTLES_WITHIN_S = 30.0
ON_ITS_WAY = frozenset({"received"})


def segment(story_id: str) -> str:
    """A story id as one segment of a path."""
    return quote(story_id, safe="")


@dataclass(frozen=True, slots=True)
class Released:
    """What a filing came to on the wire."""

    event_id: str
    story_id: str
    release_no: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a 202 (or the 200 of a repeated request) promised."""

    event_id: str
    story_id: str
    version: int
    lane: str
    kind: str
    answer: Mapping[str, Any]


class Person:
    """The holder of one key of the running instance; `api` speaks to the gateway."""

    def __init__(self, wire: Wire, name: str) -> None:
        self.wire = wire
        self.name = name
        self._headers = {"authorization": f"Bearer {wire.key(name)}"}
        self.api = httpx2.AsyncClient(base_url=wire.now.gateway, headers=self._headers, timeout=20.0)

    async def __aenter__(self) -> Self:
        await self.api.__aenter__()
        return self

    async def __aexit__(self, *what: Any) -> None:
        await self.api.__aexit__(*what)

    async def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of a GET that must answer 200."""
        answer = await self.api.get(path, params=query)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    async def story(self, story_id: str) -> httpx2.Response:
        """Ask for the newest release of a story, whatever the answer."""
        return await self.api.get(f"/v1/stories/{segment(story_id)}")

    async def latest(self, **query: Any) -> list[dict[str, Any]]:
        """Every released story that the filter wants, over all pages."""
        items: list[dict[str, Any]] = []
        page = await self.get("/v1/stories", limit=100, **query)
        items += page["items"]
        while page["next"] is not None:
            page = await self.get("/v1/stories", limit=100, cursor=page["next"], **query)
            items += page["items"]
        return items

    @asynccontextmanager
    async def listening(self, last_event_id: str | None = None, **query: Any) -> AsyncIterator[Stream]:
        """Follow the stream while the block lasts; entered once `hello` has come."""
        async with listen(self.api, query, last_event_id) as stream:
            yield stream


class Desk(Person):
    """Files stories; may ask for a hold or a kill."""

    def __init__(self, wire: Wire, name: str = "desk") -> None:
        super().__init__(wire, name)
        self.door = httpx2.AsyncClient(base_url=wire.now.ingest, headers=self._headers, timeout=20.0)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self.door.__aenter__()
        return self

    async def __aexit__(self, *what: Any) -> None:
        await self.door.__aexit__(*what)
        await super().__aexit__(*what)

    async def post(
        self, story: Mapping[str, Any] | str | bytes, headers: Mapping[str, str] | None = None, **query: Any
    ) -> httpx2.Response:
        """File a ninjs item (a mapping) or a story page (text), whatever the answer."""
        if isinstance(story, str | bytes):
            body, kind = story if isinstance(story, bytes) else story.encode(), "text/plain; charset=utf-8"
        else:
            body, kind = json.dumps(story).encode(), "application/json"
        sent = {"content-type": kind, **(headers or {})}
        return await self.door.post("/v1/intake/stories", content=body, headers=sent, params=query)

    async def file(
        self, story: Mapping[str, Any] | str | bytes, headers: Mapping[str, str] | None = None, **query: Any
    ) -> Accepted:
        """File a story that must be taken."""
        return _accepted(await self.post(story, headers, **query))

    async def correct(self, story_id: str, note: str, fields: Sequence[str], story: Mapping[str, Any]) -> Accepted:
        """File a correction of the named fields."""
        body = {"note": note, "fields": list(fields), "story": story}
        return _accepted(await self.door.post(f"/v1/intake/stories/{segment(story_id)}/corrections", json=body))

    async def receipt(self, event_id: str) -> dict[str, Any]:
        """What became of an input as it stands now; `received` while the gateway has not heard of it."""
        answer = await self.api.get(f"/v1/desk/receipts/{event_id}")
        assert answer.status_code in {200, 404}, answer.text
        told: dict[str, Any] = answer.json()
        return told if answer.status_code == 200 else {"state": "received"}

    async def settled(self, accepted: Accepted, within: float = SETTLES_WITHIN_S) -> dict[str, Any]:
        """The receipt once it says more than `received`."""

        async def decided() -> dict[str, Any]:
            receipt = await self.receipt(accepted.event_id)
            return {} if receipt["state"] in ON_ITS_WAY else receipt

        return await wait_until(decided, within, message=f"a receipt for {accepted.story_id}")

    async def released(self, story: Mapping[str, Any] | str | bytes, **query: Any) -> Released:
        """File a story that must go out at once; what is on the wire already goes out again, as a repeat."""
        accepted = await self.file(story, **query)
        receipt = await self.settled(accepted)
        if receipt["state"] == "duplicate" or accepted.answer.get("duplicate"):
            return await self.released(story, kind="repeat")
        assert receipt["state"] == "released", receipt
        return Released(accepted.event_id, accepted.story_id, receipt["release_no"])

    async def ask(self, story_id: str, action: str, **body: Any) -> httpx2.Response:
        """Ask for a decision about a story, whatever the answer."""
        return await self.api.post(f"/v1/desk/stories/{segment(story_id)}/{action}", json=body)

    async def decide(self, story_id: str, action: str, **body: Any) -> dict[str, Any]:
        """Ask for a decision that must be taken in; returns its status."""
        answer = await self.ask(story_id, action, **body)
        assert answer.status_code == 202, answer.text
        decision: dict[str, Any] = answer.json()
        return decision

    async def confirm(self, decision_id: str) -> httpx2.Response:
        """Be the second person of a kill, whatever the answer."""
        return await self.api.post(f"/v1/desk/decisions/{decision_id}/confirm")


class Subscriber(Person):
    """Has endpoints and subscriptions, and a receiver of their own."""

    def __init__(self, wire: Wire, name: str = "subscriber") -> None:
        super().__init__(wire, name)

    async def made(self, path: str, **body: Any) -> dict[str, Any]:
        """Return what a POST made; it must answer 201."""
        answer = await self.api.post(path, json=body)
        assert answer.status_code == 201, f"POST {path}: {answer.status_code} {answer.text[:500]}"
        thing: dict[str, Any] = answer.json()
        return thing

    @asynccontextmanager
    async def webhooks(
        self,
        wanted: Mapping[str, Any] | None = None,
        *,
        ordering: str = "latest",
        answers: Sequence[int] = (),
    ) -> AsyncIterator[Inbox]:
        """Run a receiver with an active endpoint and one subscription of its own while the block lasts.

        At the end every webhook that came must have verified, and every item in them be valid ninjs 3.1.
        """
        secret = a_secret()
        recorder = Recorder(secret, answers=answers)
        async with self.endpoint(recorder, secret=secret) as endpoint_id:
            subscription = await self.made(
                "/v1/subscriptions",
                name="a journey",
                endpoint_id=endpoint_id,
                ordering=ordering,
                filter=dict(wanted or {}),
            )
            inbox = Inbox(endpoint_id, subscription["subscription_id"], recorder)
            try:
                yield inbox
                inbox.judge()
            finally:
                await self.api.delete(f"/v1/subscriptions/{inbox.subscription_id}")

    @asynccontextmanager
    async def endpoint(self, script: Script, *, secret: str) -> AsyncIterator[str]:
        """Serve `script` as an endpoint that has answered its challenge; it is deleted at the end."""
        with self.wire.lend() as port:
            async with receiving(script, port=port) as receiver:
                url = receiver.url_as("127.0.0.1", f"/hook/{secrets.token_hex(4)}")
                made = await self.made("/v1/endpoints", url=url, description="a journey", secret=secret)
                try:
                    await self.until_active(made["endpoint_id"])
                    yield made["endpoint_id"]
                finally:
                    await self.api.delete(f"/v1/endpoints/{made['endpoint_id']}")

    async def until_active(self, endpoint_id: str) -> None:
        async def active() -> bool:
            return bool((await self.get(f"/v1/endpoints/{endpoint_id}"))["state"] == "active")

        await wait_until(active, 30, every=0.05, message=f"endpoint {endpoint_id} is active")

    async def deliveries(self, **query: Any) -> list[dict[str, Any]]:
        """What became of webhooks, newest first."""
        found: list[dict[str, Any]] = (await self.get("/v1/deliveries", limit=100, **query))["items"]
        return found


def a_secret() -> str:
    """A signing secret brought along, so that the receiver knows it before the first challenge comes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _accepted(answer: httpx2.Response) -> Accepted:
    assert answer.status_code in {200, 202}, f"{answer.status_code} {answer.text[:800]}"
    told = answer.json()
    return Accepted(told["event_id"], told["story_id"], told["version"], told["lane"], told["kind"], told)
