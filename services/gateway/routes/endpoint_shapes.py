"""What do endpoints look like over HTTP? What is asked of them, and what is shown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.gateway.client_certificate import LONGEST_PEM
from services.gateway.health_view import Debt
from services.gateway.routes.replays import ShownReplay
from services.gateway.routes.times import Time
from services.gateway.waiting import Wait
from shared.domain.health import BreakerState, EndpointHealth, Why
from shared.domain.item import WireTime
from shared.domain.story import Lane
from shared.domain.subscription import EndpointState

LONGEST_OVERLAP_S = 7 * 86_400
MASK: Final = "•" * 8
"""Shown for the value of a header, which may be a credential; no header may have it, so that it never comes back."""
Signing = Annotated[list[Literal["v1", "v1a"]], Field(min_length=1, max_length=2)]
Rate = Annotated[float, Field(gt=0, le=10_000, description="deliveries per second at most")]
Description = Annotated[str, Field(max_length=500)]
Secret = Annotated[str, Field(max_length=200, description="your own, `whsec_` and base64 of 24 to 64 bytes")]


Certificate = Annotated[
    str,
    Field(
        max_length=LONGEST_PEM,
        description="for receivers that ask for one (mutual TLS): PEM of certificate, issuers and private key",
    ),
]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Signed(Body):
    @field_validator("signing", check_fields=False)
    @classmethod
    def _with_v1(cls, signing: list[str] | None) -> list[str] | None:
        if signing is not None and "v1" not in signing:
            raise ValueError("v1 cannot be left out: it is what every verifier understands")
        return signing


class NewEndpoint(_Signed):
    """Where to send, and how to sign it."""

    url: str = Field(examples=["https://hooks.example.com/slugline"])
    description: Description = ""
    rate_limit: Rate | None = None
    signing: Signing = ["v1"]
    headers: dict[str, str] = Field(default={}, description="headers of your own on every webhook; kept sealed")
    secret: Secret | None = None
    client_certificate: Certificate | None = None


class EndpointChange(_Signed):
    """What is to change; what is left out stays."""

    url: str | None = None
    description: Description | None = None
    rate_limit: Rate | None = None
    signing: Signing | None = None
    headers: dict[str, str] | None = None
    client_certificate: Certificate | None = Field(default=None, description="another one; null takes it away")


class Rotation(Body):
    """How long the secrets before stay valid; 0 for a leaked one."""

    overlap_s: int = Field(default=86_400, ge=0, le=LONGEST_OVERLAP_S)
    secret: Secret | None = None


A_DAY: Final = Rotation()
"""What is meant when nothing is sent: a new secret of ours, the one before valid for a day."""


class ShownCertificate(BaseModel):
    """A client certificate, without itself."""

    subject: str = Field(examples=["CN=slugline.example.com"])
    expires_at: datetime
    fingerprint: str = Field(description="SHA-256 in hex")


class ShownWait(BaseModel):
    """Why nothing of this goes to the endpoint now; it goes by itself once that is over."""

    why: Why = Field(description="`breaker`: it fails and is left alone; `slow`: it catches up with what it missed")
    until: WireTime | None = Field(description="when it is tried next; null where that is not a matter of time")


class ShownCatchUp(BaseModel):
    """It is owed more than is tried at the moment: it gets all of it, in order, when it may be sent to again.

    None of this is listed under `/v1/deliveries` before it is sent.
    """

    why: Why = Field(description="`breaker`: it fails; `burst`, `slow`: more came than it takes")
    since: WireTime
    begins: dict[Lane, int] = Field(
        description="`seq` of the oldest release it may be owed, in each lane", examples=[{"routine": 4030}]
    )
    releases: int | None = Field(
        description="so many at most: some that were released since may be nothing of yours; null: not known now",
        examples=[118],
    )
    until: WireTime | None = Field(description="when it is tried next; null where that is not a matter of time")


class ShownLoss(BaseModel):
    """Releases that were given up unsent, because the log keeps none that old."""

    lane: Lane
    releases: int
    at: WireTime


class ShownHealth(BaseModel):
    """How an endpoint does. `open`: it fails and is left alone until `probe_at`; `half_open`: it is tried carefully."""

    state: BreakerState = Field(examples=["closed"])
    failing_since: WireTime | None = Field(description="its first failure since its last success")
    disables_at: WireTime | None = Field(description="when it is disabled unless it takes something before")
    probe_at: WireTime | None
    catch_up: ShownCatchUp | None
    lost: list[ShownLoss]


class ShownDisabled(BaseModel):
    """Why nothing is sent any more: it answered 410 (`gone`), or took nothing for 72 hours (`failing`)."""

    reason: Literal["gone", "failing"]
    at: WireTime
    since: WireTime = Field(description="its first failure since its last success")


class ShownEndpoint(BaseModel):
    """An endpoint without its secret."""

    endpoint_id: str
    subscriber: str
    url: str
    description: str
    rate_limit: float | None
    signing: list[str]
    headers: dict[str, str] = Field(description="their names; the values are masked", examples=[{"x-team": MASK}])
    state: EndpointState
    disabled: ShownDisabled | None = None
    created_at: datetime
    public_key: str | None = Field(default=None, description="for `v1a` signatures")
    client_certificate: ShownCertificate | None = None
    health: ShownHealth


class IssuedEndpoint(ShownEndpoint):
    """An endpoint just made; its secret is never shown again."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class IssuedSecret(BaseModel):
    """The new secret; never shown again."""

    endpoint_id: str
    secret: str
    public_key: str | None = None
    previous_retire_at: datetime | None = None


class Endpoints(BaseModel):
    items: list[ShownEndpoint]


class SentTest(BaseModel):
    """A test on its way; look it up under `/v1/deliveries/{delivery_id}`."""

    endpoint_id: str
    delivery_id: str


class Enabling(Body):
    """What is to be sent again of the time before; null or nothing sent: nothing."""

    replay_since: Time | None = None


NOTHING_MISSED: Final = Enabling()


class EnabledEndpoint(ShownEndpoint):
    """The endpoint, and the replay that was asked for with it."""

    replay: ShownReplay | None = None


class FailedSince(Body):
    """From when on a failure counts."""

    since: Time


class RetriedFailed(BaseModel):
    """How many deliveries are tried again, and how many are not because a newer release or a kill replaced them."""

    endpoint_id: str
    since: WireTime
    retried: int = Field(examples=[118])
    replaced: int = Field(examples=[2])
    waits: ShownWait | None = Field(description="null: they go now")


def wait_shown(wait: Wait | None) -> ShownWait | None:
    """A wait in the interface's words."""
    return None if wait is None else ShownWait(why=wait.why, until=wait.until)


def catch_up_of(known: EndpointHealth, debt: Debt | None, ends: Mapping[Lane, int] | None) -> ShownCatchUp | None:
    """What an endpoint is owed from the log. `ends`: where the lanes end, if that is known."""
    if known.catch_up is None or debt is None:
        return None
    return ShownCatchUp(
        why=known.catch_up.why,
        since=known.catch_up.since,
        begins=debt.begins,
        releases=None if ends is None else debt.at_most(ends),
        until=known.probe_at,
    )


def health_of(known: EndpointHealth, catch_up: ShownCatchUp | None) -> ShownHealth:
    """How an endpoint does, in the interface's words."""
    return ShownHealth(
        state=known.state,
        failing_since=known.failing_since,
        disables_at=known.disables_at,
        probe_at=known.probe_at,
        catch_up=catch_up,
        lost=[ShownLoss(lane=one.lane, releases=one.end - one.start, at=one.at) for one in known.lost],
    )
