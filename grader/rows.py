"""Rows of the data that a report lists, held against the affected ones."""

from __future__ import annotations

from collections.abc import Iterable

from grader.verdict import ReportEntry
from task_spec.model import Row, Rows
from task_spec.rows import RowScore


def listed_rows(entry: ReportEntry) -> list[Row]:
    """The rows of an entry, the ids of each in sorted order."""
    rows = (row if isinstance(row, list) else [row] for row in entry.rows)
    return [tuple(sorted(map(str, row))) for row in rows]


def score_rows(entries: Iterable[ReportEntry], affected: frozenset[Row]) -> RowScore:
    """Score the rows of all entries for a bug together, so that no guess is free."""
    listed = {row for entry in entries for row in listed_rows(entry)}
    return RowScore.of(listed, affected)


def row_problem(entry: ReportEntry, rows: Rows) -> str | None:
    """What is wrong with the form of an entry's rows, in words."""
    if not entry.rows:
        return f"an entry for {entry.clause} lists {rows.meaning} in the field `rows`"
    if any(len(row) != rows.size or len(set(row)) != rows.size for row in listed_rows(entry)):
        ids = "one id" if rows.size == 1 else f"{rows.size} different ids"
        return f"each of the `rows` of an entry for {entry.clause} is a list of {ids}"
    return None
