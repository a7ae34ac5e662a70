"""Which rows has the table? Each starts the servers it measures anew."""

from tests.bench.command import Row
from tests.bench.gateway.fan_out import filters, flash, saturated, steady, ticks, web_sockets

ROWS: dict[str, Row] = {
    "steady": steady,
    "saturated": saturated,
    "ticks": ticks,
    "flash": flash,
    "websocket": web_sockets,
    "filters": filters,
}
