"""What does a process count and time? Every metric of every service, with its unit, in one registry.

No label ever holds story text, a URL or a secret. Names follow Prometheus: base units, `_total`, `_seconds`.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, read by nobody
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
HUMAN = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800)

READY = Gauge("wire_ready", "1 when the process can take work now, else 0.", registry=REGISTRY)

# Records: the loop, the publisher, the dead letters
RECORDS_CONSUMED = Counter(
    "wire_records_consumed_total", "Records whose handling is finished.", ("group", "topic"), registry=REGISTRY
)
RECORDS_PARKED = Counter(
    "wire_records_parked_total",
    "Records put on a dead-letter topic, by the error's class.",
    ("service", "topic", "error"),
    registry=REGISTRY,
)
RECORDS_PUBLISHED = Counter(
    "wire_records_published_total", "Records the broker has confirmed.", ("topic",), registry=REGISTRY
)
PUBLISH_FAILURES = Counter(
    "wire_publish_failures_total",
    "Sends not confirmed: timeout (may still arrive), failed, or too_large.",
    ("topic", "outcome"),
    registry=REGISTRY,
)
PUBLISH_SECONDS = Histogram(
    "wire_publish_seconds",
    "From send to the broker's confirmation.",
    ("topic",),
    buckets=FAST,
    registry=REGISTRY,
)
HANDLE_SECONDS = Histogram(
    "wire_handle_seconds",
    "Handling one record, effects included.",
    ("service", "stage", "lane"),
    buckets=FAST,
    registry=REGISTRY,
)
COMMIT_FAILURES = Counter(
    "wire_commit_failures_total",
    "Commits a rebalance refused; the records are handled again.",
    ("group",),
    registry=REGISTRY,
)
BROKER_CLOCK_SKEW_SECONDS = Gauge(
    "wire_broker_clock_skew_seconds", "Broker's clock minus this process's clock.", registry=REGISTRY
)

# Stories: from the door to the release
STORIES_ACCEPTED = Counter(
    "wire_stories_accepted_total", "Stories answered with 202.", ("source_kind", "lane"), registry=REGISTRY
)
STORIES_REFUSED = Counter(
    "wire_stories_refused_total", "Stories refused at the door, by HTTP status.", ("status",), registry=REGISTRY
)
DECISIONS = Counter(
    "wire_decisions_total", "What moderation made of its inputs.", ("outcome", "lane"), registry=REGISTRY
)
RELEASES = Counter("wire_releases_total", "Releases put on the wire.", ("kind", "lane"), registry=REGISTRY)
STORIES_HELD = Gauge("wire_stories_held", "Versions waiting for a human or an embargo.", ("why",), registry=REGISTRY)
EMBARGO_LATE_SECONDS = Histogram(
    "wire_embargo_late_seconds",
    "Release time minus embargo time, for lifted embargoes.",
    buckets=FAST,
    registry=REGISTRY,
)

# Deliveries: webhooks
DELIVERIES = Counter(
    "wire_deliveries_total",
    "Deliveries that reached an end state.",
    ("outcome", "lane"),
    registry=REGISTRY,
)
ATTEMPTS = Counter(
    "wire_delivery_attempts_total", "Tries of a delivery, by what came of them.", ("outcome", "lane"), registry=REGISTRY
)
DELIVERY_SECONDS = Histogram(
    "wire_delivery_seconds", "One webhook exchange.", ("lane",), buckets=HUMAN, registry=REGISTRY
)
STALENESS_SECONDS = Histogram(
    "wire_staleness_seconds",
    "From acceptance to the subscriber's socket.",
    ("channel", "lane"),
    buckets=HUMAN,
    registry=REGISTRY,
)
DELIVERIES_WAITING = Gauge(
    "wire_deliveries_waiting", "Deliveries in memory, not yet begun.", ("queue",), registry=REGISTRY
)
DELIVERIES_IN_FLIGHT = Gauge("wire_deliveries_in_flight", "Webhook exchanges under way.", ("lane",), registry=REGISTRY)
ENDPOINTS_BEHIND = Gauge(
    "wire_endpoints_behind", "Endpoints that the log owes something, by why.", ("why",), registry=REGISTRY
)
RELEASES_LOST = Counter(
    "wire_releases_lost_total",
    "Releases given up unsent for an endpoint that was away for too long, as places of a lane.",
    ("lane",),
    registry=REGISTRY,
)
GATE_REFUSALS = Counter("wire_gate_refusals_total", "Sends the gate refused.", ("channel", "reason"), registry=REGISTRY)

# Gateway: stream and views
STREAM_CLIENTS = Gauge("wire_stream_clients", "Connected stream clients.", ("channel",), registry=REGISTRY)
STREAM_FRAMES = Counter(
    "wire_stream_frames_total", "Frames written to clients.", ("channel", "event"), registry=REGISTRY
)
STREAM_GAPS = Counter("wire_stream_gaps_total", "Gap frames sent, by reason.", ("reason",), registry=REGISTRY)
STREAM_SKIPPED = Counter(
    "wire_stream_skipped_total",
    "Releases left out for slow clients because a newer one of the story followed.",
    registry=REGISTRY,
)
STREAM_DISCONNECTS = Counter(
    "wire_stream_disconnects_total", "Stream clients the gateway let go.", ("reason",), registry=REGISTRY
)
VIEWS_GENERATION = Gauge(
    "wire_views_generation", "Generation of the Redis views being served; 0 while rebuilding.", registry=REGISTRY
)
READS = Counter(
    "wire_read_answers_total",
    "Answers about stories by where they came from: hit (memory), joined (made for another caller at that moment), "
    "confirmed (kept, and Redis said that nothing changed), filled (made of the views).",
    ("how",),
    registry=REGISTRY,
)
READ_CACHE_BYTES = Gauge("wire_read_cache_bytes", "Answers about stories held in memory.", registry=REGISTRY)
READ_CACHE_EVICTED = Counter(
    "wire_read_cache_evicted_total", "Answers that went because others needed the room.", registry=REGISTRY
)
REQUESTS_HELD_BACK = Counter(
    "wire_requests_held_back_total", "Requests answered 429, by whose rate was used up.", ("scope",), registry=REGISTRY
)
HTTP_SECONDS = Histogram(
    "wire_http_request_seconds",
    "Answering one request, by route template.",
    ("service", "route", "method", "status"),
    buckets=FAST,
    registry=REGISTRY,
)

# Monitor: lag, as the broker sees it
LAG_RECORDS = Gauge(
    "wire_lag_records", "End offset minus committed offset.", ("group", "topic", "partition"), registry=REGISTRY
)
LAG_AGE_SECONDS = Gauge(
    "wire_lag_age_seconds",
    "Age of the oldest record not yet processed; 0 without lag.",
    ("group", "topic", "partition"),
    registry=REGISTRY,
)
CANARY_SECONDS = Histogram(
    "wire_canary_seconds", "A canary story's way to one channel.", ("channel",), buckets=HUMAN, registry=REGISTRY
)


def exposition() -> tuple[bytes, str]:
    """The registry in Prometheus text form, and its content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
