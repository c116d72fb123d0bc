"""Two hundred episodes opened and dropped, in every way: nothing is left of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from kernel_tool.launch import Launcher
from kernel_tool.sandbox.tier import CONFINING, Tier
from kernel_tool.session import Limits, Session, SubmitTool
from tests.tiers import available

pytestmark = [pytest.mark.matrix, pytest.mark.long]
ROOT = Path(__file__).parents[2]
EPISODES, KILLED = 180, 20
NOTEBOOK = ROOT / "notebooks" / "transits" / "transits.ipynb"
SUBMIT = SubmitTool("Hands in.", {"type": "object", "properties": {}}, lambda _: [])
CODE = (
    "import subprocess, os\n"
    "open('mine', 'w').write('x')\n"
    "subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0: os.execvp('sleep', ['sleep', '600'])\n"
    "    os._exit(0)\n"
)
# An episode after another, until it is killed.
SUPERVISOR = """
import asyncio, sys
from kernel_tool.launch import Launcher
from kernel_tool.sandbox.tier import Tier
from tests.kernel_tool.test_soak import episode

async def main():
    launcher = Launcher(tier=Tier(sys.argv[1]), forked=sys.argv[2] == "forked")
    while True:
        await episode(launcher)
        print("one", flush=True)

asyncio.run(main())
"""


async def episode(launcher: Launcher) -> None:
    with launcher.workspace() as workspace:
        notebook = Path(shutil.copy(NOTEBOOK, workspace))
        async with Session(notebook, workspace, launcher, Limits(), SUBMIT) as session:
            result = await session.call("run_code", {"code": CODE})
            assert result.fault is None, result


def processes() -> set[int]:
    """What descends from this process, and what has lost its parent: others may test beside it."""
    found = set()
    family = {child.pid for child in psutil.Process().children(recursive=True)}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            of_ours = process.pid in family or process.ppid() in (0, 1)
            if of_ours and process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
    return found


def name_of(pid: int) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(psutil.Process(pid).cmdline())
    return ""


def ours(command: str) -> bool:
    return any(word in command for word in ("sleep 600", "bwrap", "kernel_tool", "rm -rf"))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def sockets(folder: Path) -> list[str]:
    return [line for line in Path("/proc/net/unix").read_text().splitlines() if str(folder) in line]


def mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()


async def dropped(launcher: Launcher, way: int) -> None:
    """One episode that ends in good order, by cancellation while it runs, or while it starts."""
    task = asyncio.create_task(episode(launcher))
    if way:
        await asyncio.sleep(random.uniform(0, 0.15 * way))
        task.cancel()
    outcome = (await asyncio.gather(task, return_exceptions=True))[0]
    assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome


async def test_nothing_is_left_of_two_hundred_episodes(temporary):
    for tier in CONFINING:
        available(tier)
    random.seed(0)
    folders, running, mounted, handles = (
        set(temporary.iterdir()),
        processes(),
        mounts(),
        open_files(),
    )

    def left() -> list[str]:
        """What is there and was not before: processes, folders, sockets."""
        started = [name_of(pid) for pid in processes() - running]
        made = [*set(temporary.iterdir()) - folders, *(p for f in folders for p in f.iterdir())]
        return [*filter(ours, started), *map(str, made), *sockets(temporary)]

    async def all_gone() -> None:
        """A server that was told to end takes a moment on a busy machine."""
        deadline = time.monotonic() + 60
        while left() and time.monotonic() < deadline:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.5)
        assert left() == []

    for number in range(EPISODES):
        await dropped(Launcher(tier=CONFINING[number % 2]), number % 3)
    await all_gone()
    assert open_files() <= handles + 2
    for number in range(KILLED):
        way = "forked" if number % 4 < 2 else "cold"
        await asyncio.to_thread(killed, temporary, CONFINING[number % 2], way)
    await all_gone()
    assert mounts() == mounted


def killed(temporary: Path, tier: Tier, way: str) -> None:
    """A supervisor with an episode under way is killed at some moment."""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, tier.value, way],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    time.sleep(random.uniform(0.5, 6 if way == "forked" else 3))
    assert supervisor.poll() is None
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
