"""Does the product's own word agree with what was planned and what was seen? Row by row."""

from collections.abc import Iterator

from tests.chaos.books import Account, Entry
from tests.chaos.history import History, Violation, kill_of, was_released
from tests.chaos.recordings import overlaps

NEAR_S = 30.0
"""A fault so soon after an arrival may have kept its record from being written."""
_ENDED = frozenset({"delivered", "superseded", "killed"})


def judge_agreement(history: History) -> Iterator[Violation]:
    """Yield every receipt that is not as planned, every delivery row that was not so, every view that shows else."""
    for account in history.ledger.accounts.values():
        if account.broken:
            yield Violation("answer", account.story.story_id, "the driver", f"{account.story.case}: {account.broken}")
        for number, entry in enumerate(account.entries):
            yield from _receipt(account, number, entry)
    if history.rows is not None:
        yield from _deliveries(history)
    yield from _views(history)
    for service, key in history.dead_letters:
        if key in history.ledger.accounts:
            yield Violation("parked", key, service, "a record of what was accepted is a dead letter")
    yield from _quarantine(history)
    for ended in history.unasked_ends:
        yield Violation("ended", "-", "the product", ended)
    for event in history.events:
        if not event.healthy:
            yield Violation("not healthy", "-", event.whom, f"after {event.kind} it needed a human")


def _quarantine(history: History) -> Iterator[Violation]:
    """What cannot be read is refused, and kept for whoever wants to know."""
    unreadable = sum(entry.status == 422 for _, entry in history.ledger.entries())
    kept = sum(service == "ingest" for service, _ in history.dead_letters)
    if kept < unreadable:
        yield Violation("quarantine", "-", "the door", f"{unreadable} filings were unreadable, {kept} are kept")


def _receipt(account: Account, number: int, entry: Entry) -> Iterator[Violation]:
    story_id, step = account.story.story_id, entry.step
    if not entry.accepted:
        return
    if entry.twice and step.again is None and entry.tries == 1:
        yield Violation("answer", story_id, "the door", f"step {number} is called a duplicate, and was filed once")
    expected = account.entries[step.again].step.ends if entry.twice and step.again is not None else step.ends
    if entry.receipt not in expected:
        detail = (
            f"{account.story.case} step {number}: {entry.receipt or 'no receipt'}, not {' or '.join(sorted(expected))}"
        )
        yield Violation("receipt", story_id, "the desk", detail)
    if step.act == "file" and entry.lane and (entry.lane == "flash") != step.flash and not entry.twice:
        yield Violation("lane", story_id, "the door", f"step {number} of urgency {step.urgency} rides {entry.lane}")


def _deliveries(history: History) -> Iterator[Violation]:
    """A release that came and was taken is delivered by the product's log, and the other way round."""
    rows = history.rows or {}
    endpoints = {listener.endpoint_id: listener for listener in history.listeners if listener.is_endpoint}
    for listener in endpoints.values():
        taken = {(one.story_id, one.release_no): one.at for one in reversed(listener.came) if one.taken}
        for (story_id, release_no), at in taken.items():
            state = rows.get((listener.endpoint_id, story_id, release_no))
            excused = state in _ENDED and overlaps(history.windows, at, at + NEAR_S)
            if state != "delivered" and not excused:
                detail = f"release {release_no} was taken, the product says {state or 'nothing'}"
                yield Violation("row", story_id, listener.name, detail)
        for (endpoint_id, story_id, release_no), state in rows.items():
            if endpoint_id == listener.endpoint_id and state == "delivered" and (story_id, release_no) not in taken:
                detail = f"release {release_no} never came, the product says delivered"
                yield Violation("row", story_id, listener.name, detail)


def _views(history: History) -> Iterator[Violation]:
    for story_id, wrong in history.view_errors:
        yield Violation("view", story_id, "the views", wrong)
    for story_id, reading in history.readings.items():
        account = history.ledger.accounts[story_id]
        expected = _page_of(account)
        shown = reading.status if reading.item is None else (reading.status, *reading.item.key)
        if shown not in expected:
            yield Violation("view", story_id, "its page", f"{account.story.case}: {shown}, not {expected}")


def _page_of(account: Account) -> list[int | tuple[int | str, ...]]:
    """What the page of a story may answer once everything is settled."""
    if kill_of(account):
        return [410]
    released = [entry.step.key for entry in account.entries if was_released(entry) and entry.step.key]
    return [(200, *released[-1])] if released else [404]
