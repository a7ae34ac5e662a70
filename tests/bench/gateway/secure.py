"""What does TLS cost where the gateway itself speaks it? Beside its own plain figures of the same run."""

from dataclasses import dataclass
from pathlib import Path

from services.gateway.settings import GatewaySettings
from tests.bench.accounts import sound
from tests.bench.bars import Bar, Figure
from tests.bench.certificate import certificate_for
from tests.bench.command import Protocol, Say, inside
from tests.bench.gateway.fan_out import forty_a_second
from tests.bench.gateway.load import MAIN, Load, Run
from tests.bench.gateway.loads import load_client
from tests.bench.gateway.measured import cpu, shares, thousand, told
from tests.bench.gateway.servers import HOST
from tests.bench.gateway.stories import Audience
from tests.bench.gateway.wire import gateway
from tests.bench.machine import cpu_s, pss_kib

SETTING = "tls_certificate"
"""Where the gateway has no such setting, it does not speak TLS itself."""


@dataclass(frozen=True, slots=True)
class _Found:
    """One way of speaking: its runs, and what opening one connection took."""

    runs: list[Run]
    kib_each: float
    open_ms: float


async def over_tls(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """The steady row again with TLS in the gateway: deliveries, memory, and the CPU of a new connection."""
    bars = (
        Bar("TLS in the gateway: CPU per SSE delivery, of plain", "times", 2.2, 2.0),
        Bar("the same: memory per connection", "KiB", 36, 32),
        Bar("the same: CPU per new connection", "ms", 0.45, 0.36),
    )
    if SETTING not in GatewaySettings.model_fields:
        return [Figure(bar, None, "not served: the gateway has no setting for a certificate") for bar in bars]
    chain = certificate_for([HOST], folder / "gateway.pem")
    plain = await _measured(inside(folder, "plain"), None, protocol, say)
    tls = await _measured(inside(folder, "tls"), chain, protocol, say)
    remark = f"{cpu(tls.runs):.1f} of {cpu(plain.runs):.1f} µs; {shares(tls.runs)}{told(tls.runs)}"
    is_sound = sound([*plain.runs, *tls.runs])
    return [
        Figure(bars[0], cpu(tls.runs) / cpu(plain.runs), remark, is_sound),
        Figure(bars[1], tls.kib_each, f"plain {plain.kib_each:.1f} KiB"),
        Figure(bars[2], tls.open_ms, f"plain {plain.open_ms:.3f} ms"),
    ]


async def _measured(folder: Path, chain: Path | None, protocol: Protocol, say: Say) -> _Found:
    clients = thousand(protocol)
    async with gateway(folder, chain) as ours, load_client(folder) as client:
        load, kib, used = Load(ours, client), pss_kib(ours.pid), cpu_s(ours.pid)
        await load.listen([Audience((MAIN,), clients)], chain=chain)
        grown, spent = pss_kib(ours.pid) - kib, cpu_s(ours.pid) - used
        await client.close(MAIN)
        say(f"    {'TLS' if chain else 'plain'}")
        return _Found(await forty_a_second(load, "sse", protocol, say, chain), grown / clients, spent / clients * 1000)
