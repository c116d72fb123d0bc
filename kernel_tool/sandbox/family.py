"""Processes that descend from others, and what they use. Looked at often: it must cost little."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil


@cache
def _lists_children() -> bool:
    """Whether the system lists a thread's children, as Linux mostly does."""
    return Path("/proc/thread-self/children").exists()


def family(roots: Iterable[int]) -> set[int]:
    """Pids of some processes and of all that descend from them."""
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += _children(pid)
    return found


def _children(pid: int) -> list[int]:
    with suppress(OSError, psutil.Error):
        if not _lists_children():
            return [child.pid for child in psutil.Process(pid).children()]
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(word) for task in tasks for word in _read(task / "children").split()]
    return []


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="ascii")
    return ""


def memory(pids: Iterable[int], enough: int) -> int:
    """Bytes in use by processes together. Shared pages count once only above ``enough``."""
    pids = list(pids)
    resident = sum(map(_resident, pids))
    return resident if resident <= enough else sum(map(proportional, pids))


def _resident(pid: int) -> int:
    with suppress(OSError, psutil.Error):
        if not _lists_children():
            return int(psutil.Process(pid).memory_info().rss)
        _, pages, *_ = _read(Path(f"/proc/{pid}/statm")).split() or ("", "0")
        return int(pages) * mmap.PAGESIZE
    return 0


def proportional(pid: int) -> int:
    """Bytes of a process, of shared pages its share (PSS); 0 if it has ended.

    All of its pages, if it does not let itself be looked at.
    """
    with suppress(psutil.Error, OSError):
        used = psutil.Process(pid).memory_full_info()
        return int(getattr(used, "pss", used.rss))
    return _resident(pid)


def page_tables(pids: Iterable[int]) -> int:
    """Bytes that the system itself needs for the memory of processes; 0 where it does not say."""
    total = 0
    for pid in pids:
        _, found, rest = _read(Path(f"/proc/{pid}/status")).partition("VmPTE:")
        total += int(rest.split()[0]) * 1024 if found else 0
    return total


def open_files(pids: Iterable[int]) -> tuple[int, int]:
    """(how many files are open, bytes on disk of those that have no name any more)."""
    count = size = 0
    for pid in pids:
        with suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
            for entry in entries:
                count += 1
                with suppress(OSError):
                    info = entry.stat()
                    if stat.S_ISREG(info.st_mode) and info.st_nlink == 0:
                        size += info.st_blocks * 512
    return count, size


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time of processes, and of their children that have ended and were waited for."""
    return sum(map(_cpu_seconds, pids))


def _cpu_seconds(pid: int) -> float:
    with suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        children = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        return float(times.user + times.system + children)
    return 0.0
