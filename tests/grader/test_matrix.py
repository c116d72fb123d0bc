"""A slice of each task's validation at one seed. `make validate` runs it in full."""

import pytest

from grader.validation.cells import Part
from task_spec.registry import TASKS
from tests.grader.test_validate import validated, wrong


@pytest.mark.long
@pytest.mark.matrix
@pytest.mark.parametrize("name", sorted(TASKS))
async def test_a_bug_left_in_alone_fails_on_its_own_clause(name):
    bugs = [bug.id for bug in TASKS[name].bugs[::6]]
    assert wrong(await validated(TASKS[name], {Part.BUG}, bugs)) == {}
