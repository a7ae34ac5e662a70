"""May this process be given work (ready), and must it be replaced (live)? Named checks with their reasons."""

from collections.abc import Callable

from shared.platform.metrics import READY

Reasons = dict[str, str]


class Health:
    """The checks of one process; ready means able to take work now, live means worth keeping.

    `expected` names checks that must have been set before the process counts as ready.
    """

    def __init__(self, *expected: str) -> None:
        self._failing: Reasons = dict.fromkeys(expected, "starting")
        self._dead: Reasons = {}
        self._watched: dict[str, Callable[[], str]] = {}
        READY.set_function(lambda: float(self.ready()[0]))  # the process has one Health; its last one counts

    def set(self, name: str, ok: bool, reason: str = "") -> None:
        """Record a check; `reason` says in words why it fails (no story text, no secret)."""
        if ok:
            self._failing.pop(name, None)
        else:
            self._failing[name] = reason or "not ok"

    def watch(self, name: str, reason: Callable[[], str]) -> None:
        """Ask `reason` at every look; an empty answer means ok. For facts that age, such as a heartbeat."""
        self._watched[name] = reason

    def condemn(self, name: str, reason: str) -> None:
        """Say that this process cannot recover by itself; whoever runs it should replace it."""
        self._dead[name] = reason

    def ready(self) -> tuple[bool, Reasons]:
        """Whether work may be sent here, and the failing checks with their reasons."""
        reasons = self._failing | self._asked() | self._dead
        return not reasons, reasons

    def live(self) -> tuple[bool, Reasons]:
        """Whether the process is worth keeping; that it answers at all says its event loop turns."""
        return not self._dead, dict(self._dead)

    def _asked(self) -> Reasons:
        answers = {name: reason() for name, reason in self._watched.items()}
        return {name: reason for name, reason in answers.items() if reason}
