"""Helpers of the grader's tests: variants of the notebook, run in the worlds that matter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grader.agents.scripted import oracle
from grader.checks import run_checks
from grader.grading import grade, run_worlds
from grader.submission import Submission
from grader.verdict import CheckResult, ReportEntry, Verdict
from kernel_tool.launch import Launcher
from task_spec.composition import choose
from task_spec.model import Bug, Edit
from task_spec.registry import get_task
from task_spec.variant import Variant

TASK = get_task("transits")
DEFAULT = choose(TASK)
EIGHT = choose(
    TASK,
    only=[
        "star_hours",
        "magnitudes",
        "mask_cut",
        "never_released",
        "mean_of_means",
        "clips_nothing",
        "schedule_count",
        "best_alias",
    ],
)
SEED = 3


def code_cells(notebook) -> tuple[str, ...]:
    return tuple(cell.source for cell in notebook.cells if cell.cell_type == "code")


def correct_cells(edits: Iterable[Edit] = ()) -> tuple[str, ...]:
    return code_cells(DEFAULT.correct(edits))


def broken_cells(*bugs: Bug) -> tuple[str, ...]:
    return code_cells(Variant(TASK, bugs).broken())


def full_report(variant: Variant = DEFAULT) -> tuple[ReportEntry, ...]:
    return tuple(ReportEntry(**fields) for fields in oracle(variant, 0).report)


async def graded(cells: Sequence[str], report: Sequence[ReportEntry]) -> Verdict:
    return await grade(Submission(tuple(cells), tuple(report)), DEFAULT, seed=SEED)


async def checked(cells: Sequence[str], worlds: Sequence[str]) -> dict[str, CheckResult]:
    """Results of the checks that can be measured in some worlds."""
    runs = await run_worlds(cells, DEFAULT, SEED, Launcher(), only=worlds)
    return {result.id: result for result in run_checks(TASK, runs)}


def failures(results: dict[str, CheckResult]) -> dict[str, str]:
    return {i: result.explanation for i, result in results.items() if not result.passed}
