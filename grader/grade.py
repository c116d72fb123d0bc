"""``python -m grader.grade``: grades a notebook and a report by hand."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from grader.grading import grade_text
from grader.records import write_json
from grader.sandbox import launcher_of, sandbox_option
from grader.verdict import Verdict
from kernel_tool.launch import Launcher
from task_spec.cli import Failure, run, variant_of, variant_options, variant_seed_option
from task_spec.variant import Variant


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path))
@click.option(
    "--report", required=True, type=click.Path(path_type=Path), help="The bug report, JSON."
)
@variant_options
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Draws the unpublished worlds.",
)
@variant_seed_option
@sandbox_option
@click.option(
    "--out",
    default=Path("verdict.json"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where to write the verdict.",
)
def main(
    notebook: Path, report: Path, seed: int, unsafe_no_sandbox: bool, out: Path, **options: Any
) -> None:
    """Grade NOTEBOOK: a table of checks, and verdict.json.

    Exit status: 0 passed, 1 failed, 2 could not grade.
    """
    variant = variant_of(options)
    texts = [_read(notebook, "notebook"), _read(report, "report")]
    _writable(out)
    verdict = _grade(texts[0], texts[1], variant, seed, launcher_of(unsafe_no_sandbox))
    write_json(out, verdict.model_dump(mode="json"))
    print_verdict(Console(), verdict)
    sys.exit(0 if verdict.passed else 1)


def _grade(notebook: str, report: str, variant: Variant, seed: int, launcher: Launcher) -> Verdict:
    try:
        return asyncio.run(grade_text(notebook, report, variant, seed, launcher))
    except Exception as error:  # a crash of the grader is no verdict
        raise Failure(f"could not grade: {type(error).__name__}: {error}") from error


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Failure(f"there is no {what} at {path}: give the path of one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"can't read the {what} {path}: {error}") from None


def _writable(out: Path) -> None:
    there = out.exists()
    try:
        with out.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise Failure(f"can't write {out} ({error.strerror}): choose another --out") from None
    if not there:
        out.unlink()  # an empty one would be no verdict, if there comes none


def print_verdict(console: Console, verdict: Verdict) -> None:
    """The checks with their evidence, the bugs, and the outcome."""
    table = Table(title="checks", title_justify="left")
    for heading in ("", "check", "world", "value", "bound", "explanation"):
        table.add_column(heading, overflow="fold")
    for check in sorted(verdict.checks, key=lambda check: check.passed):
        mark = "[green]ok[/green]" if check.passed else "[red]FAIL[/red]"
        value = "-" if check.value is None else f"{check.value:.4g}"
        told = map(escape, (check.id, check.world, value, check.bound, check.explanation))
        table.add_row(mark, *told)
    if verdict.checks:
        console.print(table)
    for bug in verdict.bugs:
        console.print(bug.in_words, markup=False)
    outcome = "passed" if verdict.passed else f"failed: {verdict.failure_reason}"
    if not verdict.confined:
        console.print("not confined: the code could have changed anything, this verdict included")
    console.print(f"{outcome}, reward {verdict.reward:.3f}  {verdict.detail}", markup=False)


if __name__ == "__main__":
    run(main, "python -m grader.grade")
