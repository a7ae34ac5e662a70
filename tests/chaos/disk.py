"""How is a broker's disk filled without filling a real one? By a file system in memory that is cut to what it holds."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SIZE = "6g"  # a limit, not a reservation: it takes what the records take


class NoSmallDisk(Exception):
    """No file system can be mounted here: that takes root, and a kernel that lets it."""


@dataclass(slots=True)
class SmallDisk:
    """A mounted file system in memory at `at`."""

    at: Path
    was_full: bool = field(default=False)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a page is free while the block lasts."""
        used = os.statvfs(self.at)
        taken = (used.f_blocks - used.f_bfree) * used.f_frsize
        self._resize(str(max(taken, used.f_frsize)))
        try:
            yield
            self.was_full = os.statvfs(self.at).f_bfree == 0
        finally:
            self._resize(SIZE)

    def _resize(self, size: str) -> None:
        _mount("-o", f"remount,size={size}", str(self.at))


@contextmanager
def small_disk(at: Path) -> Iterator[SmallDisk]:
    """Mount one over the folder `at` while the block lasts; what it held is gone afterwards. Raises NoSmallDisk."""
    at.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={SIZE}", "slugline-chaos", str(at))
    try:
        yield SmallDisk(at)
    finally:
        unmount(at)


@contextmanager
def small_disk_if_possible(at: Path) -> Iterator[SmallDisk | None]:
    """The same, or None where none can be mounted."""
    with ExitStack() as mounted:
        try:
            disk = mounted.enter_context(small_disk(at))
        except NoSmallDisk:
            disk = None
        yield disk


def unmount(at: Path) -> None:
    """Take a mounted file system away, also while somebody still holds a file of it; nothing when there is none."""
    if at.is_mount():
        subprocess.run(["umount", "--lazy", str(at)], check=False, capture_output=True)


def _mount(*arguments: str) -> None:
    try:
        subprocess.run(["mount", *arguments], check=True, capture_output=True, text=True)
    except OSError as error:
        raise NoSmallDisk(f"mount cannot be run: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        raise NoSmallDisk(error.stderr.strip()) from error
