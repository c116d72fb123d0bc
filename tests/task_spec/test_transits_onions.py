"""Bugs, onions and decoys of `transits` as texts; the tests of the grader run them."""

import itertools
import random

import pytest

from task_spec.registry import get_task
from task_spec.source import apply_edits, read_source

TASK = get_task("transits")
BUGS = [pytest.param(bug, id=bug.id) for bug in TASK.bugs]


def sources(edits=()):
    notebook = read_source(TASK.source)
    apply_edits(notebook, edits)
    return {cell.id: cell.source for cell in notebook.cells}


def compiles(cells):
    for cell in read_source(TASK.source).cells:
        if cell.cell_type == "code":
            compile(cells[cell.id], cell.id, "exec")


def test_there_are_twenty_bugs_and_eight_onions():
    assert len(TASK.bugs) >= 20
    assert sum(bug.onion for bug in TASK.bugs) >= 8
    assert sum(bug.held_out for bug in TASK.bugs) >= 2


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_has_two_repairs_a_near_miss_and_a_source(bug):
    assert len(bug.repairs) >= 2
    assert bug.near_misses
    assert bug.source
    assert set(bug.checks) <= {check.id for check in TASK.checks}
    assert {check.partition(".")[0] for check in bug.checks} <= set(bug.clauses)


@pytest.mark.parametrize("bug", BUGS)
def test_every_text_of_a_bug_is_another_notebook_that_compiles(bug):
    texts = [bug.plant, *(one.edits for one in (*bug.repairs, *bug.near_misses))]
    made = [sources(edits) for edits in texts]
    for cells in made:
        compiles(cells)
    for one, other in itertools.combinations([sources(), *made], 2):
        assert one != other


@pytest.mark.parametrize("seed", range(20))
def test_any_bugs_compose_in_any_order(seed):
    rng = random.Random(seed)
    some = rng.sample(TASK.bugs, rng.randint(2, len(TASK.bugs)))
    cells = sources(edit for bug in some for edit in bug.plant)
    compiles(cells)
    assert cells == sources(edit for bug in reversed(some) for edit in bug.plant)


def test_the_schedule_can_be_known_before_the_first_step_only():
    """The onion of the schedule: plans of whole curves and of augmented ones differ in length."""
    bug = TASK.bug("schedule_count")
    rates = [miss for miss in bug.near_misses if miss.obvious]
    assert any("plan_batches(train, epoch)" in edit.new for miss in rates for edit in miss.edits)


def test_decoys_stand_once_in_the_correct_notebook():
    assert len(TASK.decoys) >= 12
    cells = sources()
    for decoy in TASK.decoys:
        assert cells[decoy.cell].count(decoy.quote) == 1, decoy.quote
        assert decoy.why


def test_most_decoys_stay_when_all_bugs_are_planted():
    cells = sources(edit for bug in TASK.bugs for edit in bug.plant)
    assert sum(decoy.quote in cells[decoy.cell] for decoy in TASK.decoys) >= 8
