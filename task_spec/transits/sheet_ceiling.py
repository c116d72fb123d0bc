"""How well misplaced entries of the label sheet can be found: a reference, and simple detectors.

The detectors use what a solver has (the sheet, and magnitudes measured from the curves) and nothing
hidden. The reference knows all ways of misplacing, which a solver has to find out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from task_spec.model import Ceiling, Draw
from task_spec.rows import RowScore, ceilings
from task_spec.transits.sheet import MIN_PRECISION, MIN_RECALL, WAYS, Way, down_a_row
from task_spec.transits.survey import magnitudes
from task_spec.transits.worlds import published_survey

LENGTHS = range(20, 41)  # rows of a run, as the protocol has it

Floats = np.ndarray[Any, Any]
Ints = np.ndarray[Any, Any]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
Detector = Callable[[Floats, Floats], Bools]  # of noted and measured magnitudes (rows,)
# By how much the squares of their differences fall at most if entries were misplaced in one way,
# and (rows,) of which row each row then holds the entry.
Found = tuple[float, Ints]
Search = Callable[[Floats, Floats], Found]


def _best_run(way: Way, noted: Floats, own: Floats) -> Found:
    """One run whose entries were misplaced in a way."""
    best, order = -np.inf, np.arange(len(noted))
    here = np.concatenate([[0], np.cumsum((noted - own) ** 2)])
    for rows in LENGTHS:
        first = np.arange(len(noted) - rows + 1)
        row = first[:, None] + np.arange(rows)
        moved = (noted[row] - own[first[:, None] + way(rows)]) ** 2
        gain = here[first + rows] - here[first] - moved.sum(axis=1)
        at = int(np.argmax(gain))
        if gain[at] > best:
            best, order = float(gain[at]), np.arange(len(noted))
            order[at : at + rows] = at + way(rows)
    return best, order


def _best_pages(noted: Floats, own: Floats) -> Found:
    """Two runs of one length that hold each other's entries: distance by distance between them."""
    best, first, apart, length = -np.inf, 0, 0, 0
    here = (noted - own) ** 2
    for distance in range(min(LENGTHS), len(noted) - min(LENGTHS) + 1):
        a, b = slice(None, -distance), slice(distance, None)
        there = (noted[a] - own[b]) ** 2 + (noted[b] - own[a]) ** 2
        total = np.concatenate([[0], np.cumsum(here[a] + here[b] - there)])
        for rows in range(min(LENGTHS), min(max(LENGTHS), distance, len(there)) + 1):
            gain = total[rows:] - total[:-rows]
            at = int(np.argmax(gain))
            if gain[at] > best:
                best, first, apart, length = float(gain[at]), at, distance, rows
    order, page = np.arange(len(noted)), first + np.arange(length)
    order[page], order[page + apart] = page + apart, page
    return best, order


def _misplaced(searches: Sequence[Search], noted: Floats, own: Floats) -> Bools:
    """Rows that hold the entry of another by some searches: what one of them finds most surely
    first, the next once those entries were moved back."""
    noted, left, found = noted.copy(), list(searches), np.zeros(len(noted), dtype=bool)
    while left:
        best = [search(noted, own) for search in left]
        surest = int(np.argmax([gain for gain, _ in best]))
        order = best[surest][1]
        found |= order != np.arange(len(noted))
        noted[order] = noted.copy()
        del left[surest]
    return found


def row_by_row(noted: Floats, own: Floats) -> Bools:
    """A simple detector: rows whose magnitude is off by more than three times the usual error."""
    off = np.abs(noted - own)
    return np.asarray(off > 3 * 1.4826 * np.median(off))


_RUNS: list[Search] = [partial(_best_run, way) for way in WAYS]
_SLIP: Search = partial(_best_run, down_a_row)

DETECTORS: dict[str, Detector] = {
    # By maximum likelihood what fits best for each way.
    "reference": partial(_misplaced, [*_RUNS, _best_pages]),
    "without pages": partial(_misplaced, _RUNS),
    "pages alone": partial(_misplaced, [_best_pages]),
    # As many as there are runs.
    "four slips": partial(_misplaced, [_SLIP] * 4),
    "row by row": row_by_row,
}


def score(draw: Draw, detector: str = "reference") -> RowScore:
    """Precision and recall of a detector's list of targets with the entry of another in published
    data."""
    survey = published_survey(draw)
    noted = survey.sheet["mag"].to_numpy().round(2)
    own = magnitudes(survey.curves, survey.flux).loc[survey.sheet["target_id"]].to_numpy()
    listed = survey.sheet["target_id"][DETECTORS[detector](noted, own)]
    return RowScore.of({(t,) for t in listed}, {(t,) for t in survey.misplaced()})


def ceiling(draws: Sequence[Draw], detector: str = "reference") -> tuple[Ceiling, ...]:
    """What a detector reaches, by noise, over the seeds of the draws of that noise."""
    return ceilings(draws, lambda draw: score(draw, detector), MIN_PRECISION, MIN_RECALL)
