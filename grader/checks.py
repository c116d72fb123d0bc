"""Turning evidence into check results: the worst world of each check decides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from grader.evidence import MALFORMED
from grader.reexecute import WorldRun
from grader.verdict import CheckResult
from task_spec.model import Check, Evidence, Measurement, Task
from task_spec.prompt import RUN_EXECUTES, RUN_TIME


def run_checks(task: Task, runs: Sequence[WorldRun]) -> list[CheckResult]:
    """Results of the run's own checks, and of every task check that has a world among ``runs``."""
    evidence = {run.world: run.evidence for run in runs if run.evidence is not None}
    tried = {run.world for run in runs}
    results = _of_runs(task, runs)
    for check in task.checks:
        worlds = [world for world in check.worlds if world in tried]
        if worlds:
            results.append(_worst([_measured(check, world, evidence) for world in worlds]))
    return results


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


def _measured(check: Check, world: str, evidence: Mapping[str, Evidence]) -> CheckResult:
    try:
        measurement = check.measure(evidence[world], evidence)
        value = None if measurement.value is None else float(measurement.value)
    except MALFORMED as error:
        measurement, value = Measurement(None, False, _unmeasured(world, evidence, error)), None
    return CheckResult(
        id=check.id,
        clause=check.clause,
        passed=measurement.passed,
        value=value if value is not None and math.isfinite(value) else None,
        bound=check.bound,
        explanation=measurement.explanation,
        world=world,
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
