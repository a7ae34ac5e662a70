"""Can an old sealing key be dropped? `/v1/secrets/reseal`, for operators."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.routes.asking import Operator, Ours
from shared.platform.problems import responses

router = APIRouter(prefix="/v1/secrets", tags=["operations"])


class Page(BaseModel):
    """Which endpoints to look at; nothing sent: the first 200."""

    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(default=None, max_length=200, description="`next` of the page before")
    limit: Annotated[int, Field(ge=1, le=1_000, strict=True)] = 200


FIRST = Page()


class ResealedPage(BaseModel):
    """What became of one page. All is under the newest key once a walk from start to end resealed nothing."""

    total: int = Field(description="endpoints with sealed secrets", examples=[4_211])
    examined: int = Field(examples=[200])
    resealed: int = Field(description="records written anew; 0: all of these were under the newest key", examples=[200])
    unreadable: list[str] = Field(description="endpoints whose secrets no key opens: their owners must rotate")
    next: str | None = Field(description="the next page's cursor", examples=["ep_9f2c"])


@router.post("/reseal", responses=responses(422, 503))
async def reseal(by: Operator, ours: Ours, page: Page = FIRST) -> ResealedPage:
    """Seal one page of secrets and client certificates anew with the first key of WIRE_SECRET_KEY; may be repeated."""
    return ResealedPage(**asdict(await ours.resealing.page(by, page.cursor or "", page.limit)))
