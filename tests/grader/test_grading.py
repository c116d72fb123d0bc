"""The grader on the correct notebook, and on many repairs and near misses together."""

import pytest

from grader.grading import judge
from grader.report import match
from grader.validation.reports import perfect
from task_spec.composition import choose
from task_spec.model import Edit
from tests.grader.playing import (
    TASK,
    checked,
    correct_cells,
    full_report,
    graded,
)


async def test_correct_notebook_with_a_full_report_passes():
    verdict = await graded(correct_cells(), full_report())
    assert verdict.passed, verdict.detail
    assert verdict.reward == 1
    assert verdict.failure_reason is None
    assert all(check.passed for check in verdict.checks)
    assert all(bug.fixed and bug.reported for bug in verdict.bugs)
    assert {check.clause for check in verdict.checks} >= {clause.id for clause in TASK.clauses}
    assert verdict.metrics["fresh.test_ap"] != verdict.metrics["published.test_ap"]


@pytest.mark.parametrize(
    ("failed", "left"),
    [
        (("P10.rate",), "schedule_count"),
        (("P10.rate", "P1.stars"), "star_hours and/or minus_zero, schedule_count"),
        (("P3.flux",), "magnitudes and/or held_points"),
        (("P3.observed",), "held_points"),
    ],
)
def test_where_a_check_shows_several_bugs_a_verdict_does_not_say_which_was_left(failed, left):
    planted = ["star_hours", "minus_zero", "magnitudes", "held_points", "schedule_count"]
    variant = choose(TASK, only=planted)
    results = [
        check.model_copy(update={"passed": check.id not in failed}) for check in perfect(variant)
    ]
    verdict = judge(variant, results, match(full_report(variant), variant))
    assert verdict.detail == f"reported but not repaired: {left}"
    in_doubt = {bug.id for bug in verdict.bugs if bug.in_doubt}
    assert in_doubt == {
        bug for group in left.split(", ") if "/" in group for bug in group.split(" and/or ")
    }
    assert not any(bug.fixed for bug in verdict.bugs if bug.in_doubt)


def composed(choices: list[tuple[Edit, ...]]) -> tuple[list[Edit], list[int]]:
    """As many of some choices of edits as can be made together, and which they are."""
    edits: list[Edit] = []
    taken = []
    for i, choice in enumerate(choices):
        try:
            correct_cells([*edits, *choice])
        except ValueError:
            continue  # it rewrites lines of another; the matrix takes each by itself
        edits += choice
        taken.append(i)
    return edits, taken


@pytest.mark.matrix
async def test_all_alternative_repairs_together_pass():
    edits, taken = composed([bug.repairs[0].edits for bug in TASK.bugs])
    assert len(taken) >= len(TASK.bugs) - 1
    verdict = await graded(correct_cells(edits), full_report())
    assert verdict.passed, verdict.detail


async def test_near_misses_all_fail_each_on_its_own_clause():
    edits, taken = composed([bug.near_misses[0].edits for bug in TASK.bugs])
    assert len(taken) >= len(TASK.bugs) - 1
    results = await checked(correct_cells(edits), ("published", "small", "flipped"))
    for i in taken:
        bug = TASK.bugs[i]
        assert any(not results[check].passed for check in bug.checks), bug.id
