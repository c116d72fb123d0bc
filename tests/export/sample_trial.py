"""A trial as a real run leaves it, built with the real classes."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sample_episode import episode
from sample_notebook import BROKEN, CORRECT, REPORT, SUBMITTED

from grader.transcript import Event, Transcript
from grader.verdict import BugResult, CheckResult, FailureReason, Verdict

VERDICT = Verdict(
    passed=False,
    reward=0.4375,
    failure_reason=FailureReason.MISSED_BUG,
    detail="1 of 2 planted bugs is not in the report: ema-buffers.",
    checks=(
        CheckResult(
            id="split-by-star",
            clause="P1",
            passed=True,
            value=0.0,
            bound="= 0",
            explanation="No star is on both sides of the split.",
            world="published",
        ),
        CheckResult(
            id="schedule-steps",
            clause="P3",
            passed=True,
            value=0.00012,
            bound="< 0.001",
            explanation="Largest distance of a learning rate from the protocol's, over 240 steps.",
            world="batch 24",
        ),
        CheckResult(
            id="ema-buffers",
            clause="P5",
            passed=False,
            value=0.7312,
            bound="< 0.01",
            explanation="BatchNorm statistics of the averaged model differ from the trained one's "
            "by 0.73: they are still those of the first step.",
            world="fresh draw 2",
        ),
        CheckResult(
            id="hidden-accuracy",
            clause=None,
            passed=False,
            value=None,
            bound="> 0.86",
            explanation="Could not be measured: `predict` returned 3 values that aren't finite.",
            world="fresh draw 1",
        ),
    ),
    bugs=(
        BugResult(
            id="micro-batches",
            kind="run",
            clauses=("P3",),
            fixed=True,
            reported=True,
            entry=0,
            precision=0.5,
            recall=1.0,
        ),
        BugResult(id="ema-buffers", kind="library", clauses=("P5",), fixed=False, reported=False),
    ),
    false_alarms=(1,),
    metrics={"hidden_accuracy": 0.8125, "claimed_accuracy": 0.9271},
    confined=True,
    sandbox="bubblewrap",
    seconds=184.2,
    cpu_seconds=321.9,
)


def notebook(cells: dict[str, tuple[str, str]]) -> str:
    """The text of an ``.ipynb``; sources as lists of lines, as Jupyter writes them."""
    return json.dumps(
        {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {},
            "cells": [
                {
                    "id": key,
                    "cell_type": kind,
                    "metadata": {},
                    "source": source.splitlines(keepends=True),
                    **({"outputs": [], "execution_count": None} if kind == "code" else {}),
                }
                for key, (kind, source) in cells.items()
            ],
        }
    )


def planted() -> list[dict[str, Any]]:
    """The answer key."""
    facts = [
        ("micro-batches", "Schedule counted in micro-batches", "run", "P3", "schedule", (3, 3)),
        ("ema-buffers", "Moving average without buffers", "library", "P5", "ema", (9, 11)),
    ]
    return [
        {
            "id": key,
            "title": title,
            "kind": kind,
            "clauses": [clause],
            "source": "https://example.org/issues/1",
            "broken": "\n".join(
                difflib.unified_diff(
                    CORRECT[cell][1].splitlines(),
                    BROKEN[cell][1].splitlines(),
                    cell,
                    cell,
                    lineterm="",
                )
            ),
            "regions": [{"cell": cell, "lines": lines}],
            "rows": [["step7"]] if key == "micro-batches" else [],
        }
        for key, title, kind, clause, cell, lines in facts
    ]


def write_transcript(folder: Path, events: Iterable[Event]) -> None:
    """Replaces a trial's transcript."""
    path = folder / "transcript.jsonl"
    path.unlink(missing_ok=True)
    with Transcript(path) as transcript:
        for event in events:
            transcript.write(event)


def write_trial(run: Path, number: int = 0) -> Path:
    """A finished trial with all of its parts; returns its folder."""
    folder = run / f"trial-{number:03d}"
    folder.mkdir(parents=True)
    write_transcript(folder, episode())
    (folder / "broken.ipynb").write_text(notebook(BROKEN))
    (folder / "submission.ipynb").write_text(notebook(SUBMITTED))
    report = [entry.model_dump() for entry in REPORT]
    (folder / "bug_report.json").write_text(json.dumps(report))
    (folder / "verdict.json").write_text(VERDICT.model_dump_json())
    (folder / "planted.json").write_text(json.dumps(planted()))
    line = {
        "trial": number,
        "outcome": "failed",
        "failure_reason": "missed_bug",
        "reward": VERDICT.reward,
        "cost": 0.318,
        "seconds": 377.4,
    }
    with (run / "trials.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    return folder
