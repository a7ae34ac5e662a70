"""Which rows has the table? Each has a broker, receivers and a distribution process of its own."""

from tests.bench.command import Row
from tests.bench.delivery.fairness import burst, flash_ahead, half_dead, replay, thousand_dead
from tests.bench.delivery.speed import fanned_out, idle_memory, one_each, over_tls, two_thousand, whole_pipe

ROWS: dict[str, Row] = {
    "fan-out": fanned_out,
    "steady": two_thousand,
    "single": one_each,
    "pipe": whole_pipe,
    "half-dead": half_dead,
    "thousand-dead": thousand_dead,
    "burst": burst,
    "flash": flash_ahead,
    "memory": idle_memory,
    "replay": replay,
    "tls": over_tls,
}
