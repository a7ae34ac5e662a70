"""What is asked about dead letters over HTTP, and how does one go back? Scope operator, as all of monitor."""

import base64
from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import AwareDatetime

from services.monitor.answers import (
    DeadLetterAnswer,
    DeadLettersAnswer,
    RedriveAnswer,
    RedriveRequest,
    dead_letter_answer,
    group_answer,
    redrive_answer,
)
from services.monitor.dead_letters import TOPICS, DeadLetterBook, Mark, Place, Wanted, letter_of, own_headers
from services.monitor.ports import DeadReader
from services.monitor.redrive import Outcome, Redriver
from services.monitor.redriven import Redriven
from shared.domain.state import Principal
from shared.platform.problems import Code, Problem, invalid_parameter, responses, unavailable
from shared.platform.topics import Topic

PATH: Final = "/v1/ops/dead"
LARGEST_OFFSET: Final = 2**63 - 1
Partition = Annotated[int, Path(ge=0, le=2**31 - 1)]
Offset = Annotated[int, Path(ge=0, le=LARGEST_OFFSET)]


def dead_routes(
    book: DeadLetterBook,
    redriven: Redriven,
    reader: DeadReader,
    redriver: Redriver,
    operator: Callable[..., Principal],
) -> APIRouter:
    """Return the routes below /v1/ops/dead; `operator` says who asks, or refuses."""
    router = APIRouter(dependencies=[Depends(operator)])

    @router.get(PATH, responses=responses(422))
    async def dead(
        service: str | None = None,
        fingerprint: str | None = None,
        since: Annotated[AwareDatetime | None, Query(description="only letters parked then or later")] = None,
        cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=2000)] = 100,
    ) -> DeadLettersAnswer:
        """The newest dead letters, facts and no bytes; `groups` count all that are asked for by their cause."""
        wanted = Wanted(service, fingerprint, None if since is None else int(since.timestamp() * 1000))
        page, following = book.newest(wanted, limit, _mark(cursor))
        return DeadLettersAnswer(
            items=[dead_letter_answer(letter, redriven.times(letter.place)) for letter in page],
            groups=[group_answer(group) for group in book.groups(wanted)],
            next=None if following is None else str(following),
        )

    @router.get(f"{PATH}/{{topic}}/{{partition}}/{{offset}}", responses=responses(404, 422, 503))
    async def dead_letter(
        topic: str,
        partition: Partition,
        offset: Offset,
        response: Response,
        with_bytes: Annotated[bool, Query(alias="bytes", description="the parked bytes too, in base64")] = False,
    ) -> DeadLetterAnswer:
        """One dead letter, read from its topic."""
        place = Place(_dead_topic(topic).value, partition, offset)
        record = await reader.read_one(Topic(place.topic), partition, offset)
        if record is None:
            raise _no_letter(place)
        answer = dead_letter_answer(letter_of(record), redriven.times(place))
        answer.headers = own_headers(record)
        if with_bytes:
            response.headers["cache-control"] = "no-store"
            answer.bytes = None if record.value is None else base64.b64encode(record.value).decode()
        return answer

    @router.post(f"{PATH}/redrive", responses=responses(404, 409, 422, 503))
    async def redrive(asked: RedriveRequest, principal: Annotated[Principal, Depends(operator)]) -> RedriveAnswer:
        """Send one dead letter, or those of one cause, back to where they came from: bytes, key and headers.

        May be repeated: what has gone back stays where it is, unless `again`. `left` letters of the cause are still
        waiting; ask again for them.
        """
        if not redriver.ready:
            raise unavailable("Monitor still reads what has been redriven before.")
        if asked.topic is None:
            if asked.service == "ingest":
                raise Problem(Code.CONFLICT, "What ingest could not read never was a record: file it again.")
            wanted = Wanted(asked.service, asked.fingerprint)
            done, left = await redriver.cause(
                wanted, principal.person, again=asked.again, limit=asked.limit, rate=asked.rate
            )
            return redrive_answer(done, left)
        place = Place(_dead_topic(asked.topic).value, asked.partition or 0, asked.offset or 0)
        one = await redriver.one(place, principal.person, again=asked.again, rate=asked.rate)
        if one.outcome is Outcome.GONE:
            raise _no_letter(place)
        return redrive_answer([one], 0)

    return router


def _mark(cursor: str | None) -> Mark | None:
    try:
        return None if cursor is None else Mark.read(cursor)
    except ValueError:
        raise invalid_parameter("cursor", "not one that this list has given") from None


def _dead_topic(told: str) -> Topic:
    for topic in TOPICS:
        if told == topic.value:
            return topic
    raise Problem(Code.NOT_FOUND, f"{told} holds no dead letters; theirs are {', '.join(TOPICS)}.")


def _no_letter(place: Place) -> Problem:
    return Problem(Code.NOT_FOUND, f"Nothing lies at {place} (any more).")
