"""What became of a 202? `/v1/desk/receipts`."""

from fastapi import APIRouter

from services.gateway.receipts import Receipt
from services.gateway.routes.asking import DeskReader, Ours
from shared.platform.problems import responses

router = APIRouter(tags=["desk"])


@router.get("/v1/desk/receipts/{event_id}", responses=responses(404))
async def receipt(event_id: str, _: DeskReader, ours: Ours) -> Receipt:
    """Where a filing or a decision is now; a filing follows its version."""
    return await ours.receipts.soon(event_id)
