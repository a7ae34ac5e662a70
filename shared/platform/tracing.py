"""Which trace does this work belong to? W3C trace context in record headers, and spans sent only when asked."""

import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.platform.logs import logger

TRACE_HEADERS = ("traceparent", "tracestate")
EXPORT_SECONDS = 10

Attribute = str | int | float | bool
_PROPAGATOR = TraceContextTextMapPropagator()


def configure_tracing(service: str, otlp: str | None) -> None:
    """Send this process's spans to the OTLP/HTTP collector at base URL `otlp`; without one none are recorded.

    A trace context that came in is handed on either way.
    """
    if otlp is None:
        return
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OtlpJson(otlp)))
    trace.set_tracer_provider(provider)


def inject(headers: list[tuple[str, bytes]]) -> None:
    """Put the current trace context into record headers, in place of any that is there (W3C Trace Context 3.2)."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    if carrier:
        headers[:] = [header for header in headers if header[0] not in TRACE_HEADERS]
        headers.extend((name, value.encode("ascii")) for name, value in carrier.items())


def extract(headers: Mapping[str, bytes]) -> Context:
    """The trace context of a record; an empty one where headers have none or it is malformed."""
    carrier = {name: headers[name].decode("ascii", "ignore") for name in TRACE_HEADERS if name in headers}
    return _PROPAGATOR.extract(carrier, context=Context())


@contextmanager
def span(
    name: str, parent: Context | None = None, *, kind: SpanKind = SpanKind.INTERNAL, **attributes: Attribute
) -> Iterator[Span]:
    """Do some work as one span, below `parent` if given, else below the current one; ids only, never story text."""
    attached = None if parent is None else otel_context.attach(parent)
    try:
        tracer = trace.get_tracer("slugline")
        with tracer.start_as_current_span(
            name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as current:
            try:
                yield current
            except Exception as error:
                current.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise
    finally:
        if attached is not None:
            otel_context.detach(attached)


class OtlpJson(SpanExporter):
    """Posts finished spans as OTLP/HTTP JSON (opentelemetry-proto 1.x); runs in the SDK's own thread.

    What cannot be sent within 10 s is dropped with a warning: traces are for looking, not for keeping.
    """

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._address = parts.netloc
        self._path = f"{parts.path.rstrip('/')}/v1/traces"

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        body = json.dumps(_payload(spans)).encode()
        connection = self._connect(self._address, timeout=EXPORT_SECONDS)
        try:
            connection.request("POST", self._path, body, {"content-type": "application/json"})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            logger().warning("traces.dropped", spans=len(spans), error=type(error).__name__)
            return SpanExportResult.FAILURE
        finally:
            connection.close()
        if status >= 300:
            logger().warning("traces.dropped", spans=len(spans), status=status)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS


def _payload(spans: Sequence[ReadableSpan]) -> dict[str, object]:
    resource = {} if not spans else dict(spans[0].resource.attributes)
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [{"scope": {"name": "slugline"}, "spans": [_span(one) for one in spans]}],
            }
        ]
    }


def _span(finished: ReadableSpan) -> dict[str, object]:
    context = finished.get_span_context() or trace.INVALID_SPAN_CONTEXT
    return {
        "traceId": trace.format_trace_id(context.trace_id),
        "spanId": trace.format_span_id(context.span_id),
        "parentSpanId": "" if finished.parent is None else trace.format_span_id(finished.parent.span_id),
        "name": finished.name,
        "kind": finished.kind.value + 1,  # the wire format counts from 1
        "startTimeUnixNano": str(finished.start_time),
        "endTimeUnixNano": str(finished.end_time),
        "attributes": _attributes(dict(finished.attributes or {})),
        "status": {"code": finished.status.status_code.value, "message": finished.status.description or ""},
    }


def _attributes(given: Mapping[str, object]) -> list[dict[str, object]]:
    return [{"key": key, "value": _value(value)} for key, value in given.items()]


def _value(value: object) -> dict[str, object]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": str(value)}
