"""Does docker-compose.yml start the same wire as the local runner does, with nothing open and no secret in it?"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.local.kafka import server_properties
from deploy.local.layout import KAFKA_PORT, PROJECT, Ports, Service, services
from shared.platform.known_settings import KNOWN

yaml: Any = pytest.importorskip("yaml", reason="PyYAML reads the compose file; `make setup` installs it")

FILE = PROJECT / "docker-compose.yml"
TEXT = FILE.read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {one.name: one for one in services(Ports(*range(1, 11)), "kafka:9092", "", {"secret_key": "", "operator": ""})}

# Where a broker of containers differs: places, and a session long enough for everything starting at once.
DIFFERENT = frozenset(
    {
        "node.id",
        "controller.quorum.voters",
        "listeners",
        "advertised.listeners",
        "log.dirs",
        "broker.session.timeout.ms",
        "broker.heartbeat.interval.ms",
    }
)


def one_shots() -> set[str]:
    """Services that others wait for to end well."""
    return {
        name
        for service in SERVICES.values()
        for name, condition in service.get("depends_on", {}).items()
        if condition["condition"] == "service_completed_successfully"
    }


def environments() -> Iterator[tuple[str, str, str]]:
    """Every (service, variable, value) of the file."""
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            yield name, variable, value


def test_it_reads_with_both_compose_versions() -> None:
    """No top-level key that version 1 refuses: neither `version` (warned of by 2) nor `name` (unknown to 1)."""
    assert {key for key in COMPOSE if not key.startswith("x-")} == {"services", "volumes"}


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_service_of_the_local_runner_is_in_it_with_the_same_command(name: str) -> None:
    """What `make run` starts as a process, compose starts as a container."""
    assert SERVICES[name]["command"] == ["python", "-m", *OURS[name].arguments]


def test_it_holds_nothing_but_the_wire() -> None:
    """A service that the runner does not know would be tested nowhere else."""
    assert set(SERVICES) == {*OURS, "kafka", "redis", "provision"}


@pytest.mark.parametrize("name", sorted({*OURS, "kafka", "redis"}))
def test_what_stays_up_has_a_health_check(name: str) -> None:
    """Only a checked service can be waited for; one-shots are judged by their end instead."""
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries"} <= set(check)


@pytest.mark.parametrize("service", OURS.values(), ids=lambda one: one.name)
def test_a_health_check_asks_the_port_the_service_was_told(service: Service) -> None:
    """A check of another port would never succeed, or succeed for the wrong process."""
    told = SERVICES[service.name]["environment"]
    own = f"WIRE_{service.name.upper()}_PORT"
    assert SERVICES[service.name]["healthcheck"]["test"][-1] == told.get(own, told["WIRE_OPS_PORT"])


@pytest.mark.parametrize("service", OURS.values(), ids=lambda one: one.name)
def test_topics_are_made_before_a_service_starts(service: Service) -> None:
    """A consumer that starts before its topics exist would wait for them or guess."""
    needs = SERVICES[service.name]["depends_on"]
    assert needs["provision"]["condition"] == "service_completed_successfully"
    assert SERVICES["provision"]["depends_on"]["kafka"]["condition"] == "service_healthy"


def test_provisioning_is_the_only_one_shot() -> None:
    """It ends; everything else comes back by itself when it ends."""
    assert one_shots() == {"provision"}
    assert {name for name, one in SERVICES.items() if one["restart"] != "unless-stopped"} == {"provision"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_published_port_is_loopback(name: str) -> None:
    """Nobody but this machine reaches the wire; Kafka and Redis, which ask for no key, are not published at all."""
    ports = SERVICES[name].get("ports", [])
    assert all(re.fullmatch(r"127\.0\.0\.1:\$\{WIRE_[A-Z]+_PORT:-\d+\}:\d+", port) for port in ports), ports
    assert bool(ports) == (name in {"ingest", "gateway", "monitor"})


def test_a_variable_is_a_setting_of_slugline() -> None:
    """An unknown WIRE_ name stops a service; only Kafka and pip read others."""
    told = {variable for name, variable, _ in environments() if name != "kafka"}
    asked = set(re.findall(r"\$\{(\w+)", TEXT))
    assert told | asked <= set(KNOWN)


def test_a_secret_has_no_value_and_no_default_in_the_file() -> None:
    """Keys come from .env; without it compose stops and says what makes one."""
    secrets = [value for _, variable, value in environments() if re.search(r"KEY|SECRET|PASSWORD|TOKEN", variable)]
    assert len(secrets) >= 4
    assert all(re.fullmatch(r"\$\{WIRE_\w+_KEY:\?run 'make containers' once[^}]*\}", value) for value in secrets)


def test_only_who_needs_a_key_has_it() -> None:
    """The door, the gateway and monitor judge operators; gateway and distribution open sealed secrets."""
    has = {
        key: {name for name, variable, _ in environments() if variable == key}
        for key in ("WIRE_SECRET_KEY", "WIRE_OPERATOR_KEY")
    }
    assert has == {
        "WIRE_SECRET_KEY": {"gateway", "distribution"},
        "WIRE_OPERATOR_KEY": {"gateway", "ingest", "monitor"},
    }


@pytest.mark.parametrize("name", sorted({*OURS, "provision"}))
def test_our_containers_may_do_little(name: str) -> None:
    """Nothing is written but /tmp, no capability is kept, none is gained."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108 - the container's own


def test_the_broker_is_configured_as_the_local_one() -> None:
    """Retention of offsets, record size, no auto-creation and all else are the local runner's."""
    lines = server_properties(KAFKA_PORT, KAFKA_PORT + 1, PROJECT).splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    local = {key: value for key, _, value in pairs if key not in DIFFERENT}
    told = SERVICES["kafka"]["environment"]
    assert {key: told.get(f"KAFKA_{key.upper().replace('.', '_')}") for key in local} == local


def test_every_image_is_pinned() -> None:
    """`latest` would be another system every week."""
    images = {service["image"] for service in SERVICES.values()}
    assert all(re.fullmatch(r"[a-z/]+:(?!latest)[\w.-]+", image) for image in images), images


def test_what_kafka_holds_is_in_a_named_volume() -> None:
    """`docker compose down` keeps the stories."""
    assert list(COMPOSE["volumes"]) == ["kafka-data"]
    assert SERVICES["kafka"]["volumes"] == [f"kafka-data:{SERVICES['kafka']['environment']['KAFKA_LOG_DIRS']}"]
