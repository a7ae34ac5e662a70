"""Where do webhooks go? `/v1/endpoints`, each subscriber's own."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.gateway.client_certificate import LONGEST_PEM
from services.gateway.context import Gateway
from services.gateway.refusals import Conflict
from services.gateway.registry import Part
from services.gateway.routes.asking import IfMatch, Ours, Subscriber, SubscriberReader, subscriber_of
from services.gateway.routes.replays import ShownReplay, shown
from services.gateway.routes.times import Time
from shared.domain.health import BreakerState, EndpointHealth, Why
from shared.domain.item import WireTime
from shared.domain.story import Lane
from shared.domain.subscription import Endpoint, EndpointState
from shared.platform.problems import responses

router = APIRouter(prefix="/v1/endpoints", tags=["endpoints"])

LONGEST_OVERLAP_S = 7 * 86_400
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


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Signed(_Body):
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
    headers: dict[str, str] = Field(default={}, description="headers of your own on every webhook")
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


class Rotation(_Body):
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


class ShownCatchUp(BaseModel):
    """It is owed more than is tried at the moment: it gets all of it, in order, when it may be sent to again."""

    why: Why = Field(description="`breaker`: it fails; `burst`, `slow`: more came than it takes")
    since: WireTime


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


class ShownEndpoint(BaseModel):
    """An endpoint without its secret."""

    endpoint_id: str
    subscriber: str
    url: str
    description: str
    rate_limit: float | None
    signing: list[str]
    headers: dict[str, str]
    state: EndpointState
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


class Enabling(_Body):
    """What is to be sent again of the time before; null or nothing sent: nothing."""

    replay_since: Time | None = None


NOTHING_MISSED: Final = Enabling()


class EnabledEndpoint(ShownEndpoint):
    """The endpoint, and the replay that was asked for with it."""

    replay: ShownReplay | None = None


class FailedSince(_Body):
    """From when on a failure counts."""

    since: Time


class RetriedFailed(BaseModel):
    """How many deliveries are tried again, and how many are not because a newer release or a kill replaced them."""

    endpoint_id: str
    since: WireTime
    retried: int = Field(examples=[118])
    replaced: int = Field(examples=[2])


@router.post("", status_code=201, responses=responses(422, 503))
async def register(new: NewEndpoint, by: Subscriber, ours: Ours, answer: Response) -> IssuedEndpoint:
    """Register an endpoint. It is pending until it answers the challenge, which goes out at once."""
    part, made = await ours.registrar.register(
        subscriber_of(by),
        new.url,
        tuple(dict.fromkeys(new.signing)),
        new.headers,
        new.secret,
        new.client_certificate,
        description=new.description,
        rate_limit=new.rate_limit,
    )
    _tag(answer, part)
    answer.headers["location"] = f"/v1/endpoints/{part.value.endpoint_id}"
    return IssuedEndpoint(secret=made.shared, **_shown(ours, part).model_dump())


@router.get("", responses=responses())
async def endpoints(by: SubscriberReader, ours: Ours) -> Endpoints:
    """Your endpoints, oldest first."""
    return Endpoints(items=[_shown(ours, part) for part in ours.registry.endpoints(by)])


@router.get("/{endpoint_id}", responses=responses(404))
async def endpoint(endpoint_id: str, by: SubscriberReader, ours: Ours, answer: Response) -> ShownEndpoint:
    """One endpoint; its ETag is for `If-Match`."""
    part = ours.registry.endpoint(by, endpoint_id)
    _tag(answer, part)
    return _shown(ours, part)


@router.patch("/{endpoint_id}", responses=responses(404, 412, 422, 503))
async def change(
    endpoint_id: str, new: EndpointChange, by: Subscriber, ours: Ours, answer: Response, if_match: IfMatch = None
) -> ShownEndpoint:
    """Change an endpoint; with another URL it is pending again."""
    optional = {"rate_limit", "client_certificate"}
    given: dict[str, Any] = {
        name: getattr(new, name) for name in new.model_fields_set if getattr(new, name) is not None or name in optional
    }
    if "signing" in given:
        given["signing"] = tuple(dict.fromkeys(given["signing"]))
    part = await ours.registrar.change(by, endpoint_id, if_match, given)
    _tag(answer, part)
    return _shown(ours, part)


@router.delete("/{endpoint_id}", status_code=204, responses=responses(404, 412, 503))
async def delete(endpoint_id: str, by: Subscriber, ours: Ours, if_match: IfMatch = None) -> Response:
    """Delete an endpoint with its secrets and replays; subscriptions that went there go on as stream only."""
    ours.registry.endpoint(by, endpoint_id).require(if_match)
    await ours.replays.forget(endpoint_id)
    await ours.registrar.delete(by, endpoint_id, if_match)
    return Response(status_code=204)


@router.post("/{endpoint_id}/test", status_code=202, responses=responses(404, 503))
async def test(endpoint_id: str, by: Subscriber, ours: Ours) -> SentTest:
    """Send a test event the way deliveries go."""
    return SentTest(endpoint_id=endpoint_id, delivery_id=await ours.registrar.test(by, endpoint_id))


@router.post("/{endpoint_id}/rotate-secret", responses=responses(404, 409, 422, 503))
async def rotate(endpoint_id: str, by: Subscriber, ours: Ours, rotation: Rotation = A_DAY) -> IssuedSecret:
    """Sign with a new secret; webhooks carry both signatures until the one before retires."""
    made, until = await ours.keychain.rotate(by, endpoint_id, rotation.overlap_s, rotation.secret)
    return IssuedSecret(
        endpoint_id=endpoint_id, secret=made.shared, public_key=made.public_key, previous_retire_at=until
    )


@router.post("/{endpoint_id}/challenge", status_code=202, responses=responses(404, 409, 503))
async def challenge(endpoint_id: str, by: Subscriber, ours: Ours) -> ShownEndpoint:
    """Ask a pending endpoint again, with a new challenge."""
    return _shown(ours, await ours.registrar.challenge(by, endpoint_id))


@router.post("/{endpoint_id}/pause", responses=responses(404, 409, 503))
async def pause(endpoint_id: str, by: Subscriber, ours: Ours) -> ShownEndpoint:
    """Send nothing for the time being."""
    return _shown(ours, await ours.registrar.move(by, endpoint_id, (EndpointState.ACTIVE,), EndpointState.PAUSED))


@router.post("/{endpoint_id}/resume", responses=responses(404, 409, 503))
async def resume(endpoint_id: str, by: Subscriber, ours: Ours) -> ShownEndpoint:
    """Send again what fell due meanwhile."""
    return _shown(ours, await ours.registrar.move(by, endpoint_id, (EndpointState.PAUSED,), EndpointState.ACTIVE))


@router.post("/{endpoint_id}/enable", responses=responses(404, 409, 422, 503))
async def enable(endpoint_id: str, by: Subscriber, ours: Ours, wish: Enabling = NOTHING_MISSED) -> EnabledEndpoint:
    """Use an endpoint again that was disabled; with `replay_since`, send what it was owed since then.

    May be repeated when the answer was 503. What failed while it was disabled is in `health.failing_since`.
    """
    if wish.replay_since is not None:
        ours.replays.check(by, endpoint_id, wish.replay_since)
    part = await ours.registrar.move(by, endpoint_id, (EndpointState.DISABLED,), EndpointState.ACTIVE)
    asked = None
    if wish.replay_since is not None:
        asked = await ours.replays.request(by, endpoint_id, wish.replay_since, None)
    return EnabledEndpoint(**_shown(ours, part).model_dump(), replay=None if asked is None else shown(ours, asked))


@router.post("/{endpoint_id}/retry-failed", status_code=202, responses=responses(404, 409, 422, 503))
async def retry_failed(endpoint_id: str, since: FailedSince, by: Subscriber, ours: Ours) -> RetriedFailed:
    """Try again, now, what this endpoint failed to take since a time: its newest 1,000 deliveries at most.

    What was delivered is left alone, and so is what ended while the endpoint was disabled: a replay sends that.
    """
    part = ours.registry.endpoint(by, endpoint_id)
    if part.value.state is not EndpointState.ACTIVE:
        raise Conflict(f"this endpoint is {part.value.state}; only an active one is sent to")
    asked = await ours.retries.all_failed(endpoint_id, since.since)
    return RetriedFailed(endpoint_id=endpoint_id, since=since.since, **asdict(asked))


def _tag(answer: Response, part: Part[Endpoint]) -> None:
    answer.headers["etag"] = part.etag


def _shown(ours: Gateway, part: Part[Endpoint]) -> ShownEndpoint:
    known = part.value.model_dump(exclude={"challenge", "challenged_at"})
    certificate = ours.registry.certificate(part.value.endpoint_id)
    return ShownEndpoint(
        **known,
        public_key=ours.keychain.public_key(part.value.endpoint_id),
        client_certificate=ShownCertificate(**certificate.model_dump(exclude={"endpoint_id", "sealed"}))
        if certificate
        else None,
        health=_health(ours.replays.view.health(part.value.endpoint_id)),
    )


def _health(known: EndpointHealth) -> ShownHealth:
    caught = known.catch_up
    return ShownHealth(
        state=known.state,
        failing_since=known.failing_since,
        disables_at=known.disables_at,
        probe_at=known.probe_at,
        catch_up=None if caught is None else ShownCatchUp(why=caught.why, since=caught.since),
        lost=[ShownLoss(lane=one.lane, releases=one.end - one.start, at=one.at) for one in known.lost],
    )
