"""Do settings come from the environment alone, refuse what they do not know, and hide what nobody may see?"""

import pytest
from pydantic import Field, SecretStr, ValidationError

from shared.domain.errors import Misconfigured
from shared.platform.settings import (
    MASK,
    CommonSettings,
    KafkaSettings,
    SettingsError,
    load,
    refuse_unknown,
    shown,
    variable,
)


class Keyed(CommonSettings):
    """A service that holds a secret."""

    operator_key: SecretStr = Field(default=SecretStr(""), description="the first operator's key")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No WIRE_* variable of the machine reaches these tests."""
    for name in ("WIRE_KAFKA", "WIRE_REDIS", "WIRE_PROFILE", "WIRE_TOPIC_PREFIX", "WIRE_OPS_PORT", "WIRE_OTLP"):
        monkeypatch.delenv(name, raising=False)


def test_everything_has_a_default_that_runs_on_one_machine() -> None:
    """Without any variable a service talks to a broker and a Redis of the same machine, and listens to it only."""
    settings = load(CommonSettings)
    assert settings.kafka == KafkaSettings(bootstrap="127.0.0.1:9092", topic_prefix="", replication=1)
    assert (settings.redis_url, settings.bind, settings.profile) == ("redis://127.0.0.1:6379/0", "127.0.0.1", "local")


def test_kafka_is_put_together_from_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """WIRE_KAFKA and WIRE_TOPIC_PREFIX become one KafkaSettings."""
    monkeypatch.setenv("WIRE_KAFKA", "one:9092,two:9092")
    monkeypatch.setenv("WIRE_TOPIC_PREFIX", "here.")
    assert load(CommonSettings).kafka == KafkaSettings(bootstrap="one:9092,two:9092", topic_prefix="here.")


def test_production_asks_for_three_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile decides the replication."""
    monkeypatch.setenv("WIRE_PROFILE", "production")
    assert load(CommonSettings).kafka.replication == 3


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """An uncommented line of .env.example without a value changes nothing."""
    monkeypatch.setenv("WIRE_OTLP", "")
    assert load(CommonSettings).otlp is None


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("WIRE_KAFAK", "WIRE_KAFKA"),
        ("WIRE_REDIS_URL", "WIRE_REDIS"),
        ("WIRE_OPSPORT", "WIRE_OPS_PORT"),
        ("wire_log_levl", "WIRE_LOG_LEVEL"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_known_one(typed: str, meant: str) -> None:
    """A typing error must not leave a default in force unnoticed."""
    with pytest.raises(SettingsError, match=f"^{typed} is not a setting .* {meant}\\.$"):
        refuse_unknown({typed: "x"})


def test_variables_of_others_are_left_alone() -> None:
    """What does not begin with WIRE_, and what tests and the command read, stops nobody."""
    refuse_unknown({"PATH": "/bin", "WIRED": "1", "WIRE_TEST_KAFKA": "127.0.0.1:9092"})


def test_a_wrong_value_is_named_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the variable and the rule; the value may be a secret."""
    monkeypatch.setenv("WIRE_OPS_PORT", "hunter2")
    with pytest.raises(SettingsError, match=r"^WIRE_OPS_PORT: .*integer") as refused:
        load(CommonSettings)
    assert "hunter2" not in str(refused.value)


def test_an_aliased_variable_is_named_as_the_operator_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the field's name but the variable's stands in the sentence."""
    monkeypatch.setenv("WIRE_PROFILE", "staging")
    with pytest.raises(SettingsError, match=r"^WIRE_PROFILE: "):
        load(CommonSettings)
    assert variable(CommonSettings, "redis_url") == "WIRE_REDIS"


def test_refused_settings_are_a_misconfiguration() -> None:
    """Whoever runs processes meets one kind of error for everything an operator has to change."""
    assert issubclass(SettingsError, Misconfigured)


def test_settings_cannot_be_changed() -> None:
    """What a process was told stays as it was told."""
    settings = CommonSettings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.bind = "0.0.0.0"  # type: ignore[misc]


def test_secrets_and_passwords_are_masked_when_shown() -> None:
    """The line logged at start shows every variable, with secrets and passwords in URLs covered."""
    settings = Keyed(redis_url="redis://wire:hunter2@cache:6379/1", operator_key=SecretStr("s3cret"))
    told = shown(settings)
    assert told["WIRE_REDIS"] == f"redis://wire:{MASK}@cache:6379/1"
    assert told["WIRE_OPERATOR_KEY"] == MASK
    assert told["WIRE_KAFKA"] == "127.0.0.1:9092"


def test_a_secret_that_was_not_given_shows_as_empty() -> None:
    """A mask would say that there is one."""
    assert shown(Keyed())["WIRE_OPERATOR_KEY"] == ""
