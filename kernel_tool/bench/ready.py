"""How long it takes from the request for a kernel to the answer of its first cell."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial

from jupyter_client.manager import AsyncKernelManager

from kernel_tool.bench.cells import ADAM, TRIVIAL
from kernel_tool.bench.results import Effort, Part
from kernel_tool.bench.ways import (
    PATIENCE,
    client_of,
    folder,
    run_code,
    run_forked,
    start_server,
    stock_start,
)
from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher
from kernel_tool.warm import WarmKernels

STOCK, COLD, FORKED, POOL = "stock cold", "confined cold", "confined forked", "confined pool"
LIMIT = "forked process, no kernel"
CELLS = {"1 + 1": TRIVIAL, "five Adam steps": ADAM}

Way = Callable[[str], Awaitable[float]]


async def measure(effort: Effort, say: Callable[[str], None]) -> Part:
    part = Part("ready", "kernel ready: request to reply of the first cell")
    forked, cold = Launcher(), Launcher(forked=False)
    server = await start_server(forked)
    part.add("start of the fork server, once", "wall", "s", [server.seconds])
    part.add("start of the fork server, once", "CPU", "s", [server.cpu])
    ways: dict[str, Way] = {
        STOCK: stock,
        COLD: partial(ours, cold),
        FORKED: partial(ours, forked),
        POOL: partial(pool, forked),
        LIMIT: partial(process, forked),
    }
    found: dict[tuple[str, str], list[float]] = {}
    for number in range(effort.repetitions):
        for name, code in CELLS.items():
            for way, run in ways.items():
                say(f"{number + 1} of {effort.repetitions}: {name}, {way}")
                found.setdefault((name, way), []).append(await run(code))
    for (name, way), samples in found.items():
        part.add(name, way, "s", samples)
    adam = "five Adam steps"
    part.compare((adam, FORKED), (adam, COLD), 1 / 12)
    part.compare((adam, POOL), (adam, COLD), 1 / 25)
    part.compare((adam, FORKED), (adam, STOCK))
    part.compare((adam, COLD), (adam, STOCK))
    return part


async def stock(code: str) -> float:
    """Seconds with jupyter_client's own manager and its own idea of being ready."""
    with folder() as workspace:
        started = time.perf_counter()
        manager = AsyncKernelManager()
        async with client_of(manager, **stock_start(workspace)) as client:
            reply = await client.execute_interactive(
                code, timeout=PATIENCE, allow_stdin=False, output_hook=lambda _: None
            )
            seconds = time.perf_counter() - started
    if reply["content"]["status"] != "ok":
        raise RuntimeError(str(reply["content"]))
    return seconds


async def ours(launcher: Launcher, code: str) -> float:
    """Seconds with a kernel that is started when asked for."""
    with launcher.workspace() as workspace:
        started = time.perf_counter()
        async with Kernel(launcher, workspace) as kernel:
            await run_code(kernel, code)
            return time.perf_counter() - started


async def pool(launcher: Launcher, code: str) -> float:
    """Seconds with a kernel that runs already; the pool starts the next one meanwhile."""
    async with WarmKernels(launcher, 2) as warm:
        started = time.perf_counter()
        async with (
            warm.workspace() as workspace,
            Kernel(launcher, workspace, warm=warm) as kernel,
        ):
            await run_code(kernel, code)
            return time.perf_counter() - started


async def process(launcher: Launcher, code: str) -> float:
    """Seconds of a forked process that runs the code and ends: the limit for any kernel."""
    with launcher.workspace() as workspace:
        started = time.perf_counter()
        await run_forked(launcher, workspace, code)
        return time.perf_counter() - started
