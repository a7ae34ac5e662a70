"""Do failpoints strike where and when they were told, once, and never where nobody armed them?"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from shared.domain.errors import Misconfigured
from shared.platform.consuming import Source, committed, follower_group
from shared.platform.failpoints import POINTS, Action, Failpoints, arm
from shared.platform.publishing import Publisher, PublishFailed
from shared.platform.settings import CommonSettings, KafkaSettings, SettingsError, load
from shared.platform.topics import Topic
from tests.platform.cluster import Desk, everything, fill, make_topics, running, start_groups
from tests.platform.failpoint_process import POINT, PROCESS
from tests.waiting import wait_until

WITHIN = 40.0
KILLED, MISCONFIGURED, FAILED = -signal.SIGKILL, 3, 70


@asynccontextmanager
async def process(
    scene: str, folder: Path, kafka: KafkaSettings | None = None, instance: str = "0"
) -> AsyncIterator[Process]:
    """A process that looks for its failpoints in `folder`; what is still running at the end is killed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WIRE_")}
    environment |= {"WIRE_FAILPOINTS": str(folder), "WIRE_INSTANCE": instance}
    if kafka is not None:
        environment |= {"WIRE_KAFKA": kafka.bootstrap, "WIRE_TOPIC_PREFIX": kafka.topic_prefix}
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.platform.failpoint_process", scene), stdout=PIPE, stderr=PIPE, env=environment
    )
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.communicate()


def order(folder: Path, *lines: str, process: str = PROCESS) -> Path:
    """Write the orders for the next life of a process."""
    orders = folder / process
    orders.write_text("\n".join(lines) + "\n")
    return orders


def hit(folder: Path) -> str:
    """The point at which the process has acted; empty until it has."""
    try:
        return (folder / f"{PROCESS}.hit").read_text().strip()
    except FileNotFoundError:
        return ""


async def said(child: Process) -> str:
    """The next line the process says."""
    assert child.stdout is not None
    return (await asyncio.wait_for(child.stdout.readline(), WITHIN)).decode().strip()


def state(pid: int) -> str:
    """The letter that the kernel gives a process: T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class TestActions:
    async def test_kill_ends_the_process_at_the_nth_passing(self, tmp_path: Path) -> None:
        """As kill -9 from outside, but at a known place; what was passed before was passed."""
        order(tmp_path, f"{POINT} 3 kill")
        async with process("steps", tmp_path) as child:
            out, _ = await asyncio.wait_for(child.communicate(), WITHIN)
        assert child.returncode == KILLED
        assert out.decode().split("\n")[:-1] == ["passed 1", "passed 2"]
        assert hit(tmp_path) == POINT

    async def test_stop_holds_the_process_until_it_is_continued(self, tmp_path: Path) -> None:
        """A zombie: it knows nothing of the time that went by."""
        order(tmp_path, f"{POINT} 1 stop", f"{POINT} 2 kill")
        async with process("steps", tmp_path) as child:
            await wait_until(lambda: hit(tmp_path), WITHIN)
            await wait_until(lambda: state(child.pid) == "T", WITHIN)
            child.send_signal(signal.SIGCONT)
            assert await said(child) == "passed 1"
            assert await asyncio.wait_for(child.wait(), WITHIN) == KILLED

    async def test_hold_waits_for_the_go_and_uses_it_up(self, tmp_path: Path) -> None:
        """The next hold waits for a go of its own."""
        order(tmp_path, f"{POINT} 1 hold", f"{POINT} 2 hold")
        async with process("steps", tmp_path) as child:
            for n in (1, 2):
                await wait_until(lambda: hit(tmp_path), WITHIN)
                (tmp_path / f"{PROCESS}.hit").unlink()
                (tmp_path / f"{PROCESS}.go").touch()
                assert await said(child) == f"passed {n}"
            assert not (tmp_path / f"{PROCESS}.go").exists()

    async def test_fail_raises_what_the_other_side_would(self, tmp_path: Path) -> None:
        """The place decides which error that is."""
        order(tmp_path, f"{POINT} 2 fail")
        async with process("steps", tmp_path) as child:
            assert await said(child) == "passed 1"
            assert await said(child) == f"refused at the failpoint {POINT}"


class TestArming:
    async def test_orders_are_for_one_life(self, tmp_path: Path) -> None:
        """Otherwise the supervisor's restart would be killed again, for ever."""
        orders = order(tmp_path, f"{POINT} 1 kill")
        async with process("steps", tmp_path) as child:
            assert await asyncio.wait_for(child.wait(), WITHIN) == KILLED
        assert not orders.exists()
        async with process("steps", tmp_path) as child:
            assert await said(child) == "nothing is armed"

    @pytest.mark.parametrize(
        ("line", "sentence"),
        [
            ("post.behind 1 kill", "post.behind is not a failpoint."),
            ("handle.wire.desk.inbox.v1.after 1 kill", "handle.wire.desk.inbox.v1.after is not a failpoint."),
            (f"{POINT} 1 explode", "explode is not an action; there are kill, stop, hold, fail."),
            (f"{POINT} 0 kill", "0 does not say at which passing; count from 1."),
            (f"{POINT} kill", f"a line is POINT N ACTION, not '{POINT} kill'."),
        ],
    )
    def test_a_line_that_is_no_order_is_refused_with_a_sentence(self, tmp_path: Path, line: str, sentence: str) -> None:
        """A test that strikes nowhere because of a typing error would pass for ever."""
        orders = order(tmp_path, line)
        with pytest.raises(Misconfigured) as refusal:
            arm(tmp_path, PROCESS)
        assert str(refusal.value) == f"{orders}: {sentence}"
        assert orders.exists()

    async def test_a_process_with_wrong_orders_does_not_start(self, tmp_path: Path) -> None:
        """Exit code 3, as for every wrong setting."""
        order(tmp_path, "post.behind 1 kill")
        async with process("steps", tmp_path) as child:
            _, err = await asyncio.wait_for(child.communicate(), WITHIN)
        assert child.returncode == MISCONFIGURED
        assert b"post.behind is not a failpoint." in err

    def test_nothing_is_armed_without_the_setting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Then the publishers and loops hold None."""
        monkeypatch.delenv("WIRE_FAILPOINTS", raising=False)
        assert load(CommonSettings, PROCESS).kafka.failpoints is None

    def test_a_second_instance_has_orders_of_its_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """`desk` and `desk-2` run side by side; only one of them is to die."""
        monkeypatch.setenv("WIRE_FAILPOINTS", str(tmp_path))
        order(tmp_path, f"{POINT} 1 kill", process="desk-2")
        assert load(CommonSettings, PROCESS).kafka.failpoints is None
        monkeypatch.setenv("WIRE_INSTANCE", "2")
        armed = load(CommonSettings, PROCESS).kafka.failpoints
        assert armed is not None
        assert armed.armed(POINT)

    def test_production_refuses_to_look(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody who can write into a folder may kill a wire."""
        monkeypatch.setenv("WIRE_FAILPOINTS", str(tmp_path))
        monkeypatch.setenv("WIRE_PROFILE", "production")
        with pytest.raises(SettingsError, match="unset it in production"):
            load(CommonSettings, PROCESS)


@pytest.fixture
async def desk(kafka: KafkaSettings) -> KafkaSettings:
    """An inbox whose group starts at its beginning, and where its records are copied to."""
    await make_topics(kafka, {Topic.INBOX: 1, Topic.RELEASED: 1})
    await start_groups(kafka, "desk", [Topic.INBOX], 1)
    return kafka


def with_orders(kafka: KafkaSettings, folder: Path, *orders: tuple[str, int, Action]) -> KafkaSettings:
    """The same cluster for a process that is told to suffer."""
    told: dict[str, dict[int, Action]] = {}
    for point, n, action in orders:
        told.setdefault(point, {})[n] = action
    return kafka.model_copy(update={"failpoints": Failpoints(folder, PROCESS, told)})


async def copied(kafka: KafkaSettings) -> list[str]:
    return [record.value.decode() for record in await everything(kafka, Topic.RELEASED)]


class TestPlaces:
    @pytest.mark.parametrize(
        ("point", "before", "after"),
        [
            (f"handle.{Topic.INBOX}.before", ["a"], ["b", "c"]),
            (f"publish.{Topic.RELEASED}.before", ["a"], ["b", "c"]),
            (f"publish.{Topic.RELEASED}.after", ["a", "b"], ["b", "c"]),
        ],
    )
    async def test_a_kill_at_the_second_record_repeats_only_what_was_not_committed(
        self, desk: KafkaSettings, tmp_path: Path, point: str, before: list[str], after: list[str]
    ) -> None:
        """Each place leaves behind exactly what its name says; the next life does the rest."""
        await fill(desk, Topic.INBOX, ["a"])
        order(tmp_path, f"{point} 2 kill")
        async with process("copy", tmp_path, desk) as child:
            await wait_until(lambda: committed_is(desk, 1), WITHIN)
            await fill(desk, Topic.INBOX, ["b", "c"])
            assert await asyncio.wait_for(child.wait(), WITHIN) == KILLED
        assert await copied(desk) == before
        async with process("copy", tmp_path, desk):
            await wait_until(lambda: committed_is(desk, 3), WITHIN)
        assert await copied(desk) == before + after

    @pytest.mark.parametrize(("when", "offset"), [("before", 0), ("after", 1)])
    async def test_a_kill_at_the_commit(self, desk: KafkaSettings, tmp_path: Path, when: str, offset: int) -> None:
        """Before it the offset has not passed; after it, it has."""
        await fill(desk, Topic.INBOX, ["a"])
        order(tmp_path, f"commit.{Topic.INBOX}.{when} 1 kill")
        async with process("copy", tmp_path, desk) as child:
            assert await asyncio.wait_for(child.wait(), WITHIN) == KILLED
        assert await committed(desk, "desk", Topic.INBOX, [0]) == {0: offset}
        assert await copied(desk) == ["a"]

    async def test_an_owner_that_sleeps_past_its_session_takes_no_offset_back(
        self, kafka: KafkaSettings, tmp_path: Path
    ) -> None:
        """It sleeps on the way to a commit that nobody would fence, and wakes when its successor has long gone on."""
        follower = follower_group("desk", Topic.INBOX)

        async def is_at(offset: int) -> bool:
            return await committed(kafka, follower, Topic.INBOX, [0]) == {0: offset}

        await make_topics(kafka, {Topic.INBOX_FLASH: 1, Topic.INBOX: 1, Topic.RELEASED: 1})
        await start_groups(kafka, "desk", [Topic.INBOX_FLASH, Topic.INBOX], 1)
        await fill(kafka, Topic.INBOX, ["a"])
        order(tmp_path, f"commit.{Topic.INBOX}.before 1 stop")
        async with process("lanes", tmp_path, kafka) as sleeper:
            await wait_until(lambda: hit(tmp_path), WITHIN)
            async with process("lanes", tmp_path, kafka, instance="1"):
                await wait_until(lambda: is_at(1), WITHIN)
                await fill(kafka, Topic.INBOX, ["b"])
                await wait_until(lambda: is_at(2), WITHIN)
                sleeper.send_signal(signal.SIGCONT)
                assert await asyncio.wait_for(sleeper.wait(), WITHIN) == FAILED
                assert await is_at(2)
        assert await copied(kafka) == ["a", "a", "b"]

    async def test_a_held_record_is_not_overtaken_on_its_topic(self, desk: KafkaSettings, tmp_path: Path) -> None:
        """Held before it is sent: those published after it come after it, as without a failpoint."""
        kafka = with_orders(desk, tmp_path, (f"publish.{Topic.RELEASED}.before", 1, Action.HOLD))
        async with Publisher(kafka) as publisher, asyncio.TaskGroup() as tasks:
            tasks.create_task(publisher.publish(Topic.RELEASED, "k", b"first"))
            await wait_until(lambda: hit(tmp_path), WITHIN)
            tasks.create_task(publisher.publish(Topic.RELEASED, "k", b"second"))
            await publisher.publish(Topic.INBOX, "k", b"elsewhere")
            (tmp_path / f"{PROCESS}.go").touch()
        assert await copied(desk) == ["first", "second"]

    async def test_a_refused_publish_is_told_as_such(self, desk: KafkaSettings, tmp_path: Path) -> None:
        """After: the record is there and its writer does not know."""
        kafka = with_orders(desk, tmp_path, (f"publish.{Topic.RELEASED}.after", 1, Action.FAIL))
        async with Publisher(kafka) as publisher:
            with pytest.raises(PublishFailed):
                await publisher.publish(Topic.RELEASED, "k", b"there")
        assert await copied(desk) == ["there"]

    async def test_a_refused_commit_is_made_again(self, desk: KafkaSettings, tmp_path: Path) -> None:
        """A refusal costs duplicates at most, never the loop."""
        await fill(desk, Topic.INBOX, ["a"])
        worker = Desk()
        kafka = with_orders(desk, tmp_path, (f"commit.{Topic.INBOX}.before", 1, Action.FAIL))
        async with running(kafka, [Source(Topic.INBOX)], handle=worker.handle, park=worker.park):
            await wait_until(lambda: committed_is(desk, 1), WITHIN)
        assert hit(tmp_path) == f"commit.{Topic.INBOX}.before"

    def test_every_topic_has_its_points(self) -> None:
        """A topic that is added can be struck without another line here."""
        assert {point.split(".wire.")[-1].rsplit(".", 1)[0] for point in POINTS if ".wire." in point} == {
            topic.removeprefix("wire.") for topic in Topic
        }


async def committed_is(kafka: KafkaSettings, offset: int) -> bool:
    return await committed(kafka, "desk", Topic.INBOX, [0]) == {0: offset}
