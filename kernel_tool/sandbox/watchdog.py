"""Ends a kernel that uses more of the machine than it may."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from kernel_tool.sandbox.process import Confined, Site
from kernel_tool.sandbox.quota import MIB

# Seconds between two looks at memory. A look costs some tenths of a millisecond.
_PULSE = 0.05
# Looks at memory between two at the files.
_FILES_EVERY = 10


class Watchdog:
    """Watches a confined process and all that it starts.

    cause: why it was ended, in words; "" as long as it was not.
    """

    def __init__(self, confined: Confined, site: Site) -> None:
        self.cause = ""
        self._confined = confined
        self._site = site
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        born, looks = time.monotonic(), 0
        while self._confined.process.returncode is None:
            cause = self._excess(time.monotonic() - born)
            if not cause and looks % _FILES_EVERY == 0:
                cause = await asyncio.to_thread(self._too_many_files)
            if cause:
                self.cause = cause
                self._confined.kill()
                return
            looks += 1
            await asyncio.sleep(_PULSE)

    def _excess(self, age: float) -> str:
        quota = self._site.quota
        if age > quota.lifetime:
            return _killed(f"it has run for {age:.0f} s", f"{quota.lifetime:.0f}")
        members = self.members()
        if len(members) > quota.processes:
            return _killed(f"{len(members)} processes", str(quota.processes))
        used = memory_of(members, quota.memory)
        if used > quota.memory:
            return _killed(f"{used / MIB:,.0f} MiB of memory", f"{quota.memory / MIB:,.0f}")
        return ""

    def members(self) -> list[psutil.Process]:
        """The process and all that descend from it, the sandbox's own included."""
        found = []
        for root in self._confined.roots():
            with suppress(psutil.Error):
                found += [root, *root.children(recursive=True)]
        return found

    def _too_many_files(self) -> str:
        quota = self._site.quota
        places = [self._site.workspace]
        if self._site.home.is_relative_to(self._site.private):
            places.append(self._site.private)  # no file system of a fixed size holds it
        count = size = 0
        for info in _files(places):
            count, size = count + 1, size + info.st_blocks * 512
            if count > quota.workspace_files:
                return _killed(f"{count:,} files", f"{quota.workspace_files:,}")
            if size > quota.workspace:
                return _killed(f"{size / MIB:,.0f} MiB of files", f"{quota.workspace / MIB:,.0f}")
        return ""


def _killed(found: str, allowed: str) -> str:
    return f"The kernel was killed for what it used: {found}, {allowed} are allowed."


def memory_of(members: list[psutil.Process], enough: int) -> int:
    """Bytes in use by processes together; shared pages are told apart only above ``enough``."""
    resident = 0
    for member in members:
        with suppress(psutil.Error):
            resident += member.memory_info().rss
    if resident <= enough:
        return resident
    proportional = 0
    for member in members:
        with suppress(psutil.Error):
            proportional += member.memory_full_info().pss
    return proportional


def _files(places: list[Path]) -> Iterator[os.stat_result]:
    """What is in folders, at any depth; links are not followed."""
    waiting = [str(place) for place in places]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    info = entry.stat(follow_symlinks=False)
                    yield info
                    if stat.S_ISDIR(info.st_mode):
                        waiting.append(entry.path)
