"""How far has a named client come, over all its connections to this process?"""

from collections import OrderedDict
from typing import Final

MOST: Final = 50_000


class Acknowledged:
    """The last cursor that each (subscriber, name) acknowledged; of too many the longest silent are forgotten.

    In this process's memory only: a help for clients that keep nothing, and `hello` tells them where they begin.
    """

    def __init__(self) -> None:
        self._cursors: OrderedDict[tuple[str, str], str] = OrderedDict()

    def note(self, subscriber: str, name: str, cursor: str) -> None:
        """Remember a cursor of a client that has a name."""
        if not name:
            return
        self._cursors[subscriber, name] = cursor
        self._cursors.move_to_end((subscriber, name))
        if len(self._cursors) > MOST:
            self._cursors.popitem(last=False)

    def of(self, subscriber: str, name: str) -> str | None:
        """The cursor, if the client has a name and it is known here."""
        return self._cursors.get((subscriber, name))
