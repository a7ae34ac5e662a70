"""Which processes make a wire on this machine, in the order they stop, and what is each told?"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.ports import LOOPBACK, choose_port

KAFKA_PORT, REDIS_PORT = 9092, 6379
GATEWAY_PORT, INGEST_PORT, MONITOR_PORT, DEMO_PORT = 8080, 8081, 8082, 9099


@dataclass(frozen=True, slots=True)
class Ports:
    """Every port of one instance; a preferred port that is taken gives way to a free one."""

    kafka: int
    redis: int
    gateway: int
    ingest: int
    monitor: int
    demo: int
    enrich: int
    enrich_flash: int
    moderation: int
    distribution: int


@dataclass(frozen=True, slots=True)
class Service:
    """One process of ours: `python -m services.<module>`, ready when `ready_url` answers 200."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    port: int

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def ready_url(self) -> str:
        return f"{self.url}/readyz"

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", *self.arguments]


def choose_ports(environ: Mapping[str, str]) -> Ports:
    """Take the ports that WIRE_*_PORT name, or the usual ones, or free ones where those are taken."""
    taken: set[int] = set()

    def choose(name: str, preferred: int) -> int:
        port = choose_port(int(environ.get(f"WIRE_{name}_PORT", preferred)), frozenset(taken))
        taken.add(port)
        return port

    return Ports(
        kafka=choose("KAFKA", KAFKA_PORT),
        redis=choose("REDIS", REDIS_PORT),
        gateway=choose("GATEWAY", GATEWAY_PORT),
        ingest=choose("INGEST", INGEST_PORT),
        monitor=choose("MONITOR", MONITOR_PORT),
        demo=choose("DEMO", DEMO_PORT),
        enrich=choose("ENRICH_OPS", 8083),
        enrich_flash=choose("ENRICH_FLASH_OPS", 8084),
        moderation=choose("MODERATION_OPS", 8085),
        distribution=choose("DISTRIBUTION_OPS", 8086),
    )


def services(ports: Ports, bootstrap: str, redis_url: str, secrets: Mapping[str, str]) -> tuple[Service, ...]:
    """Return the services in the order in which they stop: those that take work in, first."""
    told = _told(ports, bootstrap, redis_url, secrets)

    def ops(port: int) -> dict[str, str]:
        return {**told, "WIRE_OPS_PORT": str(port)}

    return (
        Service("ingest", ("services.ingest",), {**told, "WIRE_INGEST_PORT": str(ports.ingest)}, ports.ingest),
        Service("enrich", ("services.enrich", "--lane", "routine"), ops(ports.enrich), ports.enrich),
        Service("enrich-flash", ("services.enrich", "--lane", "flash"), ops(ports.enrich_flash), ports.enrich_flash),
        Service("moderation", ("services.moderation",), ops(ports.moderation), ports.moderation),
        Service("distribution", ("services.distribution",), ops(ports.distribution), ports.distribution),
        Service("gateway", ("services.gateway",), {**told, "WIRE_GATEWAY_PORT": str(ports.gateway)}, ports.gateway),
        Service("monitor", ("services.monitor",), {**told, "WIRE_MONITOR_PORT": str(ports.monitor)}, ports.monitor),
    )


def _told(ports: Ports, bootstrap: str, redis_url: str, secrets: Mapping[str, str]) -> dict[str, str]:
    """The environment of every service: the caller's, and what this instance decides."""
    allowed = [f"{LOOPBACK}:{ports.demo}", *filter(None, [os.environ.get("WIRE_ENDPOINT_ALLOW")])]
    return {
        "WIRE_LOG_FORMAT": "json",
        "WIRE_PUBLIC_SITE": "1",
        "WIRE_DRAIN_S": "2",
        **{name: value for name, value in os.environ.items() if name not in RUNNER_ONLY},
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")])),
        "WIRE_KAFKA": bootstrap,
        "WIRE_REDIS": redis_url,
        "WIRE_PROFILE": "local",
        "WIRE_SECRET_KEY": secrets["secret_key"],
        "WIRE_OPERATOR_KEY": secrets["operator"],
        "WIRE_ENDPOINT_ALLOW": ",".join(allowed),
    }


PROJECT = Path(__file__).resolve().parents[2]
RUNNER_ONLY = frozenset(
    {
        "WIRE_DATA",
        "WIRE_KAFKA_PORT",
        "WIRE_REDIS_PORT",
        "WIRE_DEMO_PORT",
        "WIRE_ENRICH_OPS_PORT",
        "WIRE_ENRICH_FLASH_OPS_PORT",
        "WIRE_MODERATION_OPS_PORT",
        "WIRE_DISTRIBUTION_OPS_PORT",
        "WIRE_GATEWAY_PORT",
        "WIRE_INGEST_PORT",
        "WIRE_MONITOR_PORT",
    }
)
