"""A dateline is found at the head of a story, and only where it names a place."""

from datetime import UTC, datetime

import pytest

from services.enrich.dateline import read_dateline
from services.enrich.gazetteer import Gazetteer


@pytest.mark.parametrize(
    ("text", "located", "country", "day"),
    [
        ("KABUL, Afghanistan, July 6 (Agency) - Fighters", "Kabul, Afghanistan", "AF", (7, 6)),
        ("MAZAR-E-SHARIF, Afghanistan — Fighters", "Mazar-e Sharif, Afghanistan", "AF", None),
        ("Srinagar, July 06 (KNO): Fighters", "Srinagar", "IN", (7, 6)),
        ("WASHINGTON (Agency) — Fighters", "Washington", "US", None),
        ("NAIROBI -- Fighters", "Nairobi", "KE", None),
        ("PARIS, Texas – Fighters", "Paris, Texas", "US", None),
        ("LONDON, Ontario - Fighters", "London, Ontario", "CA", None),
        ("PARIS, Sept. 12 - Fighters", "Paris", "FR", (9, 12)),
        ("Madrid, 6 jul (Agencia).- Fighters", "Madrid", "ES", (7, 6)),
        ("BERLIN, 3. März (Agentur) – Fighters", "Berlin", "DE", (3, 3)),
        ("КАБУЛ, 6 июля (Агентство) — Fighters", "Kabul", "AF", (7, 6)),
        ("كابل (وكالة) - Fighters", "Kabul", "AF", None),
        ("北京7月6日（通讯社）— Fighters", "Beijing", "CN", (7, 6)),
    ],
)
def test_a_dateline_tells_place_and_day(
    gazetteer: Gazetteer, text: str, located: str, country: str, day: tuple[int, int] | None
) -> None:
    """The place is spelt as the gazetteer does, the copy begins behind the dash."""
    found = read_dateline(text, gazetteer)
    assert found is not None
    assert (found.located, found.place.country, found.day) == (located, country, day)
    assert text[found.end :] == "Fighters"


@pytest.mark.parametrize(
    "text",
    [
        "Reuters - Shares fell",
        "AP - Shares fell",
        "The minister – a lawyer – resigned",
        "London – the city of bankers – slept",
        "London: a city of bankers",
        "Shares fell in LONDON - and rose again",
        "XANADUVILLE, July 6 (Agency) - Fighters",
        "KABUL, Nowhereland (Agency) - Fighters",
        "- - -",
        "",
    ],
)
def test_what_names_no_place_is_no_dateline(gazetteer: Gazetteer, text: str) -> None:
    """Agency credits and asides stand before dashes as well."""
    assert read_dateline(text, gazetteer) is None


def test_the_agency_is_told(gazetteer: Gazetteer) -> None:
    """What stands in brackets is the agency whose copy it is."""
    found = read_dateline("KABUL, July 6 (Hill & Valley News) - Fighters", gazetteer)
    assert found is not None
    assert found.agency == "Hill & Valley News"


@pytest.mark.parametrize(
    ("filed", "far"),
    [
        (datetime(2021, 7, 6, tzinfo=UTC), False),
        (datetime(2021, 7, 9, 23, tzinfo=UTC), False),
        (datetime(2021, 7, 10, tzinfo=UTC), True),
        (None, False),
    ],
)
def test_an_old_dateline_is_noticed(gazetteer: Gazetteer, filed: datetime | None, far: bool) -> None:
    """Copy whose dateline is days away from its filing is often a resend."""
    found = read_dateline("KABUL, July 6 - Fighters", gazetteer)
    assert found is not None
    assert found.is_far_from(filed) is far


def test_the_turn_of_the_year_is_not_far(gazetteer: Gazetteer) -> None:
    """A dateline has no year: 31 December and 1 January are neighbours."""
    found = read_dateline("KABUL, Dec 31 - Fighters", gazetteer)
    assert found is not None
    assert not found.is_far_from(datetime(2022, 1, 1, tzinfo=UTC))
