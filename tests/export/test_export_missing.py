"""A trial may have died at any time: what is missing is named, and the rest is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from html_page import page
from sample_episode import episode

from grader.transcript import End, Event

Retell = Callable[[Iterable[Event]], None]


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("transcript.jsonl", "There is no transcript."),
        ("verdict.json", "This trial has no verdict"),
        ("submission.ipynb", "There is no readable submitted notebook."),
        ("broken.ipynb", "nothing to compare with"),
        ("bug_report.json", "No bug report was filed."),
        ("planted.json", "The answer key (planted.json) is missing"),
    ],
)
@pytest.mark.parametrize("how", ["missing", "cut", "garbage"])
def test_a_part_that_is_missing_or_broken_is_named(
    run: Path, trial: Path, part: str, says: str, how: str
) -> None:
    path = trial / part
    if how == "missing":
        path.unlink()
    else:
        text = path.read_text()
        path.write_text(text[: len(text) // 2].rstrip("\n") if how == "cut" else "\x00[{}\n")
    text = page(run).text
    if how == "missing" or part not in {"bug_report.json", "transcript.jsonl"}:
        assert says in " ".join(text.split())
    if how == "garbage":
        assert f"{part} can't be read: " in text


def test_a_malformed_report_is_shown_as_it_is(run: Path, trial: Path) -> None:
    (trial / "bug_report.json").write_text('[{"clause": "P3", "line": 4}]')
    text = page(run).text
    assert "The bug report is malformed" in text
    assert '[{"clause": "P3", "line": 4}]' in text


def test_an_empty_trial_folder_is_shown(run: Path, trial: Path) -> None:
    for path in trial.iterdir():
        path.unlink()
    (run / "trials.jsonl").unlink()
    (run / "config.json").unlink()
    assert "Unfinished: no verdict" in page(run).text


def test_a_killed_trial_says_where_it_breaks_off(run: Path, trial: Path, retell: Retell) -> None:
    retell(episode()[:4])
    (run / "trials.jsonl").unlink()
    (trial / "verdict.json").unlink()
    text = page(run).text
    assert "Unfinished: no verdict" in text
    assert "No result was recorded." in text
    assert "The transcript breaks off here: the trial was killed." in text


def test_an_infrastructure_fault_is_no_failure(run: Path, trial: Path, retell: Retell) -> None:
    line = {"trial": 0, "outcome": "infrastructure", "reward": 0.0, "detail": "agent: overloaded"}
    (run / "trials.jsonl").write_text(json.dumps(line) + "\n")
    (trial / "verdict.json").unlink()
    retell([*episode()[:3], End(reason="infrastructure")])
    text = " ".join(page(run).text.split())
    assert "Not graded: infrastructure fault agent: overloaded Reward –" in text
    assert "stays out of the pass rate" in text
