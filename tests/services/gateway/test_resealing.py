"""The sealing key: rotated without downtime, and the old one is dropped when nothing needs it any more."""

from typing import Any

import httpx2
from cryptography.fernet import Fernet

from services.distribution.registry import Registry as SendersRegistry
from shared.domain.subscription import EndpointSecret
from shared.platform.sealing import Sealer
from shared.platform.signature import Ed25519Key, HmacKey
from shared.platform.topics import Topic, key_of
from tests.services.gateway.certificates import GOOD
from tests.services.gateway.owners import call, register
from tests.services.gateway.resealed import NEW, OLD, PATH, records_of, walk
from tests.services.gateway.twins import NOON, World, record, world


async def registered(sealer: Sealer, count: int) -> tuple[list[Any], list[dict[str, Any]]]:
    """The records of endpoints made under a sealing key, and the answers their owner got."""
    async with world(sealer=sealer) as wire:
        wire.key("sue", "subscriber", subscriber="acme")
        made = [await register(wire, signing=["v1", "v1a"], client_certificate=GOOD) for _ in range(count)]
        return records_of(wire), made


async def test_after_a_walk_the_old_key_can_be_dropped() -> None:
    """Gateway and sender open every secret and certificate with the new key alone; the secrets are the same."""
    before, made = await registered(Sealer(OLD), 5)
    async with world(sealer=Sealer(f"{NEW},{OLD}")) as wire:
        for one in before:
            wire.registry.apply(one)
        pages = await walk(wire)
        assert [page["examined"] for page in pages] == [2, 2, 1]
        assert sum(page["resealed"] for page in pages) == 10
        assert {page["total"] for page in pages} == {5}
        after = [*before, *records_of(wire)]
    sender = SendersRegistry(Sealer(NEW).open)
    for one in after:
        sender.apply(one)
    for endpoint in made:
        shared, private = sender.keys_of(endpoint["endpoint_id"], NOON)
        assert isinstance(shared, HmacKey)
        assert isinstance(private, Ed25519Key)
        assert (shared.text, private.public_text) == (endpoint["secret"], endpoint["public_key"])


async def test_a_second_walk_has_nothing_to_do() -> None:
    """What is under the newest key is left as it is, so that the command may be repeated."""
    before, _ = await registered(Sealer(OLD), 3)
    async with world(sealer=Sealer(f"{NEW},{OLD}")) as wire:
        for one in before:
            wire.registry.apply(one)
        await walk(wire)
        written = len(wire.topics.written)
        assert [page["resealed"] for page in await walk(wire)] == [0, 0]
        assert len(wire.topics.written) == written


async def test_a_secret_no_key_opens_is_named_and_holds_up_nobody() -> None:
    """Its owner has to rotate; the others are resealed."""
    lost, [owner] = await registered(Sealer(Fernet.generate_key().decode()), 1)
    before, _ = await registered(Sealer(OLD), 2)
    async with world(sealer=Sealer(f"{NEW},{OLD}")) as wire:
        for one in [*lost, *before]:
            wire.registry.apply(one)
        [page] = await walk(wire, limit=100)
        assert page["unreadable"] == [owner["endpoint_id"]]
        assert page["resealed"] == 4


async def test_retirement_times_survive(hooks: World) -> None:
    """A rotation under way goes on as it was."""
    made = await register(hooks)
    await call(hooks, "POST", f"/v1/endpoints/{made['endpoint_id']}/rotate-secret", {"overlap_s": 3600})
    before = hooks.registry.secret(made["endpoint_id"])
    assert before is not None
    old = Sealer(OLD)
    under_old = before.model_copy(update={"sealed": tuple(old.seal(str(n)) for n in range(2))})
    async with world(sealer=Sealer(f"{NEW},{OLD}")) as wire:
        key = key_of(made["endpoint_id"], "secret")
        wire.registry.apply(record(Topic.SUBSCRIPTION_STATE, key, under_old.model_dump_json().encode()))
        await walk(wire)
        [written] = wire.topics.on(Topic.SUBSCRIPTION_STATE)
        after = EndpointSecret.model_validate_json(written.value or b"")
    assert after.retire_at == before.retire_at
    assert [Sealer(NEW).open(one) for one in after.sealed] == ["0", "1"]


async def test_who_sealed_anew_is_in_the_audit_and_only_operators_may(hooks: World) -> None:
    """A subscriber's key is refused; a walk that changed nothing is no entry."""
    await register(hooks)
    refused: httpx2.Response = await call(hooks, "POST", PATH, {})
    assert refused.status_code == 403
    await walk(hooks)
    assert hooks.topics.on(Topic.AUDIT) == []
    before, _ = await registered(Sealer(OLD), 1)
    async with world(sealer=Sealer(f"{NEW},{OLD}")) as wire:
        for one in before:
            wire.registry.apply(one)
        await walk(wire)
        [entry] = wire.topics.on(Topic.AUDIT)
        assert b'"secrets.resealed"' in (entry.value or b"")
