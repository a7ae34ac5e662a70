"""The composition root of enrich: one lane, the steps loaded, the index of released texts beside it."""

import gc
from contextlib import AsyncExitStack
from functools import partial

from services.enrich.adapters.current import CurrentReleases
from services.enrich.handlers import PRODUCER, Describer
from services.enrich.released_texts import WINDOW, ReleasedTexts
from services.enrich.settings import EnrichSettings
from services.enrich.steps import Steps
from services.enrich.worker import RECEIVED, Worker
from shared.domain.story import Lane
from shared.platform.clock import SystemClock
from shared.platform.faust_worker import ASSIGNMENT, run_lane
from shared.platform.health import Health
from shared.platform.http import ops_app, serve
from shared.platform.jobs import Job, run
from shared.platform.logs import configure_logs, logger
from shared.platform.parking import DeadLetters
from shared.platform.publishing import Publisher
from shared.platform.settings import load
from shared.platform.tracing import configure_tracing


async def main(lane: Lane) -> None:
    """Run one lane until a signal stops it. Raises JobError when a job fails: start the process again."""
    settings = load(EnrichSettings, PRODUCER if lane is Lane.ROUTINE else f"{PRODUCER}-{lane}")
    configure_logs(PRODUCER, settings.log_format, settings.log_level)
    configure_tracing(PRODUCER, settings.otlp)
    async with AsyncExitStack() as opened:
        await run(await jobs(settings, lane, opened))


async def jobs(settings: EnrichSettings, lane: Lane, opened: AsyncExitStack) -> dict[str, Job]:
    """Load the steps, open what the lane needs, to be closed by `opened`, and return its jobs by name."""
    kafka, clock, health = settings.kafka, SystemClock(), Health(ASSIGNMENT)
    app_id, texts, steps = f"{PRODUCER}-{lane}", ReleasedTexts(), load_steps()
    publisher = await opened.enter_async_context(Publisher(kafka, app_id))
    worker = Worker(Describer(lane, steps, texts, clock).describe)
    opened.callback(worker.close)
    filings = partial(
        run_lane,
        kafka,
        app_id=app_id,
        member=f"{app_id}-{settings.instance}",
        source=RECEIVED[lane],
        handle=worker.handle,
        park=DeadLetters(publisher, PRODUCER).park,
        health=health,
        parked_per_minute=settings.park_per_minute,
    )
    return {
        "lane": lambda stop: filings(stop=stop),
        "released texts": CurrentReleases(kafka, texts.apply, WINDOW, clock).run,
        "ops": lambda stop: serve(ops_app(health), settings.bind, settings.ops_port, stop),
    }


def load_steps() -> Steps:
    """Load names, words and the language model, and keep the garbage collector from ever walking through them."""
    gc.disable()  # nothing is garbage while they are loaded; looking for it takes 40 % of the time
    try:
        steps = Steps.load()
        gc.collect()
        gc.freeze()
    finally:
        gc.enable()
    logger().info("steps.loaded")
    return steps
