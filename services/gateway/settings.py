"""What is the gateway told? Its settings, read once."""

from pydantic import Field, SecretStr, field_validator

from services.gateway.origins import origins_of
from shared.platform.egress import STANDARD_PORTS
from shared.platform.settings import CommonSettings


class GatewaySettings(CommonSettings):
    """Settings of the gateway."""

    gateway_port: int = Field(
        default=8080, ge=0, le=65535, description="port of the gateway's public HTTP; 0 takes a free one"
    )
    operator_key: SecretStr = Field(
        default=SecretStr(""), description="the first operator's API key, accepted by every service without any record"
    )
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
    public_site: bool = Field(default=False, description="1: pages and feeds are readable without a key")
    public_url: str = Field(
        default="", description="base URL that feeds name as their own, without a slash at its end; else the request's"
    )
    cors_origins: str = Field(
        default="", description="origins (comma separated, scheme://host[:port]) whose web pages may call the API"
    )
    request_rate: float = Field(
        default=10_000.0,
        ge=0,
        le=1_000_000,
        description="requests per second of one API key, over all gateways, ten seconds of it at once; 0: no limit",
    )
    read_cache_mb: int = Field(
        default=64, ge=1, le=65_536, description="MiB of answers about stories that a gateway keeps in memory"
    )
    drain_s: float = Field(
        default=2.0, ge=0, le=120, description="seconds over which a stopping gateway lets its stream clients go"
    )

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, names: str) -> str:
        origins_of(names)
        return names
