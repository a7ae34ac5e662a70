"""What was ever written is read for as long as it may lie on a topic: shapes only grow (design 4.3)."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from shared.domain.endpoint_headers import EndpointHeaders
from shared.domain.events import encode_event, parse_event
from shared.domain.health import EndpointHealth
from shared.domain.subscription import Endpoint

GOLDEN = Path(__file__).parent / "golden"
EVENTS = sorted((GOLDEN / "events").glob("*.json"))
STATE = sorted((GOLDEN / "state").glob("*.json"))
MODELS: dict[str, type[BaseModel]] = {each.__name__: each for each in (Endpoint, EndpointHeaders, EndpointHealth)}


def lacking(sample: Any, written: Any, at: str = "") -> list[str]:
    """Where what is written lacks something that the sample has, or says it differently."""
    if isinstance(sample, dict) and isinstance(written, dict):
        missing = [f"{at}/{name}" for name in sample if name not in written]
        return missing + [
            each
            for name, value in sample.items()
            if name in written
            for each in lacking(value, written[name], f"{at}/{name}")
        ]
    return [] if sample == written else [at]


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_an_event_of_old_keeps_every_field(path: Path) -> None:
    """Read and written again, nothing of it is gone or called otherwise."""
    sample = path.read_bytes()
    event = parse_event(sample)
    assert path.name.startswith(event.type)
    assert lacking(json.loads(sample), json.loads(encode_event(event))) == []


@pytest.mark.parametrize("path", STATE, ids=lambda path: path.stem)
def test_a_record_of_old_keeps_every_field(path: Path) -> None:
    """As events do."""
    sample = path.read_bytes()
    read = MODELS[path.name.split(".")[0]].model_validate_json(sample)
    assert lacking(json.loads(sample), json.loads(read.model_dump_json())) == []
