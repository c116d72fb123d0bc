"""Ways to get a kernel that are not ours, set up so that they can be compared with ours."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager

from kernel_tool.bench.usage import Spending, Spent
from kernel_tool.kernel import Kernel
from kernel_tool.last_words import LastWords
from kernel_tool.launch import Launcher
from kernel_tool.sandbox.environment import environment
from kernel_tool.sandbox.process import Confined
from kernel_tool.servers import shared_server

PATIENCE = 120.0  # seconds that anything may take here


def plain_environment() -> dict[str, str]:
    """This process's, with the variables of a kernel of ours that numbers and speed depend on."""
    ours = environment("python", Launcher.threads, Path.home(), Path(tempfile.gettempdir()))
    same = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONHASHSEED")
    return {**os.environ, **{name: ours[name] for name in same}}


def stock_start(workspace: Path) -> dict[str, Any]:
    """What a stock manager is told when it starts a kernel; its warnings are not shown."""
    return {"cwd": str(workspace), "env": plain_environment(), "stderr": subprocess.DEVNULL}


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@asynccontextmanager
async def client_of(manager: AsyncKernelManager, **start: Any) -> AsyncIterator[Any]:
    """jupyter_client's client of a kernel that a manager starts, ready as it says itself."""
    await manager.start_kernel(**start)
    client: Any = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=PATIENCE)
        yield client
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def run_code(kernel: Kernel, code: str) -> None:
    """Run code that must not fail."""
    execution = await kernel.execute(code, PATIENCE)
    if execution.status != "ok":
        raise RuntimeError(f"{execution.status}: {execution.outputs} {execution.note}")


async def run_forked(launcher: Launcher, workspace: Path, code: str) -> float:
    """Run code in a confined process from the fork server that is no kernel, to its end.

    Returns the CPU seconds of that process.
    """
    server = shared_server(launcher.python)
    if server is None:
        raise RuntimeError("the fork server has ended")
    words = LastWords()
    handle = words.listen()
    with folder() as private:
        private.chmod(0o711)
        site = launcher.site(workspace, private)
        try:
            started = await Confined.start(site, server, handle, code=code)
            async with asyncio.timeout(PATIENCE):
                ended = await started.ended()
            started.process.close()
            if ended != 0:
                raise RuntimeError(f"the forked process ended with {ended}: {words.text}")
            return started.process.cpu_seconds
        finally:
            os.close(handle)
            words.close()


async def start_server(launcher: Launcher) -> Spent:
    """Start the fork server and wait until it has imported everything; what that cost."""
    async with Spending() as spent:
        with launcher.workspace() as workspace:
            await run_forked(launcher, workspace, "pass")
    return spent
