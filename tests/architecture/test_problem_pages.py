"""Has every kind of problem its page, and every page its kind?"""

import pytest

from shared.platform.problems import PAGES, Code


def test_every_code_has_its_page_and_every_page_its_code() -> None:
    """`type` leads to a page; a page that no answer leads to is out of date."""
    assert sorted(page.stem for page in PAGES.iterdir()) == sorted(code.page for code in Code)


@pytest.mark.parametrize("code", Code)
def test_a_page_is_about_its_code(code: Code) -> None:
    """It bears the title and status that answers bear, and says what it means and what to do."""
    text = (PAGES / f"{code.page}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {code.title}\n\n`{code.type}` · status {code.status}\n")
    assert "## What it means\n" in text
    assert "## What to do\n" in text
