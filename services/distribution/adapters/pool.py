"""Which open connection may the next POST to this receiver go over?"""

import resource

from services.distribution.adapters.budgets import Budgets
from services.distribution.adapters.connection import Connection, Origin


class Pool:
    """Every open connection, and those that lie idle by origin, the one used last on top.

    To take one is to trust its address for `max_age` since it was vetted: no name is looked up for a kept connection.
    The one used last is the one least likely to be dead, and those below it reach their time limit. When `kept`
    lie idle, or half as many as this process may open files, no more are kept: others need some too.
    """

    def __init__(self, budgets: Budgets) -> None:
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = budgets.kept if files == resource.RLIM_INFINITY else min(budgets.kept, files // 2)
        self._open: set[Connection] = set()
        self._idle: dict[Origin, list[Connection]] = {}
        self._idle_count = 0
        self._closed = False

    def __len__(self) -> int:
        """Return how many connections are open, idle or not."""
        return len(self._open)

    def take(self, origin: Origin) -> Connection | None:
        """Return a connection that may be written to at once, or None."""
        stack = self._idle.get(origin)
        while stack:
            connection = stack.pop()
            connection.idle = False
            self._idle_count -= 1
            if connection.fit:
                return connection
            connection.drop()
        return None

    def add(self, connection: Connection) -> None:
        """A connection was made; it is in use."""
        self._open.add(connection)
        if self._closed:
            connection.drop()

    def give(self, connection: Connection) -> None:
        """A connection is free again."""
        if self._closed or not connection.open or self._idle_count >= self._most:
            connection.drop()
            return
        stack = self._idle.get(connection.origin)
        if stack is None:
            stack = self._idle[connection.origin] = []
        stack.append(connection)
        self._idle_count += 1
        connection.rest()

    def lost(self, connection: Connection) -> None:
        """A connection is gone."""
        self._open.discard(connection)
        stack = self._idle.get(connection.origin)
        if stack is None:
            return
        if connection.idle:
            stack.remove(connection)
            self._idle_count -= 1
        if not stack:
            del self._idle[connection.origin]

    def close(self) -> None:
        """Hang up everywhere, now and whenever a connection comes in later."""
        self._closed = True
        for connection in tuple(self._open):
            connection.drop()
