"""python -m services.gateway: the wire's public side."""

import argparse

from services.gateway.main import main
from services.gateway.settings import GatewaySettings
from shared.platform import jobs
from shared.platform.logs import configure_logs
from shared.platform.settings import load
from shared.platform.tracing import configure_tracing

EXAMPLE = "example: WIRE_KAFKA=127.0.0.1:9092 WIRE_GATEWAY_PORT=8080 python -m services.gateway"


async def service() -> None:
    settings = load(GatewaySettings, "gateway")
    configure_logs("gateway", settings.log_format, settings.log_level)
    configure_tracing("gateway", settings.otlp)
    await main(settings)


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m services.gateway",
        description="Serve the public API, the feeds and the stream. Told by WIRE_* variables.",
        epilog=EXAMPLE,
    ).parse_args()
    jobs.main(service)
