"""Make the broker ready: `python -m deploy.provision [--adopt GROUP=start|end]`, before any service starts.

Exit codes: 0 the topics and offsets are as they must be; 2 wrong arguments; 3 something must be changed by hand,
said on stderr; 69 no broker answers, try again.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from shared.domain.errors import Misconfigured
from shared.platform.jobs import MISCONFIGURED
from shared.platform.logs import configure_logs
from shared.platform.provisioning import END, GROUPS, START, BrokerUnreachable, ProvisionReport, provision
from shared.platform.settings import CommonSettings, load

UNAVAILABLE = 69  # EX_UNAVAILABLE


def main(arguments: Sequence[str] | None = None) -> int:
    """Provision as the environment says (WIRE_KAFKA, WIRE_PROFILE, WIRE_TOPIC_PREFIX) and return the exit code."""
    adopt = dict(_parser().parse_args(arguments).adopt)
    try:
        settings = load(CommonSettings)
        configure_logs("provision", settings.log_format, "error")
        report = asyncio.run(provision(settings.kafka, profile=settings.profile, adopt=adopt))
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return MISCONFIGURED
    except BrokerUnreachable as error:
        sys.stderr.write(f"{error}\n")
        return UNAVAILABLE
    sys.stdout.write(_told(report))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.provision", description=__doc__)
    parser.add_argument(
        "--adopt",
        metavar="GROUP=start|end",
        type=_adoption,
        action="append",
        default=[],
        help="where a group without committed offsets begins on topics that hold records",
    )
    return parser


def _adoption(text: str) -> tuple[str, str]:
    group, equals, where = text.partition("=")
    if not equals or where not in (START, END):
        raise argparse.ArgumentTypeError(f"{text!r} is not GROUP=start or GROUP=end; groups: {', '.join(GROUPS)}")
    return group, where


def _told(report: ProvisionReport) -> str:
    lines = [f"created {topic}" for topic in report.created]
    lines += [f"group {reader.own} starts on {reader.topic}" for reader in report.offsets]
    return "".join(f"{line}\n" for line in lines or ["nothing to do"])


if __name__ == "__main__":
    sys.exit(main())
