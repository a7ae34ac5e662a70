"""Whatever ends a tester, its processes end; whatever fills its disk, no real disk fills."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import instance
from deploy.local.instance import Instance
from deploy.local.layout import PROJECT
from tests.chaos.disk import NoSmallDisk, small_disk
from tests.waiting import wait_until_sync

GUARDED = """
import pathlib, sys, time
from tests.chaos.guardian import guarded
with guarded(pathlib.Path(sys.argv[1])):
    print("guarded", flush=True)
    time.sleep(60)
"""
ENDED = """
import asyncio, pathlib, sys
from tests.chaos.guardian import ended_by_sigterm
async def main():
    try:
        with ended_by_sigterm():
            print("runs", flush=True)
            await asyncio.sleep(60)
    finally:
        print("cleaned up", flush=True)
asyncio.run(main())
"""


def a_tester(script: str, *arguments: str) -> "subprocess.Popen[str]":
    """A program of its own that has said its first word."""
    program = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline()
    return program


def test_what_a_killed_tester_had_started_is_ended(tmp_path: Path) -> None:
    """Even kill -9 leaves nothing behind: the guardian's pipe closes with its reader's end."""
    ours = subprocess.Popen(["sleep", "60"], start_new_session=True)
    instance.save(tmp_path, Instance("", "", "", "", "", pids={"moderation": ours.pid}))
    tester = a_tester(GUARDED, str(tmp_path))
    tester.kill()
    tester.communicate()
    assert ours.wait(20) == -signal.SIGKILL
    wait_until_sync(lambda: instance.read(tmp_path) is None, 10)


def test_a_process_that_is_not_one_of_ours_any_more_is_left_alone(tmp_path: Path) -> None:
    """A number may have been given to somebody else meanwhile; ours lead a session of their own."""
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        instance.save(tmp_path, Instance("", "", "", "", "", pids={"moderation": stranger.pid}))
        tester = a_tester(GUARDED, str(tmp_path))
        tester.kill()
        tester.communicate()
        wait_until_sync(lambda: instance.read(tmp_path) is None, 20)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_sigterm_ends_a_tester_through_its_clean_up() -> None:
    """As Ctrl-C does: what stands behind `finally` is done."""
    tester = a_tester(ENDED)
    tester.send_signal(signal.SIGTERM)
    said, _ = tester.communicate(timeout=20)
    assert "cleaned up" in said


def test_a_full_disk_takes_no_byte_and_then_takes_them_again(tmp_path: Path) -> None:
    """What it holds stays readable, and the disk beneath it stays as empty as it was."""
    try:
        with small_disk(tmp_path / "small") as disk:
            (disk.at / "kept").write_bytes(b"x" * 100_000)
            with disk.full():
                with pytest.raises(OSError, match="No space left") as refused:
                    (disk.at / "more").write_bytes(b"x" * 100_000)
                assert refused.value.errno == errno.ENOSPC
                assert (disk.at / "kept").stat().st_size == 100_000
            (disk.at / "more").write_bytes(b"x" * 100_000)
            assert os.stat(disk.at).st_dev != os.stat(tmp_path).st_dev
    except NoSmallDisk as reason:
        pytest.skip(str(reason))
    assert not (tmp_path / "small").is_mount()
