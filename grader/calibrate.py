"""``python -m grader.calibrate``: which bugs make a task neither too easy nor too hard.

What --prove shows: where skills spread around what kind and onion explain as a normal does, ten
trials of all bugs put somewhat more than nine of ten proposals of middling and strong solvers into
the band (single proofs of 200 may fall below). A weak one, whose compositions have two bugs, needs
fifteen, or ten more of the proposal. For solvers that handle some bugs always and others never, for
no reason that kind or onion gives, proposals promise too much: play the proposal, and calibrate on
both runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from grader.calibration import BugChance, Calibration, CalibrationError, Fitted, Proposal, calibrate
from grader.proposal import TARGET
from grader.run_argument import run_at
from grader.run_folder import Run
from grader.simulated import DESIGNS, SOLVERS, Proof, prove
from grader.stats import BAND, wilson
from grader.tables import figures, interval, percent
from task_spec.cli import Failure, run
from task_spec.model import Task, TaskError

# A proposal as sure as this needs no more trials first.
_SURE = 0.9


@click.command()
@click.argument("runs", nargs=-1, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--target",
    default=TARGET,
    show_default=True,
    type=click.FloatRange(*BAND),
    help="Pass rate to come near to, among compositions that are as surely in the band.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
@click.option(
    "--prove", "as_proof", is_flag=True, help="Calibrate on simulated solvers of known skill."
)
@click.option(
    "--repetitions",
    default=200,
    show_default=True,
    type=click.IntRange(1),
    help="Of --prove, for each solver and design.",
)
def main(
    runs: tuple[Path, ...], target: float, as_json: bool, as_proof: bool, repetitions: int
) -> None:
    """Estimate from the run folders RUN how surely one agent repairs and reports each bug, and
    propose the bugs and the noise that bring its pass rate into the band.

    Runs that plant all bugs tell most: run_trials --bugs N, with N the bugs of the task.
    """
    if as_proof == bool(runs):
        raise Failure("give run folders to calibrate on, or --prove and none")
    if as_proof:
        _print_proof(Console(width=160), repetitions, as_json)
        return
    calibration = _calibration([run_at(path) for path in runs], target)
    if as_json:
        click.echo(calibration.model_dump_json(indent=2))
    else:
        print_calibration(Console(), calibration)


def _calibration(runs: list[Run], target: float) -> Calibration:
    try:
        return calibrate(_task(runs[0].config.task), runs, target)
    except (CalibrationError, TaskError) as error:
        raise Failure(str(error)) from None


def _task(name: str) -> Task:
    # Here, since a task brings scikit-learn and more, for which --prove has no use.
    from task_spec.registry import get_task

    return get_task(name)


def print_calibration(console: Console, calibration: Calibration) -> None:
    """The tables of a calibration, and the proposal."""
    model = f", model {calibration.model}" if calibration.model else ""
    console.print(
        f"{calibration.task}, agent {calibration.agent}{model}: {calibration.trials} trials, "
        f"{calibration.lost} of them without a notebook that could be measured",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_bug_table(calibration))
    console.print(_fit_table(calibration))
    for line in _advice(calibration.proposal):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _bug_table(calibration: Calibration) -> Table:
    doubt = any(bug.doubtful for bug in calibration.bugs)
    return figures(
        "chance that a bug is repaired and reported" + " (+n: n trials in doubt)" * doubt,
        ("bug", "kind", "onion", "handled", "mean", "95% interval"),
        map(_bug_row, sorted(calibration.bugs, key=lambda each: -each.mean)),
    )


def _bug_row(bug: BugChance) -> tuple[str, ...]:
    handled = f"{bug.handled} of {bug.measured}" if bug.measured else ""
    doubt = f"(+{bug.doubtful})" if bug.doubtful else ""
    met = " ".join(filter(None, (handled, doubt))) or "not met"
    onion = "yes" if bug.onion else ""
    return bug.id, bug.kind, onion, met, percent(bug.mean), interval(bug.interval)


def _fit_table(calibration: Calibration) -> Table:
    return figures(
        "does the model fit? passes of the compositions that were played",
        ("bugs", "noise", "passed", "the model expects", "pass rate", "95% interval", "fits"),
        map(_fit_row, calibration.fitted),
    )


def _fit_row(each: Fitted) -> tuple[str, ...]:
    low, high = each.passes
    return (
        str(len(each.bugs)),
        f"{each.noise:g}",
        f"{each.passed} of {each.trials}",
        f"{low} to {high}",
        percent(each.predicted),
        interval(each.interval),
        "yes" if each.fits else "no",
    )


def _advice(proposal: Proposal) -> Iterator[str]:
    band = " to ".join(map(percent, BAND))
    yield (
        f"proposal: {len(proposal.bugs)} bugs, {proposal.onions} of them onions, noise "
        f"{proposal.noise:g}: pass rate {percent(proposal.mean)}, 95% interval "
        f"{interval(proposal.interval)}"
    )
    yield (
        f"true rate in the band of {band} with probability {percent(proposal.inside)} "
        f"(below {percent(proposal.below)}, above {percent(proposal.above)})"
    )
    if not proposal.likely:
        yield f"No composition is likely to be in the band. {_why(proposal)}"
    elif proposal.inside < _SURE:
        yield "More trials, best with all bugs planted, make the next proposal surer."
    yield proposal.command


def _why(proposal: Proposal) -> str:
    if max(proposal.too_strong, proposal.too_weak) < max(proposal.below, proposal.above) / 2:
        return "The trials say too little yet: play more of them, best with all bugs planted."
    if proposal.too_strong > proposal.too_weak:
        return (
            "Harder than anything in the catalogue would be needed, with probability "
            f"{percent(proposal.too_strong)}: even all bugs together are too easy."
        )
    return (
        "Easier than anything in the catalogue would be needed, with probability "
        f"{percent(proposal.too_weak)}: even the easiest bug alone is too hard."
    )


def _print_proof(console: Console, repetitions: int, as_json: bool) -> None:
    proofs = (prove(solver, design, repetitions) for design in DESIGNS for solver in SOLVERS)
    if as_json:
        click.echo(json.dumps([proof_row(proof) for proof in proofs], indent=2))
        return
    headings = ("trials", "solver", "handles", "proposals in the band", "95% interval (Wilson)")
    table = Table(box=box.MARKDOWN)
    for heading in (*headings, "promised", "its intervals cover", "the bugs' cover"):
        table.add_column(heading)
    for row in map(proof_row, proofs):
        table.add_row(
            *(row["design"], row["solver"], percent(row["handles"])),
            f"{row['inside']} of {row['possible']}",
            interval(row["wilson95"]),
            *(percent(row[name]) for name in ("promised", "covered", "bugs_covered")),
        )
    console.print(table)


def proof_row(proof: Proof) -> dict[str, Any]:
    """The figures of a proof. ``handles``: mean chance of a bug; ``promised``: mean probability to
    be in the band that the proposals had; ``covered``, ``bugs_covered``: how often 95% intervals of
    proposals' rates and of bugs' chances hold the truth. All over ``possible`` repetitions."""
    return {
        "design": proof.design.name,
        "solver": proof.solver.name,
        "repetitions": len(proof.repetitions),
        "possible": len(proof.possible),
        "inside": proof.inside,
        "wilson95": wilson(proof.inside, len(proof.possible)),
        "handles": proof.mean(lambda each: each.handles),
        "promised": proof.mean(lambda each: each.proposal.sides.inside),
        "covered": proof.mean(lambda each: each.covered),
        "bugs_covered": proof.mean(lambda each: each.bugs_covered),
    }


if __name__ == "__main__":
    run(main, "python -m grader.calibrate")
