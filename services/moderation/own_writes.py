"""Which records on the topics that only the owner writes are not its own, though they lie behind its own?"""

from shared.platform.topics import Topic


class OwnWrites:
    """Where this process last wrote each key, until it has read that back; and the term it writes under.

    A term is higher than that of everything its owner found when it began: of two records of one story the one
    of the higher term counts, wherever they lie.
    """

    def __init__(self) -> None:
        self.term = 0
        self._last: dict[tuple[Topic, str], int] = {}

    def begin(self, highest_found: int) -> None:
        """Begin a term after those that were found on the topics."""
        self.term = max(self.term, highest_found) + 1

    def wrote(self, topic: Topic, key: str, offset: int) -> None:
        """Our record of the key is confirmed there."""
        self._last[topic, key] = max(offset, self._last.get((topic, key), -1))

    def is_strange(self, topic: Topic, key: str, offset: int) -> bool:
        """Tell whether a record that was read lies behind all that is known to be ours.

        Reading comes before the confirmation now and then: ask again once the story's writes are confirmed.
        """
        last = self._last.get((topic, key))
        if last is None or offset > last:
            return True
        if offset == last:
            del self._last[topic, key]  # whatever comes behind it is strange again
        return False
