"""How well the rows of the two row bugs can be found: reference detectors, and simple ones.

The references use what a solver has (the published files) and nothing hidden. ``CEILING`` is what
`measure` found over ``NOISES`` and ``SEEDS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import uniform_filter1d
from scipy.special import ndtri

from task_spec.model import Ceiling
from task_spec.rows import RowScore
from task_spec.transits.curves import CADENCES_A_DAY, ZERO_POINT
from task_spec.transits.survey import Survey, draw_survey

NOISES = (0.0, 0.25, 0.5, 0.75, 1.0)
SEEDS = tuple(range(1000, 1020))
RUN_ROWS = (25, 40)

Floats = np.ndarray[Any, Any]
Found = set[tuple[str, ...]]


# --- second extractions: pairs of targets


def _on_grid(survey: Survey) -> Floats:
    """(curves, cadences) flux relative to its mean, less 1, NaN where nothing was observed."""
    first = np.rint(survey.curves["t0"].to_numpy() * CADENCES_A_DAY).astype(int)
    length = survey.curves["length"].to_numpy()
    grid = np.full((len(first), int((first + length).max())), np.nan, dtype=np.float32)
    for row, (at, start, n) in enumerate(zip(first, survey.curves["start"], length, strict=True)):
        flux = survey.flux[start : start + n].astype(np.float64)
        grid[row, at : at + n] = flux / np.nanmean(flux) - 1
    return grid


def _high_pass(grid: Floats, window: int = 9) -> Floats:
    seen = np.isfinite(grid).astype(np.float32)
    mean = uniform_filter1d(np.nan_to_num(grid), window, axis=1)
    share = uniform_filter1d(seen, window, axis=1)
    return np.asarray(grid - mean / np.maximum(share, 1e-6))


def _significance(values: Floats, clip: float = 3.0, least: int = 40) -> Floats:
    """(curves, curves) sum of products over the root of the number of points in common."""
    seen = np.isfinite(values).astype(np.float32)
    x = np.nan_to_num(values)
    for _ in range(2):  # again, now that outliers are clipped
        x /= np.sqrt(np.sum(x**2, axis=1, keepdims=True) / seen.sum(1, keepdims=True))
        x = np.clip(x, -clip, clip)
    shared = seen @ seen.T
    return np.where(shared >= least, x @ x.T / np.sqrt(np.maximum(shared, 1)), 0)


def _pairs(survey: Survey, rows: Iterable[tuple[int, int]]) -> Found:
    ids = survey.curves["target_id"].to_numpy()
    return {(ids[a], ids[b]) for a, b in rows if ids[a] < ids[b]}


def copies_reference(survey: Survey) -> Found:
    """Correlation of what is left of the curves beyond a moving mean, over their common time.

    An exposure has one band; the threshold is the one that chance exceeds in one of three surveys.
    """
    z = _significance(_high_pass(_on_grid(survey)))
    band = survey.curves["band"].replace("", "W").to_numpy()
    z[band[:, None] != band] = 0
    trials = max(1, int(np.count_nonzero(z)))
    limit = -float(ndtri(1 / (3 * trials)))
    return _pairs(survey, np.argwhere(z > limit))


def copies_raw(survey: Survey) -> Found:
    """A simple detector: correlation of relative flux above 0.8, stellar variability included."""
    grid = _on_grid(survey)
    seen = np.isfinite(grid).astype(np.float32)
    z = _significance(grid, clip=8.0) / np.sqrt(np.maximum(seen @ seen.T, 1))
    return _pairs(survey, np.argwhere(z > 0.8))


def copies_equal_time(survey: Survey) -> Found:
    """A simple detector: curves of one band with the same start and the same length."""
    groups = survey.curves.groupby(["band", "t0", "length"]).indices.values()
    return _pairs(survey, ((a, b) for group in groups for a in group for b in group))


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


def slips_reference(survey: Survey, enough: float = 10.0, most: int = 2) -> Found:
    """The one or two runs whose entries fit best a row higher, by maximum likelihood.

    ``enough`` is the gain in log likelihood that chance gives a run (16 lengths, a thousand rows).
    """
    sheet, own = _sheet(survey)
    noted, ids = sheet["mag"].to_numpy(copy=True), sheet["target_id"].to_numpy()
    found: Found = set()
    for _ in range(most):
        gain, first, last = _best_run(noted, own)
        if gain < enough:
            break
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
    "reference": ("second_extractions", copies_reference),
    "raw correlation": ("second_extractions", copies_raw),
    "equal start and length": ("second_extractions", copies_equal_time),
    "maximum likelihood": ("label_slip", slips_reference),
    "row by row": ("label_slip", slips_by_row),
}


def affected(survey: Survey, bug: str) -> Found:
    """The affected rows of a row bug."""
    if bug == "second_extractions":
        return set(survey.copies())
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
                got = RowScore.of(detect(survey), affected(survey, bug))
                rows.append((bug, name, noise, seed, got.precision, got.recall))
    return pd.DataFrame(rows, columns=["bug", "detector", "noise", "seed", "precision", "recall"])


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over the seeds, of precision and of recall."""

    precision: tuple[float, float]
    recall: tuple[float, float]


CEILING: dict[str, dict[float, Spread]] = {
    "reference": {
        0.0: Spread((0.98, 0.016), (1.0, 0.0)),
        0.25: Spread((0.98, 0.016), (1.0, 0.0)),
        0.5: Spread((0.979, 0.015), (1.0, 0.0)),
        0.75: Spread((0.98, 0.014), (1.0, 0.0)),
        1.0: Spread((0.978, 0.016), (0.91, 0.04)),
    },
    "raw correlation": {
        0.0: Spread((0.578, 0.061), (0.971, 0.015)),
        0.25: Spread((0.578, 0.061), (0.971, 0.015)),
        0.5: Spread((0.578, 0.06), (0.965, 0.015)),
        0.75: Spread((0.551, 0.059), (0.848, 0.044)),
        1.0: Spread((0.194, 0.059), (0.156, 0.042)),
    },
    "equal start and length": {
        0.0: Spread((0.0, 0.0), (0.0, 0.0)),
        0.25: Spread((0.0, 0.0), (0.0, 0.0)),
        0.5: Spread((0.0, 0.0), (0.0, 0.0)),
        0.75: Spread((0.0, 0.0), (0.0, 0.0)),
        1.0: Spread((0.0, 0.0), (0.0, 0.0)),
    },
    "maximum likelihood": {
        0.0: Spread((0.999, 0.003), (0.999, 0.006)),
        0.25: Spread((0.999, 0.003), (0.999, 0.006)),
        0.5: Spread((0.998, 0.005), (0.994, 0.012)),
        0.75: Spread((0.982, 0.023), (0.988, 0.015)),
        1.0: Spread((0.921, 0.218), (0.848, 0.23)),
    },
    "row by row": {
        0.0: Spread((0.994, 0.013), (0.794, 0.059)),
        0.25: Spread((0.994, 0.014), (0.785, 0.061)),
        0.5: Spread((0.993, 0.015), (0.68, 0.081)),
        0.75: Spread((0.98, 0.039), (0.355, 0.084)),
        1.0: Spread((0.788, 0.255), (0.054, 0.035)),
    },
}

# For how many of the seeds the reference clears both bounds of the report's rows.
REACHED = {
    "second_extractions": ("reference", (20, 20, 20, 20, 12)),
    "label_slip": ("maximum likelihood", (20, 20, 20, 20, 17)),
}


def ceiling_of(bug: str) -> tuple[Ceiling, ...]:
    """The reference detector's scores for a row bug, noise by noise."""
    detector, reached = REACHED[bug]
    return tuple(
        Ceiling(noise, spread.precision[0], spread.recall[0], many, len(SEEDS))
        for (noise, spread), many in zip(CEILING[detector].items(), reached, strict=True)
    )
