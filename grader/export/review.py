"""The planted bugs beside what the report says of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from grader.export.load import Planted, TrialRecord
from grader.rows import listed_rows
from grader.verdict import BugResult, CheckResult, ReportEntry
from task_spec.model import Row


@dataclass(frozen=True)
class Entry:
    """An entry of the bug report, numbered from 1 as it stands there."""

    number: int
    entry: ReportEntry

    @property
    def rows(self) -> str:
        """The rows that it lists, in a line."""
        return in_a_line(listed_rows(self.entry))


@dataclass(frozen=True)
class BugReview:
    """A planted bug: the answer key, the verdict on it, and the entry that matched it."""

    planted: Planted
    result: BugResult | None
    entry: Entry | None

    @property
    def handled(self) -> bool:
        return self.result is not None and self.result.fixed and self.result.reported

    @property
    def rows(self) -> str:
        """The affected rows of the data, in a line."""
        return in_a_line(self.planted.rows)

    @property
    def row_score(self) -> str:
        """How good the rows are that were listed for it; empty where none were."""
        score = self.result.rows if self.result else None
        return f"rows listed: {score}" if score else ""


@dataclass(frozen=True)
class Review:
    """All planted bugs, unhandled ones first, and the entries that match none of them.

    ``others`` were neither matched nor counted as false alarms: all of them if nothing was graded.
    """

    bugs: tuple[BugReview, ...]
    false_alarms: tuple[Entry, ...]
    others: tuple[Entry, ...]


def in_a_line(rows: Iterable[Row]) -> str:
    """Rows as text: ids of a row joined by a plus sign."""
    return ", ".join("+".join(row) for row in rows)


def review(record: TrialRecord) -> Review:
    """Joins the answer key, the verdict and the report, as far as they are there."""
    entries = {at: Entry(at + 1, entry) for at, entry in enumerate(record.report or ())}
    results = record.verdict.bugs if record.verdict else ()
    alarms = record.verdict.false_alarms if record.verdict else ()
    matched = {result.entry for result in results}
    return Review(
        bugs=tuple(sorted(_bugs(record, results, entries), key=lambda bug: bug.handled)),
        false_alarms=tuple(entries[at] for at in alarms if at in entries),
        others=tuple(e for at, e in entries.items() if at not in matched and at not in alarms),
    )


def _bugs(
    record: TrialRecord, results: Iterable[BugResult], entries: dict[int, Entry]
) -> list[BugReview]:
    """Those of the answer key, and those that only the verdict knows."""
    graded = {result.id: result for result in results}
    planted = {bug.id: bug for bug in record.planted or ()}
    for result in graded.values():
        known = Planted(id=result.id, kind=result.kind, clauses=result.clauses)
        planted.setdefault(result.id, known)
    return [_bug(bug, graded.get(bug.id), entries) for bug in planted.values()]


def _bug(planted: Planted, result: BugResult | None, entries: dict[int, Entry]) -> BugReview:
    at = result.entry if result else None
    return BugReview(planted, result, None if at is None else entries.get(at))


def failed_first(checks: Iterable[CheckResult]) -> list[CheckResult]:
    """Checks as a reviewer wants them: what failed, then the rest, each in the grader's order."""
    return sorted(checks, key=lambda check: check.passed)


def headline(record: TrialRecord) -> str:
    """The outcome in a few words."""
    match record.outcome:
        case "passed":
            return "Passed"
        case "infrastructure":
            return "Not graded: infrastructure fault"
        case None:
            return "Unfinished: no verdict"
    reason = record.failure_reason
    return f"Failed: {reason.replace('_', ' ')}" if reason else "Failed"
