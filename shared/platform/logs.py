"""How is a log line written? structlog for ours and the libraries', without secrets and without story text."""

import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Literal, TextIO
from urllib.parse import urlsplit

import structlog
from pydantic import ValidationError

MASK = "********"
LONGEST_REASON = 300

# Keys whose values are secrets, or words of a story that nobody may read before its release.
SECRET_KEYS = frozenset(
    {"authorization", "cookie", "password", "secret", "secrets", "signature", "ticket", "token", "api_key", "whsec"}
)
STORY_KEYS = frozenset(
    {"bodies", "body", "byline", "data", "ednote", "headline", "headlines"}
    | {"item", "payload", "slugline", "story", "text", "title", "value"}
)
DROPPED_KEYS = SECRET_KEYS | STORY_KEYS

# Libraries whose info lines repeat what our own lines say better.
QUIET = ("aiokafka", "faust", "mode", "uvicorn", "asyncio")

REPEATED_AFTER_S = 10.0
REMEMBERED = 1_000

Event = MutableMapping[str, Any]


class JsonLines(logging.StreamHandler[TextIO]):
    """Writes the lines of one service as JSON."""

    def __init__(self, stream: TextIO, service: str) -> None:
        super().__init__(stream)
        self.service = service


def json_lines() -> JsonLines | None:
    """Where this process writes its lines at level info; None where that is a terminal, or nobody wants them."""
    root = logging.root
    if root.level <= logging.INFO:
        for handler in root.handlers:  # asked for each canonical line: a generator costs as much as the line
            if isinstance(handler, JsonLines):
                return handler
    return None


def configure_logs(
    service: str,
    style: Literal["json", "console"] = "json",
    level: Literal["debug", "info", "warning", "error"] = "info",
) -> None:
    """Write every log line of this process to stderr; may be called again with better settings."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_service(service),
        render_exception,
        mask,
    ]
    last: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = JsonLines(sys.stderr, service) if style == "json" else logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
            foreign_pre_chain=shared,
        )
    )
    handler.addFilter(FoldRepeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


class FoldRepeats(logging.Filter):
    """Lets a library say one thing once in `REPEATED_AFTER_S`, and then how often it said it meanwhile.

    A Kafka client whose broker is away writes hundreds of lines a second, and nobody finds ours between them.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in QUIET:
            return True
        what, now = (record.name, str(record.msg)), self._monotonic()
        since, left_out = self._said.get(what, (-REPEATED_AFTER_S, 0))
        if now - since < REPEATED_AFTER_S:
            self._said[what] = (since, left_out + 1)
            return False
        if len(self._said) >= REMEMBERED:
            self._said.clear()
        self._said[what] = (now, 0)
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out} more like this were left out)", ()
        return True


def logger(**bound: Any) -> structlog.stdlib.BoundLogger:
    """The logger of this process with `bound` on every line; event names are `noun.happened`."""
    log: structlog.stdlib.BoundLogger = structlog.get_logger("slugline")
    return log.bind(**bound) if bound else log


def mask(_: Any, __: str, event: Event) -> Event:
    """structlog processor: drop the values of secret and story keys, at any depth; keep only hosts of URLs."""
    for key, value in event.items():
        event[key] = _masked(key, value)
    return event


def names_no_secret(key: str) -> bool:
    """Tell whether `mask` would leave a plain value under this key as it is."""
    name = key.lower()
    return name not in DROPPED_KEYS and not name.endswith("url")


def render_exception(_: Any, __: str, event: Event) -> Event:
    """structlog processor: replace `exc_info` by frames and reasons; validation errors lose their input."""
    info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["reason"] = reason(error)
        event["stack"] = list(_frames(error))
    return event


def reason(error: BaseException) -> str:
    """An error in words fit for a log line or a header: cut short, and never the input that was validated."""
    if isinstance(error, ValidationError):
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        return "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['type']}" for p in problems)[:LONGEST_REASON]
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(reason(inner) for inner in error.exceptions)[:LONGEST_REASON]
    return str(error)[:LONGEST_REASON]


def _frames(error: BaseException) -> Iterator[str]:
    """The stack of `error`, then of what it came from: `file:line function`, with each error's reason."""
    link: BaseException | None = error
    while link is not None:
        yield f"{type(link).__name__}: {reason(link)}"
        for frame in traceback.extract_tb(link.__traceback__):
            yield f"  {frame.filename}:{frame.lineno} {frame.name}"
        for inner in link.exceptions if isinstance(link, BaseExceptionGroup) else ():
            yield from _frames(inner)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _masked(key: str, value: Any) -> Any:
    name = key.lower()
    if name in DROPPED_KEYS:
        return MASK
    if isinstance(value, Mapping):
        return {inner: _masked(str(inner), below) for inner, below in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(key, below) for below in value]
    if name.endswith("url") and isinstance(value, str):
        return _origin(value)
    return value


def _origin(url: str) -> str:
    """A webhook's path and query may be its password; scheme and host are enough to find it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"


def _name_service(service: str) -> structlog.types.Processor:
    def add(_: Any, __: str, event: Event) -> Event:
        event.setdefault("service", service)
        return event

    return add
