"""Does a trace follow its story through record headers, and reach a collector only when one is named?"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from shared.platform.tracing import OtlpJson, extract, inject, span

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
INCOMING = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01".encode()}


def test_a_trace_that_came_in_goes_out_again() -> None:
    """Even without a collector the context is handed on, so that others can join the trace."""
    headers: list[tuple[str, bytes]] = [("ce_id", b"1")]
    with span("story.handled", extract(INCOMING)):
        inject(headers)
    assert headers[0] == ("ce_id", b"1")
    assert TRACE_ID in dict(headers)["traceparent"].decode()


def test_an_older_context_in_the_headers_is_replaced() -> None:
    """A record that is sent on belongs to the work that sent it; two contexts would be none."""
    headers = [("traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01")]
    with span("story.handled", extract(INCOMING)):
        inject(headers)
    assert [name for name, _ in headers].count("traceparent") == 1
    assert TRACE_ID in dict(headers)["traceparent"].decode()


def test_without_a_trace_headers_stay_as_they_are() -> None:
    """No invented ids."""
    headers: list[tuple[str, bytes]] = []
    inject(headers)
    assert headers == []


@given(st.binary(max_size=80))
def test_a_malformed_context_is_no_context(garbage: bytes) -> None:
    """Whatever a producer wrote there, the record is handled."""
    context = trace.get_current_span(extract({"traceparent": b"zz" + garbage})).get_span_context()
    assert not context.is_valid


def test_a_span_ends_with_the_work_and_does_not_leak_into_the_next() -> None:
    """After the block nothing of the record's context is current."""
    with pytest.raises(ValueError, match="boom"), span("story.handled", extract(INCOMING)):
        raise ValueError("boom")
    assert not trace.get_current_span().get_span_context().is_valid


class Collector(BaseHTTPRequestHandler):
    """Keeps what is posted to it."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.posted.append((self.path, json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(self.server.answer)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return None


@contextmanager
def collector(answer: int = 200) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """A local OTLP/HTTP collector: its base URL and what it was sent."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        posted: list[tuple[str, Any]] = []
        server.posted, server.answer = posted, answer  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", posted
        finally:
            server.shutdown()


def finished_span() -> Any:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    with tracer.start_as_current_span("story.handled", attributes={"story_id": "urn:x:1", "n": 3, "ok": True}) as one:
        pass
    return one


def test_spans_are_posted_as_otlp_json() -> None:
    """Hex ids, times as decimal strings of nanoseconds, typed attributes, at the path the protocol names."""
    with collector() as (url, posted):
        assert OtlpJson(f"{url}/").export([finished_span()]) is SpanExportResult.SUCCESS
    [(path, body)] = posted
    [sent] = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert path == "/v1/traces"
    assert (len(sent["traceId"]), len(sent["spanId"]), sent["name"], sent["kind"]) == (32, 16, "story.handled", 1)
    assert int(sent["endTimeUnixNano"]) >= int(sent["startTimeUnixNano"]) > 1_600_000_000_000_000_000
    assert {"key": "n", "value": {"intValue": "3"}} in sent["attributes"]
    assert {"key": "ok", "value": {"boolValue": True}} in sent["attributes"]


def test_a_collector_that_refuses_or_is_away_costs_only_the_spans() -> None:
    """Export reports failure; it raises nothing and retries nothing."""
    with collector(503) as (url, _):
        assert OtlpJson(url).export([finished_span()]) is SpanExportResult.FAILURE
    assert OtlpJson(url).export([finished_span()]) is SpanExportResult.FAILURE


SENDER = """
import sys
from shared.platform.tracing import configure_tracing, span
configure_tracing("enrich", sys.argv[1] or None)
try:
    with span("story.handled", story_id="urn:x:1"):
        raise KeyError("MINISTER RESIGNS")
except KeyError:
    pass
"""


@pytest.mark.parametrize("named", [True, False])
def test_a_process_sends_its_spans_when_a_collector_is_named_and_only_then(named: bool) -> None:
    """Spans go out at the latest when the process ends, with the service's name and without the error's words."""
    with collector() as (url, posted):
        subprocess.run([sys.executable, "-W", "error", "-c", SENDER, url if named else ""], check=True, timeout=30)
    assert len(posted) == int(named)
    if named:
        told = json.dumps(posted)
        assert '"service.name", "value": {"stringValue": "enrich"}' in told
        assert "KeyError" in told
        assert "MINISTER" not in told
