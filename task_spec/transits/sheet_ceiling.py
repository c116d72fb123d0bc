"""How well misplaced entries of the label sheet can be found: a reference, and simple detectors.

The detectors use what a solver has (the sheet, and magnitudes measured from the curves) and nothing
hidden. The reference knows both ways of misplacing, which a solver has to find out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from task_spec.model import Ceiling, Draw
from task_spec.rows import RowScore, ceilings
from task_spec.transits.sheet import WAYS, Way, down_a_row
from task_spec.transits.survey import magnitudes
from task_spec.transits.worlds import published_survey

MIN_PRECISION, MIN_RECALL = 0.9, 0.9
LENGTHS = range(25, 41)  # rows of a run, as the protocol has it

Floats = np.ndarray[Any, Any]
Ints = np.ndarray[Any, Any]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
Detector = Callable[[Floats, Floats], Bools]  # of noted and measured magnitudes (rows,)


def _best_run(noted: Floats, own: Floats, way: Way) -> tuple[float, Ints]:
    """By how much the squares of the differences fall at most if one run was misplaced in a way;
    and (rows,) of which row each row then holds the entry."""
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


def _runs(noted: Floats, own: Floats, ways: Sequence[Way]) -> Bools:
    """Rows that hold the entry of another if a run was misplaced in each of some ways: the surest
    run first, the next once its entries were moved back."""
    noted, left, found = noted.copy(), list(ways), np.zeros(len(noted), dtype=bool)
    while left:
        runs = [_best_run(noted, own, way) for way in left]
        surest = int(np.argmax([gain for gain, _ in runs]))
        order = runs[surest][1]
        found |= order != np.arange(len(noted))
        noted[order] = noted.copy()
        del left[surest]
    return found


def both_ways(noted: Floats, own: Floats) -> Bools:
    """The reference: the run that fits best for either way, by maximum likelihood."""
    return _runs(noted, own, WAYS)


def two_slips(noted: Floats, own: Floats) -> Bools:
    """The same, but both runs are taken for ones that slipped down a row."""
    return _runs(noted, own, (down_a_row, down_a_row))


def row_by_row(noted: Floats, own: Floats) -> Bools:
    """A simple detector: rows whose magnitude is off by more than three times the usual error."""
    off = np.abs(noted - own)
    return np.asarray(off > 3 * 1.4826 * np.median(off))


DETECTORS: dict[str, Detector] = {
    "reference": both_ways,
    "two slips": two_slips,
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
