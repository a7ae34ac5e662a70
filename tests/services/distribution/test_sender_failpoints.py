"""Do the sender's failpoints strike before a webhook is written, before its answer is read, and after that?"""

import asyncio
from pathlib import Path

import pytest

from services.distribution.outcome import Delivered, Unreachable
from services.distribution.sending import SendRequest
from shared.platform.egress import EgressPolicy
from shared.platform.failpoints import Action, Failpoints
from shared.platform.publishing import PublishFailed
from tests.receivers import friendly, hostile
from tests.receivers.serving import receiving
from tests.services.distribution.senders import NewSender
from tests.waiting import wait_until

PROCESS = "distribution"


def at(folder: Path, point: str, action: Action) -> Failpoints:
    """Strike at the first passing."""
    return Failpoints(folder, PROCESS, {point: {1: action}})


def posting(url: str) -> SendRequest:
    return SendRequest(url, [("content-type", "application/json")], b"{}")


@pytest.mark.parametrize(("point", "received"), [("post.before", 0), ("post.sent", 1), ("post.after", 1)])
async def test_a_held_post_has_gone_as_far_as_the_point_says(
    new_sender: NewSender, tmp_path: Path, point: str, received: int
) -> None:
    """A kill of the process at that moment leaves just this behind at the receiver."""
    failpoints = at(tmp_path, point, Action.HOLD)
    async with (
        receiving(friendly.healthy) as receiver,
        new_sender(EgressPolicy(receiver.allow), failpoints=failpoints) as sender,
    ):
        sending = asyncio.create_task(sender.send(posting(receiver.url)))
        await wait_until((tmp_path / f"{PROCESS}.hit").exists, 5)
        if received:
            await wait_until(lambda: receiver.requests, 5)
        assert len(receiver.requests) == received
        assert not sending.done()
        (tmp_path / f"{PROCESS}.go").touch()
        answer = await sending
    assert answer.outcome == Delivered(200)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("point", "kind", "received"),
    [("post.before", "connect", 0), ("post.sent", "reset", 1)],
)
async def test_a_failed_post_is_an_outcome_like_any_other(
    new_sender: NewSender, tmp_path: Path, point: str, kind: str, received: int
) -> None:
    """As if nobody had listened, or as if the connection had died with the request in it."""
    failpoints = at(tmp_path, point, Action.FAIL)
    async with (
        receiving(hostile.hanging) as receiver,
        new_sender(EgressPolicy(receiver.allow), failpoints=failpoints) as sender,
    ):
        answer = await sender.send(posting(receiver.url))
        if received:
            await wait_until(lambda: receiver.requests, 5)
    assert isinstance(answer.outcome, Unreachable)
    assert answer.outcome.kind == kind
    assert len(receiver.requests) == received


async def test_an_outcome_that_cannot_be_written_down_is_the_brokers_refusal(
    new_sender: NewSender, tmp_path: Path
) -> None:
    """What follows a POST is a record of the attempt; failing there is failing to publish it."""
    failpoints = at(tmp_path, "post.after", Action.FAIL)
    async with (
        receiving(friendly.healthy) as receiver,
        new_sender(EgressPolicy(receiver.allow), failpoints=failpoints) as sender,
    ):
        with pytest.raises(PublishFailed):
            await sender.send(posting(receiver.url))
