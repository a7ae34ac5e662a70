"""Does a story carry somebody's telephone number, e-mail address, card or account, and where?"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import phonenumbers

_READ_CHARS = 262_144
# A list of numbers is found by its first ones; the rest would only cost time.
_MOST_OF_A_KIND = 50
_MOST_TRIED = 200
_LOCAL_PART = re.compile(r"[A-Za-z0-9._%+'-]{1,64}$")
_DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])")
_IBAN = re.compile(r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?:[ \xa0]?[A-Z0-9]{4}){2,7}(?:[ \xa0]?[A-Z0-9]{1,4})?(?![A-Z0-9])")
_CARD = re.compile(r"(?<![\d.,-])[3-6]\d{3}(?:[ -]?\d){9,15}(?![\d-])")
_PHONE = re.compile(r"(?<![\w.,/-])(?:\+|00)?\(?\d(?:[ ().\-/\xa0]{0,2}\d){6,16}(?![\d\w])")
_PHONE_CUE = re.compile(
    r"(?:call|phone|tel|telephone|mobile|whatsapp|contact|fax|hotline|helpline)\W{0,3}(?:\w+\W{1,2}){0,3}$"
)
# Digits of a card by its first one: travel cards, Visa, Mastercard, Discover and UnionPay.
_CARD_LENGTHS = {"3": (14, 15, 16), "4": (13, 16, 19), "5": (16,), "6": (16, 19)}
# Lengths by country, from the registry of ISO 13616.
_IBAN_LENGTHS = {
    country: int(length)
    for length, countries in (
        row.split(":")
        for row in (
            "15:NO", "16:BE", "18:DK FI FO GL NL", "19:MK SI", "20:AT BA EE KZ LT LU XK", "21:CH HR LI LV",
            "22:BG BH CR DE GB GE IE ME RS VA", "23:AE GI IL IQ TL", "24:AD CZ ES MD PK RO SA SE SK TN VG",
            "25:LY PT ST", "26:IS TR", "27:FR GR IT MC MR SM", "28:AL AZ BY CY DO GT HU LB PL SV",
            "29:BR EG PS QA UA", "30:JO KW MU", "31:MT SC", "32:LC",
        )
    )
    for country in countries.split()
}  # fmt: skip


class ContactKind(StrEnum):
    """What was found; the label on the story is `contact-data:<kind>`."""

    EMAIL = "email"
    IBAN = "iban"
    CARD = "card"
    PHONE = "phone"

    @property
    def label(self) -> str:
        return f"contact-data:{self.value}"


@dataclass(frozen=True, slots=True)
class ContactHit:
    """Where in the text/plain body something stands, as character offsets; never what it is."""

    kind: ContactKind
    start: int
    end: int


def find_contacts(text: str, *, country: str | None = None) -> tuple[ContactHit, ...]:
    """Give what of `text` reaches or charges a person, left to right, without overlaps.

    Cards pass Luhn's check, accounts ISO 13616's, telephone numbers the numbering plans; a number without + needs
    a word such as "call" before it and `country` (ISO 3166 alpha-2), whose plan it is read by.
    """
    text = text[:_READ_CHARS]
    found: list[ContactHit] = []
    for hits in (_emails(text), _ibans(text), _cards(text), _phones(text, country)):
        found.extend(hit for hit in _first(hits) if not any(hit.start < o.end and o.start < hit.end for o in found))
    return tuple(sorted(found, key=lambda hit: hit.start))


def _first(hits: Iterable[ContactHit]) -> Iterator[ContactHit]:
    for count, hit in enumerate(hits):
        if count >= _MOST_OF_A_KIND:
            return
        yield hit


def _emails(text: str) -> Iterator[ContactHit]:
    """Look around each @, so that a text without one costs nothing and no expression runs back over long words."""
    at = text.find("@")
    while at != -1:
        local, domain = _LOCAL_PART.search(text[max(0, at - 65) : at]), _DOMAIN.match(text, at + 1)
        if local is not None and domain is not None and not local[0].startswith("."):
            yield ContactHit(ContactKind.EMAIL, at - len(local[0]), domain.end())
        at = text.find("@", at + 1)


def _ibans(text: str) -> Iterator[ContactHit]:
    """Cut each candidate to its country's length before the check: what follows an account may look like more of it."""
    for candidate in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(candidate[0][:2])
        end = candidate.start()
        taken = ""
        while length is not None and end < candidate.end() and len(taken) < length:
            taken += text[end].strip()
            end += 1
        if len(taken) == length and _mod_97(taken) == 1:
            yield ContactHit(ContactKind.IBAN, candidate.start(), end)


def _mod_97(iban: str) -> int:
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97


def _cards(text: str) -> Iterator[ContactHit]:
    for candidate in _CARD.finditer(text):
        digits = re.sub(r"\D", "", candidate[0])
        if len(digits) in _CARD_LENGTHS[digits[0]] and len(set(digits)) > 1 and _passes_luhn(digits):
            yield ContactHit(ContactKind.CARD, candidate.start(), candidate.end())


def _passes_luhn(digits: str) -> bool:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _phones(text: str, country: str | None) -> Iterator[ContactHit]:
    tried = 0
    for candidate in _PHONE.finditer(text):
        written = candidate[0]
        region = None if written.startswith("+") else _plan_for(text, candidate.start(), country)
        if written.startswith("00"):
            written, region = f"+{written[2:]}", None
        elif not written.startswith("+") and region is None:
            continue
        tried += 1
        if tried > _MOST_TRIED:
            return
        if _is_dialled(written, region):
            yield ContactHit(ContactKind.PHONE, candidate.start(), candidate.end())


def _plan_for(text: str, start: int, country: str | None) -> str | None:
    """Give the country by whose plan a bare number is read: only after a word that announces one."""
    cued = _PHONE_CUE.search(text[max(0, start - 40) : start].casefold())
    return country if cued is not None else None


def _is_dialled(written: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(written, region))
    except phonenumbers.NumberParseException:
        return False
