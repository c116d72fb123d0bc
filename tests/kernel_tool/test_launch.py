"""What a kernel gets from its launcher, and what it leaves behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from kernel_tool.kernel import Kernel, KernelStartError
from kernel_tool.launch import Launcher
from kernel_tool.outputs import output_text

SPAWN = (
    "import os, subprocess\n"
    "far = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
    "near = subprocess.Popen(['sleep', '300'])\n"
    "print(os.getpid(), far.pid, near.pid, os.environ['HOME'])"
)
PARENT = """
import asyncio, sys
from pathlib import Path
from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher

async def main():
    async with Kernel(Launcher(), Path(sys.argv[1])) as kernel:
        execution = await kernel.execute("import os; print(os.getpid())", 30)
        print(execution.outputs[0]["text"], flush=True)
        await kernel.execute("while True: pass", 300)

asyncio.run(main())
"""


async def printed(kernel: Kernel, code: str) -> str:
    execution = await kernel.execute(code, 60)
    assert execution.status == "ok", execution
    return output_text(execution.outputs)


def running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(pid: int, patience: float = 20.0) -> bool:
    deadline = time.monotonic() + patience
    while running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not running(pid)


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


async def until(holds: Callable[[], object]) -> None:
    for _ in range(2_000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("waited in vain")


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of our own, so that whatever is left in it is a kernel's."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


async def test_the_environment_holds_nothing_of_the_callers(workspace, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    monkeypatch.setenv("HOME", "/home/somebody")
    async with Kernel(Launcher(), workspace) as kernel:
        code = "import json, os; print(json.dumps(dict(os.environ)))"
        environment = json.loads(await printed(kernel, code))
        assert await printed(kernel, "import os; print(os.getcwd())") == str(workspace)
    assert "ANTHROPIC_API_KEY" not in environment
    assert "secret" not in environment.values()
    assert environment["HOME"] not in ("/home/somebody", os.environ["HOME"])
    assert environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == "1"
    ours = {*Launcher().environment(Path("/")), "JPY_PARENT_PID"}
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


async def test_nothing_is_left_after_shutdown(workspace, temporary):
    async with Kernel(Launcher(), workspace) as kernel:
        *pids, home = (await printed(kernel, SPAWN)).split()
        await kernel.restart()
        *more, _ = (await printed(kernel, SPAWN)).split()
        assert not await asyncio.to_thread(Path(home).exists)
    assert all(gone(int(pid)) for pid in [*pids, *more])
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("way", ["exception", "cancelled", "cancelled while starting"])
async def test_nothing_is_left_when_cut_short(workspace, temporary, way):
    pids: list[str] = []

    async def work() -> None:
        async with Kernel(Launcher(), workspace) as kernel:
            *found, _ = (await printed(kernel, SPAWN)).split()
            pids.extend(found)
            if way == "exception":
                raise RuntimeError("in the middle")
            await kernel.execute("while True: pass", 300)

    before = children()
    task = asyncio.create_task(work())
    if way == "cancelled while starting":
        await until(lambda: children() - before)
        pids.extend(map(str, children() - before))
    else:
        await until(lambda: pids)
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert pids and all(gone(int(pid)) for pid in pids)
    assert list(temporary.iterdir()) == []


def test_a_kernel_dies_with_a_killed_parent(workspace, temporary):
    root = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(workspace)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert running(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert gone(pid)


async def test_a_kernel_that_cannot_start_says_so_and_leaves_nothing(workspace, temporary):
    with pytest.raises(KernelStartError, match="kernel start"):
        async with Kernel(Launcher(python="/nowhere/python"), workspace):
            pass
    with pytest.raises(KernelStartError, match="ended before it answered"):
        async with Kernel(Launcher(python="/bin/false"), workspace):
            pass
    with pytest.raises(KernelStartError, match="Timeout"):
        async with Kernel(Launcher(), workspace, patience=0.01):
            pass
    assert list(temporary.iterdir()) == []


async def test_two_kernels_at_once_are_apart(tmp_path):
    async def one(number: int) -> str:
        folder = tmp_path / str(number)
        folder.mkdir()
        async with Kernel(Launcher(), folder) as kernel:
            await printed(kernel, f"x = {number}")
            await asyncio.sleep(0.2)
            return await printed(kernel, "import os; print(x, os.path.basename(os.getcwd()))")

    assert await asyncio.gather(one(1), one(2)) == ["1 1", "2 2"]


def test_the_launcher_says_that_it_does_not_confine():
    assert Launcher().confined is False
