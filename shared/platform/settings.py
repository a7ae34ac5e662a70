"""What was this process told? Settings: read once from the environment, frozen, explained, secrets masked."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from shared.domain.errors import Misconfigured
from shared.platform.failpoints import Failpoints, arm
from shared.platform.known_settings import ELSEWHERE, KNOWN

PREFIX = "WIRE_"
MASK = "********"
DEFAULT_KAFKA = "127.0.0.1:9092"

Profile = Literal["local", "production"]
S = TypeVar("S", bound="CommonSettings")


class SettingsError(Misconfigured):
    """The environment holds an unknown WIRE_* variable or a value that does not fit."""


class KafkaSettings(BaseModel):
    """Where the brokers are and how topics are named there."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    bootstrap: str = DEFAULT_KAFKA
    topic_prefix: str = ""
    replication: int = 1
    client_id: str = "slugline"
    failpoints: Failpoints | None = None
    """What a test does to this process where it meets the brokers or a receiver; else None."""


class CommonSettings(BaseSettings):
    """What every service is told; a service's own Settings inherits from this and adds fields.

    Every field needs a description (with its unit) and a line in `known_settings.KNOWN`.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        validate_by_name=True,
        validate_by_alias=True,
    )

    kafka: Annotated[KafkaSettings, NoDecode] = Field(
        default=KafkaSettings(), description="Kafka brokers to ask first, host:port, comma separated"
    )
    redis_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        validation_alias="WIRE_REDIS",
        description="Redis, as a URL; may be emptied at any moment",
    )
    profile: Profile = Field(
        default="local",
        description="local: one machine, replication 1; production: replication 3, private targets refused",
    )
    topic_prefix: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]*$",
        description="put before every topic and group name, to share a cluster",
    )
    log_format: Literal["json", "console"] = Field(default="json", description="how log lines are written to stderr")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="least level logged")
    bind: str = Field(default="127.0.0.1", description="address every HTTP port of this process listens on")
    ops_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="port of /livez, /readyz and /metrics where a service has no public HTTP; 0 takes a free one",
    )
    instance: str = Field(
        default="0",
        pattern=r"^[A-Za-z0-9_-]+$",
        description="which copy of the service this is; stable over restarts, unique among the running copies",
    )
    park_per_minute: int = Field(
        default=60, ge=1, description="records parked per minute beyond which a service stops instead of parking on"
    )
    otlp: str | None = Field(
        default=None, description="OTLP/HTTP collector to send traces to, as a base URL; nothing is traced without it"
    )
    failpoints: Path | None = Field(
        default=None, description="folder with orders to fail at named points, for tests; refused in production"
    )

    @model_validator(mode="before")
    @classmethod
    def _kafka_from_its_parts(cls, given: Any) -> Any:
        """Build `kafka` from the broker list, the topic prefix and the profile's replication."""
        if not isinstance(given, dict) or isinstance(given.get("kafka"), KafkaSettings):
            return given
        kafka = KafkaSettings(
            bootstrap=given.get("kafka") or DEFAULT_KAFKA,
            topic_prefix=given.get("topic_prefix", ""),
            replication=3 if given.get("profile") == "production" else 1,
        )
        return {**given, "kafka": kafka}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment; no file is ever read."""
        return init_settings, env_settings


def load(settings: type[S], process: str = "") -> S:
    """Read `settings` from the environment; raises SettingsError with a sentence fit for a terminal.

    `process` is the service's name, and its lane's where there are two; failpoints are armed under it, once.
    """
    refuse_unknown(os.environ)
    try:
        loaded = settings()
    except ValidationError as error:
        raise SettingsError(_in_words(settings, error)) from None
    if loaded.failpoints is not None and loaded.profile == "production":
        raise SettingsError("WIRE_FAILPOINTS lets tests kill a process; unset it in production.")
    return _armed(loaded, process) if process else loaded


def _armed(settings: S, process: str) -> S:
    """The settings with what the failpoints' folder orders for this life of the process."""
    if settings.failpoints is None:
        return settings
    copy = process if settings.instance == "0" else f"{process}-{settings.instance}"
    kafka = settings.kafka.model_copy(update={"failpoints": arm(settings.failpoints, copy)})
    return settings.model_copy(update={"kafka": kafka})


def refuse_unknown(environ: Mapping[str, str]) -> None:
    """Raise SettingsError for the first WIRE_* variable that no service, test or command reads."""
    known = (*KNOWN, *ELSEWHERE)
    for name in sorted(environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            nearest = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.0)[0]
            raise SettingsError(f"{name} is not a setting of Slugline; the nearest one is {nearest}.")


def variable(settings: type[CommonSettings], field: str) -> str:
    """The environment variable that sets `field` of `settings`."""
    alias = settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"{PREFIX}{field}".upper()


def shown(settings: CommonSettings) -> dict[str, str]:
    """Every variable and its value, for the line logged at start: secrets and passwords in URLs masked."""
    return {
        variable(type(settings), field): _printable(getattr(settings, field)) for field in type(settings).model_fields
    }


def _printable(value: object) -> str:
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, KafkaSettings):
        return value.bootstrap
    text = "" if value is None else str(value)
    return _without_password(text) if "://" in text else text


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:{MASK}@{host}"))


def _in_words(settings: type[CommonSettings], error: ValidationError) -> str:
    """One sentence per wrong variable; the value itself is left out, since it may be a secret."""
    names = {field: variable(settings, field) for field in settings.model_fields}
    wrong = []
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        field = str(problem["loc"][0]) if problem["loc"] else ""
        wrong.append(f"{names.get(field, field or 'The settings')}: {problem['msg'][:1].lower()}{problem['msg'][1:]}.")
    return " ".join(wrong)
