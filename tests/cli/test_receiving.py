"""Does receive prove ownership, tell true webhooks from forged ones, and clean up behind itself?"""

import json
import signal
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from standardwebhooks import Webhook

from cli.exits import Exit
from tests.cli.conftest import Wire
from tests.cli.wire_server import FakeWire, Reply
from tests.waiting import wait_until_sync

SECRET = "whsec_" + b64encode(b"a secret of thirty-two bytes ...").decode()
FORGED = "whsec_" + b64encode(b"another secret of so many bytes!").decode()
ITEM = {"story_id": "urn:x", "release_no": 1, "story": {"headlines": [{"value": "Bridge opens"}]}}


def post(url: str, message: dict[str, Any], secret: str = SECRET) -> httpx2.Response:
    body, at = json.dumps(message), datetime.now(UTC)
    headers = {
        "webhook-id": "dlv_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("dlv_1", at, body),
        "content-type": "application/json",
    }
    return httpx2.post(url, content=body, headers=headers)


@contextmanager
def delivering(fake: FakeWire, answers: list[httpx2.Response]) -> Iterator[None]:
    """Once an endpoint is registered: its challenge, a forged webhook, a true one."""
    fake.on("POST", "/v1/endpoints", Reply(201, {"endpoint_id": "end_1", "secret": SECRET, "state": "pending"}))
    fake.on("POST", "/v1/subscriptions", Reply(201, {"subscription_id": "sub_1"}))
    fake.on("DELETE", "/v1/endpoints/end_1", Reply(204))
    fake.on("DELETE", "/v1/subscriptions/sub_1", Reply(204))

    def deliver() -> None:
        wait_until_sync(lambda: fake.requests("POST", "/v1/subscriptions"), 10)
        url = str(fake.requests("POST", "/v1/endpoints")[0].json["url"])
        answers.append(post(url, {"type": "endpoint.challenge", "data": {"challenge": "c-123"}}))
        answers.append(post(url, {"type": "story.publish", "data": ITEM}, FORGED))
        answers.append(post(url, {"type": "story.publish", "data": ITEM}))

    thread = threading.Thread(target=deliver)
    thread.start()
    yield
    thread.join()


def test_a_registered_receiver_answers_verifies_prints_and_cleans_up(wire: Wire, fake: FakeWire) -> None:
    """The challenge is answered, the forged one refused, the true one printed; endpoint and subscription go."""
    answers: list[httpx2.Response] = []
    with delivering(fake, answers):
        result = wire("receive", "--register", "--limit", "1", "--section", "world")
    assert result.exit_code == Exit.OK, result.output
    assert [answer.status_code for answer in answers] == [200, 401, 200]
    assert answers[0].text == "c-123"
    challenge, forged, true = result.stdout.splitlines()
    assert challenge.startswith("endpoint.challenge")
    assert forged.startswith("NOT VERIFIED")
    assert "Bridge opens" not in forged
    assert true.split()[:4] == ["story.publish", "dlv_1", "urn:x", "r1"]
    subscription = fake.requests("POST", "/v1/subscriptions")[0].json
    assert (subscription["endpoint_id"], subscription["filter"]["sections"]) == ("end_1", ["world"])
    assert [one.path for one in fake.asked if one.method == "DELETE"] == [
        "/v1/subscriptions/sub_1",
        "/v1/endpoints/end_1",
    ]
    assert {one.key for one in fake.asked} == {"subscriber-key"}


def test_json_holds_the_verified_message_and_no_unverified_one(wire: Wire, fake: FakeWire) -> None:
    """What nobody signed is not shown as if somebody had."""
    with delivering(fake, []):
        result = wire("receive", "--register", "--limit", "1", "--json")
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["verified"] for one in told] == [True, False, True]
    assert told[1]["message"] == {}
    assert told[2]["message"]["data"] == ITEM


def test_a_receiver_may_answer_with_an_error_on_purpose(wire: Wire, fake: FakeWire) -> None:
    """To see the wire try again; the challenge is still answered."""
    answers: list[httpx2.Response] = []
    with delivering(fake, answers):
        wire("receive", "--register", "--limit", "1", "--answer", "503")
    assert [answer.status_code for answer in answers] == [200, 401, 503]


def test_without_secret_and_registration_nothing_could_be_verified(wire: Wire, fake: FakeWire) -> None:
    """That is a usage error, not a receiver that believes everything."""
    assert wire("receive").exit_code == Exit.USAGE
    assert fake.asked == []


def test_a_port_that_is_taken_is_said(wire: Wire, fake: FakeWire) -> None:
    """Nothing is registered for a receiver that cannot listen."""
    taken = str(urlsplit(fake.url).port)
    result = wire("receive", "--register", "--port", taken)
    assert result.exit_code == Exit.FAILED
    assert taken in result.stderr
    assert fake.asked == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_receiver_that_is_stopped_takes_its_endpoint_with_it(
    data: Path, fake: FakeWire, number: signal.Signals
) -> None:
    """Ctrl-C and a supervisor's TERM alike: no endpoint is left behind to be tried for days."""
    fake.on("POST", "/v1/endpoints", Reply(201, {"endpoint_id": "end_1", "secret": SECRET, "state": "pending"}))
    fake.on("POST", "/v1/subscriptions", Reply(201, {"subscription_id": "sub_1"}))
    fake.on("DELETE", "/v1/endpoints/end_1", Reply(204))
    fake.on("DELETE", "/v1/subscriptions/sub_1", Reply(204))
    command = [sys.executable, "-m", "cli.main", "receive", "--register"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        registered = [process.stderr.readline() for _ in range(2)][1]
        assert "end_1" in registered
        process.send_signal(number)
        assert process.wait(10) == Exit.INTERRUPTED
    assert fake.requests("DELETE", "/v1/endpoints/end_1")
