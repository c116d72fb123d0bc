"""The grader on the correct notebook, the broken one, and each bug left in alone."""

import pytest

from grader.verdict import FailureReason
from tests.grader.playing import (
    DEFAULT,
    TASK,
    broken_cells,
    cheapest_worlds,
    checked,
    correct_cells,
    failures,
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


async def test_broken_notebook_fails_on_every_planted_clause_and_no_other():
    verdict = await graded(broken_cells(*DEFAULT.bugs), full_report())
    assert not verdict.passed
    assert verdict.failure_reason == FailureReason.PARTIAL_FIX
    assert not any(bug.fixed for bug in verdict.bugs)
    assert all(bug.reported for bug in verdict.bugs)
    clauses = {check.clause for check in verdict.checks if not check.passed} - {None}
    assert clauses == {clause for bug in DEFAULT.bugs for clause in bug.clauses}
    assert 0 < verdict.reward < 0.9


@pytest.mark.parametrize("bug", TASK.bugs, ids=lambda bug: bug.id)
async def test_a_bug_left_in_alone_fails_on_its_own_clause(bug):
    results = await checked(broken_cells(bug), cheapest_worlds(TASK, bug))
    assert failures(results)
    assert {results[i].clause for i in failures(results)} == set(bug.clauses)
    assert any(not results[i].passed for i in bug.checks)


async def test_all_alternative_repairs_together_pass():
    edits = []
    for bug in TASK.bugs:
        repair = bug.repairs[0].edits
        try:
            correct_cells([*edits, *repair])
        except ValueError:
            continue  # two alternatives rewrite the same lines; the matrix takes each by itself
        edits += repair
    assert len(edits) >= len(TASK.bugs) - 3
    verdict = await graded(correct_cells(edits), full_report())
    assert verdict.passed, verdict.detail


@pytest.mark.parametrize("bug", TASK.bugs, ids=lambda bug: bug.id)
async def test_a_near_miss_fails_on_the_bugs_clause(bug):
    results = await checked(correct_cells(bug.near_misses[0].edits), cheapest_worlds(TASK, bug))
    assert {results[i].clause for i in failures(results)} == set(bug.clauses)
