"""What the execution of a whole notebook costs: one at a time, and two."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence

from kernel_tool.bench import executing
from kernel_tool.bench.cells import notebook
from kernel_tool.bench.results import Effort, Part, Ratio
from kernel_tool.bench.usage import Spending, Spent
from kernel_tool.bench.ways import start_server
from kernel_tool.launch import Launcher

CONCURRENCY = 2
# Of the kernel or script; "CPU" counts sandbox, warden and caller as well.
_ALONE = "CPU of the process alone"


async def one(effort: Effort, say: Callable[[str], None]) -> Part:
    cells, ways = notebook(effort.epochs), executing.ways()
    part = Part("notebook", f"a notebook of {len(cells)} cells, from nothing to its end")
    await start_server(Launcher())
    spent: dict[str, list[Spent]] = {name: [] for name in ways}
    done: dict[str, list[executing.Execution]] = {name: [] for name in ways}
    for number in range(effort.repetitions):
        for name, way in ways.items():
            say(f"{number + 1} of {effort.repetitions}: {name}")
            async with Spending() as cost:
                done[name].append(await executing.execute(way, cells))
            spent[name].append(cost)
    for name in ways:
        part.add("wall", name, "s", [cost.seconds for cost in spent[name]])
        part.add("CPU", name, "s", [cost.cpu for cost in spent[name]])
        part.add(_ALONE, name, "s", [each.cpu for each in done[name] if each.cpu is not None])
    _note_metrics(part, done)
    _compare(part)
    return part


def _compare(part: Part) -> None:
    part.compare(("CPU", executing.OURS_FORKED), ("CPU", executing.SCRIPT_FORKED), 1.1)
    part.compare((_ALONE, executing.OURS_FORKED), (_ALONE, executing.SCRIPT_FORKED))
    names = [measure.way for measure in part.measures if measure.quantity == "wall"]
    for name in names:
        if name != executing.SCRIPT:
            part.compare(("wall", name), ("wall", executing.SCRIPT))
    if executing.PAPERMILL not in names:
        part.notes.append("papermill: not installed")


def _note_metrics(part: Part, done: dict[str, list[executing.Execution]]) -> None:
    metrics = {name: [each.metric for each in executions] for name, executions in done.items()}
    different = sorted({metric for found in metrics.values() for metric in found})
    part.ratios.append(Ratio("different values of the final metric", len(different), 1))
    part.notes.append(f"final metric, to the last bit: {', '.join(different)}")
    if len(different) > 1:
        part.notes.append(f"the metric of each: {metrics}")


async def two_at_a_time(effort: Effort, say: Callable[[str], None]) -> Part:
    title = f"{effort.executions} executions of the notebook, {CONCURRENCY} at a time"
    part = Part("sixteen", title)
    await start_server(Launcher())
    cells, ways = notebook(effort.epochs), executing.ways()
    for name in (executing.OURS_COLD, executing.OURS_FORKED):
        say(name)
        async with Spending() as spent:
            await _many(ways[name], cells, effort.executions)
        part.add("wall", name, "s", [spent.seconds])
        part.add("CPU", name, "s", [spent.cpu])
        part.add("CPU bound of the wall", name, "s", [spent.cpu / cores_used()])
    forked = executing.OURS_FORKED
    part.compare(("wall", forked), ("wall", executing.OURS_COLD), 1 / 3)
    part.compare(("wall", forked), ("CPU bound of the wall", forked), 1.25)
    return part


async def _many(way: executing.Way, cells: Sequence[str], count: int) -> None:
    gate = asyncio.Semaphore(CONCURRENCY)

    async def execute() -> None:
        async with gate:
            await executing.execute(way, cells)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(execute())


def cores_used() -> int:
    """How many cores the executions can keep busy at a time."""
    return min(CONCURRENCY, os.cpu_count() or 1)
