"""Does the page about retries say what the sender does?"""

from deploy.retry_page import PAGE, page


def test_the_page_is_printed_from_the_schedule() -> None:
    """`python -m deploy.retry_page` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m deploy.retry_page"
