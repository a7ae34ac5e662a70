"""What may a subscriber have at all? `/v1/subscribers/{subscriber}/products`, set by operators."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.gateway.registry import Part
from services.gateway.routes.asking import IfMatch, Operator, Ours, SubscriberReader
from shared.domain.products import MOST_PRODUCTS, Product, Products
from shared.platform.problems import responses

router = APIRouter(prefix="/v1/subscribers", tags=["products"])

Subscriber = Annotated[
    str,
    Path(
        description="percent-encoded, as its keys name it",
        examples=["acme"],
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]+$",
    ),
]
EXAMPLE = [
    {"name": "World in English", "filter": {"sections": ["world"], "languages": ["en"]}},
    {"name": "Sport without rumours", "filter": {"sections": ["sport"], "not": {"sources": ["gossip"]}}},
]


class NewProducts(BaseModel):
    """All products of a subscriber; none means that it may have nothing."""

    model_config = ConfigDict(extra="forbid")

    products: list[Product] = Field(max_length=MOST_PRODUCTS, examples=[EXAMPLE])

    @field_validator("products")
    @classmethod
    def _named_once(cls, products: list[Product]) -> list[Product]:
        if len({each.name for each in products}) < len(products):
            raise ValueError("two products have the same name")
        return products


class ShownProducts(BaseModel):
    """A release must be within any of these products."""

    subscriber: str = Field(examples=["acme"])
    products: list[Product] = Field(examples=[EXAMPLE])


@router.get("/{subscriber:id}/products", responses=responses(404, 422))
async def products(subscriber: Subscriber, by: SubscriberReader, ours: Ours, answer: Response) -> ShownProducts:
    """What a subscriber may have at all; 404 where none are set: then it may have everything, and for others' products.

    The ETag is for `If-Match`.
    """
    return _tagged(ours.registry.products(by, subscriber), answer)


@router.put("/{subscriber:id}/products", responses=responses(412, 422, 503))
async def put(
    subscriber: Subscriber,
    new: NewProducts,
    by: Operator,
    ours: Ours,
    answer: Response,
    if_match: IfMatch = None,
) -> ShownProducts:
    """Set all products of a subscriber: whatever it reads, hears and is sent is within them from now on.

    A listener whose products have changed is let go at its next heartbeat, and comes back within the new ones. An
    endpoint that was owed a story still gets its withhold and its kill, and what was owed before and is under way.
    """
    return _tagged(await ours.entitlements.put(by, subscriber, if_match, new.products), answer)


@router.delete("/{subscriber:id}/products", status_code=204, responses=responses(404, 412, 422, 503))
async def delete(subscriber: Subscriber, by: Operator, ours: Ours, if_match: IfMatch = None) -> Response:
    """Take the bounds away: the subscriber may have everything from now on."""
    await ours.entitlements.delete(by, subscriber, if_match)
    return Response(status_code=204)


def _tagged(part: Part[Products], answer: Response) -> ShownProducts:
    answer.headers["etag"] = part.etag
    return ShownProducts(subscriber=part.value.subscriber, products=list(part.value.products))
