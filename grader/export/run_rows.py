"""The trials of a run as rows of a table, and its bugs trial by trial."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from grader.export.display import words
from grader.export.facts import incomplete
from grader.export.load import TrialRecord
from grader.export.review import headline
from grader.export.run_reading import Reading
from grader.records import Outcome, Trial
from grader.verdict import BugResult

Handling = Literal["both", "repaired", "reported", "neither", "doubtful", "unmeasured"]

_AGAIN = "Another attempt is under way, or was killed. Of the last that ended: "
_DETAIL = 400  # characters that are shown; the trial's page has all of them


@dataclass(frozen=True)
class Row:
    """One trial. None: unknown, or not defined for a trial that ended as this one did.

    ``handled``: bugs repaired and reported, of ``planted`` that were measured. ``cost``: USD.
    """

    number: int
    outcome: Outcome | None
    reason: str | None
    detail: str
    attempt: int
    reward: float | None
    handled: int | None
    planted: int | None
    false_alarms: int | None
    turns: int | None
    calls: int | None
    tool_errors: int | None
    tokens: int | None
    cost: float | None
    seconds: float | None

    @property
    def name(self) -> str:
        """The name of the trial's folder and page."""
        return f"trial-{self.number:03d}"

    @property
    def kind(self) -> str:
        """The outcome; ``unfinished`` where there is none."""
        return self.outcome or "unfinished"

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        return f"{self.kind}: {words(self.reason)}" if self.reason else self.kind


@dataclass(frozen=True)
class BugRow:
    """A planted bug through all trials, in the order of the rows; its rates over those measured."""

    id: str
    title: str
    cells: tuple[Handling, ...]
    rates: dict[str, Any]


def rows(reading: Reading) -> list[Row]:
    """All trials by number, those without a record among them."""
    found = [_recorded(trial, reading) for trial in reading.run.trials]
    found += [_unfinished(record) for record in reading.unfinished]
    return sorted(found, key=lambda row: row.number)


def repeats(reading: Reading) -> list[Row]:
    """The attempts that did not count, in the order in which they ended."""
    counted = {(trial.trial, trial.attempt) for trial in reading.run.trials}
    attempts = reading.run.attempts
    return [_recorded(a, reading) for a in attempts if (a.trial, a.attempt) not in counted]


def bug_rows(reading: Reading, summary: dict[str, Any], shown: Iterable[Row]) -> list[BugRow]:
    """The bugs of a run, in its order."""
    results = {trial.trial: {bug.id: bug for bug in trial.bugs} for trial in reading.run.trials}
    titles, per_trial = reading.titles, [results.get(row.number, {}) for row in shown]
    return [
        BugRow(bug, titles.get(bug, ""), tuple(_handling(each.get(bug)) for each in per_trial), of)
        for bug, of in summary["bugs"].items()
    ]


def _handling(result: BugResult | None) -> Handling:
    if result is None:
        return "unmeasured"
    if result.in_doubt:
        return "doubtful"
    if result.fixed:
        return "both" if result.reported else "repaired"
    return "reported" if result.reported else "neither"


def _recorded(trial: Trial, reading: Reading) -> Row:
    def known(name: str) -> Any:
        return None if reading.lacks(trial, name) else getattr(trial, name)

    # Where no bug was measured nobody counted false alarms either.
    measured = bool(trial.bugs)
    reason = known("failure_reason")
    usage = known("usage")
    again = trial.trial in reading.begun_again and trial in reading.run.trials
    return Row(
        number=trial.trial,
        outcome=trial.outcome,
        reason=reason.value if reason else None,
        detail=_short(f"{_AGAIN if again else ''}{trial.detail}"),
        attempt=trial.attempt,
        reward=known("reward") if trial.outcome != "infrastructure" else None,
        handled=sum(bug.fixed and bug.reported for bug in trial.bugs) if measured else None,
        planted=len(trial.bugs) if measured else None,
        false_alarms=known("false_alarms") if measured else None,
        turns=known("turns"),
        calls=known("tool_calls"),
        tool_errors=known("tool_errors"),
        tokens=None if usage is None else sum(usage.values()),
        cost=known("cost"),
        seconds=known("seconds"),
    )


def _unfinished(record: TrialRecord) -> Row:
    """A trial that is under way, or was killed: what its transcript counts so far."""
    seen = bool(record.events)
    judged = f"Judged ({headline(record)}), but killed before that was recorded."
    return Row(
        number=record.number,
        outcome=None,
        reason=None,
        detail=_short(incomplete(record) or judged),
        attempt=1,
        reward=None,
        handled=None,
        planted=None,
        false_alarms=None,
        turns=len(record.turns) if seen else None,
        calls=record.tool_calls if seen else None,
        tool_errors=record.tool_faults if seen else None,
        tokens=record.usage.total if seen else None,
        cost=None,
        seconds=record.seconds,
    )


def _short(text: str) -> str:
    line = " ".join(text[: 4 * _DETAIL].split())
    return line if len(line) <= _DETAIL else f"{line[: _DETAIL - 1]}…"
