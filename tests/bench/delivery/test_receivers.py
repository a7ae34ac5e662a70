"""The bench's receivers: what they count, what they swallow, and whether they would notice a bad signature."""

import asyncio
import ssl
from pathlib import Path

from shared.platform.signature import new_secret, parse_secret
from tests.bench.certificate import certificate_for
from tests.bench.delivery.posting import Line, line_to
from tests.bench.delivery.receivers import loopback, receivers
from tests.waiting import wait_until

WITHIN = 20


def nothing(line: Line[str], posted: str, status: int) -> None:
    """What becomes of an answer, where a test does not care."""


async def test_what_is_answered_has_arrived_and_what_is_swallowed_has_not(tmp_path: Path) -> None:
    """Both are counted; only the first is told with its id, once."""
    secret, hosts = new_secret(), loopback(2)
    async with receivers(tmp_path, hosts, secret) as receiving:
        for host, behaviour, known in zip(hosts, ("ok", "hole"), ("dlv_1", "dlv_2"), strict=True):
            line = await line_to(host, receiving.port, f"/{behaviour}/1", parse_secret(secret).key, nothing)
            line.post(known, b"{}", known)
        await wait_until(lambda: (receiving.arrived, receiving.swallowed) == (1, 1), WITHIN)
        first, second = await receiving.written_out(), await receiving.written_out()
    assert [known for known, _ in first.deliveries] == ["dlv_1"]
    assert second.deliveries == []


async def test_a_signature_that_is_not_right_is_noticed(tmp_path: Path) -> None:
    """By the published verifier, in the sample that is kept whole."""
    [host] = loopback(1)
    async with receivers(tmp_path, [host], new_secret()) as receiving:
        line = await line_to(host, receiving.port, "/ok/1", parse_secret(new_secret()).key, nothing)
        line.post("dlv_1", b"{}", "")
        await wait_until(lambda: receiving.arrived, WITHIN)
        told = await receiving.written_out()
    assert (told.sampled, told.unverified) == (1, 1)


async def test_over_tls_only_version_1_3_is_spoken(tmp_path: Path) -> None:
    """To whoever trusts the certificate that was made for these addresses."""
    hosts = loopback(2)
    chain = certificate_for(hosts, tmp_path / "chain.pem")
    trusting = ssl.create_default_context(cafile=chain)
    async with receivers(tmp_path, hosts, new_secret(), chain) as receiving:
        reader, writer = await asyncio.open_connection(hosts[1], receiving.port, ssl=trusting)
        writer.write(b"POST /ok/1 HTTP/1.1\r\nhost: bench\r\nwebhook-id: dlv_1\r\ncontent-length: 0\r\n\r\n")
        answer = await reader.readline()
        spoken = writer.get_extra_info("ssl_object").version()
        writer.close()
        await writer.wait_closed()
    assert (answer, spoken) == (b"HTTP/1.1 200 OK\r\n", "TLSv1.3")
