"""CPU time of all that this process has caused, kernels of the fork server included."""

from __future__ import annotations

import asyncio
import ctypes
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that none goes uncounted.

    The zombies of a server that has been killed would otherwise take their figures with them.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def cpu_seconds() -> float:
    """Seconds of CPU time of this process and of all that ever descended from it.

    A process that has ended is counted in its parent once that has waited for it, and itself
    before. The system counts in ticks of 10 ms, so small figures are coarse.
    """
    here = psutil.Process()
    return sum(_seconds(each) for each in [here, *here.children(recursive=True)])


def _seconds(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        times = process.cpu_times()
        ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        return float(times.user + times.system + ended)
    return 0.0


@dataclass
class Spent:
    """Wall and CPU seconds, of this process and its descendants, in a ``with`` block."""

    seconds: float = 0.0
    cpu: float = 0.0


class Spending:
    """Measures a block: ``async with Spending() as spent``; read ``spent`` after it."""

    def __init__(self) -> None:
        self._spent = Spent()
        self._cpu = self._started = 0.0

    async def __aenter__(self) -> Spent:
        self._cpu, self._started = cpu_seconds(), time.perf_counter()
        return self._spent

    async def __aexit__(self, *_: object) -> None:
        self._spent.seconds = time.perf_counter() - self._started
        # What has been killed is still being taken down, and that is CPU time too.
        await asyncio.sleep(0.1)
        self._spent.cpu = cpu_seconds() - self._cpu
