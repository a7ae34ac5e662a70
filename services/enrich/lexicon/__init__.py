"""Which words, names and codes does the enrichment know? The tables beside this file, read as rows."""

from collections.abc import Iterator
from importlib.resources import files


def rows(table: str) -> Iterator[list[str]]:
    """Give the rows of `<table>.tsv`, fields split at `|`; lines that begin with `#` and empty ones are skipped."""
    text = files(__name__).joinpath(f"{table}.tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            yield [field.strip() for field in line.split("|")]


def words(table: str) -> frozenset[str]:
    """Give a table that is nothing but a list of words."""
    return frozenset(word for row in rows(table) for word in names(row[0]))


def names(field: str) -> list[str]:
    """Split one field into its names."""
    return [name.strip() for name in field.split(",") if name.strip()]
