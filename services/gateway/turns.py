"""Who may read a thing and write it anew just now? One at a time in this process; others' things are not waited for."""

import asyncio
from weakref import WeakValueDictionary


class Turns:
    """A lock for each name, there as long as somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())
