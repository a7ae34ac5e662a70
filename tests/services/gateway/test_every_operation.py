"""Does the gateway answer as its OpenAPI document says, whatever it is asked? Schemathesis asks, over a real socket."""

import asyncio
from typing import Any

import jsonschema
import schemathesis
from jsonschema.validators import validator_for
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from services.gateway.app import create_app
from shared.platform.http import serve
from tests.services.gateway.stories import document, filed
from tests.services.gateway.test_described import document as described
from tests.services.gateway.twins import World, world

ON_THEIR_OWN = ("/v1/stream", "/v1/poll")
"""They have a contract suite of their own."""
RULES_BEYOND_A_SCHEMA = ["2xx", "3xx", "401", "403", "404", "409", "410", "412", "422", "429", "5xx"]
"""A keyword needs a letter, an address must be reachable, a story may be dead: no schema says so."""


def config(key: str) -> SchemathesisConfig:
    """Examples and borders of every schema (a few seconds), then whatever comes to mind until the time is up."""
    return SchemathesisConfig.from_dict(
        {
            "seed": 7,
            "max-time": 30,
            "headers": {"Authorization": f"Bearer {key}"},
            "generation": {"max-examples": 2, "database": "none"},
            "checks": {"positive_data_acceptance": {"expected-statuses": RULES_BEYOND_A_SCHEMA}},
            "phases": {"stateful": {"enabled": False}},
        }
    )


def faults(port: int, key: str) -> tuple[list[str], set[str]]:
    """Ask everything; return what was found, and the operations that were asked."""
    schema: Any = schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json", config=config(key))
    for path in ON_THEIR_OWN:
        schema = schema.exclude(path=path)
    found: list[str] = []
    asked: set[str] = set()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            found.append(str(event))
        if isinstance(event, events.ScenarioFinished):
            asked.add(str(event.label))
            checks = [check for each in event.recorder.checks.values() for check in each]
            failed = [check.failure_info for check in checks if check.failure_info is not None]
            found += [f"{event.label}: {one.failure} {one.code_sample}" for one in failed]
    return found, asked


async def test_no_answer_is_other_than_the_document_says() -> None:
    """Statuses, media types, shapes, headers; what violates a schema is refused, no method is undocumented."""
    async with world(wait_s=0.0) as wire:
        wire.know(filed())
        wire.views.put(document(1))
        wire.views.put(document(2))
        key = wire.key("all", "desk", "editor", "subscriber", "operator", subscriber="acme")
        app = create_app(wire.gateway, wire.health, known=lambda: True, public_site=False)
        stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(serve(app, "127.0.0.1", 0, stop, listening=port.set_result))
        try:
            found, asked = await asyncio.to_thread(faults, await port, key["authorization"].removeprefix("Bearer "))
        finally:
            stop.set()
            await serving
        paths = (await described(wire))["paths"]
    there = {f"{method.upper()} {path}" for path in paths for method in paths[path] if path not in ON_THEIR_OWN}
    assert found == []
    assert asked >= there


async def test_every_body_has_an_example_that_fits_its_schema(wire: World) -> None:
    """Of each operation: what is sent, what is answered, and each problem."""
    told = await described(wire)
    without, wrong = [], []
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            for name, holder in [("request", operation.get("requestBody", {})), *operation["responses"].items()]:
                for kind, content in holder.get("content", {}).items():
                    if "json" not in kind or not content.get("schema"):
                        continue
                    if "example" not in content:
                        without.append((path, method, name))
                        continue
                    schema = {**content["schema"], "components": told["components"]}
                    judge: Any = validator_for(schema, default=jsonschema.Draft202012Validator)(schema)
                    wrong += [(path, method, name, each.message) for each in judge.iter_errors(content["example"])]
    assert (without, wrong) == ([], [])


async def test_every_operation_says_that_it_may_be_held_back_or_away(wire: World) -> None:
    """429 and 503 with their problems, 406 too, and the rate's headers on every success."""
    paths = (await described(wire))["paths"]
    for path in (path for path in paths if path.startswith("/v1/") and path not in ON_THEIR_OWN):
        for operation in paths[path].values():
            assert {"401", "406", "429", "503"} <= operation["responses"].keys()
            for status, answer in operation["responses"].items():
                assert not status.startswith("2") or "RateLimit" in answer["headers"]
