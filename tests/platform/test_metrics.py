"""Are all metrics in one registry, named and explained as Prometheus expects, and free of story text?"""

import re

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from shared.platform.metrics import REGISTRY, exposition

OURS = [family for family in REGISTRY.collect() if family.name.startswith("wire_")]
ALLOWED_LABELS = {
    "channel", "error", "event", "group", "how", "kind", "lane", "le", "method", "outcome", "partition", "queue",
    "reason", "route", "scope", "service", "source_kind", "stage", "status", "topic", "why",
}  # fmt: skip


def _name(family: Metric) -> str:
    return family.name


@pytest.mark.parametrize("family", OURS, ids=_name)
def test_a_metric_explains_itself_in_one_sentence(family: Metric) -> None:
    """The help text is all that somebody at a dashboard sees."""
    assert family.documentation.endswith(".")


@pytest.mark.parametrize("family", OURS, ids=_name)
def test_times_are_seconds_and_names_are_plain(family: Metric) -> None:
    """Base units only: no milliseconds, no camel case; histograms here all measure time."""
    assert re.fullmatch(r"wire_[a-z_]+", family.name)
    assert not family.name.endswith(("_ms", "_milliseconds"))
    assert family.type != "histogram" or family.name.endswith("_seconds")


def test_labels_cannot_hold_text_urls_or_secrets() -> None:
    """Every label is one of a short list of words with few values; a new one is a decision."""
    labels = {label for family in OURS for sample in family.samples for label in sample.labels}
    declared = {label for family in OURS for label in getattr(_collector(family.name), "_labelnames", ())}
    assert labels | declared <= ALLOWED_LABELS


def test_the_exposition_is_what_prometheus_reads() -> None:
    """The text parses back, carries our metrics and the process's own."""
    body, content_type = exposition()
    names = {family.name for family in text_string_to_metric_families(body.decode())}
    assert {"wire_ready", "process_cpu_seconds"} <= names
    assert content_type.startswith("text/plain")


def _collector(name: str) -> object:
    return REGISTRY._names_to_collectors.get(name) or REGISTRY._names_to_collectors.get(f"{name}_total")
