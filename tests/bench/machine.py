"""What was measured, and where: the commit, the machine, and what its processes use."""

import os
import platform
import resource
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from deploy.local.layout import PROJECT

_TICKS = os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(kib) / 1024


def pss_kib(pid: int) -> int:
    """Memory of a process that is its own: what it shares with others counts by its part."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


def open_files(pid: int) -> int:
    """How many descriptors a process has."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def raise_open_files() -> int:
    """Let this process, and all that it starts, open as many files as the machine allows; returns how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def cpu_s(pid: int) -> float:
    """Seconds of CPU a process has used so far, its threads included, to a hundredth."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = after_name[11:13]
    return (int(user) + int(system)) / _TICKS


def where(commit: str) -> list[str]:
    """Lines for a report: when, what, and on which machine."""
    return [
        f"- date: {datetime.now(UTC):%Y-%m-%d}",
        f"- commit: {commit}",
        f"- machine: {os.cpu_count()} cores, {_memory_gib():.0f} GiB, {platform.system()} {platform.machine()}",
        f"- Python: {platform.python_version()}",
    ]


def commit_at_hand() -> str:
    """The commit that is checked out, and whether anything was changed in it."""

    def git(*arguments: str) -> str:
        ended = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)
        return ended.stdout.strip()

    return (git("rev-parse", "--short", "HEAD") or "unknown") + (
        " with changes" if git("status", "--porcelain") else ""
    )


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
