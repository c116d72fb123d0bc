"""How kernels are launched: confined as well as this machine allows, and forked."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from kernel_tool.sandbox.probe import Findings, probe
from kernel_tool.sandbox.process import Site
from kernel_tool.sandbox.quota import Quota
from kernel_tool.sandbox.tier import CONFINING, Tier
from kernel_tool.scratch import remove, scratch_folder


class NotConfinedError(RuntimeError):
    """This machine offers no way to confine a kernel; the message says why and what to do."""


@cache
def findings(python: str = sys.executable) -> tuple[Findings, ...]:
    """What the probe found of each tier, strongest first, until one holds. Made once."""

    async def ask() -> tuple[Findings, ...]:
        found: list[Findings] = []
        for tier in CONFINING:
            found.append(await probe(tier, python))
            if found[-1].holds:
                break
        return tuple(found)

    # In a thread of its own, since the caller's may run an event loop already.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, ask()).result()


def strongest_tier() -> Tier:
    """The strongest tier that holds here, by behaviour. Raises NotConfinedError if none does."""
    found = findings()
    if found[-1].holds:
        return found[-1].tier
    reasons = "\n".join(f"- {each.tier.value}: {each.why}" for each in found)
    raise NotConfinedError(
        f"kernels can't be confined on this machine:\n{reasons}\n"
        "`python -m kernel_tool.doctor` says more. With --unsafe-no-sandbox they run with all of "
        "your rights, and every record says so."
    )


@dataclass(frozen=True)
class Launcher:
    """Launches IPython kernels.

    tier: how they are confined; the strongest that holds here, unless given.
    forked: fork them from an interpreter that has PyTorch and the rest imported, or start each
        from nothing. What runs in them gives the same numbers either way.
    threads: how many threads the numeric libraries use in a kernel; with more than one, each is
        started from nothing. quota: what it may use.
    """

    tier: Tier = field(default_factory=strongest_tier)
    forked: bool = True
    threads: int = 1
    quota: Quota = field(default_factory=Quota)
    python: str = sys.executable

    @classmethod
    def unconfined(cls) -> Launcher:
        """A launcher whose kernels can do all that this user can: for agents that are trusted."""
        return cls(tier=Tier.NONE)

    @property
    def confined(self) -> bool:
        """Whether kernels are kept from files, processes and networks outside their workspace."""
        return self.tier is not Tier.NONE

    def site(self, workspace: Path, private: Path) -> Site:
        """Where a process of this launcher's runs; ``private`` is its own folder."""
        return Site(self.tier, self.python, self.threads, self.quota, workspace, private)

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """A new, empty folder for a kernel to work in, removed in the end."""
        folder = scratch_folder("workspace-")
        try:
            yield folder
        finally:
            remove(folder)
