"""What is the gateway told? Its settings, read once."""

from pathlib import Path

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
    drain_s: float | None = Field(
        default=None,
        ge=0,
        le=600,
        description="seconds over which a stopping gateway lets its stream clients go; 30 in production, else 2",
    )
    coalesce_ms: float = Field(
        default=5.0,
        ge=0,
        le=100,
        description="milliseconds a routine release waits on the stream for others to be written with; 5 to 10 is good",
    )
    stream_per_key: int = Field(
        default=1000,
        ge=0,
        description="stream connections that one API key may hold in one gateway process at once; 0: no limit",
    )
    tls_certificate: Path | None = Field(
        default=None,
        description="PEM file with the certificate chain; the gateway then serves https, and reads it anew",
    )
    tls_key: Path | None = Field(default=None, description="PEM file with the private key of WIRE_TLS_CERTIFICATE")
    reuse_port: bool = Field(
        default=False, description="1: several gateway processes of one machine share WIRE_GATEWAY_PORT (SO_REUSEPORT)"
    )

    @property
    def drain(self) -> float:
        """Seconds to drain over, with the profile's default."""
        return self.drain_s if self.drain_s is not None else 30.0 if self.profile == "production" else 2.0

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, names: str) -> str:
        origins_of(names)
        return names
