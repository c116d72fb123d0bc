"""A slice of each task's validation at one seed. `make validate` runs it in full."""

import pytest

from grader.validation.cells import Part
from task_spec.registry import TASKS
from tests.grader.test_validate import validated, wrong

pytestmark = pytest.mark.matrix
NAMES = sorted(TASKS)


@pytest.mark.parametrize("name", NAMES)
async def test_each_bug_left_in_alone_fails_on_its_own_clause(name):
    assert wrong(await validated(TASKS[name], {Part.BUG})) == {}


@pytest.mark.parametrize("name", NAMES)
async def test_near_misses_repairs_and_a_pair_come_out_right(name):
    bugs = [bug.id for bug in TASKS[name].bugs[1:3]]
    parts = {Part.NEAR_MISS, Part.REPAIR, Part.PAIR}
    assert wrong(await validated(TASKS[name], parts, bugs, pairs=1)) == {}
