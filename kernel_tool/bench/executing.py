"""Ways to execute a whole notebook, each from nothing to its end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from kernel_tool.bench.cells import METRIC
from kernel_tool.bench.ways import PATIENCE, plain_environment, run_code, run_forked, stock_start
from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher
from kernel_tool.provisioner import kernel_manager

OURS_FORKED, OURS_COLD = "ours, forked", "ours, cold"
NBCLIENT_FORKED, NBCLIENT_STOCK = "nbclient, forked", "nbclient, stock cold"
PAPERMILL, SCRIPT, SCRIPT_FORKED = "papermill", "plain script", "plain script, forked"

# Executes cells in a folder; the CPU seconds of the process that they ran in, if those are known.
Way = Callable[[Sequence[str], Path], Awaitable[float | None]]


@dataclass(frozen=True)
class Execution:
    """metric: what the cells wrote, with all of its bits. cpu: seconds of their process alone."""

    metric: str
    cpu: float | None


def ways() -> dict[str, Way]:
    """All of them that are installed."""
    forked, cold = Launcher(), Launcher(forked=False)
    found: dict[str, Way] = {
        OURS_FORKED: partial(_ours, forked),
        OURS_COLD: partial(_ours, cold),
        NBCLIENT_FORKED: partial(_nbclient, forked),
        NBCLIENT_STOCK: _nbclient_stock,
        PAPERMILL: _papermill,
        SCRIPT: _script,
        SCRIPT_FORKED: partial(_script_forked, forked),
    }
    if find_spec("papermill") is None:
        del found[PAPERMILL]
    return found


async def execute(way: Way, cells: Sequence[str]) -> Execution:
    """Execute cells in an empty folder."""
    with Launcher().workspace() as workspace:
        cpu = await way(cells, workspace)
        return Execution((workspace / METRIC).read_text(encoding="utf-8"), cpu)


async def _ours(launcher: Launcher, cells: Sequence[str], workspace: Path) -> float:
    async with Kernel(launcher, workspace) as kernel:
        for cell in cells:
            await run_code(kernel, cell)
    return kernel.cpu_seconds()


async def _nbclient(launcher: Launcher, cells: Sequence[str], workspace: Path) -> None:
    client = NotebookClient(_node(cells), timeout=PATIENCE, km=kernel_manager(launcher))
    await client.async_execute(cwd=str(workspace), cleanup_kc=True)


async def _nbclient_stock(cells: Sequence[str], workspace: Path) -> None:
    client = NotebookClient(_node(cells), timeout=PATIENCE, kernel_name="python3")
    await client.async_execute(**stock_start(workspace))


async def _papermill(cells: Sequence[str], workspace: Path) -> None:
    nbformat.write(_node(cells), workspace / "in.ipynb")
    await _command(["-m", "papermill", "--no-progress-bar", "in.ipynb", "out.ipynb"], workspace)


async def _script(cells: Sequence[str], workspace: Path) -> None:
    (workspace / "script.py").write_text("\n".join(cells), encoding="utf-8")
    await _command(["script.py"], workspace)


async def _script_forked(launcher: Launcher, cells: Sequence[str], workspace: Path) -> float:
    return await run_forked(launcher, workspace, "\n".join(cells))


async def _command(arguments: list[str], workspace: Path) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, *arguments],
        cwd=workspace,
        env={**plain_environment(), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr[-1000:]}")


def _node(cells: Sequence[str]) -> NotebookNode:
    spec = {"name": "python3", "display_name": "python3", "language": "python"}
    node: NotebookNode = new_notebook(
        cells=[new_code_cell(cell) for cell in cells], metadata={"kernelspec": spec}
    )
    return node
