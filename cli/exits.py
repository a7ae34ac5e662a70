"""How does the `wire` command end? One code per kind of ending, the same for every command (docs/cli.md)."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; scripts may rely on them."""

    OK = 0
    FAILED = 1  # refused, rejected, killed, superseded, or gone wrong
    USAGE = 2  # the command line, or a file that cannot be read
    NEEDS_SOMEBODY = 3  # held, or waiting for a second person, or a reader that does not move
    NOT_FOUND = 4
    NO_ACCESS = 5  # no key, an unknown key, or one without the scope
    UNREACHABLE = 6  # nobody answers, or not at the moment
    INTERRUPTED = 130


class Ended(Exception):
    """The command ends here; `str(error)` is a sentence for the person at the terminal."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
