"""A slice of each task's validation at one seed. `make validate` runs it in full."""

import pytest

from grader.validation.cells import Part
from task_spec.registry import TASKS
from tests.grader.test_validate import validated, wrong

pytestmark = pytest.mark.matrix


@pytest.mark.parametrize("name", sorted(TASKS))
@pytest.mark.parametrize("part", [Part.BUG, Part.NEAR_MISS, Part.CHEAT])
async def test_what_must_fail_fails_as_it_should(name, part):
    assert wrong(await validated(TASKS[name], {part})) == {}


@pytest.mark.parametrize("name", sorted(TASKS))
async def test_a_pair_of_bugs_and_a_repair_of_each_come_out_right(name):
    task = TASKS[name]
    bugs = [bug.id for bug in task.bugs[:3]]
    assert wrong(await validated(task, {Part.REPAIR, Part.PAIR}, bugs, pairs=2)) == {}
