"""Where does a word begin and end, in scripts that use spaces and in those that do not?"""

import re
import unicodedata

# Han, kana, Thai, Lao, Burmese, Khmer: words stand side by side without a space between them.
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
HANGUL = re.compile(r"[\uac00-\ud7a3]")
_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_ARABIC_PREFIX = frozenset("وبلفك")
_HEBREW_PREFIX = frozenset("בלמוהשכ")
# Case endings of Russian and Ukrainian place names in the singular; the empty one is the bare stem.
_CYRILLIC_ENDINGS = frozenset(("", *"аеёийоуыьюяіїє", "ом", "ой", "ей", "ем", "ию", "ии", "ия", "ією", "ою", "ю"))
_STEM_LETTERS = "аеийоуыьюяї"


def is_unspaced(text: str) -> bool:
    """Say whether `text` holds a character of a script that is written without spaces."""
    return UNSPACED.search(text) is not None


def begins_word(text: str, start: int) -> bool:
    """Say whether a word may begin at `start`; Arabic and Hebrew prefixes, at most two letters, are no part of it."""
    if start == 0 or not _is_letter(text[start - 1]) or UNSPACED.match(text[start]):
        return True
    for length in (1, 2):
        prefix = text[max(0, start - length) : start]
        if not (_ARABIC_PREFIX.issuperset(prefix) or _HEBREW_PREFIX.issuperset(prefix)):
            return False
        if start <= length or not _is_letter(text[start - length - 1]):
            return True
    return False


def ends_word(text: str, end: int, *, plural: bool = False) -> bool:
    """Say whether a word may end before `end`; with `plural` a following s belongs to it."""
    last = text[end - 1]
    if UNSPACED.match(last) or HANGUL.match(last):
        return True
    if _CYRILLIC.match(last):
        return _rest_of_word(text, end) in _CYRILLIC_ENDINGS
    if end >= len(text) or not _is_letter(text[end]):
        return True
    return plural and text[end] == "s" and (end + 1 >= len(text) or not _is_letter(text[end + 1]))


def stem(name: str) -> str:
    """Give the part of a Cyrillic name that its case endings leave alone; any other name as it is."""
    if len(name) > 4 and not name.isascii() and _CYRILLIC.match(name[-1]):
        return name.rstrip(_STEM_LETTERS) if len(name.rstrip(_STEM_LETTERS)) > 3 else name
    return name


def _rest_of_word(text: str, end: int) -> str:
    """Give at most four letters that follow; a longer rest is no case ending."""
    stop = end
    while stop < len(text) and stop < end + 4 and _is_letter(text[stop]):
        stop += 1
    return text[end:stop]


def _is_letter(char: str) -> bool:
    """Vowel signs and other combining marks (Devanagari, Arabic) carry a word on."""
    return char.isalnum() or char == "_" or unicodedata.category(char).startswith("M")
