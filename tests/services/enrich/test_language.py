"""The language of a story is read off its text; a source's word counts where the text cannot tell."""

import pytest

from services.enrich.language import LanguageReader
from tests.services.enrich.samples import ENGLISH, IN_LANGUAGES


@pytest.mark.parametrize(("language", "text"), IN_LANGUAGES.items())
def test_a_story_tells_its_language(reader: LanguageReader, language: str, text: str) -> None:
    """A few sentences are enough, in any script."""
    found = reader.read(text, None, None)
    assert found is not None
    assert (found.tag, found.disputed) == (language, False)


def test_nothing_is_said_of_a_line_from_an_unknown_source(reader: LanguageReader) -> None:
    """No language is better than a wrong one."""
    assert reader.read("Rates up", None, None) is None


def test_a_short_text_of_a_word_script_tells_enough(reader: LanguageReader) -> None:
    """Thirty Chinese characters say more than thirty letters."""
    found = reader.read("政府周二宣布将提高利率，以应对不断上升的物价和货币贬值的压力。", None, "en")
    assert found is not None
    assert found.tag == "zh"


def test_the_declared_variant_is_kept_where_the_copy_agrees(reader: LanguageReader) -> None:
    """A declared en-GB says more than the en that the text shows."""
    found = reader.read(ENGLISH, "EN-GB", None)
    assert found is not None
    assert (found.tag, found.disputed) == ("en-GB", False)


def test_a_declaration_that_the_copy_contradicts_is_disputed(reader: LanguageReader) -> None:
    """Pages declare the language of their template; subscribers want that of the text."""
    found = reader.read(IN_LANGUAGES["ru"], "en", None)
    assert found is not None
    assert (found.tag, found.disputed) == ("ru", True)


def test_a_source_that_usually_writes_otherwise_disputes_nothing(reader: LanguageReader) -> None:
    """Its usual language is a hint for the reader, no declaration of the story."""
    found = reader.read(IN_LANGUAGES["ru"], None, "en")
    assert found is not None
    assert (found.tag, found.disputed) == ("ru", False)


def test_what_is_no_language_has_none(reader: LanguageReader) -> None:
    """A table of figures and codes must not become an exotic language."""
    assert reader.read("xq zzkr vvt " * 12 + "1 2 3", None, None) is None


class _SaysIndonesian:
    """Takes every text for Indonesian, and is sure of it."""

    def classify(self, text: str) -> tuple[str, float]:
        return "id", 0.99


def test_a_line_is_too_short_to_tell_and_the_source_is_believed() -> None:
    """Below sixty letters even a sure guess is worth less than knowing who wrote it."""
    found = LanguageReader(_SaysIndonesian()).read("Central bank raises rates", None, "tg")
    assert found is not None
    assert found.tag == "tg"


@pytest.mark.parametrize(("declared", "expected"), [("ms", "ms"), ("en", "id")])
def test_the_declaration_breaks_the_tie_between_languages_that_look_alike(declared: str, expected: str) -> None:
    """Malay and Indonesian are told apart by the source's word; English is not taken for either."""
    found = LanguageReader(_SaysIndonesian()).read(ENGLISH, declared, None)
    assert found is not None
    assert found.tag == expected


@pytest.mark.parametrize("nonsense", ["", "und", "english language", "x"])
def test_what_is_no_language_tag_is_not_believed(reader: LanguageReader, nonsense: str) -> None:
    """A wrong tag must not become the language of a short line."""
    assert reader.read("Rates up", nonsense, nonsense) is None
