"""When is a failing webhook tried again? `/v1/retry-schedule`, the same for every subscriber."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.gateway.routes.asking import Anybody
from shared.domain.retry_schedule import STANDARD, Schedule
from shared.platform.problems import responses

router = APIRouter(tags=["deliveries"])


class Step(BaseModel):
    """One attempt: its number, the wait before it and the time since the first failure, in seconds."""

    attempt: int = Field(examples=[2])
    wait_s: float = Field(examples=[10.0])
    after_s: float = Field(examples=[10.0])


class RetrySchedule(BaseModel):
    """The first attempt is made at once; `steps` are those that follow while every one fails."""

    steps: list[Step]
    gives_up_after_s: float = Field(description="after the first failure", examples=[259_200.0])
    jitter_share: float = Field(description="a wait is longer by up to this share of it", examples=[0.1])
    jitter_most_s: float = Field(description="and by no more than this", examples=[9.0])
    retry_after_most_s: float = Field(description="the longest `Retry-After` that is honoured", examples=[86_400.0])


@router.get("/v1/retry-schedule", responses=responses())
async def retry_schedule(_: Anybody) -> RetrySchedule:
    """When a failing delivery is tried again, and when it is given up."""
    return shown(STANDARD)


def shown(schedule: Schedule) -> RetrySchedule:
    """The schedule in the interface's words."""
    steps = [
        Step(attempt=attempt, wait_s=wait.total_seconds(), after_s=passed.total_seconds())
        for attempt, wait, passed in schedule.table()
    ]
    return RetrySchedule(
        steps=steps,
        gives_up_after_s=schedule.horizon.total_seconds(),
        jitter_share=schedule.jitter_share,
        jitter_most_s=schedule.jitter_cap.total_seconds(),
        retry_after_most_s=schedule.retry_after_cap.total_seconds(),
    )
