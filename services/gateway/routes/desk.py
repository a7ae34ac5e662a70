"""How does the desk look and decide? `/v1/desk`: queue, stories, decisions."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.context import Gateway
from services.gateway.decisions import Answer, DecisionStatus
from services.gateway.deliveries_view import DeliveryLog
from services.gateway.desk_story import DeskStory, Waiting, desk_story, queue
from services.gateway.refusals import NotReady, unfit
from services.gateway.routes.asking import Desk, DeskReader, Editor, IdempotencyKey, Ours, StoryId
from services.gateway.routes.times import Time
from shared.domain.errors import UnknownStory
from shared.domain.item import WireTime
from shared.domain.keys import has_scope, require
from shared.domain.state import DecisionState, Principal, StoryText
from shared.platform.problems import responses

router = APIRouter(prefix="/v1/desk", tags=["desk"])

Text = Annotated[str, Field(max_length=2000)]
Decided = responses(404, 409, 422, 503) | {200: {"model": DecisionStatus, "description": "known before"}}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OfVersion(_Body):
    """Which version (default: the newest), and a note for the record."""

    version: int | None = Field(default=None, ge=1, examples=[2])
    note: Text | None = Field(default=None, examples=["checked with the reporter"])


WHOLE: Final = OfVersion()
"""What is meant when nothing is sent: the newest version, without a note."""


class Urgency(OfVersion):
    """How urgent a version is before its release: 1 (flash) to 8; it can only be raised."""

    urgency: int = Field(ge=1, le=8, examples=[2])


class Embargo(OfVersion):
    """Until when a version waits; a time that is over releases it."""

    embargo_until: Time = Field(examples=["2026-11-23T12:00:00Z"])


class Kill(_Body):
    """Why every version must be withdrawn, and what to use instead."""

    reason: Text | None = Field(default=None, examples=["the source withdrew it"])
    replacement: str | None = Field(default=None, max_length=1024)
    break_glass: bool = Field(default=False, description="no second person; needs a reason and is announced")


class Queue(BaseModel):
    items: list[Waiting]


class Recipient(BaseModel):
    """Who has one release of a story, or was to have it."""

    channel: Literal["webhook"] = "webhook"
    subscriber: str
    endpoint_id: str
    delivery_id: str
    release_no: int | None
    state: str = Field(examples=["delivered"])
    at: WireTime


class Recipients(BaseModel):
    items: list[Recipient]


class Decisions(BaseModel):
    items: list[DecisionStatus]


@router.get("/queue", responses=responses(503))
async def waiting(_: DeskReader, ours: Ours) -> Queue:
    """What needs a person, with the reason, the evidence and its age."""
    _check_loaded(ours)
    return Queue(items=queue(ours.desk.open(), ours.clock.now()))


@router.get("/stories/{story_id:id}", responses=responses(404, 503))
async def story(story_id: StoryId, by: DeskReader, ours: Ours) -> DeskStory:
    """A story in any state with all its versions; texts for desk and editor only."""
    _check_loaded(ours)
    state = ours.desk.state(story_id)
    if state is None:
        raise UnknownStory("nothing is known under this story_id")
    texts: dict[int, StoryText] = {}
    if has_scope(by, "desk") and not state.killed:
        for number, version in state.versions.items():
            if version.text and (text := await ours.texts.text(version.text)):
                texts[number] = text
    return desk_story(state, texts)


@router.get("/stories/{story_id:id}/recipients", responses=responses(404, 503))
async def recipients(story_id: StoryId, _: DeskReader, ours: Ours) -> Recipients:
    """Who was sent which release, by release."""
    _check_loaded(ours)
    if ours.desk.state(story_id) is None:
        raise UnknownStory("nothing is known under this story_id")
    return Recipients(items=[_recipient(log) for log in ours.deliveries.of_story(story_id)])


@router.post("/stories/{story_id:id}/release", status_code=202, responses=Decided)
async def release(
    story_id: StoryId,
    by: Editor,
    ours: Ours,
    answer: Response,
    body: OfVersion = WHOLE,
    key: IdempotencyKey = None,
) -> DecisionStatus:
    """Let a held or embargoed version go, or lift a withhold."""
    return _say(await ours.decisions.ask(by, story_id, "release", key, version=body.version, note=body.note), answer)


@router.post("/stories/{story_id:id}/reject", status_code=202, responses=Decided)
async def reject(
    story_id: StoryId,
    by: Editor,
    ours: Ours,
    answer: Response,
    body: OfVersion = WHOLE,
    key: IdempotencyKey = None,
) -> DecisionStatus:
    """Never publish a held or embargoed version."""
    return _say(await ours.decisions.ask(by, story_id, "reject", key, version=body.version, note=body.note), answer)


@router.post("/stories/{story_id:id}/hold", status_code=202, responses=Decided)
async def hold(
    story_id: StoryId,
    by: Desk,
    ours: Ours,
    answer: Response,
    body: OfVersion = WHOLE,
    key: IdempotencyKey = None,
) -> DecisionStatus:
    """Keep a version that is not released from going out until an editor decides."""
    return _say(await ours.decisions.ask(by, story_id, "hold", key, version=body.version, note=body.note), answer)


@router.post("/stories/{story_id:id}/withhold", status_code=202, responses=Decided)
async def withhold(
    story_id: StoryId,
    by: Editor,
    ours: Ours,
    answer: Response,
    body: OfVersion = WHOLE,
    key: IdempotencyKey = None,
) -> DecisionStatus:
    """Take a released story back for the time being; a notice goes out."""
    return _say(await ours.decisions.ask(by, story_id, "withhold", key, version=body.version, note=body.note), answer)


@router.post("/stories/{story_id:id}/urgency", status_code=202, responses=Decided)
async def urgency(
    story_id: StoryId, body: Urgency, by: Editor, ours: Ours, answer: Response, key: IdempotencyKey = None
) -> DecisionStatus:
    """Raise the urgency of a version before its release."""
    given = {"version": body.version, "note": body.note, "urgency": body.urgency}
    return _say(await ours.decisions.ask(by, story_id, "urgency", key, **given), answer)


@router.post("/stories/{story_id:id}/embargo", status_code=202, responses=Decided)
async def embargo(
    story_id: StoryId, body: Embargo, by: Editor, ours: Ours, answer: Response, key: IdempotencyKey = None
) -> DecisionStatus:
    """Set, lengthen or shorten the embargo of a version before its release."""
    given = {"version": body.version, "note": body.note, "embargo_until": body.embargo_until}
    return _say(await ours.decisions.ask(by, story_id, "embargo", key, **given), answer)


@router.post("/stories/{story_id:id}/kill", status_code=202, responses=Decided)
async def kill(
    story_id: StoryId, body: Kill, by: Desk, ours: Ours, answer: Response, key: IdempotencyKey = None
) -> DecisionStatus:
    """Order every version withdrawn, for ever. Any id is taken: what arrives under it later is dead."""
    if body.break_glass:
        require_editor(by, body.reason)
    given = {"reason": body.reason, "replacement": body.replacement, "break_glass": body.break_glass}
    return _say(await ours.decisions.ask(by, story_id, "kill", key, **given), answer)


@router.get("/decisions", responses=responses(422, 503))
async def decisions(
    _: DeskReader, ours: Ours, state: Annotated[DecisionState | None, Query(description="only those in it")] = None
) -> Decisions:
    """The decisions of the last 35 days."""
    _check_loaded(ours)
    return Decisions(items=ours.decisions.all(state))


@router.get("/decisions/{decision_id}", responses=responses(404, 503))
async def decision(decision_id: str, _: DeskReader, ours: Ours) -> DecisionStatus:
    """One decision."""
    _check_loaded(ours)
    return ours.decisions.get(decision_id)


@router.post("/decisions/{decision_id}/confirm", status_code=202, responses=Decided)
async def confirm(
    decision_id: str, by: Editor, ours: Ours, answer: Response, key: IdempotencyKey = None
) -> DecisionStatus:
    """Be the second person of a kill."""
    _check_loaded(ours)
    return _say(await ours.decisions.confirm(by, decision_id, key), answer)


@router.post("/decisions/{decision_id}/cancel", status_code=202, responses=Decided)
async def cancel(
    decision_id: str, by: Editor, ours: Ours, answer: Response, key: IdempotencyKey = None
) -> DecisionStatus:
    """Call a pending kill off."""
    _check_loaded(ours)
    return _say(await ours.decisions.cancel(by, decision_id, key), answer)


def require_editor(by: Principal, reason: str | None) -> None:
    """A kill without a second person is an editor's, and says why. Raises NotAllowed, Unfit."""
    require(by, "editor")
    if not (reason or "").strip():
        raise unfit("/reason", "a kill without a second person needs a reason")


def _say(answer: Answer, response: Response) -> DecisionStatus:
    response.status_code = 202 if answer.new else 200
    return answer.status


def _check_loaded(ours: Gateway) -> None:
    if not ours.desk.loaded:
        raise NotReady("the state of the stories is being read")


def _recipient(log: DeliveryLog) -> Recipient:
    return Recipient(
        subscriber=log.subscriber,
        endpoint_id=log.endpoint_id,
        delivery_id=log.delivery_id,
        release_no=log.release_no,
        state=log.state,
        at=log.at,
    )
