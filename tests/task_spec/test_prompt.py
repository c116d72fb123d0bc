"""The prompt says what is graded, all of it, and nothing else."""

import re

import pytest

from grader.checks import run_checks
from grader.grading import judge
from grader.judging import episode_checks
from grader.reexecute import WorldRun
from grader.report import Match
from grader.transcript import End
from kernel_tool.sandbox.quota import Quota
from task_spec.composition import choose
from task_spec.model import Draw
from task_spec.prompt import render_prompt, sections
from task_spec.registry import TASKS

TASK_NAMES = sorted(TASKS)
DEMANDING = re.compile(r"\b(must|at most|at least|keep|keeps|never|only)\b", re.IGNORECASE)


def _graded_ids(task) -> set[str]:
    """Ids of every check that a verdict on a submission holds."""
    runs = [WorldRun(w.name, None, "not run", False, 0.0, 0.0) for w in task.worlds(Draw(), 0)]
    verdict = judge(choose(task), run_checks(task, runs), Match({}, ()), runs)
    end = End(reason="submitted")
    return {check.id for check in (*verdict.checks, *episode_checks(end))}


def _demands(task):
    return [demand for part in sections(task).values() for demand in part]


@pytest.mark.parametrize("name", TASK_NAMES)
def test_every_check_has_a_sentence_and_every_sentence_a_check(name):
    task = TASKS[name]
    demanded = {check for demand in _demands(task) for check in demand.checks}
    assert demanded == _graded_ids(task)
    assert all(demand.checks for demand in _demands(task))


@pytest.mark.parametrize("name", TASK_NAMES)
def test_the_memory_that_the_prompt_grants_is_what_a_kernel_has(name):
    memory = TASKS[name].budgets.memory_gib
    assert memory << 30 == Quota().memory
    assert f"at most {memory} GiB of memory" in render_prompt(TASKS[name])


@pytest.mark.parametrize("name", TASK_NAMES)
def test_every_demand_stands_in_the_prompt(name):
    task = TASKS[name]
    prompt = render_prompt(task)
    for demand in _demands(task):
        assert demand.text in prompt


@pytest.mark.parametrize("name", TASK_NAMES)
def test_prose_around_the_demands_demands_nothing(name):
    task = TASKS[name]
    prose = render_prompt(task)
    for demand in _demands(task):
        prose = prose.replace(demand.text, "")
    lines = [line for line in prose.splitlines() if not line.startswith(("|", "#", "{"))]
    assert not [line for line in lines if DEMANDING.search(line)]


@pytest.mark.parametrize("name", TASK_NAMES)
def test_prompt_states_each_clause_with_its_bounds(name):
    task = TASKS[name]
    prompt = render_prompt(task)
    protocol = next(iter(task.cells.values())).source
    for clause in task.clauses:
        assert f"**{clause.id} {clause.title}.**" in protocol
        assert clause.text in prompt
    for check in task.checks:
        if check.clause:
            assert check.bound in prompt


@pytest.mark.parametrize("name", TASK_NAMES)
def test_prompt_tells_nothing_of_the_planted_bugs(name):
    task = TASKS[name]
    prompt = render_prompt(task)
    for bug in task.bugs:
        assert bug.id not in prompt
        assert bug.title not in prompt
        assert not any(edit.new.strip() in prompt for edit in bug.plant)
