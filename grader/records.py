"""A run's folder: what it holds and how it is written."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from grader.verdict import BugResult, FailureReason
from task_spec.diff import plant_diff
from task_spec.variant import Variant

Outcome = Literal["passed", "failed", "infrastructure"]


class RunConfig(BaseModel):
    """What was asked of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    task: str
    variant: str
    bugs: tuple[str, ...]
    variant_seed: int
    agent: str
    model: str | None
    trials: int
    concurrency: int
    seed: int
    confined: bool
    sandbox: str = Field(description="how kernels are confined: a tier of kernel_tool")
    started: str = Field(description="ISO 8601, local time")
    version: str


class Trial(BaseModel):
    """One finished trial: a line of ``trials.jsonl``."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    trial: int
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
    kernel_seconds: float
    grade_seconds: float
    seconds: float
    confined: bool


class FolderError(ValueError):
    """The output folder can't be used; the text says what to do."""


class RunFolder:
    """Writes a run's files. ``path`` must not hold another run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            (path / ".write").touch()
            (path / ".write").unlink()
        except OSError as error:
            raise FolderError(
                f"can't write to {path} ({error.strerror}): choose another folder with --out"
            ) from None
        if (path / "config.json").exists():
            raise FolderError(f"{path} holds a run already: choose another folder with --out")

    def write(self, name: str, record: BaseModel | dict[str, Any]) -> None:
        """Write a JSON file as a whole."""
        data = record.model_dump(mode="json") if isinstance(record, BaseModel) else record
        write_json(self.path / name, data)

    def append(self, trial: Trial) -> None:
        """Add a finished trial, flushed before it returns."""
        with (self.path / "trials.jsonl").open("a", encoding="utf-8") as file:
            file.write(trial.model_dump_json() + "\n")
            file.flush()

    def trial(self, number: int) -> Path:
        """The folder of one trial."""
        folder = self.path / f"trial-{number:03d}"
        folder.mkdir(exist_ok=True)
        return folder


def new_run_path(task: str, agent: str) -> Path:
    """A folder name under ``runs/`` that says when, what and who."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    path, n = Path("runs") / f"{stamp}-{task}-{agent}", 1
    while path.exists():
        n += 1
        path = path.with_name(f"{stamp}-{task}-{agent}-{n}")
    return path


def write_json(path: Path, data: Any) -> None:
    """Write JSON in one step: a reader sees the old file or the new one."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


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
        }
        for bug in variant.bugs
    ]
