"""python -m services.moderation: the owner of story states."""

import argparse

from services.moderation.main import main
from services.moderation.settings import ModerationSettings
from shared.platform import jobs
from shared.platform.logs import configure_logs
from shared.platform.settings import load
from shared.platform.tracing import configure_tracing

EXAMPLE = "example: WIRE_KAFKA=127.0.0.1:9092 WIRE_OPS_PORT=9103 python -m services.moderation"


async def service() -> None:
    settings = load(ModerationSettings, "moderation")
    configure_logs("moderation", settings.log_format, settings.log_level)
    configure_tracing("moderation", settings.otlp)
    await main(settings)


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m services.moderation",
        description="Decide what goes on the wire: rules, holds, desk decisions, embargoes. Told by WIRE_* variables.",
        epilog=EXAMPLE,
    ).parse_args()
    jobs.main(service)
