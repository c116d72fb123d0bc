"""Executing the cells of a validation, several at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from grader.checks import Reading, readings, results_of
from grader.grading import judge, run_worlds
from grader.reexecute import WorldRun
from grader.report import match
from grader.validation.cells import Cell, Part, Plan, cells_of, pilot_of
from grader.validation.confusion import CellResult, Outcome, assess
from grader.validation.kept import Memory
from grader.validation.pilot import Layout
from grader.validation.reports import judged_reports
from kernel_tool.launch import Launcher
from task_spec.model import Task

Told = Callable[[CellResult], None]


@dataclass
class Validation:
    """A validation under way. ``results`` grows as cells end, so that it can be stopped anywhere.

    ``seen`` is told of each cell that has ended. What is in ``memory`` is not executed again,
    but for the first cell.
    """

    plan: Plan
    launcher: Launcher
    jobs: int
    seen: Told = lambda _: None
    memory: Memory = field(default_factory=Memory)
    results: list[CellResult] = field(default_factory=list)
    layout: Layout = field(default_factory=Layout)

    def __post_init__(self) -> None:
        plan = self.plan
        self.layout.costs.update(self.memory.costs)
        self.reports = tuple(judged_reports(plan)) if Part.REPORT in plan.parts else ()
        self.pilot = pilot_of(plan)
        self.open = deque(cells_of(plan))
        self.runs_any = bool(self.open) or Part.CORRECT in plan.parts
        self.total = len(self.reports) + self.runs_any + len(self.open)

    async def run(self) -> None:
        """Judge all reports and execute all cells.

        A correct notebook that does not run at all ends it at once.
        """
        for result in self.reports:
            self._end(result)
        self._recall()
        if self.runs_any:
            await self._pilot()

    async def _pilot(self) -> None:
        """The correct notebook first: it tells which worlds measure what, at what cost."""
        cell, task = self.pilot, self.layout.watching(self.plan.task)
        try:
            runs = await self._runs(replace(cell, variant=replace(cell.variant, task=task)), None)
            result = _result(cell, task, runs)
        except Exception as error:
            result = _fault(cell, error)
        self._end(result)
        if result.outcome is Outcome.FAULT or any(run.evidence is None for run in runs):
            return
        if not self.layout.costs:
            self.layout.costs.update({run.world: run.cpu_seconds for run in runs})
        async with asyncio.TaskGroup() as group:
            for _ in range(self.jobs):
                group.create_task(self._work())

    def _recall(self) -> None:
        left = list(self.open)
        self.open.clear()
        for cell in left:
            if (result := self.memory.recall(cell)) is None:
                self.open.append(cell)
            else:
                self._end(result)

    async def _work(self) -> None:
        while self.open:
            cell = self.open.popleft()
            try:
                result = await self._executed(cell)
            except Exception as error:  # the other cells go on
                result = _fault(cell, error)
            self._end(result)

    async def _executed(self, cell: Cell) -> CellResult:
        task, worlds = self._measuring(cell)
        result = _result(cell, task, await self._runs(cell, worlds))
        if cell.breaks and worlds is not None and result.outcome is Outcome.WRONGLY_PASSED:
            # What the cheapest worlds don't show another may; a grading runs them all.
            result = _result(cell, cell.variant.task, await self._runs(cell, None))
        return result

    def _measuring(self, cell: Cell) -> tuple[Task, tuple[str, ...] | None]:
        """The worlds of a cell, and the task with the checks that they can decide."""
        task = cell.variant.task
        if cell.measures is None:
            return task, None
        worlds = cell.worlds or self.layout.cheapest(task, cell.measures)
        return replace(task, checks=self.layout.measurable(task, frozenset(worlds))), worlds

    async def _runs(self, cell: Cell, worlds: Sequence[str] | None) -> list[WorldRun]:
        seed = cell.variant.seed  # draws the hidden data, too
        return await run_worlds(cell.sources(), cell.variant, seed, self.launcher, worlds)

    def _end(self, result: CellResult) -> None:
        self.results.append(result)
        self.seen(result)


def _result(cell: Cell, task: Task, runs: Sequence[WorldRun]) -> CellResult:
    """What a cell's runs come to; only numbers are kept of their evidence."""
    found: list[Reading] = readings(task, runs)
    verdict = judge(
        cell.variant, results_of(task, runs, found), match(cell.report, cell.variant), runs
    )
    outcome, why = assess(cell, found, verdict)
    errors = [f"{run.world}: {run.error}" for run in runs if run.error is not None]
    why = "; ".join([*errors, why]) if why else why
    return CellResult(cell, outcome, why, tuple(found), sum(run.cpu_seconds for run in runs))


def _fault(cell: Cell, error: Exception) -> CellResult:
    return CellResult(cell, Outcome.FAULT, f"{type(error).__name__}: {error}")
