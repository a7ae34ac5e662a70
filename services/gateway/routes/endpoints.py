"""Where do webhooks go? `/v1/endpoints`, each subscriber's own."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response

from services.gateway.context import Gateway
from services.gateway.refusals import Conflict
from services.gateway.registry import Part
from services.gateway.routes.asking import IfMatch, Ours, Subscriber, SubscriberReader, subscriber_of
from services.gateway.routes.endpoint_shapes import (
    A_DAY,
    MASK,
    NOTHING_MISSED,
    EnabledEndpoint,
    Enabling,
    EndpointChange,
    Endpoints,
    FailedSince,
    IssuedEndpoint,
    IssuedSecret,
    NewEndpoint,
    RetriedFailed,
    Rotation,
    SentTest,
    ShownCertificate,
    ShownEndpoint,
    health_of,
    wait_shown,
)
from services.gateway.routes.owed import owed_to
from services.gateway.routes.replays import shown
from services.gateway.waiting import wait_of
from shared.domain.subscription import Endpoint, EndpointState
from shared.platform.problems import responses

router = APIRouter(prefix="/v1/endpoints", tags=["endpoints"])


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

    What was delivered is left alone, and so is what ended while the endpoint was disabled: a replay sends that. To one
    that is left alone for the time being they go when it is tried next, as `waits` says.
    """
    part = ours.registry.endpoint(by, endpoint_id)
    if part.value.state is not EndpointState.ACTIVE:
        raise Conflict(f"this endpoint is {part.value.state}; only an active one is sent to")
    asked = await ours.retries.all_failed(endpoint_id, since.since)
    waits = wait_shown(wait_of(part.value, ours.replays.view.health(endpoint_id)))
    return RetriedFailed(endpoint_id=endpoint_id, since=since.since, waits=waits, **asdict(asked))


def _tag(answer: Response, part: Part[Endpoint]) -> None:
    answer.headers["etag"] = part.etag


def _shown(ours: Gateway, part: Part[Endpoint]) -> ShownEndpoint:
    known = part.value.model_dump(exclude={"challenge", "challenged_at", "headers"})
    certificate = ours.registry.certificate(part.value.endpoint_id)
    return ShownEndpoint(
        **known,
        headers=dict.fromkeys(ours.registry.header_names(part.value), MASK),
        public_key=ours.keychain.public_key(part.value.endpoint_id),
        client_certificate=ShownCertificate(**certificate.model_dump(exclude={"endpoint_id", "sealed"}))
        if certificate
        else None,
        health=health_of(ours.replays.view.health(part.value.endpoint_id), owed_to(ours, part.value.endpoint_id)),
    )
