"""Grading one submission: run its worlds, measure, match its report, judge."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from grader.checks import run_checks
from grader.doubt import shown_together
from grader.reexecute import WorldRun, run_world
from grader.report import Match, match, problems
from grader.submission import (
    NotebookError,
    ReportError,
    Submission,
    parse_notebook,
    parse_report,
)
from grader.verdict import BugResult, CheckResult, FailureReason, Verdict
from kernel_tool.launch import Launcher
from task_spec.model import Evidence
from task_spec.prompt import REPORT_BUGS, REPORT_FALSE_ALARMS, REPORT_FORMAT
from task_spec.variant import Variant


async def run_worlds(
    cells: Sequence[str],
    variant: Variant,
    seed: int,
    launcher: Launcher,
    only: Sequence[str] | None = None,
) -> list[WorldRun]:
    """Execute cells in the worlds of a variant (or ``only`` some) until one run fails."""
    runs: list[WorldRun] = []
    evidence: dict[str, Evidence] = {}
    for world in variant.task.worlds(variant.draw, seed):
        if only is not None and world.name not in only:
            continue
        run = await run_world(cells, world, launcher, variant.task.budgets, evidence)
        runs.append(run)
        if run.evidence is None:
            break
        evidence[world.name] = run.evidence
    return runs


async def grade(
    submission: Submission, variant: Variant, *, seed: int = 0, launcher: Launcher | None = None
) -> Verdict:
    """The verdict on a submission. ``seed`` draws the unpublished worlds.

    A fault of the machinery (no kernel, a crash of the grader) is raised, never judged.
    """
    launcher = launcher or Launcher()
    started = time.monotonic()
    wrong = problems(submission.report, variant)
    if wrong:
        return failed(FailureReason.BAD_REPORT, "\n".join(wrong))
    runs = await run_worlds(submission.cells, variant, seed, launcher)
    # The affected rows may have to be drawn: off the event loop that serves other trials.
    matched = await asyncio.to_thread(match, submission.report, variant)
    verdict = judge(variant, run_checks(variant.task, runs), matched, runs)
    return verdict.model_copy(
        update={
            **confinement(launcher),
            "seconds": time.monotonic() - started,
            "cpu_seconds": sum(run.cpu_seconds for run in runs),
        }
    )


async def grade_text(
    notebook: str, report: object, variant: Variant, seed: int, launcher: Launcher | None = None
) -> Verdict:
    """Grade a notebook and a report as they were handed in; what can't be read fails."""
    try:
        submission = Submission(parse_notebook(notebook), parse_report(report, variant.task.report))
    except NotebookError as error:
        return failed(FailureReason.NOTEBOOK_ERROR, str(error))
    except ReportError as error:
        return failed(FailureReason.BAD_REPORT, str(error))
    return await grade(submission, variant, seed=seed, launcher=launcher)


def confinement(launcher: Launcher) -> dict[str, Any]:
    """What a verdict says of how its kernels were confined."""
    return {"confined": launcher.confined, "sandbox": launcher.tier.value}


def failed(reason: FailureReason, detail: str) -> Verdict:
    """The verdict where nothing could be measured."""
    return Verdict(passed=False, reward=0.0, failure_reason=reason, detail=detail)


def judge(
    variant: Variant, checks: list[CheckResult], matched: Match, runs: Sequence[WorldRun] = ()
) -> Verdict:
    """Put results together: what was repaired and reported, and the one reason of a failure."""
    checks = [*checks, *_report_checks(variant, matched)]
    passed = {check.id: check.passed for check in checks}
    fixed = {
        bug: all(passed.get(check_id, False) for check_id in bug.checks) for bug in variant.bugs
    }
    together = shown_together(bug for bug, holds in fixed.items() if not holds)
    doubtful = {bug_id for group in together if len(group) > 1 for bug_id in group}
    bugs = tuple(
        BugResult(
            id=bug.id,
            kind=bug.kind.value,
            clauses=bug.clauses,
            fixed=fixed[bug],
            reported=bug.id in matched.entry_of,
            in_doubt=bug.id in doubtful,
            entry=matched.entry_of.get(bug.id),
            precision=score.precision if (score := matched.rows.get(bug.id)) else None,
            recall=score.recall if score else None,
        )
        for bug in variant.bugs
    )
    reason, detail = _reason(variant, checks, bugs, runs)
    return Verdict(
        passed=reason is None,
        reward=1.0 if reason is None else _partial_reward(variant, checks, bugs, matched),
        failure_reason=reason,
        detail=detail,
        checks=tuple(checks),
        bugs=bugs,
        false_alarms=matched.false_alarms,
        metrics=_metrics(runs),
    )


def _report_checks(variant: Variant, matched: Match) -> list[CheckResult]:
    missed = [bug.id for bug in variant.bugs if bug.id not in matched.entry_of]
    limit = variant.task.report.max_false_alarms
    alarms = len(matched.false_alarms)

    def result(check_id: str, value: int, passed: bool, bound: str, why: str) -> CheckResult:
        return CheckResult(
            id=check_id, clause=None, passed=passed, value=value, bound=bound, explanation=why
        )

    return [
        result(REPORT_FORMAT, 0, True, "no malformed entry", "well-formed"),
        result(
            REPORT_BUGS,
            len(missed),
            not missed,
            "no planted bug unreported",
            f"unreported: {', '.join(missed)}{_row_notes(matched)}" if missed else "all reported",
        ),
        result(
            REPORT_FALSE_ALARMS,
            alarms,
            alarms <= limit,
            f"at most {limit}",
            f"entries that report no bug: {', '.join(map(str, matched.false_alarms)) or 'none'}",
        ),
    ]


def _row_notes(matched: Match) -> str:
    notes = [f"{bug}: rows of {score}" for bug, score in matched.rows.items()]
    return f" ({'; '.join(notes)})" if notes else ""


def _reason(
    variant: Variant,
    checks: list[CheckResult],
    bugs: Sequence[BugResult],
    runs: Sequence[WorldRun],
) -> tuple[FailureReason | None, str]:
    """The first reason that applies, in the order of FailureReason."""
    for run in runs:
        if run.error is not None:
            reason = FailureReason.TIMEOUT if run.timed_out else FailureReason.NOTEBOOK_ERROR
            return reason, f"world {run.world}: {run.error}"
    unreported = [bug for bug in bugs if not bug.reported]
    missed = [bug.id for bug in unreported if bug.precision is None]
    if missed:
        return FailureReason.MISSED_BUG, f"not reported: {', '.join(missed)}"
    if unreported:
        return FailureReason.WRONG_ROWS, "; ".join(
            f"{bug.id}: rows of {bug.rows}" for bug in unreported
        )
    unfixed = [bug for bug, of in zip(variant.bugs, bugs, strict=True) if not of.fixed]
    if unfixed:
        left = ", ".join(" and/or ".join(group) for group in shown_together(unfixed))
        return FailureReason.PARTIAL_FIX, f"reported but not repaired: {left}"
    broken = [c for c in checks if not c.passed and c.id != REPORT_FALSE_ALARMS]
    if broken:
        return FailureReason.REGRESSION, f"{broken[0].id}: {broken[0].explanation}"
    alarms = next(c for c in checks if c.id == REPORT_FALSE_ALARMS)
    if not alarms.passed:
        return FailureReason.FALSE_ALARM, alarms.explanation
    return None, ""


def _partial_reward(
    variant: Variant, checks: list[CheckResult], bugs: Sequence[BugResult], matched: Match
) -> float:
    """Below 0.9: the mean share of bugs repaired and reported, times the share of all other checks
    that hold, less a tenth for each false alarm above the limit."""
    halves = [(bug.fixed + bug.reported) / 2 for bug in bugs] or [0.0]
    planted = {check_id for bug in variant.bugs for check_id in bug.checks} | {REPORT_BUGS}
    others = [check.passed for check in checks if check.id not in planted]
    excess = max(0, len(matched.false_alarms) - variant.task.report.max_false_alarms)
    reward = 0.9 * sum(halves) / len(halves) * sum(others) / len(others) - 0.1 * excess
    return round(max(0.0, reward), 6)


def _metrics(runs: Sequence[WorldRun]) -> dict[str, float]:
    """What the runs themselves reported, by world: claims, kept for the reader."""
    found = {}
    for run in runs:
        results = run.evidence.claims.get("results") if run.evidence else None
        for name, value in results.items() if isinstance(results, dict) else ():
            with suppress(OverflowError):  # an integer of any length
                if isinstance(value, int | float):
                    found[f"{run.world}.{name}"] = float(value)
    return found
