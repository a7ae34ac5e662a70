"""Which rows has the table? Each starts the servers it measures anew."""

from tests.bench.command import Row
from tests.bench.gateway.crowd import memory, reconnect, stalled
from tests.bench.gateway.fan_out import filters, flash, saturated, steady, ticks, web_sockets
from tests.bench.gateway.reads import rest
from tests.bench.gateway.secure import over_tls

ROWS: dict[str, Row] = {
    "steady": steady,
    "saturated": saturated,
    "ticks": ticks,
    "flash": flash,
    "memory": memory,
    "websocket": web_sockets,
    "stalled": stalled,
    "filters": filters,
    "reconnect": reconnect,
    "rest": rest,
    "tls": over_tls,
}
