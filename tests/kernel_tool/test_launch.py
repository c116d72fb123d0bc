"""What a kernel gets from its launcher, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from kernel_tool.kernel import Kernel, KernelStartError
from kernel_tool.launch import Launcher
from kernel_tool.outputs import output_text
from kernel_tool.sandbox.environment import environment as environment_of
from kernel_tool.sandbox.tier import Tier
from tests.tiers import available

ROOT = Path(__file__).parents[2]

LAUNCHERS = {
    f"{tier.value} {way}": Launcher(tier=tier, forked=way == "forked")
    for tier in Tier
    for way in ("forked", "cold")
}
SPAWN = (
    "import os, subprocess, sys\n"
    "far = subprocess.Popen(['sleep', '{mark}'], start_new_session=True)\n"
    "near = subprocess.Popen(['sleep', '{mark}'])\n"
    "if os.fork() == 0:\n"  # a daemon: its parent ends, and nobody waits for it
    "    os.setsid()\n"
    "    if os.fork() == 0:\n"
    "        os.execvp('sleep', ['sleep', '{mark}'])\n"
    "    os._exit(0)\n"
)
PARENT = """
import asyncio, sys
from pathlib import Path
from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher
from kernel_tool.sandbox.tier import Tier

async def main():
    launcher = Launcher(tier=Tier(sys.argv[1]), forked=sys.argv[2] == "forked")
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace) as kernel:
            execution = await kernel.execute(sys.argv[3], 60)
            print(execution.status, flush=True)
            await kernel.execute("while True: pass", 300)

asyncio.run(main())
"""


@pytest.fixture(params=LAUNCHERS)
def launcher(request: pytest.FixtureRequest) -> Launcher:
    """Each way to launch a kernel."""
    available(LAUNCHERS[request.param].tier)
    return LAUNCHERS[request.param]


@pytest.fixture
def mark() -> str:
    """Seconds to sleep for, by which the sleepers of one test are known."""
    return f"1000.{secrets.randbelow(10**9):09}"


async def printed(kernel: Kernel, code: str) -> str:
    execution = await kernel.execute(code, 60)
    assert execution.status == "ok", execution
    return output_text(execution.outputs)


def running(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def sleepers(mark: str) -> list[int]:
    """Processes that a kernel left; what sleeps in a sandbox has another number there."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cmdline() == ["sleep", mark] and running(process):
                found.append(process.pid)
    return found


def descendants() -> set[int]:
    """All processes that this one has started, directly or not."""
    return {child.pid for child in psutil.Process().children(recursive=True) if running(child)}


def soon(holds: Callable[[], object], patience: float = 20.0) -> bool:
    deadline = time.monotonic() + patience
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(holds())


def left_in(folder: Path) -> list[Path]:
    """What is in the folders that processes made in a temporary folder."""
    return [path for root in folder.iterdir() for path in root.iterdir()]


async def test_the_environment_holds_nothing_of_the_callers(launcher, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    monkeypatch.setenv("HOME", "/home/somebody")
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace) as kernel:
            code = "import json, os; print(json.dumps(dict(os.environ)))"
            environment = json.loads(await printed(kernel, code))
            folder = await printed(kernel, "import os; print(os.getcwd())")
        inside = launcher.tier is Tier.BUBBLEWRAP
        assert folder == ("/workspace" if inside else str(workspace))
    assert "ANTHROPIC_API_KEY" not in environment
    assert "secret" not in environment.values()
    assert environment["HOME"] not in ("/home/somebody", os.environ["HOME"])
    assert environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == "1"
    ours = set(environment_of(sys.executable, 1, Path("/"), Path("/")))
    added_by_ipython = {
        "PYDEVD_USE_FRAME_EVAL",
        "TERM",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "FORCE_COLOR",
    }
    added_by_ipython |= {"PAGER", "GIT_PAGER"}
    assert set(environment) <= ours | added_by_ipython


async def test_modules_in_the_workspace_shadow_nothing(workspace):
    for name in ("random", "torch", "numpy", "sitecustomize", "json", "helper"):
        (workspace / f"{name}.py").write_text("raise SystemExit('shadowed')")
    async with Kernel(Launcher(), workspace) as kernel:
        code = (
            "import importlib.util, random, numpy, json\n"
            "print([importlib.util.find_spec(name).origin for name in "
            "('random', 'torch', 'numpy', 'json')])\n"
            "print(importlib.util.find_spec('helper'))"
        )
        shown = await printed(kernel, code)
    assert str(workspace) not in shown
    assert shown.endswith("None")


async def test_code_that_ipython_would_run_at_its_start_is_not_run(workspace):
    startup = workspace / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("planted = True")
    (workspace / "ipython_config.py").write_text("c.InteractiveShellApp.exec_lines = ['planted=1']")
    async with Kernel(Launcher(), workspace) as kernel:
        assert await printed(kernel, "print('planted' in globals())") == "False"


async def test_nothing_is_left_after_shutdown(launcher, temporary, mark):
    before = descendants()
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace) as kernel:
            await printed(kernel, SPAWN.format(mark=mark))
            assert soon(lambda: len(sleepers(mark)) == 3)
            await kernel.restart()
            assert soon(lambda: not sleepers(mark))
            await printed(kernel, SPAWN.format(mark=mark))
    assert soon(lambda: not sleepers(mark) and descendants() <= before)
    assert left_in(temporary) == []


@pytest.mark.parametrize("way", ["exception", "cancelled", "cancelled while starting"])
async def test_nothing_is_left_when_cut_short(launcher, temporary, mark, way):
    at_work = asyncio.Event()

    async def work() -> None:
        with launcher.workspace() as workspace:
            async with Kernel(launcher, workspace) as kernel:
                await printed(kernel, SPAWN.format(mark=mark))
                at_work.set()
                if way == "exception":
                    raise RuntimeError("in the middle")
                await kernel.execute("while True: pass", 300)

    before = descendants()
    task = asyncio.create_task(work())
    if way == "cancelled while starting":
        while not descendants() - before and not task.done():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.001)
    else:
        await at_work.wait()
        await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert soon(lambda: not sleepers(mark) and descendants() <= before)
    assert left_in(temporary) == []


@pytest.mark.matrix
def test_nothing_is_left_of_a_killed_parent(launcher, temporary, mark):
    arguments = [launcher.tier.value, "forked" if launcher.forked else "cold"]
    before = set(temporary.iterdir())
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments, SPAWN.format(mark=mark)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ok\n"
    family = psutil.Process(parent.pid).children(recursive=True)
    assert soon(lambda: len(sleepers(mark)) == 3) and len(family) > 3
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert soon(lambda: not sleepers(mark))
    assert soon(lambda: not any(map(running, family)))
    assert soon(lambda: set(temporary.iterdir()) == before)


async def test_a_kernel_that_cannot_start_says_so_and_leaves_nothing(workspace, temporary):
    with pytest.raises(KernelStartError, match="/nowhere/python does not run"):
        async with Kernel(Launcher(python="/nowhere/python"), workspace):
            pass
    with pytest.raises(KernelStartError, match="/bin/false does not run"):
        async with Kernel(Launcher(python="/bin/false"), workspace):
            pass
    with pytest.raises(KernelStartError, match="kernel start: TimeoutError"):
        async with Kernel(Launcher(), workspace, patience=0.01):
            pass
    with pytest.raises(KernelStartError, match="no/such"):
        async with Kernel(Launcher(), workspace / "no/such"):
            pass
    assert left_in(temporary) == []


async def test_two_kernels_at_once_are_apart(launcher):
    async def one(number: int) -> str:
        with launcher.workspace() as folder:
            async with Kernel(launcher, folder) as kernel:
                await printed(kernel, f"x = {number}; open('mine', 'w').write(str(x))")
                await asyncio.sleep(0.2)
                return await printed(kernel, "print(x, open('mine').read())")

    assert await asyncio.gather(one(1), one(2)) == ["1 1", "2 2"]


def test_only_a_launcher_without_a_sandbox_says_that_it_does_not_confine():
    assert Launcher().confined
    assert not Launcher.unconfined().confined
