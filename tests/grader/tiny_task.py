"""A whole task whose notebook has four short cells, so that a run of it takes a second."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from grader.run_trials import main
from task_spec.checking import Checks, at_most, none_of
from task_spec.inside import EVIDENCE, RECORDER, as_module
from task_spec.model import (
    Bug,
    Draw,
    Edit,
    Evidence,
    Kind,
    Level,
    Measurement,
    Repair,
    Rows,
    Seam,
    Task,
    World,
)
from task_spec.registry import TASKS

NOTEBOOK = """\
# %% [markdown] id="protocol"
# - **P1 Centre.** `centre` is the mean.
# - **P2 Spread.** `spread` is the standard deviation of a sample.
# - **P3 Span.** `span` does not depend on the order.
# - **P4 Names.** Every number keeps its name.

# %% id="load"
import json, statistics
numbers = json.loads(open("data/numbers.json").read())

# %% id="centre"
def centre(values):
    return sum(values) / len(values)

# %% id="spread"
def spread(values):
    middle = statistics.fmean(values)
    return (sum((v - middle) ** 2 for v in values) / (len(values) - 1)) ** 0.5

# %% id="span"
def span(values):
    return max(values) - min(values)
"""
INSIDE = """
RECORDER = Recorder(CONFIG["seams"])


def ask(names):
    hidden = json.loads(open("hidden/numbers.json").read())
    for name in CONFIG["seams"]:
        RECORDER.attempt(name, names[name], hidden)
    RECORDER.attempt("own_span", lambda: names["span"](names["numbers"]))
    RECORDER.save(CONFIG["evidence"])
"""
SEAMS = (Seam("centre(values)", ""), Seam("spread(values)", ""), Seam("span(values)", ""))
LEVELS = (Level("easy", 1, 0, 0.0), Level("hard", 3, 0, 0.5))


def _checks(centre_limit: float) -> Checks:
    check = Checks()

    @check("P1.centre", "error at most the limit", ("published", "fresh"))
    def centre(e: Evidence) -> Measurement:
        """The mean of hidden numbers."""
        error = abs(e.claims["centre"] - np.mean(e.truth))
        return at_most(float(error), centre_limit, "error of the mean", log=centre_limit > 0)

    @check("P2.spread", "error at most 1e-6", ("published", "fresh"))
    def spread(e: Evidence) -> Measurement:
        """The standard deviation of hidden numbers."""
        error = abs(e.claims["spread"] - np.std(e.truth, ddof=1))
        return at_most(float(error), 1e-6, "error of the deviation", log=True)

    @check.across("P3.span", "the same", "turned")
    def order(e: Evidence, others: Mapping[str, Evidence]) -> Measurement:
        """The span of the same numbers in another order."""
        moved = e.claims["own_span"] != others["fresh"].claims["own_span"]
        return none_of(int(moved), "spans moved with the order")

    return check


def _draw(*seed: int) -> list[float]:
    return list(np.random.default_rng(seed).normal(5, 2, size=30))


def _write(folder: Path, numbers: list[float]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "numbers.json").write_text(json.dumps(numbers))


def _worlds(inside: Path, published: Draw, seed: int) -> tuple[World, ...]:
    config = {"seams": [seam.name for seam in SEAMS], "evidence": EVIDENCE}
    prelude = as_module("_recorder", [RECORDER, inside], config)
    prelude += "__import__('sys').modules['_recorder'].RECORDER.install(get_ipython())\n"

    def world(name: str, draw: int) -> World:
        def stage(folder: Path, earlier: Mapping[str, Evidence]) -> Any:
            shown = _draw(seed, draw)
            if name == "turned":
                assert "span" in earlier["fresh"].claims
                shown = sorted(_draw(seed, 1))
            _write(folder / "data", shown)
            return _draw(seed, draw, 1)

        return World(
            name,
            "",
            stage,
            lambda folder, truth: _write(folder / "hidden", truth),
            prelude,
            "__import__('sys').modules['_recorder'].ask(globals())\n",
        )

    return (world("published", 0), world("fresh", 1), world("turned", 2))


def _affected(_: Draw) -> frozenset[tuple[str]]:
    return frozenset((f"n{k}",) for k in range(20))


def tiny_bugs() -> tuple[Bug, ...]:
    centre = Edit("centre", "sum(values) / len(values)", "statistics.median(values)")
    spread = Edit("spread", "(len(values) - 1)", "len(values)")
    span = Edit("span", "max(values) - min(values)", "values[-1] - values[0]")

    def bug(edit: Edit, clause: str, right: str, wrong: str, rows: Rows | None = None) -> Bug:
        return Bug(
            id=edit.cell,
            title="",
            kind=Kind.RUN,
            clauses=(clause,),
            source="",
            plant=(edit,),
            checks=(f"{clause}.{edit.cell}",),
            repairs=(Repair("another way", (replace(edit, new=right),)),),
            near_misses=(Repair("almost", (replace(edit, new=wrong),)),),
            rows=rows,
        )

    rows = Rows("numbers", size=1, min_precision=0.9, min_recall=0.7, of=_affected)
    return (
        bug(centre, "P1", "statistics.fmean(values)", "sum(values[:-1]) / len(values)"),
        bug(spread, "P2", "(sum(1 for _ in values) - 1)", "(len(values) - 2)", rows),
        bug(span, "P3", "sorted(values)[-1] - min(values)", "max(values) - values[0]"),
    )


def tiny_task(folder: Path, *, centre_limit: float = 1e-6, **changes: Any) -> Task:
    """The task, with its sources in ``folder``; ``changes`` replace what it has."""
    source, inside = folder / "notebook.py", folder / "inside.py"
    source.write_text(NOTEBOOK)
    inside.write_text(INSIDE)
    task = Task(
        name="tiny",
        title="tiny",
        source=source,
        bugs=tiny_bugs(),
        decoys=(),
        levels=LEVELS,
        seams=SEAMS,
        checks=_checks(centre_limit).found,
        metrics=(),
        reruns="",
        kept_names=(),
        write_data=lambda folder, draw: _write(folder, _draw(draw.seed)),
        worlds=partial(_worlds, inside),
    )
    return replace(task, **changes)


def run_on_tiny_task(folder: Path, *options: object, **environment: str) -> Result:
    """`grader.run_trials` on the task's easiest variant, in this process; all that it writes is in
    ``folder``."""
    return _called(folder, "--out", folder / "run", *options, **environment)


def resume_on_tiny_task(folder: Path, *options: object, **environment: str) -> Result:
    """The run of :func:`run_on_tiny_task` in ``folder``, gone on with."""
    return _called(folder, "--resume", folder / "run", *options, **environment)


def _called(folder: Path, *words: object, **environment: str) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, "tiny", tiny_task(folder))
        easy = ("--task", "tiny", "--level", "easy", *map(str, words))
        return CliRunner().invoke(main, easy, env=environment)
