"""Does a log line say what happened without a secret and without a word of a story?"""

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from shared.platform.canonical_lines import CanonicalLine
from shared.platform.logs import DROPPED_KEYS, MASK, REPEATED_AFTER_S, FoldRepeats, configure_logs, logger, mask, reason

pytestmark = pytest.mark.usefixtures("logs_as_before")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged since the last look, parsed."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_one_json_object_with_time_level_and_service(capsys: pytest.CaptureFixture[str]) -> None:
    """One event, its ids, who and when."""
    configure_logs("enrich", "json", "info")
    logger(story_id="urn:x:1").info("story.enriched", ms=3)
    [line] = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "story.enriched",
        "level": "info",
        "logger": "slugline",
        "ms": 3,
        "service": "enrich",
        "story_id": "urn:x:1",
    }


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    """WIRE_LOG_LEVEL is obeyed by our lines and the libraries'."""
    configure_logs("enrich", "json", "warning")
    logger().info("story.enriched")
    logging.getLogger("some.library").info("chatter")
    assert lines(capsys) == []


def test_a_library_s_line_has_the_same_shape(capsys: pytest.CaptureFixture[str]) -> None:
    """One format for everything on stderr."""
    configure_logs("enrich")
    logging.getLogger("some.library").warning("lost %s of %d", "one", 2)
    [line] = lines(capsys)
    assert (line["event"], line["logger"], line["level"]) == ("lost one of 2", "some.library", "warning")


def test_a_library_that_says_one_thing_over_and_over_is_heard_once_and_then_counted() -> None:
    """Whatever the figures in the line; another thing, and our own lines, are heard at once."""
    now = [0.0]
    folding = FoldRepeats(lambda: now[0])

    def heard(name: str, words: str, *figures: int) -> str | None:
        record = logging.LogRecord(name, logging.ERROR, __file__, 1, words, figures, None)
        return record.getMessage() if folding.filter(record) else None

    assert heard("aiokafka.client", "no node %d", 1) == "no node 1"
    assert [heard("aiokafka.client", "no node %d", number) for number in (2, 3)] == [None, None]
    assert heard("aiokafka.client", "no metadata") == "no metadata"
    assert [heard("slugline", "story.enriched") for _ in range(2)] == ["story.enriched"] * 2
    now[0] = REPEATED_AFTER_S
    assert heard("aiokafka.client", "no node %d", 4) == "no node 4 (2 more like this were left out)"
    assert heard("aiokafka.client", "no node %d", 5) is None


def test_configuring_again_replaces_what_was_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A process configures at start and once more when it knows its settings: no line comes twice."""
    configure_logs("starting")
    configure_logs("enrich")
    logger().info("process.started")
    assert [line["service"] for line in lines(capsys)] == ["enrich"]


@given(st.sampled_from(sorted(DROPPED_KEYS)), st.text(min_size=9), st.lists(st.sampled_from(["a", "b"]), max_size=3))
def test_dropped_keys_lose_their_value_at_any_depth(key: str, words: str, path: list[str]) -> None:
    """However deep a headline or a secret is nested, it does not reach the line."""
    nested: dict[str, Any] = {key: words}
    for name in path:
        nested = {name: [nested]}
    masked = mask(None, "info", {"event": "x", "facts": nested})
    assert masked["facts"] == json.loads(json.dumps(nested | {}).replace(json.dumps(words), json.dumps(MASK)))


def test_keys_are_dropped_however_they_are_written() -> None:
    """Header names come in any case."""
    assert mask(None, "info", {"Authorization": "Bearer hunter2"}) == {"Authorization": MASK}


@pytest.mark.parametrize("key", ["url", "endpoint_url"])
def test_of_a_url_only_scheme_and_host_remain(key: str) -> None:
    """Path and query of a webhook may be its password."""
    masked = mask(None, "info", {key: "https://user:pw@hooks.example:8443/T0/secret?token=1"})
    assert masked == {key: "https://hooks.example:8443"}


def test_an_error_is_told_with_its_frames_and_its_cause(capsys: pytest.CaptureFixture[str]) -> None:
    """Type, reason and where it came from, as data."""
    configure_logs("enrich")
    try:
        try:
            raise KeyError("lane")
        except KeyError as inner:
            raise RuntimeError("no lane") from inner
    except RuntimeError:
        logger().exception("record.failed")
    [line] = lines(capsys)
    assert (line["error"], line["reason"]) == ("RuntimeError", "no lane")
    assert any("test_logs.py" in frame for frame in line["stack"])
    assert any(frame.startswith("KeyError") for frame in line["stack"])


def test_a_validation_error_does_not_repeat_what_was_validated(capsys: pytest.CaptureFixture[str]) -> None:
    """pydantic quotes its input, which may be the text of a held story; frames and reasons here never do."""

    class Shape(BaseModel):
        urgency: int

    configure_logs("enrich")
    try:
        Shape.model_validate({"urgency": "MINISTER RESIGNS"})
    except ValidationError:
        logger().exception("record.failed")
    out = capsys.readouterr().err
    assert "MINISTER" not in out
    assert json.loads(out)["reason"] == "urgency: int_parsing"


def test_a_reason_is_cut_short() -> None:
    """An error that carries a whole document does not fill the log."""
    assert len(reason(ValueError("x" * 10_000))) == 300


def test_all_errors_of_a_group_are_told() -> None:
    """A task group's failure names what failed."""
    assert reason(ExceptionGroup("jobs", [ValueError("one"), KeyError("two")])) == "one; 'two'"


async def test_a_canonical_line_is_what_the_logger_would_have_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Key for key, in every style; the lines of one turn of the loop come out together and in order."""
    attempted = CanonicalLine("delivery.attempted", "delivery_id", "n", "ms")
    configure_logs("distribution", "json", "info")
    logger().info("delivery.attempted", delivery_id="dlv_1", n=1, ms=0.25)
    attempted("dlv_1", 1, 0.25)
    attempted("dlv_2", 2, None)
    assert len(lines(capsys)) == 1
    await asyncio.sleep(0)
    plain, second = lines(capsys)
    assert (plain["delivery_id"], second["delivery_id"], second["ms"]) == ("dlv_1", "dlv_2", None)
    logger().info("delivery.attempted", delivery_id="dlv_1", n=1, ms=0.25)
    [as_before] = lines(capsys)
    assert plain.pop("timestamp")[:10] == as_before.pop("timestamp")[:10]
    assert plain == as_before
    configure_logs("distribution", "console", "info")
    attempted("dlv_3", 3, 1.0)
    assert "dlv_3" in capsys.readouterr().err
    configure_logs("distribution", "json", "warning")
    attempted("dlv_4", 4, 1.0)
    await asyncio.sleep(0)
    assert lines(capsys) == []


@pytest.mark.parametrize("key", [*sorted(DROPPED_KEYS), "url", "callback_URL"])
def test_a_canonical_line_has_no_key_that_would_be_masked(key: str) -> None:
    """It skips the mask, so that it must not need one."""
    with pytest.raises(ValueError, match=key):
        CanonicalLine("delivery.attempted", "n", key)
