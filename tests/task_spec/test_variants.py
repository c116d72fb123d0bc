"""Bugs are small, independent edits: any choice of them makes a notebook."""

import ast
import random

import pytest

from task_spec.composition import choose, compose
from task_spec.model import Kind, TaskError
from task_spec.registry import TASKS, get_task
from task_spec.variant import Variant

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


LEVELS = [(name, level) for name in sorted(TASKS) for level in TASKS[name].levels]


@pytest.mark.parametrize(("name", "level"), LEVELS, ids=lambda value: getattr(value, "name", value))
def test_a_level_draws_what_it_promises_and_never_what_is_held_out(name, level):
    task = TASKS[name]
    for seed in range(20):
        variant = choose(task, level=level.name, seed=seed)
        assert len(variant.bugs) == level.bugs
        assert sum(bug.onion for bug in variant.bugs) >= level.onions
        assert not level.deep or {bug for bug in task.bugs if bug.deep} <= set(variant.bugs)
        assert not any(bug.held_out for bug in variant.bugs)
        assert variant.noise == level.noise
        assert list(variant.bugs) == [bug for bug in task.bugs if bug in variant.bugs]


@pytest.mark.parametrize("name", sorted(TASKS))
def test_levels_go_from_easy_to_extreme_and_the_default_is_standard(name):
    task = TASKS[name]
    assert [level.name for level in task.levels] == ["easy", "standard", "hard", "extreme"]
    hardness = [(level.bugs, level.onions, level.noise) for level in task.levels]
    assert hardness == sorted(hardness)
    assert choose(task, seed=7) == choose(task, level="standard", seed=7)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_held_out_bugs_are_planted_if_they_are_asked_for(name):
    task = TASKS[name]
    held_out = {bug for bug in task.bugs if bug.held_out}
    assert len(held_out) >= 3
    for seed in range(5):
        variant = choose(task, level="hard", held_out=True, seed=seed)
        assert held_out < set(variant.bugs)
        assert len(variant.bugs) == task.level("hard").bugs


@pytest.mark.parametrize("name", sorted(TASKS))
def test_kinds_restrict_what_is_drawn(name):
    for seed in range(5):
        bugs = choose(TASKS[name], count=3, kinds=[Kind.DATA, Kind.RUN], seed=seed).bugs
        assert len(bugs) == 3
        assert {bug.kind for bug in bugs} <= {Kind.DATA, Kind.RUN}


@pytest.mark.parametrize(
    "options", [{"count": 2}, {"count": 2, "kinds": [Kind.DATA]}, {"count": 1}]
)
@pytest.mark.parametrize("level", ["easy", "hard"])
@pytest.mark.parametrize("held_out", [False, True])
def test_the_number_of_sets_is_the_number_of_sets_that_are_drawn(options, level, held_out):
    task = get_task("transits")
    composition = compose(task, task.level(level), held_out=held_out, **options)
    drawn = {frozenset(bug.id for bug in composition.draw(seed)) for seed in range(4000)}
    assert len(drawn) == composition.distinct


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
        ({"count": 1, "only": ["star_hours"]}, "excludes --level"),
        ({"level": "easy", "only": ["star_hours"]}, "excludes --level"),
        ({"held_out": True, "only": ["star_hours"]}, "and --held-out"),
        ({"level": "harder"}, "it has easy, standard, hard, extreme"),
        ({"noise": 1.5}, "--noise takes 0 to 1"),
        ({"count": 9, "kinds": [Kind.LIBRARY]}, "for these kinds"),
    ],
)
def test_wrong_choice_says_what_would_fit(options, advice):
    with pytest.raises(TaskError, match=advice):
        choose(get_task("transits"), **options)
