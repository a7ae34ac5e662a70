"""The door's jobs: a feed that is polled, a folder that is watched."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.ingest.feed_poll import FeedPoll, Fetched
from services.ingest.folder_watch import FILED, REFUSED, FolderWatch
from tests.services.ingest.doors import IngestBench, principal

RSS = b"""<?xml version="1.0"?><rss version="2.0"><channel><title>Courier</title>
<item><guid>c2</guid><title>Second story of the day</title><link>https://courier.example/2</link>
<pubDate>Tue, 24 Nov 2026 09:00:00 GMT</pubDate><description>The second thing happened at noon.</description></item>
<item><guid>c1</guid><title>First story of the day</title><link>https://courier.example/1</link>
<pubDate>Tue, 24 Nov 2026 08:00:00 GMT</pubDate><description>The first thing happened at dawn.</description></item>
</channel></rss>"""
STORY = "Harbour reopens after repairs\n\nThe harbour reopened on Sunday, and the first boat carried a band.\n"


@dataclass
class Server:
    """Answers in turn, the last one for ever."""

    answers: list[Fetched | OSError] = field(default_factory=list)

    async def __call__(self) -> Fetched:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer


def poll(bench: IngestBench, *answers: Fetched | OSError) -> FeedPoll:
    job = principal("job", "desk", source="courier")
    return FeedPoll(bench.door, bench.log, Server(list(answers)), "courier", 60.0, job)


async def test_a_feed_is_filed_oldest_first_and_only_once() -> None:
    """Unchanged entries cost nothing at the next poll."""
    bench = IngestBench()
    feed = poll(bench, Fetched(RSS, 200))
    assert await feed.once() == 2
    assert await feed.once() == 0
    titles = [event.data.story["headlines"][0]["value"] for event in bench.log.filings()]
    assert titles == ["First story of the day", "Second story of the day"]


async def test_a_changed_entry_is_filed_as_the_same_story() -> None:
    """The guid is the story; other text is its next version."""
    bench = IngestBench()
    feed = poll(bench, Fetched(RSS, 200), Fetched(RSS.replace(b"at noon", b"at one"), 200))
    await feed.once()
    assert await feed.once() == 1
    newest = {event.story_id: event.version or 0 for event in bench.log.filings()}
    assert sorted(newest.values()) == [1, 2]


@pytest.mark.parametrize("trouble", [Fetched(None, 500), Fetched(None, 304), OSError("refused")])
async def test_a_feed_in_trouble_is_asked_again(trouble: Fetched | OSError) -> None:
    """What a feed's server does is no error of ours."""
    bench = IngestBench()
    feed = poll(bench, trouble, Fetched(RSS, 200))
    assert await feed.once() == 0
    assert await feed.once() == 2


async def test_a_page_instead_of_a_feed_is_kept_aside() -> None:
    """The bytes are in quarantine with the reason."""
    bench = IngestBench()
    assert await poll(bench, Fetched(b"<html><body>down for repairs</body></html>", 200)).once() == 0
    assert len(bench.log.parked) == 1


async def test_a_broker_that_is_away_loses_no_entry() -> None:
    """What was not confirmed is filed at the next poll."""
    bench = IngestBench()
    feed = poll(bench, Fetched(RSS, 200))
    bench.log.away = True
    assert await feed.once() == 0
    bench.log.away = False
    assert await feed.once() == 2


def watch(bench: IngestBench, folder: Path) -> FolderWatch:
    for name in (FILED, REFUSED):
        (folder / name).mkdir()
    return FolderWatch(folder, bench.door, bench.log, principal("job", "desk", source="folder"))


async def test_a_file_is_filed_once_it_rests(tmp_path: Path) -> None:
    """A file still being written is left alone until two looks see the same."""
    bench = IngestBench()
    job = watch(bench, tmp_path)
    (tmp_path / "one.txt").write_text(STORY[:20])
    await job.look()
    (tmp_path / "one.txt").write_text(STORY)
    await job.look()
    assert bench.log.filings() == []
    await job.look()
    assert len(bench.log.filings()) == 1
    assert (tmp_path / FILED / "one.txt").exists()


async def test_a_file_nobody_can_read_is_refused_with_its_reason(tmp_path: Path) -> None:
    """It is moved aside, its bytes are in quarantine, and the next file is filed."""
    bench = IngestBench()
    job = watch(bench, tmp_path)
    (tmp_path / "bad.json").write_bytes(b"{")
    (tmp_path / "good.txt").write_text(STORY)
    await job.look()
    await job.look()
    assert "not JSON" in (tmp_path / REFUSED / "bad.json.reason").read_text()
    assert bench.log.parked[0][1] == b"{"
    assert len(bench.log.filings()) == 1


async def test_a_file_waits_while_the_broker_is_away(tmp_path: Path) -> None:
    """It stays in the folder and is filed later."""
    bench = IngestBench()
    job = watch(bench, tmp_path)
    (tmp_path / "one.txt").write_text(STORY)
    bench.log.away = True
    await job.look()
    await job.look()
    assert (tmp_path / "one.txt").exists()
    bench.log.away = False
    await job.look()
    assert len(bench.log.filings()) == 1


async def test_two_files_of_one_name_both_stay(tmp_path: Path) -> None:
    """The second does not overwrite the first."""
    bench = IngestBench()
    job = watch(bench, tmp_path)
    for text in (STORY, STORY.replace("band", "choir")):
        (tmp_path / "one.txt").write_text(text)
        await job.look()
        await job.look()
    assert sorted(file.name for file in (tmp_path / FILED).iterdir()) == ["one-2.txt", "one.txt"]
