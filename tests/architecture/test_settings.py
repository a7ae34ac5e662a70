"""Is every setting known, explained and shown in .env.example?"""

import pytest

from deploy.env_example import EXAMPLE, example, settings_classes, variables
from shared.platform.known_settings import ELSEWHERE, KNOWN
from shared.platform.settings import CommonSettings

ALL = {name: meaning for _, settings in settings_classes() for name, meaning in variables(settings).items()}


def test_every_setting_of_every_service_is_known_and_no_other() -> None:
    """A setting missing from KNOWN would stop its own service; one too many would let a typing error pass."""
    assert sorted(KNOWN) == sorted(ALL)


def test_no_variable_is_known_twice() -> None:
    """What services read and what tests, command and runner read are two lists without overlap."""
    assert len({*KNOWN, *ELSEWHERE}) == len(KNOWN) + len(ELSEWHERE)


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_setting_says_what_it_means(name: str) -> None:
    """Each field has a description, which is all that an operator reads."""
    assert len(ALL[name][0]) > 10


def test_services_share_the_common_settings() -> None:
    """Every service's class inherits from CommonSettings, so that one line configures Kafka for all."""
    assert all(issubclass(settings, CommonSettings) for _, settings in settings_classes())


def test_the_example_is_what_the_classes_say() -> None:
    """.env.example lists every setting with meaning and default; `python -m deploy.env_example` writes it anew."""
    assert EXAMPLE.read_text(encoding="utf-8") == example(), "run: python -m deploy.env_example"


def test_one_variable_has_one_default() -> None:
    """Two services that read one variable fall back to the same, so that the page above is true of both."""
    defaults: dict[str, str] = {}
    for _, settings in settings_classes():
        for name, (_, default) in variables(settings).items():
            assert defaults.setdefault(name, default) == default, name
