"""Holding a bug report against the planted bugs: deterministic, by clause and place."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from grader.rows import row_problem, score_rows
from grader.submission import ReportError
from grader.verdict import ReportEntry
from task_spec.model import Bug, Row
from task_spec.prompt import QUOTE_LINES, QUOTE_MIN, clauses_with_rows
from task_spec.rows import RowScore
from task_spec.variant import Variant

Lines = tuple[int, int]
Bools = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Match:
    """Entry index by bug id, the entries that report no bug at all, and how good the rows are
    that were listed for a bug."""

    entry_of: dict[str, int]
    false_alarms: tuple[int, ...]
    rows: dict[str, RowScore] = field(default_factory=dict)


def locate(entry: ReportEntry, sources: Mapping[str, str]) -> list[Lines]:
    """Line ranges (1-based) of the cell at which the quote stands. ReportError if nowhere."""
    if entry.cell not in sources:
        raise ReportError(f"there is no cell {entry.cell!r} in the notebook as delivered")
    wanted = _normal_lines(entry.quote)
    if sum(len(line) for line in wanted) < QUOTE_MIN or len(wanted) > QUOTE_LINES:
        raise ReportError(
            f"a quote has at least {QUOTE_MIN} characters and at most {QUOTE_LINES} lines"
        )
    lines = [
        (n, text) for n, text in enumerate(map(_normal, sources[entry.cell].split("\n")), 1) if text
    ]
    found = []
    for start in range(len(lines) - len(wanted) + 1):
        piece = lines[start : start + len(wanted)]
        if all(want in have for want, (_, have) in zip(wanted, piece, strict=True)):
            found.append((piece[0][0], piece[-1][0]))
    if not found:
        raise ReportError(
            f"the quote does not stand in cell {entry.cell!r} as delivered: {entry.quote[:80]!r}"
        )
    return found


def _normal(text: str) -> str:
    return "".join(text.split())


def _normal_lines(text: str) -> list[str]:
    return [line for line in map(_normal, text.split("\n")) if line]


def problems(entries: Iterable[ReportEntry], variant: Variant) -> list[str]:
    """What is wrong with the form of a report's entries, in words; gives no hint at the bugs."""
    clauses = [clause.id for clause in variant.task.clauses]
    rows = clauses_with_rows(variant.task)
    found = []
    for i, entry in enumerate(entries):
        if entry.clause not in clauses:
            found.append(
                f"entry {i}: there is no clause {entry.clause!r}; they are {', '.join(clauses)}"
            )
        try:
            locate(entry, variant.sources)
        except ReportError as problem:
            found.append(f"entry {i}: {problem}")
        if entry.clause in rows and (wrong := row_problem(entry, rows[entry.clause])):
            found.append(f"entry {i}: {wrong}")
    return found


def match(entries: Sequence[ReportEntry], variant: Variant) -> Match:
    """Match entries and bugs one to one, as many as can be; and, if there is a choice, those of
    which the entry quotes what the bug has changed. The entries must have no problems."""
    if not entries or not variant.bugs:
        return Match({}, tuple(range(len(entries))))
    quoted = [locate(entry, variant.sources) for entry in entries]

    def fitting(lines_of: Callable[[Bug], dict[str, list[Lines]]]) -> Bools:
        """(entries, bugs) True where the clause is the bug's and the quote touches lines of it."""
        each = [(bug.clauses, lines_of(bug)) for bug in variant.bugs]
        return np.array(
            [
                [
                    e.clause in clauses and _overlap(at, lines.get(e.cell, []))
                    for clauses, lines in each
                ]
                for e, at in zip(entries, quoted, strict=True)
            ]
        )

    fits, exact = fitting(variant.places), fitting(variant.planted_lines)
    false_alarms = tuple(int(i) for i in np.flatnonzero(~fits.any(axis=1)))
    rows = {
        bug.id: score_rows(itertools.compress(entries, fits[:, j]), affected)
        for j, (bug, affected) in enumerate(_affected(variant))
        if affected is not None and fits[:, j].any()
    }
    for j, bug in enumerate(variant.bugs):
        if bug.id in rows and bug.rows is not None and not rows[bug.id].reaches(bug.rows):
            fits[:, j] = False
    worth = fits * (1 + fits.shape[1]) + (fits & exact)  # one more match outweighs all exact ones
    chosen = zip(*linear_sum_assignment(worth, maximize=True), strict=True)
    entry_of = {variant.bugs[j].id: int(i) for i, j in chosen if fits[i, j]}
    return Match(entry_of, false_alarms, rows)


def _affected(variant: Variant) -> Iterator[tuple[Bug, frozenset[Row] | None]]:
    for bug in variant.bugs:
        yield bug, bug.rows.of(variant.draw) if bug.rows else None


def _overlap(some: Iterable[Lines], others: Sequence[Lines]) -> bool:
    return any(a[0] <= b[1] and b[0] <= a[1] for a in some for b in others)
