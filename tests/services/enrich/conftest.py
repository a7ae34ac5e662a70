"""What the enrichment tests share: the loaded steps and the two judges of ninjs."""

import pytest

from services.enrich.gazetteer import Gazetteer
from services.enrich.language import LanguageReader
from services.enrich.steps import Steps
from services.enrich.topics import TopicLexicon
from tests.services.enrich.validity import NinjsValidity


@pytest.fixture(scope="session")
def steps() -> Steps:
    """The chain as a worker loads it."""
    return Steps.load()


@pytest.fixture(scope="session")
def gazetteer() -> Gazetteer:
    """All names."""
    return Gazetteer.load()


@pytest.fixture(scope="session")
def lexicon() -> TopicLexicon:
    """All words, concepts and sections."""
    return TopicLexicon.load()


@pytest.fixture(scope="session")
def reader() -> LanguageReader:
    """The language model."""
    return LanguageReader.load()


@pytest.fixture(scope="session")
def ninjs() -> NinjsValidity:
    """The judges of ninjs 3.1; skips where the schema is absent."""
    return NinjsValidity.load()
