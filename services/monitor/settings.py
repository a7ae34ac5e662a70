"""What is monitor told? Its settings, read once."""

from pydantic import Field, SecretStr

from shared.platform.settings import CommonSettings


class MonitorSettings(CommonSettings):
    """Settings of the lag reader and the flight recorder."""

    monitor_port: int = Field(default=8082, ge=0, le=65535, description="port of /v1/ops; 0 takes a free one")
    operator_key: SecretStr = Field(
        default=SecretStr(""), description="the first operator's API key, accepted by every service without any record"
    )
    lag_every_s: float = Field(default=2.0, ge=0.2, le=60, description="seconds between two readings of all lags")
    flight_stories: int = Field(
        default=20_000, ge=100, le=1_000_000, description="stories whose hops are remembered; the quietest go first"
    )
    flight_since_s: float = Field(
        default=3600.0, ge=0, le=86_400, description="seconds of the past that are read when monitor starts"
    )
