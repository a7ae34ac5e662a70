"""Which API keys are there? `/v1/keys`, for operators."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.routes.asking import Operator, Ours
from shared.domain.keys import Scope
from shared.domain.state import Principal
from shared.platform.problems import responses

router = APIRouter(prefix="/v1/keys", tags=["keys"])

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class NewKey(BaseModel):
    """Whose key it is and what it may do."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"subscriber": "acme", "person": "ann", "scopes": ["subscriber"]}]},
    )

    subscriber: Name | None = None
    person: Name
    scopes: list[Scope] = Field(min_length=1)
    source: Name = Field(default="desk", description="what filings with this key count as coming from")
    trust: Literal["low", "normal", "high"] = "normal"


class Key(BaseModel):
    """A key without its value."""

    key_id: str
    prefix: str = Field(description="the value's first characters, to know it by")
    subscriber: str | None
    person: str
    source: str
    trust: str
    scopes: list[Scope]
    created_at: datetime


class IssuedKey(Key):
    """A key just made; its value is never shown again."""

    key: str


class Keys(BaseModel):
    items: list[Key]


@router.post("", status_code=201, responses=responses(422, 503))
async def issue(new: NewKey, by: Operator, ours: Ours) -> IssuedKey:
    """Make a key. Its value is in this answer only."""
    scopes = tuple(dict.fromkeys(new.scopes))
    principal, value = await ours.keys.issue(by, new.person, scopes, new.subscriber, new.source, new.trust)
    return IssuedKey(key=value, **_shown(principal).model_dump())


@router.get("", responses=responses())
async def keys(_: Operator, ours: Ours) -> Keys:
    """Every key, oldest first, without values."""
    return Keys(items=[_shown(principal) for principal in ours.keys.book.all()])


@router.delete("/{key_id}", status_code=204, responses=responses(404, 503))
async def revoke(key_id: str, by: Operator, ours: Ours) -> Response:
    """Take a key back; requests with it are 401 from now on."""
    await ours.keys.revoke(by, key_id)
    return Response(status_code=204)


def _shown(principal: Principal) -> Key:
    return Key.model_validate(principal.model_dump(exclude={"hash"}))
