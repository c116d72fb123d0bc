"""Turning evidence into check results: the worst world of each check decides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from grader.evidence import MALFORMED
from grader.reexecute import WorldRun
from grader.verdict import CheckResult
from task_spec.model import Check, Evidence, Measurement, Task
from task_spec.prompt import RUN_EXECUTES, RUN_TIME


@dataclass(frozen=True)
class Reading:
    """What a check measured in one world."""

    check: Check
    world: str
    measurement: Measurement


def readings(task: Task, runs: Sequence[WorldRun]) -> list[Reading]:
    """Every check of a task in every world of its own that is among ``runs``."""
    evidence = {run.world: run.evidence for run in runs if run.evidence is not None}
    tried = {run.world for run in runs}
    return [
        Reading(check, world, _measured(check, world, evidence))
        for check in task.checks
        for world in check.worlds
        if world in tried
    ]


def run_checks(task: Task, runs: Sequence[WorldRun]) -> list[CheckResult]:
    """Results of the run's own checks, and of every task check that has a world among ``runs``."""
    return results_of(task, runs, readings(task, runs))


def results_of(task: Task, runs: Sequence[WorldRun], found: Sequence[Reading]) -> list[CheckResult]:
    """The same, of readings that were taken already."""
    by_check = groupby(found, key=lambda reading: reading.check.id)
    return [*_of_runs(task, runs), *(_worst([_result(r) for r in of]) for _, of in by_check)]


def _of_runs(task: Task, runs: Sequence[WorldRun]) -> list[CheckResult]:
    failed = [run for run in runs if run.error is not None and not run.timed_out]
    late = [run for run in runs if run.timed_out]
    slowest = max((run.seconds for run in runs), default=math.nan)
    return [
        CheckResult(
            id=RUN_EXECUTES,
            clause=None,
            passed=not failed and not late,
            value=float(len(failed) + len(late)),
            bound="no run fails",
            explanation="; ".join(f"{r.world}: {r.error}" for r in [*failed, *late])
            or "all cells ran",
        ),
        CheckResult(
            id=RUN_TIME,
            clause=None,
            passed=not late,
            value=None,  # a wall time would differ from run to run
            bound=f"each run at most {task.budgets.run_seconds} s",
            explanation="in time" if not late else f"stopped after {slowest:.0f} s",
        ),
    ]


def _measured(check: Check, world: str, evidence: Mapping[str, Evidence]) -> Measurement:
    try:
        found = check.measure(evidence[world], evidence)
        return found if found.value is None else replace(found, value=float(found.value))
    except MALFORMED as error:
        return Measurement(None, False, _unmeasured(world, evidence, error))


def _result(reading: Reading) -> CheckResult:
    check, found = reading.check, reading.measurement
    return CheckResult(
        id=check.id,
        clause=check.clause,
        passed=found.passed,
        value=found.value if found.value is not None and math.isfinite(found.value) else None,
        bound=check.bound,
        explanation=found.explanation,
        world=reading.world,
    )


def _unmeasured(world: str, evidence: Mapping[str, Evidence], error: Exception) -> str:
    if world not in evidence:
        return "not measurable: the run failed"
    claimed = evidence[world].claims.get("errors")
    noted = [one for one in claimed if isinstance(one, str)] if isinstance(claimed, list) else []
    return f"not measurable: {'; '.join(noted[:3]) or repr(error)}"[:600]


def _worst(results: list[CheckResult]) -> CheckResult:
    """The first world in which a check fails, or the first, with the names of the others."""
    failed = next((result for result in results if not result.passed), None)
    if failed is not None or len(results) == 1:
        return failed or results[0]
    others = ", ".join(result.world for result in results[1:])
    first = results[0]
    return first.model_copy(update={"explanation": f"{first.explanation} (holds in {others} too)"})
