"""Where figures are kept: `docs/benchmarks.md`, a part for each command, so that one run replaces only its own."""

import re

from deploy.local.layout import PROJECT

KEPT_IN = PROJECT / "docs" / "benchmarks.md"


def keep(command: str, part: str) -> None:
    """Put `part` (Markdown, from its heading on) where the last run of `command` stands, else at the end."""
    KEPT_IN.write_text(replaced(KEPT_IN.read_text(encoding="utf-8"), command, part), encoding="utf-8")


def replaced(page: str, command: str, part: str) -> str:
    """The page with the part of one command exchanged."""
    begins, ends = f"<!-- {command} -->\n", f"<!-- end of {command} -->\n"
    new = f"{begins}{part.strip()}\n{ends}"
    found = re.compile(f"{re.escape(begins)}.*?{re.escape(ends)}", re.DOTALL)
    if found.search(page):
        return found.sub(lambda _: new, page)
    return f"{page.rstrip()}\n\n{new}"
