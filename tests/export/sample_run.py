"""Runs with trials that ended in every way, built with the real classes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sample_episode import episode
from sample_trial import write_transcript, write_trial

from grader.records import Outcome, RunConfig, Trial
from grader.verdict import BugResult, FailureReason

BUGS = (
    *("micro-batches", "ema-buffers", "loss-axis", "test-leak"),
    *("frozen-layers", "threshold-on-test", "stale-scaler", "augment-eval"),
)
CONFIG = RunConfig(
    task="transits",
    variant="transits, 8 bugs",
    bugs=BUGS,
    variant_seed=0,
    digest="0123456789abcdef",
    agent="claude",
    model="claude-x",
    trials=14,
    seed=7,
    confined=True,
    sandbox="bubblewrap",
    concurrency=2,
    started="2026-03-01T09:30:00+01:00",
    version="0.1.0",
)


def bugs(handling: str) -> tuple[BugResult, ...]:
    """A letter a bug: b(oth), f(ixed), r(eported), d for reported and its repair in doubt, or any
    other for neither."""
    return tuple(
        BugResult(
            id=bug,
            kind="run",
            clauses=("P0",),
            fixed=how in "bf",
            reported=how in "brd",
            in_doubt=how == "d",
        )
        for bug, how in zip(BUGS, handling, strict=False)
    )


def trial(number: int, reason: str | None, handling: str = "", **changes: Any) -> Trial:
    """A trial that passed, or failed for a reason."""
    outcome: Outcome = "passed" if reason is None else "failed"
    facts = Trial(
        trial=number,
        outcome=outcome,
        failure_reason=FailureReason(reason) if reason else None,
        detail=f"Why number {number} failed." if reason else "",
        reward=1.0 if reason is None else round(handling.count("b") / 9, 4),
        bugs=bugs(handling),
        false_alarms=number % 3 if handling else 0,
        turns=18 + number,
        tool_calls=31 + 2 * number,
        tool_errors=int(number == 5),
        model_errors=number % 4,
        usage={"input": 900, "output": 21_000 + 700 * number, "cache_read": 810_000},
        cost=0.4 + 0.13 * ((number * 7) % 10),
        kernel_seconds=300.0,
        grade_seconds=18.0,
        seconds=400.0 + 97 * ((number * 3) % 11),
        confined=True,
    )
    return facts.model_copy(update=changes)


def fault(number: int, detail: str, attempt: int = 1) -> Trial:
    """An attempt that the machinery ended."""
    nothing = {"reward": None, "outcome": "infrastructure", "failure_reason": None}
    return trial(number, "timeout", attempt=attempt, detail=detail, **nothing)


TRIALS = (
    trial(0, "missed_bug", "bbbrbfb-", detail="not reported: threshold-on-test, augment-eval"),
    trial(1, None, "bbbbbbbb"),
    trial(2, "missed_bug", "bfbbbfbb", detail="not reported: ema-buffers, threshold-on-test"),
    trial(3, "partial_fix", "bbbbrbbb", detail="reported but not repaired: frozen-layers"),
    fault(4, "agent: the API answered 529 (overloaded)"),
    trial(5, "out_of_budget", detail="all 80 tool calls are spent"),
    trial(4, None, "bbbbbbbb", attempt=2),
    trial(6, "false_alarm", "bbbbbbbb", false_alarms=4),
    fault(7, "KernelStartError: the kernel did not start within 60 s"),
    trial(8, "missed_bug", "bbb-bfbb"),
    trial(9, "notebook_error", "--------", detail="world fresh: NameError: scaler"),
    trial(10, None, "bbbbbbbb"),
    trial(11, "regression", "bbbbbbbb", detail="hidden-ap: the average precision is 0.61"),
)


def write_run(
    folder: Path,
    trials: Iterable[Trial] = TRIALS,
    config: RunConfig = CONFIG,
    closing: dict[str, Any] | None = None,
) -> Path:
    """A run folder without the trials' own parts. ``closing``: what its summary says, if any."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config.model_dump_json())
    lines = [each.model_dump_json() + "\n" for each in trials]
    (folder / "trials.jsonl").write_text("".join(lines))
    if closing is not None:
        (folder / "summary.json").write_text(json.dumps(closing))
    return folder


def write_parts(run: Path, numbers: Iterable[int]) -> None:
    """The folders of trials that ended."""
    lines = (run / "trials.jsonl").read_text()
    for number in numbers:
        write_trial(run, number)
    (run / "trials.jsonl").write_text(lines)


def write_killed(run: Path, number: int) -> None:
    """The folder of a trial that never ended."""
    folder = run / f"trial-{number:03d}"
    folder.mkdir()
    write_transcript(folder, episode()[:5])
