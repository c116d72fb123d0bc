"""Ends a kernel that uses more of the machine than it may."""

from __future__ import annotations

import asyncio
import shutil
import time

from kernel_tool.sandbox.family import family, memory, open_files, page_tables
from kernel_tool.sandbox.files import measure
from kernel_tool.sandbox.process import Confined, Site
from kernel_tool.sandbox.quota import MIB

# Seconds between two looks at processes and memory; a look costs some tenths of a millisecond.
_PULSE = 0.05
# Bytes left on the disk: whoever writes now, writes no more.
_LEAST_FREE = 256 * MIB
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
        try:
            cause = await self._first_excess()
        except Exception as error:  # a kernel that nobody watches does not go on
            cause = f"The kernel was killed: it could not be watched ({error!r})."
        if cause:
            self.cause = cause
            self._confined.kill()

    async def _first_excess(self) -> str:
        """Why the process must end; "" if it ended before there was a reason."""
        born, looks = time.monotonic(), 0
        while self._confined.process.returncode is None:
            thorough = looks % _FILES_EVERY == 0
            # Not in the event loop, which serves the messages of all kernels.
            cause = await asyncio.to_thread(self._excess, time.monotonic() - born, thorough)
            if cause and self._confined.process.poll() is None:
                return cause
            looks += 1
            await asyncio.sleep(_PULSE)
        return ""

    def _excess(self, age: float, thorough: bool) -> str:
        """What is too much, in words. ``thorough``: also of what takes longer to find out."""
        quota = self._site.quota
        if age > quota.lifetime:
            return _killed(f"it has run for {age:.0f} s", f"{quota.lifetime:.0f}")
        members = family(self._confined.roots())
        if len(members) > quota.processes:
            return _killed(f"{len(members)} processes", str(quota.processes))
        used = memory(members, quota.memory) + (page_tables(members) if thorough else 0)
        if used > quota.memory:
            return _killed(f"{used / MIB:,.0f} MiB of memory", f"{quota.memory / MIB:,.0f}")
        return (self._too_much_open(members) or self._too_many_files()) if thorough else ""

    def _too_much_open(self, members: set[int]) -> str:
        quota = self._site.quota
        count, nameless = open_files(members)
        if count > quota.open_files:
            return _killed(f"{count:,} open files", f"{quota.open_files:,}")
        if nameless > quota.workspace:
            allowed = f"{quota.workspace / MIB:,.0f}"
            return _killed(f"{nameless / MIB:,.0f} MiB of removed files", allowed)
        if self._confined.tmpfs_files() > quota.workspace_files:
            return _killed(f"over {quota.workspace_files:,} files in memory", "no more")
        return ""

    def _too_many_files(self) -> str:
        quota = self._site.quota
        try:
            count, size = measure(self._site.on_disk, quota.workspace_files, quota.workspace)
        except OSError as error:
            return (
                f"The kernel was killed: its files can't be counted ({error.strerror}).{_TRIMMED}"
            )
        if count > quota.workspace_files:
            return _killed(f"over {quota.workspace_files:,} files", "no more", _TRIMMED)
        if size > quota.workspace:
            allowed = f"{quota.workspace / MIB:,.0f}"
            return _killed(f"{size / MIB:,.0f} MiB of files", allowed, _TRIMMED)
        if shutil.disk_usage(self._site.workspace).free < _LEAST_FREE:
            return "The kernel was killed: the disk is nearly full."
        return ""


_TRIMMED = " The newest files are removed."


def _killed(found: str, allowed: str, more: str = "") -> str:
    return f"The kernel was killed for what it used: {found}, {allowed} are allowed.{more}"
