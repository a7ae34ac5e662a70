"""How does a whole wire come up on this machine, stay up, and go down again?"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx2

from deploy.local import accounts, instance, layout
from deploy.local.child import ServerFailed
from deploy.local.demo import Exit, demo
from deploy.local.instance import Instance
from deploy.local.kafka import LocalKafka
from deploy.local.ports import LOOPBACK
from deploy.local.redis import LocalRedis
from deploy.local.supervisor import ServiceProcess, Supervisor
from shared.domain.errors import Misconfigured
from shared.platform.provisioning import BrokerUnreachable, provision
from shared.platform.settings import KafkaSettings

SAMPLE = Path(__file__).with_name("sample-story.txt")
STOP_ORDER = (
    ("ingest", "enrich", "enrich-flash"),
    ("moderation",),
    ("distribution", "gateway", "monitor"),
    ("redis", "kafka"),
)
OK, FAILED, MUST_ACT = 0, 1, 3

Say = Callable[[str], None]


async def up(data: Path, say: Say, *, sample: bool = True) -> int:
    """Bring everything up, file the sample story, and keep it running until SIGINT or SIGTERM; returns an exit code.

    State in `data` survives; only one runner at a time holds it (`AlreadyRunning`).
    """
    began = time.monotonic()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with instance.take(data):
        await _end_orphans(data, say)
        supervisor = Supervisor(say)
        rising = asyncio.create_task(_rise(data, supervisor, say))
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({rising, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not rising.done():
                rising.cancel()
                await asyncio.gather(rising, return_exceptions=True)
                return OK
            running = rising.result()
            say(f"\nReady after {time.monotonic() - began:.1f} s.")
            if sample:
                await _file_sample(running, say)
            _tell_what_to_do(data, running, say)
            watching = asyncio.create_task(_tell_events(running, say))
            await stop.wait()
            watching.cancel()
            return OK
        except (ServerFailed, BrokerUnreachable, Misconfigured, httpx2.HTTPError) as error:
            say(f"\n{error}")
            return MUST_ACT if isinstance(error, Misconfigured) else FAILED
        finally:
            stopped.cancel()
            say("\nStopping …")
            ending = time.monotonic()
            await supervisor.stop(STOP_ORDER)
            instance.forget(data)
            say(f"Everything is stopped ({time.monotonic() - ending:.1f} s). The data stays in {data}.")


async def _rise(data: Path, supervisor: Supervisor, say: Say) -> Instance:
    ports = layout.choose_ports(os.environ)
    kafka, redis = LocalKafka(data / "kafka", ports.kafka), LocalRedis(data / "redis", ports.redis)
    say(f"Starting Kafka and Redis, data in {data}")
    await supervisor.bring_up({"kafka": kafka, "redis": redis})
    logging.getLogger("aiokafka").setLevel(
        logging.CRITICAL
    )  # a young broker's "not yet" is none of the reader's trouble
    report = await provision(KafkaSettings(bootstrap=kafka.bootstrap), profile="local")
    if report.created:
        say(f"  created {len(report.created)} topics")
    say("Starting the services")
    secrets = instance.kept_secrets(data)
    services = layout.services(ports, kafka.bootstrap, redis.url, secrets)
    logs = data / "logs"
    await supervisor.bring_up({one.name: ServiceProcess(one, logs) for one in services})
    gateway = f"http://{LOOPBACK}:{ports.gateway}"
    keys = await accounts.ensure_keys(gateway, secrets["operator"], instance.kept_keys(data))
    instance.keep_keys(data, keys)
    running = Instance(
        gateway=gateway,
        ingest=f"http://{LOOPBACK}:{ports.ingest}",
        monitor=f"http://{LOOPBACK}:{ports.monitor}",
        kafka=kafka.bootstrap,
        redis=redis.url,
        keys={**keys, "operator": secrets["operator"]},
        runner=os.getpid(),
        demo_receiver=f"{LOOPBACK}:{ports.demo}",
    )

    def save() -> None:
        instance.save(data, replace(running, pids=supervisor.pids()))

    supervisor.changed = save
    save()
    return replace(running, pids=supervisor.pids())


async def _file_sample(running: Instance, say: Say) -> None:
    say("\nFiling the sample story:")
    ended = await demo(running, SAMPLE, say)
    if ended is not Exit.ARRIVED:
        say("The sample story did not arrive; the services' logs say why.")


def _tell_what_to_do(data: Path, running: Instance, say: Say) -> None:
    say(
        f"""
  API and docs   {running.gateway}/docs
  stream         {running.gateway}/v1/stream
  feed           {running.gateway}/feeds/latest.atom
  file stories   {running.ingest}/v1/intake/stories
  metrics        {running.monitor}/metrics
  desk key       {running.keys["desk"]}
  subscriber key {running.keys["subscriber"]}
  all keys       {data / "run.json"} (only you can read it)
  logs           {data / "logs"}

Try, in another terminal:
  .venv/bin/wire tail
  .venv/bin/wire file deploy/local/sample-story.txt
  make demo FILE=path/to/a/story.txt
  .venv/bin/wire lag

Ctrl-C stops everything; `make clean` wipes the data."""
    )


async def _tell_events(running: Instance, say: Say) -> None:
    """One line per release on the stream, for ever; a gateway that restarts is listened to again."""
    headers = {**accounts.bearer(running.keys["subscriber"]), "accept": "text/event-stream"}
    while True:
        try:
            async with (
                httpx2.AsyncClient(timeout=httpx2.Timeout(10.0, read=60.0)) as client,
                client.stream("GET", f"{running.gateway}/v1/stream", headers=headers) as answer,
            ):
                kind = ""
                async for line in answer.aiter_lines():
                    if line.startswith("event:"):
                        kind = line[6:].strip()
                    elif line.startswith("data:") and kind == "story":
                        say(_in_a_line(json.loads(line[5:])))
        except httpx2.TransportError:
            await asyncio.sleep(1.0)


def _in_a_line(item: dict[str, object]) -> str:
    story = item["story"]
    headlines = story.get("headlines") if isinstance(story, dict) else None
    headline = headlines[0]["value"] if headlines else "(notice)"
    return f"{str(item['released_at'])[11:19]}  {item['kind']:<8} {item['lane']:<8} {headline}"


async def down(data: Path, say: Say) -> int:
    """Stop the runner that holds `data`, and whatever an earlier one that was killed left behind."""
    runner = instance.runner_of(data)
    if runner is None and (found := instance.running(data)) and found.in_containers:
        say("It runs in containers; `docker compose down` stops it.")
        return OK
    if runner is None:
        if not await _end_orphans(data, say):
            say("Nothing is running.")
        return OK
    os.kill(runner, signal.SIGTERM)
    deadline = time.monotonic() + 25.0
    while instance.runner_of(data) is not None:
        if time.monotonic() > deadline:
            say(f"The runner (process {runner}) does not stop.")
            return FAILED
        await asyncio.sleep(0.1)
    say("Stopped.")
    return OK


async def status(data: Path, say: Say) -> int:
    """Say which process runs and whether it can take work; exit code 0 only when all can."""
    running = instance.running(data)
    if running is None:
        say("Nothing is running.")
        return FAILED
    ready = True
    async with httpx2.AsyncClient(timeout=2.0) as client:
        for name, url in (("gateway", running.gateway), ("ingest", running.ingest), ("monitor", running.monitor)):
            answers = await _ready(client, url)
            ready = ready and answers == "ready"
            say(f"  {name:<13} {answers}   {url}")
    for name, pid in running.pids.items():
        say(f"  {name:<13} process {pid}")
    return OK if ready else FAILED


async def _ready(client: httpx2.AsyncClient, url: str) -> str:
    try:
        answer = await client.get(f"{url}/readyz")
    except httpx2.TransportError:
        return "does not answer"
    return "ready" if answer.status_code == 200 else f"not ready: {answer.text[:200]}"


async def _end_orphans(data: Path, say: Say) -> bool:
    """End processes of a runner that was killed: those of `run.json` that still are what they were."""
    left = instance.read(data)
    pids = [pid for name, pid in (left.pids if left else {}).items() if _is_ours(pid, name, data)]
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 10.0
    while any(map(_exists, pids)) and time.monotonic() < deadline:  # noqa: ASYNC110 - not our children: nobody tells us
        await asyncio.sleep(0.1)
    if pids:
        say(f"Ended {len(pids)} processes that an earlier run had left.")
    instance.forget(data)
    return bool(pids)


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _is_ours(pid: int, name: str, data: Path) -> bool:
    """Whether the process with that id is the one an earlier runner started under `name`."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return False
    return str(data) in command or f"services.{name.removesuffix('-flash')}" in command
