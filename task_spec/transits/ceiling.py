"""How well second extractions can be found: a reference detector, and simple ones.

The reference uses what a solver has (the published files) and nothing hidden. ``CEILING`` is what
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
from task_spec.transits.curves import CADENCES_A_DAY
from task_spec.transits.survey import Survey, draw_survey

NOISES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
SEEDS = tuple(range(1000, 1020))

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


def _standard(values: Floats, clip: float) -> tuple[Floats, Floats]:
    """(curves, cadences) values in units of their scatter, 0 where unseen, and 1 where seen."""
    seen = np.isfinite(values).astype(np.float32)
    x = np.nan_to_num(values)
    for _ in range(2):  # again, now that outliers are clipped
        x /= np.sqrt(np.sum(x**2, axis=1, keepdims=True) / seen.sum(1, keepdims=True))
        x = np.clip(x, -clip, clip)
    return x, seen


def _significance(values: Floats, clip: float = 3.0, least: int = 40) -> Floats:
    """(curves, curves) sum of products over the root of the number of points in common."""
    x, seen = _standard(values, clip)
    shared = seen @ seen.T
    return np.where(shared >= least, x @ x.T / np.sqrt(np.maximum(shared, 1)), 0)


def _fisher(values: Floats, clip: float = 3.0, least: int = 40) -> Floats:
    """(curves, curves) Fisher's transform of the correlation, in standard deviations of chance."""
    x, seen = _standard(values, clip)
    shared, power = seen @ seen.T, x**2 @ seen.T
    r = x @ x.T / np.sqrt(np.maximum(power * power.T, 1e-6))
    z = np.arctanh(np.clip(r, -0.999, 0.999)) * np.sqrt(np.maximum(shared - 3, 1))
    return np.where(shared >= least, z, 0)


def _pairs(survey: Survey, rows: Iterable[tuple[int, int]]) -> Found:
    """Rows in either order, as sorted pairs of targets; a target is no pair with itself."""
    ids = survey.curves["target_id"].to_numpy()
    pairs = ((min(ids[a], ids[b]), max(ids[a], ids[b])) for a, b in rows)
    return {(a, b) for a, b in pairs if a != b}


def _whitened(grid: Floats, order: int = 3) -> Floats:
    """What the ``order`` points before it do not foretell of each point, curve by curve."""
    x = np.nan_to_num(grid).astype(np.float64)
    before = np.stack([np.roll(x, k, axis=1) for k in range(1, order + 1)], axis=2)
    before[~np.isfinite(grid)] = 0
    across = before.transpose(0, 2, 1)
    weight = np.linalg.solve(across @ before, across @ x[:, :, None])
    return np.asarray(grid - (before @ weight)[:, :, 0], dtype=np.float32)


def _fits(survey: Survey) -> Floats:
    """(curves, curves) whether the first may be a second extraction of the second: it is its
    target's only curve, of the same band and unit, and within the time of the second."""
    curves = survey.curves
    first = np.rint(curves["t0"].to_numpy() * CADENCES_A_DAY)
    last = first + curves["length"].to_numpy()
    alone = ~curves["target_id"].duplicated(keep=False).to_numpy()
    fits = (first[:, None] >= first) & (last[:, None] <= last) & alone[:, None]
    light = (curves["band"].replace("", "W") + curves["unit"]).to_numpy()
    ids = curves["target_id"].to_numpy()
    return np.asarray(fits & (light[:, None] == light) & (ids[:, None] != ids))


def _limit(pairs: Floats) -> float:
    """The significance that chance exceeds in one of three surveys with so many ``pairs``."""
    return -float(ndtri(1 / (3 * max(1, int(np.count_nonzero(pairs))))))


def copies_reference(survey: Survey) -> Found:
    """Correlation of what cannot be foretold of the curves, over the time that a second extraction
    and its exposure have in common, among all pairs that the protocol admits."""
    z = np.where(_fits(survey), _fisher(_whitened(_on_grid(survey))), 0)
    return _pairs(survey, np.argwhere(z > _limit(z)))


def copies_high_pass(survey: Survey) -> Found:
    """A middling detector: correlation of what is left beyond a moving mean, among all pairs of
    curves of a band."""
    z = _significance(_high_pass(_on_grid(survey)))
    band = survey.curves["band"].replace("", "W").to_numpy()
    z[band[:, None] != band] = 0
    return _pairs(survey, np.argwhere(z > _limit(z)))


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


# --- the table

DETECTORS: dict[str, tuple[str, Callable[[Survey], Found]]] = {
    "reference": ("second_extractions", copies_reference),
    "high-pass correlation": ("second_extractions", copies_high_pass),
    "raw correlation": ("second_extractions", copies_raw),
    "equal start and length": ("second_extractions", copies_equal_time),
}


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
                got = RowScore.of(detect(survey), survey.copies())
                rows.append((bug, name, noise, seed, got.precision, got.recall))
    return pd.DataFrame(rows, columns=["bug", "detector", "noise", "seed", "precision", "recall"])


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over the seeds, of precision and of recall."""

    precision: tuple[float, float]
    recall: tuple[float, float]


CEILING: dict[str, dict[float, Spread]] = {
    "reference": {
        0.0: Spread((0.99, 0.015), (1.0, 0.0)),
        0.25: Spread((0.99, 0.015), (1.0, 0.0)),
        0.5: Spread((0.99, 0.015), (1.0, 0.0)),
        0.75: Spread((0.99, 0.015), (1.0, 0.0)),
        0.95: Spread((0.99, 0.014), (0.991, 0.012)),
        1.0: Spread((0.988, 0.015), (0.937, 0.036)),
    },
    "high-pass correlation": {
        0.0: Spread((0.98, 0.016), (1.0, 0.0)),
        0.25: Spread((0.98, 0.016), (1.0, 0.0)),
        0.5: Spread((0.979, 0.015), (1.0, 0.0)),
        0.75: Spread((0.98, 0.014), (1.0, 0.0)),
        0.95: Spread((0.976, 0.017), (0.864, 0.048)),
        1.0: Spread((0.968, 0.023), (0.652, 0.043)),
    },
    "raw correlation": {
        0.0: Spread((0.578, 0.061), (0.971, 0.015)),
        0.25: Spread((0.578, 0.061), (0.971, 0.015)),
        0.5: Spread((0.577, 0.06), (0.966, 0.015)),
        0.75: Spread((0.547, 0.06), (0.831, 0.046)),
        0.95: Spread((0.154, 0.053), (0.119, 0.04)),
        1.0: Spread((0.063, 0.041), (0.044, 0.028)),
    },
    "equal start and length": {
        0.0: Spread((0.0, 0.0), (0.0, 0.0)),
        0.25: Spread((0.0, 0.0), (0.0, 0.0)),
        0.5: Spread((0.0, 0.0), (0.0, 0.0)),
        0.75: Spread((0.0, 0.0), (0.0, 0.0)),
        0.95: Spread((0.0, 0.0), (0.0, 0.0)),
        1.0: Spread((0.0, 0.0), (0.0, 0.0)),
    },
}

# For how many of the seeds the reference clears both bounds of the report's rows.
REACHED = {
    "second_extractions": ("reference", (20, 20, 20, 20, 20, 17)),
}


def ceiling_of(bug: str) -> tuple[Ceiling, ...]:
    """The reference detector's scores for a row bug, noise by noise."""
    detector, reached = REACHED[bug]
    return tuple(
        Ceiling(noise, spread.precision[0], spread.recall[0], many, len(SEEDS))
        for (noise, spread), many in zip(CEILING[detector].items(), reached, strict=True)
    )
