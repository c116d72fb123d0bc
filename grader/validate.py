"""``python -m grader.validate``: proves a task's grader without a model."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from grader.records import write_json
from grader.sandbox import launcher_of, sandbox_option
from grader.validation.cells import Part, Plan
from grader.validation.confusion import CellResult, Outcome
from grader.validation.kept import KeptError, Memory, remembered
from grader.validation.margins import Margin, margins
from grader.validation.printing import (
    EVERY,
    Bar,
    Tally,
    print_confusion,
    print_margins,
    print_tally,
)
from grader.validation.records import record
from grader.validation.running import Validation
from task_spec.cli import Failure, listed, run
from task_spec.model import Bug, Task, TaskError


@click.command()
@click.option("--task", "name", default="transits", show_default=True, help="Name of the task.")
@click.option(
    "--seeds",
    default=20,
    show_default=True,
    type=click.IntRange(1),
    help="How many draws of the published and hidden data.",
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="The first of them."
)
@click.option("--part", help=f"Only these, of {', '.join(Part)}; separated by commas.")
@click.option("--only", help="Only cells of these bugs: ids, separated by commas.")
@click.option(
    "--noise",
    type=click.FloatRange(0, 1),
    help="How hard faults of the data are to see.  [default: the hardest level's]",
)
@click.option(
    "--pairs", default=12, show_default=True, type=click.IntRange(0), help="How many are sampled."
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Cells that run at a time.  [default: one for each processor]",
)
@click.option(
    "--json",
    "out",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Write all of it to a file, every {EVERY} cells.",
)
@click.option(
    "--resume",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Run no cell again that such a file has, and add to it.",
)
@sandbox_option
def main(
    name: str,
    jobs: int | None,
    out: Path | None,
    resume: Path | None,
    unsafe_no_sandbox: bool,
    **options: Any,
) -> int:
    """Prove the grader of a task: what must pass passes, what must fail fails on its own clause.

    Runs the correct notebook, each bug alone, pairs of bugs, alternative repairs, near misses and
    cheats, and measures how far each statistic stays from its bound.

    Exit status: 0 all is right, 1 something is wrong, 2 wrong use, 130 interrupted.
    """
    plan = _plan(name, **options)
    out = out or resume
    if out is not None and not os.access(out.parent, os.W_OK):
        raise _unwritable(out, "no folder in which files can be made")  # before hours of work
    console = Console()
    memory = Memory() if resume is None else _memory(resume, name)
    launcher, jobs = launcher_of(unsafe_no_sandbox), jobs or os.cpu_count() or 1
    validation = Validation(plan, launcher, jobs, memory=memory)

    def keep() -> None:
        if out is not None:
            _write(out, validation, _margins(validation), interrupted=True)

    interrupted = _run(validation, Bar(console), keep)
    found = _margins(validation)
    tally = tally_of(validation, found)
    print_confusion(console, validation.results)
    if found:
        print_margins(console, found)
    print_tally(console, tally)
    if out is not None:
        _write(out, validation, found, interrupted=interrupted)
    if interrupted:
        console.print(f"interrupted: {len(validation.results)} of {validation.total} cells")
        return 130
    return 0 if tally.holds else 1


def tally_of(validation: Validation, found: Sequence[Margin]) -> Tally:
    """What results and margins come to."""
    wrong = sum(result.outcome is not Outcome.RIGHT for result in validation.results)
    return Tally(len(validation.results), wrong, found)


def _margins(validation: Validation) -> list[Margin]:
    return margins(validation.plan.task, validation.plan.noise, validation.results)


def _run(validation: Validation, bar: Bar, keep: Callable[[], object]) -> bool:
    """Whether it was interrupted. Now and then ``keep`` is called, lest a kill lose all."""

    def seen(result: CellResult) -> None:
        bar.ended(result)
        if len(validation.results) % EVERY == 0:
            with suppress(Failure):  # which the last one tells, after hours of work
                keep()

    validation.seen = seen
    bar.start(validation.total)
    with bar.progress:
        try:
            asyncio.run(validation.run())
        except KeyboardInterrupt:
            return True
    return False


def _plan(name: str, **options: Any) -> Plan:
    # Here, since a task brings scikit-learn and more, for which --help has no use.
    from task_spec.registry import get_task

    try:
        task = get_task(name)
        parts = frozenset(map(_part, listed(options["part"]) or ())) or frozenset(Part)
        bugs = _bugs(task, listed(options["only"]) or ())
    except TaskError as error:
        raise Failure(str(error)) from None
    noise = task.levels[-1].noise if options["noise"] is None else options["noise"]
    seeds = range(options["seed"], options["seed"] + options["seeds"])
    return Plan(task, parts, bugs, seeds, noise, options["pairs"])


def _memory(path: Path, task: str) -> Memory:
    try:
        return remembered(path, task)
    except KeptError as error:
        raise Failure(str(error)) from None


def _bugs(task: Task, ids: Sequence[str]) -> tuple[Bug, ...]:
    chosen = [task.bug(bug_id) for bug_id in ids]
    return tuple(bug for bug in task.bugs if not ids or bug in chosen)


def _part(name: str) -> Part:
    if name not in set(Part):
        raise TaskError(f"--part takes {', '.join(Part)}; there is no {name!r}")
    return Part(name)


def _write(
    out: Path, validation: Validation, found: Sequence[Margin], *, interrupted: bool
) -> None:
    try:
        write_json(out, record(validation, found, interrupted))
    except OSError as error:
        raise _unwritable(out, str(error.strerror)) from None


def _unwritable(out: Path, why: str) -> Failure:
    return Failure(f"can't write {out} ({why}): choose another --json")


if __name__ == "__main__":
    run(main, "python -m grader.validate")
