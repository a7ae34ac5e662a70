"""What is distribution told? Its settings, read once."""

from typing import Literal

from pydantic import Field, SecretStr

from shared.platform.egress import STANDARD_PORTS
from shared.platform.settings import CommonSettings


class DistributionSettings(CommonSettings):
    """Settings of matcher and deliverer."""

    secret_key: SecretStr = Field(
        default=SecretStr(""),
        description="Fernet keys (comma separated, newest first) that seal endpoint secrets in topics and Redis",
    )
    endpoint_allow: str = Field(
        default="",
        description="host:port pairs (comma separated) a webhook may reach although a rule forbids it; local only",
    )
    endpoint_ports: str = Field(
        default=STANDARD_PORTS, description="ports (comma separated) that webhooks may go to, over https"
    )
    send_slots: int = Field(default=100, ge=4, le=2000, description="webhooks in flight at once, all endpoints")
    send_timeout_s: float = Field(default=15.0, gt=0, le=60, description="seconds for a whole exchange, body included")
    catch_up_per_s: float = Field(
        default=200.0,
        gt=0,
        le=10_000,
        description="deliveries a second to an endpoint that begins to catch up; doubled every 10 s",
    )
    replay_per_s: float = Field(
        default=100.0, gt=0, le=10_000, description="deliveries a second of one bulk replay (POST .../replays)"
    )
    subscriber_rate: float | None = Field(
        default=None,
        gt=0,
        description="deliveries a second to all endpoints of one subscriber together; none: no limit",
    )
    connect_timeout_s: float = Field(default=3.0, gt=0, le=30, description="seconds for a connection")
    webhook_client: Literal["own", "aiohttp"] = Field(
        default="own", description="what sends webhooks: our own HTTP/1.1 client, or aiohttp should that one fail you"
    )
    egress_proxy: SecretStr = Field(
        default=SecretStr(""),
        description="http://user:password@host:port of a proxy (CONNECT) through which all webhooks leave; empty: none",
    )
