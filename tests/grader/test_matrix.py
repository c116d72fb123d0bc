"""Every alternative repair and every near miss by itself: slow, run by CI."""

import pytest

from tests.grader.playing import TASK, cheapest_worlds, checked, correct_cells, failures

pytestmark = pytest.mark.matrix

WORLDS = ("small", "flipped")  # the first repairs are held against all worlds together, elsewhere
REPAIRS = [
    pytest.param(bug, repair, id=f"{bug.id}-{i}")
    for bug in TASK.bugs
    for i, repair in enumerate(bug.repairs)
]
NEAR_MISSES = [
    pytest.param(bug, miss, id=f"{bug.id}-{i}")
    for bug in TASK.bugs
    for i, miss in enumerate(bug.near_misses)
]


@pytest.mark.parametrize(("bug", "repair"), REPAIRS)
async def test_an_alternative_repair_keeps_every_clause(bug, repair):
    assert not failures(await checked(correct_cells(repair.edits), WORLDS))


@pytest.mark.parametrize(("bug", "miss"), NEAR_MISSES)
async def test_a_near_miss_breaks_the_bugs_clause_and_no_other(bug, miss):
    results = await checked(correct_cells(miss.edits), cheapest_worlds(TASK, bug))
    assert {results[i].clause for i in failures(results)} == set(bug.clauses), failures(results)
