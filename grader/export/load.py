"""Loads what a run recorded of one trial. A part may be missing: a trial can die at any time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from grader.agents.base import Usage
from grader.export.notebook import Cell, read_cells
from grader.records import Outcome
from grader.run_folder import BROKEN
from grader.transcript import (
    End,
    Event,
    ResultEvent,
    Start,
    Tally,
    TurnEvent,
    read_transcript,
)
from grader.verdict import ReportEntry, Verdict

_FOLDER = re.compile(r"trial-(\d{3,})")
_T = TypeVar("_T")


class RunError(ValueError):
    """There is no such run or trial; the text says what to do about it."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Finished(_Record):
    """The line of a finished trial in ``trials.jsonl``."""

    trial: int
    attempt: int = 1
    outcome: Outcome
    failure_reason: str | None = None
    detail: str = ""
    reward: float | None = None
    cost: float | None = None
    seconds: float | None = None


class Region(_Record):
    """Where a planted bug is: a cell, and its first and last line."""

    cell: str
    lines: tuple[int, int] | None = None


class Planted(_Record):
    """One planted bug, from the answer key. ``broken`` is a unified diff, correct to broken."""

    id: str
    title: str = ""
    kind: str = ""
    clauses: tuple[str, ...] = ()
    source: str = ""
    broken: str = ""
    regions: tuple[Region, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class TrialRecord:
    """All that is known of one trial. None: not there, or not readable (see ``problems``)."""

    run: str
    number: int
    config: dict[str, Any]
    finished: Finished | None = None
    events: tuple[Event, ...] = ()
    verdict: Verdict | None = None
    report: tuple[ReportEntry, ...] | None = None
    report_text: str | None = None
    broken: tuple[Cell, ...] | None = None
    submission: tuple[Cell, ...] | None = None
    planted: tuple[Planted, ...] | None = None
    problems: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The name of the trial's folder, and of the exported file."""
        return f"trial-{self.number:03d}"

    @property
    def start(self) -> Start | None:
        return next((event for event in self.events if isinstance(event, Start)), None)

    @property
    def end(self) -> End | None:
        return next((event for event in self.events if isinstance(event, End)), None)

    @property
    def turns(self) -> tuple[TurnEvent, ...]:
        return tuple(event for event in self.events if isinstance(event, TurnEvent))

    @property
    def results(self) -> tuple[ResultEvent, ...]:
        return tuple(event for event in self.events if isinstance(event, ResultEvent))

    @property
    def outcome(self) -> Outcome | None:
        """None where the trial was killed before it had one."""
        if self.finished is not None:
            return self.finished.outcome
        if self.verdict is not None:
            return "passed" if self.verdict.passed else "failed"
        return "infrastructure" if self.end and self.end.reason == "infrastructure" else None

    @property
    def failure_reason(self) -> str | None:
        if self.verdict is not None:
            return self.verdict.failure_reason
        return self.finished.failure_reason if self.finished else None

    @property
    def detail(self) -> str:
        """Why it ended as it did: the words of the grader, else of whoever noted its end."""
        return next((part.detail for part in (self.verdict, self.finished, self.end) if part), "")

    @property
    def reward(self) -> float | None:
        """None where nothing was graded: an infrastructure fault says nothing about the model."""
        if self.verdict is not None:
            return self.verdict.reward
        graded = self.finished and self.finished.outcome != "infrastructure"
        return self.finished.reward if self.finished and graded else None

    @property
    def seconds(self) -> float | None:
        if self.finished and self.finished.seconds is not None:
            return self.finished.seconds
        return self.events[-1].time - self.events[0].time if self.events else None

    @property
    def usage(self) -> Usage:
        """Tokens of all turns, and of one that failed."""
        return Tally.of(self.events).usage

    @property
    def tool_calls(self) -> int:
        return sum(len(turn.calls) for turn in self.turns)

    @property
    def tool_faults(self) -> int:
        return sum(result.fault == "tool" for result in self.results)

    def fact(self, name: str) -> Any:
        """A setting of this trial, as its transcript has it, else as the run's configuration."""
        value = getattr(self.start, name, None)
        return self.config.get(name) if value is None else value


def trial_numbers(run: Path, wanted: Sequence[int] = ()) -> list[int]:
    """The trials of a run, finished or not: those wanted, or all; RunError if one isn't there."""
    if not run.is_dir():
        raise RunError(f"There is no folder {run}. Give a run folder, such as runs/NAME.")
    known = _known(run)
    if not known and not (run / "config.json").is_file():
        raise RunError(
            f"{run} is not a run folder: it has neither config.json nor trials. "
            "Give a folder that grader.run_trials wrote, such as runs/NAME."
        )
    for number in wanted:
        if number not in known:
            have = f"It has {_ranges(known)}." if known else "It has none yet."
            raise RunError(f"{run} has no trial {number}. {have}")
    return list(dict.fromkeys(wanted)) or known


def load_trial(run: Path, number: int) -> TrialRecord:
    """One trial of a run; raises :class:`RunError` if the run has no such trial."""
    trial_numbers(run, [number])
    folder = run / f"trial-{number:03d}"
    parts = _Parts()
    return TrialRecord(
        run=run.resolve().name,
        number=number,
        config=parts.read(run / "config.json", TypeAdapter(dict[str, Any]).validate_json) or {},
        finished=_finished_attempt(run, number),
        events=parts.events(folder / "transcript.jsonl"),
        verdict=parts.read(folder / "verdict.json", Verdict.model_validate_json),
        report=parts.read(
            folder / "bug_report.json", TypeAdapter(tuple[ReportEntry, ...]).validate_json
        ),
        report_text=parts.read(folder / "bug_report.json", str),
        broken=parts.read(folder / BROKEN, read_cells),
        submission=parts.read(folder / "submission.ipynb", read_cells),
        planted=parts.read(folder / "planted.json", TypeAdapter(tuple[Planted, ...]).validate_json),
        problems=tuple(parts.problems),
    )


class _Parts:
    """Reads parts of a trial, noting those that are there but can't be read."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def read(self, path: Path, parse: Callable[[str], _T]) -> _T | None:
        try:
            return parse(path.read_text(encoding="utf-8", errors="replace"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            self._note(path, error)
            return None

    def events(self, path: Path) -> tuple[Event, ...]:
        """The events up to the first one that can't be read."""
        events: list[Event] = []
        try:
            events.extend(read_transcript(path))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError) as error:
            self._note(path, error)
        return tuple(events)

    def _note(self, path: Path, error: Exception) -> None:
        self.problems.append(f"{path.name} can't be read: {_reason(error)}")


def _reason(error: Exception) -> str:
    """One line that says what is wrong, and where."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{first['msg']} (at {place})" if place else first["msg"]
    return " ".join(str(error).split())


def _known(run: Path) -> list[int]:
    try:
        folders = (_FOLDER.fullmatch(path.name) for path in run.iterdir() if path.is_dir())
        return sorted({int(match[1]) for match in folders if match} | set(_finished(run)))
    except OSError as error:
        raise RunError(f"{run} can't be read: {error.strerror}.") from error


def _finished(run: Path) -> dict[int, Finished]:
    """Finished trials by number; the last line counts, and one cut by a kill does not."""
    path = run / "trials.jsonl"
    lines = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return {trial.trial: trial for trial in _valid(lines.split("\n"))}


def _finished_attempt(run: Path, number: int) -> Finished | None:
    """The end of the attempt that a trial's folder holds: not of one that was set aside."""
    finished = _finished(run).get(number)
    aside = run.glob(f"attempts/{number:03d}-{finished.attempt}") if finished else ()
    return None if any(aside) else finished


def _valid(lines: Iterable[str]) -> Iterable[Finished]:
    for line in lines:
        try:
            yield Finished.model_validate_json(line)
        except ValidationError:
            continue


def _ranges(numbers: list[int]) -> str:
    """``trials 0 to 9``, or each of them if some are missing between."""
    if len(numbers) == 1:
        return f"trial {numbers[0]}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"trials {numbers[0]} to {numbers[-1]}"
    return "trials " + ", ".join(map(str, numbers))
