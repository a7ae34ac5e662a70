"""What is ingest told? Its settings, read once."""

from pathlib import Path

from pydantic import Field, SecretStr

from shared.platform.settings import CommonSettings


class IngestSettings(CommonSettings):
    """Settings of the door and of its jobs."""

    ingest_port: int = Field(default=8081, ge=0, le=65535, description="port of /v1/intake")
    operator_key: SecretStr = Field(default=SecretStr(""), description="the first operator's API key")
    accept_within_s: float = Field(
        default=4.0, gt=0, le=30, description="seconds to wait for the broker before a filing is answered 503"
    )
    flash_quota: int = Field(
        default=60, ge=1, description="flashes per source and minute; more of them ride routine, urgency unchanged"
    )
    watch_folder: Path | None = Field(default=None, description="folder whose files are filed; empty: none is watched")
    feed_url: str | None = Field(default=None, description="RSS, Atom or JSON feed to poll; empty: none is polled")
    feed_source: str = Field(default="feed", description="source name of the polled feed's stories")
    feed_every_s: float = Field(default=60.0, ge=1, description="seconds between two polls of the feed")
