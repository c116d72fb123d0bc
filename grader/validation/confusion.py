"""Holding what came out of a cell against what must come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from grader.checks import Reading
from grader.validation.cells import Cell, Part
from grader.verdict import Verdict

_SHOWN = 4  # readings that are told of a cell


class Outcome(StrEnum):
    """How a cell came out."""

    RIGHT = "right"
    WRONGLY_PASSED = "wrongly passed"
    WRONGLY_FAILED = "wrongly failed"
    WRONG_CLAUSE = "wrong clause"
    FAULT = "machinery fault"


@dataclass(frozen=True)
class CellResult:
    """A cell as it came out. ``why``: what is wrong, in words. ``cpu_seconds``: of its kernels."""

    cell: Cell
    outcome: Outcome
    why: str
    readings: tuple[Reading, ...] = ()
    cpu_seconds: float = 0.0


def assess(cell: Cell, readings: Sequence[Reading], verdict: Verdict) -> tuple[Outcome, str]:
    """The outcome of a cell, and what is wrong with it."""
    failed = [reading for reading in readings if not reading.measurement.passed]
    if cell.cheat is not None:
        return _of_cheat(cell.cheat.checks, failed, verdict)
    if cell.breaks:
        return _of_broken(cell, readings, failed)
    # Only the correct notebook comes with a report.
    if failed or (cell.report and not verdict.passed):
        return Outcome.WRONGLY_FAILED, _in_words(failed) or verdict.detail
    return Outcome.RIGHT, ""


def _of_cheat(
    wanted: Sequence[str], failed: Sequence[Reading], verdict: Verdict
) -> tuple[Outcome, str]:
    if verdict.passed:
        return Outcome.WRONGLY_PASSED, "the cheat passes"
    if wanted and not any(reading.check.id in wanted for reading in failed):
        what = _in_words(failed) or verdict.detail
        return Outcome.WRONG_CLAUSE, f"{' or '.join(wanted)} should fail, not {what}"
    return Outcome.RIGHT, ""


def _of_broken(
    cell: Cell, readings: Sequence[Reading], failed: Sequence[Reading]
) -> tuple[Outcome, str]:
    ids = {reading.check.id for reading in failed}
    clauses = {clause for bug in cell.breaks for clause in bug.clauses}
    unseen = [bug for bug in cell.breaks if not ids & set(bug.checks)]
    strays = [reading for reading in failed if not _may_fail(reading, clauses)]
    if strays:
        return Outcome.WRONG_CLAUSE, _in_words(strays)
    if unseen:
        wanted = {check for bug in unseen for check in bug.checks}
        held = [reading for reading in readings if reading.check.id in wanted]
        return Outcome.WRONGLY_PASSED, _in_words(held) or "its checks were not measured"
    return Outcome.RIGHT, ""


def _may_fail(reading: Reading, clauses: set[str]) -> bool:
    """A bug costs its own clauses, and may cost scores; a run must not end in an error."""
    check = reading.check
    return check.clause in clauses or (check.clause is None and not check.id.startswith("run."))


def _in_words(readings: Sequence[Reading]) -> str:
    shown = [
        f"{r.check.id} ({r.world}): {' '.join(r.measurement.explanation.split())[:300]}"
        for r in readings[:_SHOWN]
    ]
    rest = len(readings) - len(shown)
    return "; ".join([*shown, f"{rest} more"] if rest else shown)


def confusion(results: Iterable[CellResult]) -> dict[Part, Counter[Outcome]]:
    """How many cells of each part came out how, in the order of the parts."""
    found: dict[Part, Counter[Outcome]] = {}
    for result in results:
        found.setdefault(result.cell.part, Counter())[result.outcome] += 1
    return {part: found[part] for part in Part if part in found}
