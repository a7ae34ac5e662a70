"""Contact and payment data are found by form and checksum, and news figures are not taken for them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.enrich.contacts import ContactKind, find_contacts


@pytest.mark.parametrize(
    ("kind", "text", "written"),
    [
        (ContactKind.PHONE, "Ring +44 20 7946 0958 today.", "+44 20 7946 0958"),
        (ContactKind.PHONE, "Ring 0044 20 7946 0958 today.", "0044 20 7946 0958"),
        (ContactKind.PHONE, "Ring +1 (202) 555-0123.", "+1 (202) 555-0123"),
        (ContactKind.EMAIL, "Write to desk.two+tips@news.example.org.", "desk.two+tips@news.example.org"),
        (ContactKind.CARD, "Card 4111 1111 1111 1111 was used.", "4111 1111 1111 1111"),
        (ContactKind.CARD, "Card 378282246310005 was used.", "378282246310005"),
        (ContactKind.IBAN, "Pay to DE89 3704 0044 0532 0130 00 now.", "DE89 3704 0044 0532 0130 00"),
        (ContactKind.IBAN, "Pay to GB82WEST12345698765432.", "GB82WEST12345698765432"),
        (ContactKind.IBAN, "Pay GB82 WEST 1234 5698 7654 32 2021 USD", "GB82 WEST 1234 5698 7654 32"),
    ],
)
def test_it_is_found_where_it_stands(kind: ContactKind, text: str, written: str) -> None:
    """The hit gives kind and place; the value stays in the text."""
    (hit,) = find_contacts(text)
    assert (hit.kind, text[hit.start : hit.end]) == (kind, written)


@pytest.mark.parametrize(
    "text",
    [
        "It counted 1,037 soldiers at a 910-kilometer (565-mile) border, 2,500-3,500 more left in 2021.",
        "Gold rose 450 to 99,620 per 10 g; the index closed at 24 312.85 on 3/7/2021 10:30.",
        "Card 4111 1111 1111 1112 fails its check.",
        "Pay to DE89 3704 0044 0532 0130 01 fails its check.",
        "Order 0000 0000 0000 0000 is no card.",
        "Follow @desk or mail me @ work; a@b is none.",
        "The ISBN 978-3-16-148410-0 and the case 2021-12345678 are on file.",
        "In 2019, 2020 and 2021 some 20 000 000 people voted.",
        "Call 1914 a turning point.",
        "",
    ],
)
def test_figures_in_the_news_are_none(text: str) -> None:
    """A label that fires on every story is read by nobody."""
    assert find_contacts(text, country="US") == ()


def test_a_national_number_needs_its_country_and_a_word_for_it() -> None:
    """Ten digits are a number to dial only if the copy says so."""
    cued, bare = "Call 202-555-0123 for help.", "Unit 202-555-0123 broke."
    assert [hit.kind for hit in find_contacts(cued, country="US")] == [ContactKind.PHONE]
    assert find_contacts(cued) == ()
    assert find_contacts(bare, country="US") == ()


def test_a_card_is_not_also_a_phone() -> None:
    """What is one thing is not reported as another at the same place."""
    hits = find_contacts("Call card 4111 1111 1111 1111 now, or desk@news.example.", country="US")
    assert [hit.kind for hit in hits] == [ContactKind.CARD, ContactKind.EMAIL]


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("0123456789 +-().@aB.,\n"), max_size=300))
def test_hits_lie_in_the_text_and_apart(text: str) -> None:
    """Whatever the text, hits are ordered, inside it and without overlap."""
    hits = find_contacts(text, country="IN")
    edges = [edge for hit in hits for edge in (hit.start, hit.end)]
    assert edges == sorted(edges)
    assert all(0 <= hit.start < hit.end <= len(text) for hit in hits)
