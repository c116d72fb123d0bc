"""What grading and whole trials cost, by the commands that a user would run."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat

from kernel_tool.bench.notebooks import CONCURRENCY, cores_used
from kernel_tool.bench.results import Effort, Part
from kernel_tool.bench.usage import Spending
from kernel_tool.bench.ways import folder, run_code, start_server
from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher

_DATA = Path(__file__).parents[2] / "notebooks" / "transits" / "data"
# A run for each of the two worlds in which a submission trains in full, and one for all the rest.
_RUNS = 3.0


async def measure(effort: Effort, say: Callable[[str], None]) -> Part:
    part = Part("grading", "grading and trials (agent oracle)")
    if find_spec("grader") is None:
        part.notes.append("the package grader: not installed")
        return part
    with folder() as out:
        say(f"{effort.trials} trials, {CONCURRENCY} at a time")
        verdicts = await _trials(effort.trials, out / "run", part)
        await start_server(Launcher())
        plain = []
        for path in verdicts:
            say(f"plain run of {path.parent.name}")
            plain.append(await _plain_run(path.with_name("submission.ipynb")))
    part.add("kernels' CPU", "plain run", "s", plain)
    part.compare(("kernels' CPU", "grading"), ("kernels' CPU", "plain run"), _RUNS)
    return part


async def _trials(count: int, out: Path, part: Part) -> list[Path]:
    """Run trials; the files of their verdicts."""
    async with Spending() as spent:
        await asyncio.to_thread(_command, count, out)
    part.add("trials", "wall of all", "s", [spent.seconds])
    part.add("trials", "CPU of all", "s", [spent.cpu])
    part.add("trials", "a minute", "1/min", [60 * count / spent.seconds])
    part.add("trials", "a minute, CPU bound", "1/min", [60 * count * cores_used() / spent.cpu])
    part.compare(("trials", "a minute"), ("trials", "a minute, CPU bound"))
    paths, verdicts = _verdicts(out)
    part.add("kernels' CPU", "grading", "s", [verdict["cpu_seconds"] for verdict in verdicts])
    passed = sum(bool(verdict["passed"]) for verdict in verdicts)
    part.notes.append(f"{passed} of {count} trials passed")
    return paths


def _verdicts(out: Path) -> tuple[list[Path], list[dict[str, Any]]]:
    paths = sorted(out.rglob("verdict.json"))
    return paths, [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _command(count: int, out: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "grader.run_trials", "--agent", "oracle"),
            *("--trials", str(count), "--concurrency", str(CONCURRENCY), "--out", str(out)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the trials ended with {done.returncode}: {done.stderr[-1000:]}")


async def _plain_run(path: Path) -> float:
    """CPU seconds of a forked kernel that runs a submission once, as the verdict counts them."""
    cells = nbformat.read(path, as_version=4).cells
    with Launcher().workspace() as workspace:
        shutil.copytree(_DATA, workspace / "data")
        async with Kernel(Launcher(), workspace) as kernel:
            for cell in cells:
                if cell.cell_type == "code":
                    await run_code(kernel, cell.source)
            return kernel.cpu_seconds()
