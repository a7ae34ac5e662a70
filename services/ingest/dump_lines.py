"""What is one line of a dumped page: a sentence, a bullet, the site's furniture, or the end of the story?"""

import re
from dataclasses import dataclass
from typing import Final

from services.ingest.cleaning import comparable, one_line
from services.ingest.dump_phrases import BUTTONS, INTERRUPTIONS, SIGNPOSTS

_CLOSERS: Final = "\"'”’»›)]）」』】〉》*"
_SENTENCE_MARKS: Final = tuple(".!?…。！？．｡।॥؟۔։።")
_BULLETS: Final = tuple("•◦‣▪●·*-–—»>")
# Scripts written without spaces between words; two characters make about one word.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)

_STOP_STARTS: Final = re.compile(
    r"(?:\d[\d.,]*[km]? (?:shares?|views?|likes?|min(?:ute)?s? read|reads?)(?: \w+)?$|\d+[km]?$|share ?tweet"
    r"|we use cookies|this (?:site|website) uses cookies|by continuing to (?:use|browse)|accept (?:all )?cookies"
    r"|your email address will not|required fields are|please enter your|sign up (?:for|to)|subscribe (?:to|for|now)"
    r"|enter your email|read more:|read also:|also read:|related:|see also:|click here|download our app|follow us"
    r"|share (?:this|on|via)\b|story continues|article continues|©|copyright ©|\(c\) ?\d{4}|all rights reserved"
    r"|यह भी पढ़ें|اقرأ أيضا|اقرأ أيضًا|相关阅读|责任编辑|版权所有)",
    re.I,
)
_COUNTED: Final = re.compile(
    r"\d+ (?:comments?|replies|responses)(?: (?:on|to) .{0,200})?|(?:comments?|replies|responses) ?\(?\d*\)?", re.I
)

_STOP_WORDS: Final = 30  # a longer line is copy, however it starts
_LOOKED_AT: Final = 240


@dataclass(frozen=True, slots=True)
class Line:
    """One non-blank line of a dump. `number` counts from 1; `text` has no space at its ends; `words` are estimated."""

    number: int
    text: str
    words: int
    is_sentence: bool
    is_bullet: bool
    interrupts: bool
    is_stop: bool
    is_end: bool
    after_blank: bool

    @property
    def is_furniture(self) -> bool:
        """Whether the line can be no part of a story's text."""
        return self.interrupts or self.is_stop or self.is_end


def line_of(number: int, raw: str, after_blank: bool) -> Line:
    """Classify one line; `raw` holds something beside spaces."""
    text = raw.strip()
    words = word_count(text)
    is_bullet = text.startswith(_BULLETS) and text[1:2].isspace()
    short = comparable(text) if len(text) <= 60 else ""
    spaced = one_line(text[:_LOOKED_AT])
    return Line(
        number=number,
        text=text,
        words=words,
        is_sentence=ends_as_sentence(text),
        is_bullet=is_bullet,
        interrupts=short in INTERRUPTIONS,
        is_stop=words == 0 or short in BUTTONS or (words <= _STOP_WORDS and bool(_STOP_STARTS.match(spaced))),
        is_end=not is_bullet and words <= 12 and (short in SIGNPOSTS or bool(_COUNTED.fullmatch(spaced))),
        after_blank=after_blank,
    )


def without_bullet(text: str) -> str:
    """`text` less the bullet at its start."""
    return text.lstrip("".join(_BULLETS) + " \t")


def word_count(text: str) -> int:
    """Words in `text`: runs between spaces that hold a letter or digit, and half the characters of unspaced scripts."""
    unspaced = len(_UNSPACED.findall(text))
    rest = _UNSPACED.sub(" ", text) if unspaced else text
    return (unspaced + 1) // 2 + sum(any(map(str.isalnum, run)) for run in rest.split())


def ends_as_sentence(text: str) -> bool:
    """Whether `text` ends in a sentence mark of any script, closing quotes and brackets aside."""
    return text.rstrip(_CLOSERS).endswith(_SENTENCE_MARKS)
