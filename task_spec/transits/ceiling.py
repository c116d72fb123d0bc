"""How well slipped labels can be found: a reference detector, and a simple one.

The detectors use what a solver has (the published files) and nothing hidden. ``CEILING`` is what
`measure` found over ``NOISES`` and ``SEEDS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from task_spec.model import Ceiling
from task_spec.rows import RowScore
from task_spec.transits.curves import ZERO_POINT
from task_spec.transits.survey import Survey, draw_survey

NOISES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
SEEDS = tuple(range(1000, 1020))
RUN_ROWS = (25, 40)

Floats = np.ndarray[Any, Any]
Found = set[tuple[str, ...]]


# --- slipped labels: targets


def _sheet(survey: Survey) -> tuple[pd.DataFrame, Floats]:
    """The sheet, and (rows,) magnitudes measured from the curves, in its order."""
    curves = survey.curves
    pieces = [survey.flux[a : a + n] for a, n in curves[["start", "length"]].to_numpy()]
    median = np.abs([np.nanmedian(piece) for piece in pieces])
    mag = np.where(curves["unit"] == "mag", median, ZERO_POINT - 2.5 * np.log10(median))
    own = pd.Series(mag).groupby(curves["target_id"]).mean()
    return survey.labels(), own.loc[survey.sheet["target_id"]].to_numpy()


def _best_run(noted: Floats, own: Floats) -> tuple[float, int, int]:
    """Gain in log likelihood, first and last row of the best run to move up by a row."""
    scatter = 1.4826 * np.median(np.abs(noted - own))
    here = ((noted - own) / scatter) ** 2 / 2
    above = ((noted[1:] - own[:-1]) / scatter) ** 2 / 2
    total = np.concatenate([[0], np.cumsum(here[1:] - above)])
    best = (-np.inf, 0, 0)
    for rows in range(RUN_ROWS[0], RUN_ROWS[1] + 1):
        first = np.arange(len(noted) - rows + 1)
        last = first + rows - 1
        wrapped = here[first] - ((noted[first] - own[last]) / scatter) ** 2 / 2
        gain = total[last] - total[first] + wrapped
        at = int(np.argmax(gain))
        best = max(best, (float(gain[at]), at, at + rows - 1))
    return best


def slips_reference(survey: Survey, runs: int = 2) -> Found:
    """The two runs whose entries fit best a row higher, one after the other, by maximum
    likelihood."""
    sheet, own = _sheet(survey)
    noted, ids = sheet["mag"].to_numpy(copy=True), sheet["target_id"].to_numpy()
    found: Found = set()
    for _ in range(runs):
        _, first, last = _best_run(noted, own)
        found |= {(target_id,) for target_id in ids[first : last + 1]}
        noted[first : last + 1] = np.roll(noted[first : last + 1], -1)
    return found


def slips_by_row(survey: Survey) -> Found:
    """A simple detector: rows whose magnitude is off by more than three times the usual error."""
    sheet, own = _sheet(survey)
    off = np.abs(sheet["mag"].to_numpy() - own)
    return {(t,) for t in sheet["target_id"][off > 3 * 1.4826 * np.median(off)]}


# --- the table

DETECTORS: dict[str, tuple[str, Callable[[Survey], Found]]] = {
    "maximum likelihood": ("label_slip", slips_reference),
    "row by row": ("label_slip", slips_by_row),
}


def affected(survey: Survey) -> Found:
    """The affected rows."""
    return {(target_id,) for target_id in survey.slipped()}


def measure(
    noises: Sequence[float], seeds: Sequence[int], detectors: Iterable[str] = tuple(DETECTORS)
) -> pd.DataFrame:
    """A row a detector, noise and seed: bug, precision, recall."""
    rows = []
    for noise in noises:
        for seed in seeds:
            survey = draw_survey(seed, noise=noise)
            for name in detectors:
                bug, detect = DETECTORS[name]
                got = RowScore.of(detect(survey), affected(survey))
                rows.append((bug, name, noise, seed, got.precision, got.recall))
    return pd.DataFrame(rows, columns=["bug", "detector", "noise", "seed", "precision", "recall"])


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over the seeds, of precision and of recall."""

    precision: tuple[float, float]
    recall: tuple[float, float]


CEILING: dict[str, dict[float, Spread]] = {
    "maximum likelihood": {
        0.0: Spread((0.998, 0.007), (1.0, 0.0)),
        0.25: Spread((0.998, 0.007), (1.0, 0.0)),
        0.5: Spread((0.996, 0.008), (1.0, 0.0)),
        0.75: Spread((0.993, 0.012), (0.997, 0.006)),
        0.95: Spread((0.987, 0.017), (0.972, 0.028)),
        1.0: Spread((0.985, 0.018), (0.972, 0.026)),
    },
    "row by row": {
        0.0: Spread((0.993, 0.012), (0.823, 0.05)),
        0.25: Spread((0.993, 0.012), (0.82, 0.05)),
        0.5: Spread((0.992, 0.015), (0.76, 0.062)),
        0.75: Spread((0.988, 0.022), (0.518, 0.058)),
        0.95: Spread((0.969, 0.047), (0.244, 0.065)),
        1.0: Spread((0.955, 0.064), (0.187, 0.062)),
    },
}

# For how many of the seeds the reference clears both bounds of the report's rows.
REACHED = {
    "label_slip": ("maximum likelihood", (20, 20, 20, 20, 20, 20)),
}


def ceiling_of(bug: str) -> tuple[Ceiling, ...]:
    """The reference detector's scores for a row bug, noise by noise."""
    detector, reached = REACHED[bug]
    return tuple(
        Ceiling(noise, spread.precision[0], spread.recall[0], many, len(SEEDS))
        for (noise, spread), many in zip(CEILING[detector].items(), reached, strict=True)
    )
