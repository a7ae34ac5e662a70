"""python -m services.monitor: how late the wire is, where it is stuck, and why."""

import argparse

from services.monitor.main import main
from services.monitor.settings import MonitorSettings
from shared.platform import jobs
from shared.platform.logs import configure_logs
from shared.platform.settings import load
from shared.platform.tracing import configure_tracing


async def service() -> None:
    settings = load(MonitorSettings, "monitor")
    configure_logs("monitor", settings.log_format, settings.log_level)
    configure_tracing("monitor", settings.otlp)
    await main(settings)


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m services.monitor",
        description="Tell the lag of every reader, the staleness of what leaves, and where each story is. "
        "Settings come from WIRE_* variables (see .env.example).",
        epilog="example: WIRE_KAFKA=127.0.0.1:9092 WIRE_MONITOR_PORT=8082 python -m services.monitor",
    ).parse_args()
    jobs.main(service)
