"""What a run records: its configuration and its trials."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import nbformat
from pydantic import BaseModel, ConfigDict, Field

from grader.agents.pricing import cost
from grader.transcript import End, Event, Start, Tally
from grader.verdict import BugResult, FailureReason, Verdict
from kernel_tool.text import encodable
from task_spec.diff import plant_diff
from task_spec.prompt import render_prompt
from task_spec.variant import Variant

# How `stopped` of a summary begins: the band question was answered, or somebody pressed Ctrl-C.
SETTLED, INTERRUPTED = "settled", "interrupted"

Outcome = Literal["passed", "failed", "infrastructure"]


class RunConfig(BaseModel):
    """What was asked of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    task: str
    variant: str
    bugs: tuple[str, ...]
    variant_seed: int
    noise: float = Field(0.0, description="how hard faults of the data are to see, 0 to 1")
    digest: str = Field("", description="of all that the agent is given: see `digest`")
    agent: str
    model: str | None
    trials: int
    until_decided: bool = False
    seed: int
    confined: bool
    sandbox: str = Field(description="how kernels are confined: a tier of kernel_tool")
    concurrency: int
    retries: int = 0
    trial_minutes: float = 120.0
    max_cost: float | None = Field(None, description="USD")
    started: str = Field(description="ISO 8601, local time")
    version: str


class Trial(BaseModel):
    """One attempt at a trial that has come to an end: a line of ``trials.jsonl``."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    trial: int
    attempt: int = Field(1, description="from 1; the machinery's faults are tried again")
    outcome: Outcome
    failure_reason: FailureReason | None
    detail: str
    reward: float | None = Field(description="None where the machinery failed")
    bugs: tuple[BugResult, ...]
    false_alarms: int
    turns: int
    tool_calls: int
    tool_errors: int
    model_errors: int
    usage: dict[str, int]
    cost: float | None = Field(description="USD; None for an unknown model or none")
    kernel_seconds: float | None = Field(description="None where the end wasn't recorded")
    grade_seconds: float
    seconds: float
    confined: bool


def trial_of(
    number: int,
    attempt: int,
    events: Sequence[Event],
    verdict: Verdict | None,
    detail: str,
    confined: bool,
) -> Trial:
    """The record of an attempt: what its transcript counts, and its verdict.

    Without a verdict it is ``infrastructure``: ``detail`` says what went wrong.
    """
    tally = Tally.of(events)
    end = next((event for event in events if isinstance(event, End)), None)
    model = next((event.model for event in events if isinstance(event, Start)), None)
    played = events[-1].time - events[0].time if events else 0.0
    grading = verdict.seconds if verdict else 0.0
    outcome: Outcome = "infrastructure"
    if verdict is not None:
        outcome = "passed" if verdict.passed else "failed"
    return Trial(
        trial=number,
        attempt=attempt,
        outcome=outcome,
        failure_reason=verdict.failure_reason if verdict else None,
        detail=verdict.detail if verdict else detail,
        reward=verdict.reward if verdict else None,
        bugs=verdict.bugs if verdict else (),
        false_alarms=len(verdict.false_alarms) if verdict else 0,
        turns=tally.turns,
        tool_calls=tally.tool_calls,
        tool_errors=tally.tool_errors,
        model_errors=tally.model_errors,
        usage=asdict(tally.usage),
        cost=cost(model, tally.usage),
        kernel_seconds=end.kernel_seconds if end else None,
        grade_seconds=grading,
        seconds=played + grading,
        confined=confined,
    )


def digest(variant: Variant) -> str:
    """Of the prompt and of the notebook as delivered: what a run is about, in 16 hex digits."""
    text = render_prompt(variant.task) + nbformat.writes(variant.broken())
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def answer_key(variant: Variant) -> list[dict[str, Any]]:
    """The planted bugs for a reviewer: what, where, and the diff from the correct notebook."""
    return [
        {
            "id": bug.id,
            "title": bug.title,
            "kind": bug.kind.value,
            "clauses": list(bug.clauses),
            "source": bug.source,
            "broken": plant_diff(variant.task, bug),
            "regions": [
                {"cell": cell, "lines": list(lines)}
                for cell, ranges in variant.places(bug).items()
                for lines in ranges
            ],
            "rows": sorted(bug.rows.of(variant.draw)) if bug.rows else [],
        }
        for bug in variant.bugs
    ]


def write_json(path: Path, data: Any) -> None:
    """Write JSON in one step: a reader sees the old file or the new one."""
    part = path.with_name(path.name + ".part")
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    part.write_text(encodable(text), encoding="utf-8")
    part.replace(path)
