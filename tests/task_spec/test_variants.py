"""Bugs are small, independent edits: any choice of them makes a notebook."""

import ast
import random

import pytest

from task_spec.model import Kind, TaskError
from task_spec.registry import TASKS, get_task
from task_spec.variant import Variant, choose

CASES = [(name, bug.id) for name in sorted(TASKS) for bug in TASKS[name].bugs]


def _compiles(notebook) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            ast.parse(cell.source)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_all_bugs_and_any_subset_compose_in_any_order(name):
    task = TASKS[name]
    whole = Variant(task, task.bugs).broken()
    _compiles(whole)
    rng = random.Random(0)
    for _ in range(50):
        bugs = rng.sample(task.bugs, rng.randint(1, len(task.bugs)))
        notebook = Variant(task, tuple(bugs)).broken()
        _compiles(notebook)
        again = Variant(task, tuple(reversed(bugs))).broken()
        assert [c.source for c in notebook.cells] == [c.source for c in again.cells]


@pytest.mark.parametrize(("name", "bug_id"), CASES)
def test_a_bug_declares_what_a_reviewer_needs(name, bug_id):
    task = TASKS[name]
    bug = task.bug(bug_id)
    assert bug.source
    assert bug.repairs
    assert bug.near_misses
    assert bug.checks
    assert set(bug.checks) <= {check.id for check in task.checks}
    assert set(bug.clauses) <= {clause.id for clause in task.clauses}
    for repair in (*bug.repairs, *bug.near_misses):
        _compiles(Variant(task, (bug,)).correct(repair.edits))


@pytest.mark.parametrize(("name", "bug_id"), CASES)
def test_a_bug_may_be_reported_where_it_is_planted_whatever_else_is(name, bug_id):
    task = TASKS[name]
    bug = task.bug(bug_id)
    variant = Variant(task, task.bugs)
    sources = {cell.id: cell.source.splitlines() for cell in variant.broken().cells}
    places = variant.places(bug)
    for edit in bug.plant:
        assert edit.cell in places
    for cell, ranges in places.items():
        for first, last in ranges:
            assert 1 <= first <= last <= len(sources[cell])


@pytest.mark.parametrize("name", sorted(TASKS))
def test_default_variant_is_the_one_that_is_promised(name):
    task = TASKS[name]
    variant = choose(task)
    assert len(variant.bugs) == 8
    unread = [bug for bug in task.bugs if bug.kind in (Kind.DATA, Kind.RUN)]
    assert len(task.bugs) >= 10
    assert len(unread) >= 3


def test_choosing_by_seed_is_repeatable_and_varies():
    task = get_task("transits")
    ids = [tuple(b.id for b in choose(task, count=5, seed=s).bugs) for s in (1, 1, 2, 3)]
    assert ids[0] == ids[1]
    assert len(set(ids)) > 1
    assert all(len(set(choice)) == 5 for choice in ids)


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"only": ["nope"]}, "it has star_hours"),
        ({"count": -1}, "takes 0 to"),
        ({"count": 99}, "takes 0 to"),
        ({"count": 1, "only": ["star_hours"]}, "one of them"),
    ],
)
def test_wrong_choice_says_what_would_fit(options, advice):
    with pytest.raises(TaskError, match=advice):
        choose(get_task("transits"), **options)
