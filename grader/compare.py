"""``python -m grader.compare``: two runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from grader.comparison import BugDifference, Comparison, Side, compare
from grader.run_argument import run_at
from grader.tables import figures, interval, number, percent
from task_spec.cli import run


@click.command()
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
def main(first: Path, second: Path, as_json: bool) -> None:
    """Compare the run folders FIRST and SECOND: pass rates, bugs, reasons, costs.

    Differences are the second run's figure less the first's.
    """
    comparison = compare(run_at(first), run_at(second))
    if as_json:
        click.echo(comparison.model_dump_json(indent=2))
    else:
        print_comparison(Console(), comparison)


def print_comparison(console: Console, comparison: Comparison) -> None:
    """What :func:`grader.comparison.compare` found, as tables; A is the first run, B the second."""
    first, second = comparison.first, comparison.second
    for line in (f"A: {first.run}", f"B: {second.run}", *comparison.cautions):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    unlike = [(name, _shown(a), _shown(b)) for name, (a, b) in comparison.unlike.items()]
    console.print(figures("settings that differ", ("", "A", "B"), unlike or [("none", "", "")]))
    both = zip(_figures(first), _figures(second), strict=True)
    rows = [(name, a, b) for (name, a), (_, b) in both]
    console.print(figures("trials", ("", "A", "B"), rows))
    console.print(_result(comparison), highlight=False, soft_wrap=True)
    console.print(figures("failed for", ("", "A", "B"), _reasons(first, second)))
    title = "planted bugs: repaired and reported, of the trials that leave no doubt of it"
    headings = ("", "A", "B", "B less A", "p", "p (Holm)")
    console.print(figures(title, headings, [_bug_row(bug) for bug in comparison.bugs]))


def _reasons(*sides: Side) -> list[tuple[str, ...]]:
    reasons = dict.fromkeys(reason for side in sides for reason in side.failure_reasons)
    return [
        (reason, *(f"{side.failure_reasons.get(reason, 0)} of {side.trials}" for side in sides))
        for reason in reasons
    ] or [("nothing", "", "")]


def _figures(side: Side) -> list[tuple[str, str]]:
    tokens = side.tokens or {}
    return [
        ("agent", side.agent),
        ("model", _shown(side.model)),
        ("passed", f"{side.passed} of {side.trials}"),
        ("infrastructure faults", str(side.infrastructure)),
        ("pass rate", percent(side.pass_rate)),
        ("95% interval", interval(side.ci95)),
        ("effective number of failure reasons", number(side.effective_reasons, ".1f")),
        ("cost of a trial", number(side.cost, ".2f", "$")),
        *(
            (f"tokens of a trial, {kind}", number(tokens.get(kind), ",.0f"))
            for kind in ("input", "output", "cache_read", "cache_write", "all")
        ),
    ]


def _result(comparison: Comparison) -> str:
    if comparison.difference is None or comparison.difference_ci95 is None:
        return "pass rate, B less A: undefined, a run has no graded trials"
    low, high = comparison.difference_ci95
    return (
        f"pass rate, B less A: {_points(comparison.difference)} points "
        f"(95% interval {_points(low)} to {_points(high)}), p {_p(comparison.p_value)}"
    )


def _bug_row(bug: BugDifference) -> tuple[str, ...]:
    return (
        bug.id,
        *(
            f"{side.handled} of {side.measured}" if side else "not planted"
            for side in (bug.first, bug.second)
        ),
        _points(bug.difference),
        _p(bug.p_value),
        _p(bug.p_holm),
    )


def _points(share: float | None) -> str:
    return "undefined" if share is None else f"{round(100 * share):+d}"


def _p(value: float | None) -> str:
    return "undefined" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return f"only here: {', '.join(value)}" if value else "-"
    return "-" if value in (None, "") else str(value)


if __name__ == "__main__":
    run(main, "python -m grader.compare")
