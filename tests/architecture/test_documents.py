"""Do the documents name things that exist? A test that is promised but gone is worse than none."""

import re
from pathlib import Path

from tests.chaos.points import CRASH_TABLE

ROOT = Path(__file__).resolve().parents[2]


def test_every_test_named_in_the_architecture_exists() -> None:
    """Paths are files or folders, and names behind `::` are functions in them."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    missing, last = [], ""
    for named in re.findall(r"`((?:tests/|…::)[^`]*)`", text):
        path, _, function = named.partition("::")
        last = path if path != "…" else last
        place = ROOT / last
        if not place.exists() or (function and f"def {function}(" not in place.read_text()):
            missing.append(named)
    assert not missing


def test_every_link_between_documents_leads_somewhere() -> None:
    """Relative links in README, ARCHITECTURE and docs."""
    pages = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")]
    links = [(page, target) for page in pages for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page, target in links
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken


def test_the_crash_table_has_every_row_that_chaos_kills_at() -> None:
    """In the same order and words, each with a test."""
    [table] = re.findall(r"## The crash table\n(.*?)\n## ", (ROOT / "ARCHITECTURE.md").read_text(), re.DOTALL)
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert [row[0].removeprefix("| ") for row in rows] == [row.killed for row in CRASH_TABLE]
    assert all("`tests/" in row[-1] for row in rows)
