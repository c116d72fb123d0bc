"""Executing a submission's cells again, in a fresh kernel, in one world."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.evidence import MALFORMED, EvidenceError, read_evidence
from kernel_tool.execution import Execution
from kernel_tool.kernel import Kernel, KernelStartError
from kernel_tool.launch import Launcher
from kernel_tool.scratch import remove, scratch_folder
from task_spec.model import Budgets, Evidence, World

PROBE_SECONDS = 120


@dataclass(frozen=True)
class WorldRun:
    """What came of one re-execution. ``error`` is None exactly where there is evidence."""

    world: str
    evidence: Evidence | None
    error: str | None
    timed_out: bool
    seconds: float
    cpu_seconds: float


class _RunError(Exception):
    def __init__(self, text: str, timed_out: bool = False) -> None:
        super().__init__(text)
        self.timed_out = timed_out


async def run_world(
    cells: Sequence[str],
    world: World,
    launcher: Launcher,
    budgets: Budgets,
    earlier: Mapping[str, Evidence],
) -> WorldRun:
    """Run cells in a pristine workspace of a world, ask the probe, and read the evidence."""
    started, cpu = time.monotonic(), 0.0
    with launcher.workspace() as workspace:
        try:
            truth = await _stage(world, workspace, earlier)
            async with Kernel(launcher, workspace) as kernel:
                try:
                    await _run_cells(kernel, cells, world, workspace, truth, budgets)
                    claims, arrays = await asyncio.to_thread(read_evidence, workspace)
                finally:
                    cpu = kernel.cpu_seconds()
            evidence = Evidence(world.name, truth, claims, arrays)
            return WorldRun(world.name, evidence, None, False, time.monotonic() - started, cpu)
        except (EvidenceError, _RunError) as error:
            late = isinstance(error, _RunError) and error.timed_out
            return WorldRun(world.name, None, str(error), late, time.monotonic() - started, cpu)


async def _stage(world: World, workspace: Path, earlier: Mapping[str, Evidence]) -> object:
    # Drawing a survey is CPU work: off the event loop that serves other trials.
    try:
        return await asyncio.to_thread(world.stage, workspace, earlier)
    except MALFORMED as error:
        if not earlier:
            raise
        # A world may be made from what an earlier one claimed, and claims can be anything.
        raise _RunError(f"the world can't be made from the claims before: {error!r}") from None


async def _run_cells(
    kernel: Kernel,
    cells: Sequence[str],
    world: World,
    workspace: Path,
    truth: object,
    budgets: Budgets,
) -> None:
    # The prelude is ours: if it fails the kernel is broken, which is no fault of the submission.
    # Silent, so that the cells are counted as in an episode.
    prelude = await kernel.execute(world.prelude, timeout=PROBE_SECONDS, silent=True)
    if prelude.status != "ok":
        raise RuntimeError(f"the recorder did not start in world {world.name}: {_why(prelude)}")
    try:
        await _run_submission(kernel, cells, budgets)
        _reveal(world, workspace, truth)
        probe = await kernel.execute(world.probe, timeout=PROBE_SECONDS)
    except KernelStartError as error:
        # One had started here: it is the submission that has left no room for another.
        raise _RunError(f"the kernel died and could not be replaced: {error}") from None
    if probe.status != "ok":
        raise _RunError(f"the functions of the notebook could not be called: {_why(probe)}")


async def _run_submission(kernel: Kernel, cells: Sequence[str], budgets: Budgets) -> None:
    deadline = time.monotonic() + budgets.run_seconds
    for number, source in enumerate(cells, 1):
        left = deadline - time.monotonic()
        execution = await kernel.execute(source, timeout=max(0.1, left))
        if time.monotonic() >= deadline:  # interrupted, or killed as it did not stop
            raise _RunError(f"code cell {number}: more than {budgets.run_seconds} s in all", True)
        if execution.status != "ok":
            raise _RunError(f"code cell {number}: {_why(execution)}")


def _reveal(world: World, workspace: Path, truth: object) -> None:
    """Put the hidden inputs into the workspace, in which the submission may have set traps.

    They are written elsewhere and moved in: a link that waits under their name is not followed.
    """
    folder = scratch_folder("hidden-")
    try:
        world.reveal(folder, truth)
        for entry in folder.iterdir():
            try:
                entry.rename(workspace / entry.name)
            except OSError as error:
                why = f"{entry.name!r} is in the way of the grader's inputs: {error.strerror}"
                raise _RunError(why) from None
    finally:
        remove(folder)


def _why(execution: Execution) -> str:
    for output in execution.outputs:
        if output.get("output_type") == "error":
            return f"{output.get('ename')}: {output.get('evalue')}"[:400]
    return execution.note or execution.status
