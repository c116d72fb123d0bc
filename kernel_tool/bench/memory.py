"""How much memory a kernel takes while others run beside it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

import psutil

from kernel_tool.bench.cells import ADAM, PLOT
from kernel_tool.bench.results import Effort, Part
from kernel_tool.bench.ways import run_code, start_server
from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher

_MIB = 1 << 20
_ALL = "kernel with warden and sandbox"
# What a cold kernel may need of the machine's free memory, in MiB, before more of them are tried.
_EACH = 500


async def measure(effort: Effort, say: Callable[[str], None]) -> Part:
    part = Part("memory", "memory of a kernel, after import torch, Adam and a plot (PSS)")
    forked, cold = Launcher(), Launcher(forked=False)
    await start_server(forked)
    for way, launcher, counts in (("forked", forked, effort.forked), ("cold", cold, effort.cold)):
        for count in counts:
            if psutil.virtual_memory().available < count * _EACH * _MIB:
                part.notes.append(f"{count} {way}: not measured, too little memory is free")
                continue
            say(f"{count} {way}")
            try:
                alone, everything = await _each(launcher, count)
            except psutil.AccessDenied:
                # A kernel hides its memory from all but root.
                part.notes.append(f"{count} {way}: not measured, only root may read it")
                continue
            part.add("kernel", _way(count, way), "MiB", [alone])
            part.add(_ALL, _way(count, way), "MiB", [everything])
    _compare(part)
    return part


def _way(count: int, way: str) -> str:
    return f"{way}, {count} at once"


def _compare(part: Part) -> None:
    most = next((n for n in (16, 8) if part.of("kernel", _way(n, "cold"))), 8)
    for quantity, bounded in (("kernel", True), (_ALL, False)):
        for forked, cold, limit in ((8, 8, 1 / 3), (32, most, 1 / 4.5)):
            part.compare(
                (quantity, _way(forked, "forked")),
                (quantity, _way(cold, "cold")),
                limit if bounded else None,
            )


async def _each(launcher: Launcher, count: int) -> tuple[float, float]:
    """MiB for each of ``count`` kernels: its own process, and all that is there because of it.

    A page that several processes share is counted in parts, so all of it adds up to what is
    used; the fork server, which is there once, is not counted.
    """
    before = {each.pid for each in _descendants()}
    async with AsyncExitStack() as stack:
        kernels = []
        for _ in range(count):
            workspace = stack.enter_context(launcher.workspace())
            kernels.append(await stack.enter_async_context(Kernel(launcher, workspace)))
        for kernel in kernels:
            await run_code(kernel, ADAM)
            await run_code(kernel, PLOT)
        new = [each for each in _descendants() if each.pid not in before]
        # A kernel that is idle has no children; its warden and most of its sandbox have.
        alone = sum(_pss(each) for each in new if not each.children())
        return alone / count / _MIB, sum(map(_pss, new)) / count / _MIB


def _descendants() -> list[psutil.Process]:
    return list(psutil.Process().children(recursive=True))


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return 0
