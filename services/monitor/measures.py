"""What does only monitor measure? Metrics beside those of the platform, in the same registry."""

from prometheus_client import Histogram

from shared.platform.metrics import HUMAN, REGISTRY

STAGE_SECONDS = Histogram(
    "wire_stage_seconds",
    "Time a story spent before each stage, from the times it carries.",
    ("stage", "lane"),
    buckets=HUMAN,
    registry=REGISTRY,
)
