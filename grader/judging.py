"""Judging a trial that was played, from what its folder keeps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from grader.grading import confinement, failed, grade_text
from grader.playing import NOTEBOOK, REPORT
from grader.records import write_json
from grader.transcript import End, Event
from grader.verdict import CheckResult, FailureReason, Verdict
from kernel_tool.launch import Launcher
from task_spec.prompt import BUDGET, SUBMITTED
from task_spec.variant import Variant


async def judge_trial(
    variant: Variant, seed: int, launcher: Launcher, folder: Path, events: Sequence[Event]
) -> Verdict:
    """The verdict on a played episode, also written to ``verdict.json``.

    Raises what goes wrong with the machinery; grading is deterministic, and can be done again.
    """
    end = next(event for event in events if isinstance(event, End))
    if end.reason != "submitted":
        verdict = failed(FailureReason(end.reason), end.detail)
    else:
        notebook = (folder / NOTEBOOK).read_text(encoding="utf-8")
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        verdict = await grade_text(notebook, report, variant, seed, launcher)
    verdict = verdict.model_copy(
        update={"checks": (*episode_checks(end), *verdict.checks), **confinement(launcher)}
    )
    write_json(folder / "verdict.json", verdict.model_dump(mode="json"))
    return verdict


def episode_checks(end: End) -> tuple[CheckResult, ...]:
    """Results of the checks on the episode itself."""

    def check(check_id: str, passed: bool, bound: str) -> CheckResult:
        return CheckResult(
            id=check_id,
            clause=None,
            passed=passed,
            value=None,
            bound=bound,
            explanation=end.detail or end.reason,
        )

    return (
        check(SUBMITTED, end.reason == "submitted", "a submission"),
        check(BUDGET, end.reason != "out_of_budget", "within all budgets"),
    )
