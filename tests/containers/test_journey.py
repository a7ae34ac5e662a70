"""Does a story reach its subscriber over the broker and the Redis of the images that compose names?"""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from deploy.local import instance, layout
from deploy.local.accounts import ensure_keys
from deploy.local.demo import Exit, demo
from deploy.local.instance import Instance
from deploy.local.layout import Ports
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.runner import SAMPLE, STOP_ORDER
from deploy.local.supervisor import ServiceProcess, Supervisor
from shared.platform.provisioning import provision
from shared.platform.settings import KafkaSettings

pytestmark = [pytest.mark.containers, pytest.mark.timeout(240)]

yaml: Any = pytest.importorskip("yaml", reason="PyYAML reads the compose file; `make setup` installs it")
IMAGES = yaml.safe_load((layout.PROJECT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
BROKER_WITHIN_S = 90
_ASK_THE_DAEMON = "import docker; docker.from_env(timeout=2).ping()"


@pytest.fixture(scope="module")
def docker_daemon() -> None:
    """Skip unless a container daemon answers within 2 s."""
    from testcontainers.core.config import testcontainers_config

    # In a process of its own: the client leaks its socket where nobody answers, and a warning is an error here.
    asked = subprocess.run([sys.executable, "-c", _ASK_THE_DAEMON], capture_output=True, check=False, timeout=30)
    if asked.returncode != 0:
        pytest.skip("no container daemon answers within 2 s")
    # Its watcher container wants the daemon's socket, which many machines do not lend; `with` cleans up.
    testcontainers_config.ryuk_disabled = True


@pytest.fixture
def kafka_container(docker_daemon: None) -> Iterator[str]:
    """host:port of a broker from the image, configured as in the compose file but for where it is reached."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    port = free_port()
    told = {
        **IMAGES["kafka"]["environment"],
        "KAFKA_LISTENERS": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://localhost:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{LOOPBACK}:{port}",
    }
    container = DockerContainer(IMAGES["kafka"]["image"]).with_envs(**told)
    # Loopback only: the library's own setter knows no address, the client below it does.
    container.ports[f"{port}/tcp"] = (LOOPBACK, port)  # type: ignore[assignment]
    container.waiting_for(LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(BROKER_WITHIN_S))
    with container:
        yield f"{LOOPBACK}:{port}"


@pytest.fixture
def redis_container(docker_daemon: None) -> Iterator[str]:
    """URL of a Redis from the image."""
    from testcontainers.community.redis import RedisContainer

    with RedisContainer(IMAGES["redis"]["image"]) as redis:
        yield f"redis://{redis.get_container_host_ip()}:{redis.get_exposed_port(6379)}/0"


async def test_a_story_filed_at_the_desk_reaches_a_subscriber(
    kafka_container: str, redis_container: str, tmp_path: Path
) -> None:
    """Topics are made, every service starts, and the sample arrives by a verified webhook and on the stream."""
    await provision(KafkaSettings(bootstrap=kafka_container), profile="local")
    ports, secrets, told = free_ports(), instance.kept_secrets(tmp_path), list[str]()
    supervisor = Supervisor(told.append)
    try:
        processes = layout.services(ports, kafka_container, redis_container, secrets)
        await supervisor.bring_up({one.name: ServiceProcess(one, tmp_path / "logs") for one in processes})
        wire = await introduced(ports, kafka_container, redis_container, secrets["operator"])
        assert await demo(wire, SAMPLE, told.append) is Exit.ARRIVED, "\n".join(told)
    finally:
        await supervisor.stop(STOP_ORDER)


def free_ports() -> Ports:
    """A port for each process, none that a wire running on this machine has."""
    chosen: set[int] = set()
    for _ in fields(Ports):
        chosen.add(free_port(frozenset(chosen)))
    return Ports(*chosen)


async def introduced(ports: Ports, kafka: str, redis: str, operator: str) -> Instance:
    """The running wire with an account for everybody, as a demo wants to know it."""
    gateway = f"http://{LOOPBACK}:{ports.gateway}"
    return Instance(
        gateway=gateway,
        ingest=f"http://{LOOPBACK}:{ports.ingest}",
        monitor=f"http://{LOOPBACK}:{ports.monitor}",
        kafka=kafka,
        redis=redis,
        keys=await ensure_keys(gateway, operator, {}),
        demo_receiver=f"{LOOPBACK}:{ports.demo}",
    )
