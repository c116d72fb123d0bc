"""How well second extractions can be found: a reference detector, and simple ones.

The detectors use what a solver has (the published files) and nothing hidden. All but those that
are named after it know the three ways of timing a curve, and that its newest point may come first,
so that what they lack is what their names say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.special import ndtri

from task_spec.model import Ceiling, Draw, Row
from task_spec.rows import RowScore, ceilings
from task_spec.transits.curves import CADENCES_A_DAY, MIN_PRECISION, MIN_RECALL, Timing
from task_spec.transits.survey import Survey
from task_spec.transits.worlds import published_survey

BOTH_WAYS = (False, True)  # as a curve stands, and turned round
Floats = np.ndarray[Any, Any]
Found = set[Row]
Detector = Callable[[Survey], Found]


def _first(survey: Survey) -> Floats:
    """(curves,) cadence of the first point, if the published time is that of the first point."""
    return np.asarray(np.rint(survey.curves["t0"].to_numpy() * CADENCES_A_DAY), dtype=int)


def _ahead(survey: Survey, timing: Timing) -> Floats:
    """(curves,) cadences by which curves are published late, if they are timed in that way."""
    return np.array([timing.ahead(n) for n in survey.curves["length"]])


def _on_grid(survey: Survey, *, turned: bool = False) -> Floats:
    """(curves, cadences) flux relative to its mean, less 1, NaN where nothing was observed; with
    ``turned`` each curve from its last point to its first."""
    first, length = _first(survey), survey.curves["length"].to_numpy()
    in_magnitudes = survey.curves["unit"].eq("mag").to_numpy()
    grid = np.full((len(first), int((first + length).max())), np.nan, dtype=np.float32)
    for row, (at, start, n) in enumerate(zip(first, survey.curves["start"], length, strict=True)):
        flux = survey.flux[start : start + n].astype(np.float64)
        flux = 10 ** (-0.4 * flux) if in_magnitudes[row] else flux
        flux = flux[::-1] if turned else flux
        grid[row, at : at + n] = flux / np.nanmean(flux) - 1
    return grid


def _high_pass(grid: Floats, window: int = 9) -> Floats:
    seen = np.isfinite(grid).astype(np.float32)
    mean = uniform_filter1d(np.nan_to_num(grid), window, axis=1)
    share = uniform_filter1d(seen, window, axis=1)
    return np.asarray(grid - mean / np.maximum(share, 1e-6))


def _whitened(grid: Floats, order: int = 3) -> Floats:
    """What the ``order`` points before it do not foretell of each point, curve by curve."""
    x = np.nan_to_num(grid).astype(np.float64)
    before = np.stack([np.roll(x, k, axis=1) for k in range(1, order + 1)], axis=2)
    before[~np.isfinite(grid)] = 0
    across = before.transpose(0, 2, 1)
    weight = np.linalg.solve(across @ before, across @ x[:, :, None])
    return np.asarray(grid - (before @ weight)[:, :, 0], dtype=np.float32)


def _standard(values: Floats, clip: float) -> tuple[Floats, Floats]:
    """(curves, cadences) values in units of their scatter, 0 where unseen, and 1 where seen."""
    seen = np.isfinite(values).astype(np.float32)
    x = np.nan_to_num(values)
    for _ in range(2):  # again, now that outliers are clipped
        x /= np.sqrt(np.sum(x**2, axis=1, keepdims=True) / seen.sum(1, keepdims=True))
        x = np.clip(x, -clip, clip)
    return x, seen


def _moved_back(values: Floats, ahead: Floats) -> Floats:
    """(curves, cadences) each row moved so many cadences (curves,) to the left, 0 where it ends."""
    width = values.shape[1]
    column = np.arange(width) + ahead[:, None]
    moved = np.take_along_axis(values, np.minimum(column, width - 1), axis=1)
    return np.asarray(np.where(column < width, moved, 0))


def _correlation(
    own: Floats, values: Floats, ahead: Floats, clip: float = 3.0, least: int = 40
) -> tuple[Floats, Floats]:
    """(n, curves) correlation of some curves ``own`` (n, cadences), as they stand or turned round,
    which are published ``ahead`` (n,) cadences late, with each curve, 0 where they have fewer than
    ``least`` points in common, and how many they have."""
    x, seen = _standard(values, clip)
    mine, here = (_moved_back(y, ahead) for y in _standard(own, clip))
    shared, power = here @ seen.T, (mine**2 @ seen.T) * (here @ (x**2).T)
    r = mine @ x.T / np.sqrt(np.maximum(power, 1e-6))
    return np.where(shared >= least, r, 0), shared


def _fisher(r: Floats, shared: Floats) -> Floats:
    """Fisher's transform of correlations over so many points, in standard deviations of chance."""
    return np.asarray(np.arctanh(np.clip(r, -0.999, 0.999)) * np.sqrt(np.maximum(shared - 3, 1)))


def _same(values: Iterable[Any]) -> Floats:
    """(n, n) whether two of n values are the same."""
    column = np.array(list(values))
    return np.asarray(column[:, None] == column)


def _alone(survey: Survey) -> Floats:
    """(curves,) whether a curve is its target's only one."""
    return np.asarray(~survey.curves["target_id"].duplicated(keep=False))


def _fits(survey: Survey, ahead: Floats, same: Sequence[str]) -> Floats:
    """(curves, curves) whether the first may be a second extraction of the second: it is its
    target's only curve, the ``same`` as it in some columns, and within the time of the second, if
    it is published ``ahead`` (curves,) cadences late."""
    curves = survey.curves
    first, length = _first(survey), curves["length"].to_numpy()
    true = (first - ahead)[:, None]
    fits = (true >= first) & (true + length[:, None] <= first + length) & _alone(survey)[:, None]
    for column in same:
        fits &= _same(curves[column].replace("", "W"))
    return np.asarray(fits & ~_same(curves["target_id"]))


def _beyond_chance(survey: Survey, z: Floats) -> Found:
    """Pairs whose significance z (trials, curves, curves), 0 where it is not looked at, exceeds
    what chance exceeds in one of three surveys."""
    looked_at = max(1, int(np.count_nonzero(z)))
    return _pairs(survey, np.argwhere(z > -ndtri(1 / (3 * looked_at)))[:, 1:])


def _pairs(survey: Survey, rows: Iterable[Sequence[int]]) -> Found:
    """Rows in either order, as sorted pairs of targets; a target is no pair with itself."""
    ids = survey.curves["target_id"].to_numpy()
    pairs = ((min(ids[a], ids[b]), max(ids[a], ids[b])) for a, b in rows)
    return {(a, b) for a, b in pairs if a != b}


def three_timings(
    survey: Survey,
    timings: Iterable[Timing] = Timing,
    same: Sequence[str] = ("band",),
    turned: Sequence[bool] = BOTH_WAYS,
) -> Found:
    """The reference: correlation of what cannot be foretold of the curves, over the time that a
    second extraction and its exposure have in common, among all pairs that the protocol admits."""
    white = _whitened(_on_grid(survey))
    # Turned first: what the points before foretell is not what those behind do.
    alone = _alone(survey)
    ways = [_whitened(_on_grid(survey, turned=back)[alone]) for back in turned]
    found: list[Floats] = []  # (curves that are alone, curves), trial by trial
    for timing in timings:
        ahead = _ahead(survey, timing)
        fits = _fits(survey, ahead, same)[alone]
        found += [fits * _fisher(*_correlation(own, white, ahead[alone])) for own in ways]
    z = np.zeros((len(found), *2 * [len(white)]))
    z[:, alone] = found
    return _beyond_chance(survey, z)


def times_as_written(survey: Survey) -> Found:
    """The same, but every time is taken for that of a first point, on one clock."""
    return three_timings(survey, (Timing.START,))


def two_clocks(survey: Survey) -> Found:
    """The same, but every time is taken for that of a first point: what is found at the two lags
    that many pairs share."""
    return three_timings(survey, (Timing.START, Timing.NOON))


def as_they_stand(survey: Survey) -> Found:
    """The same, but no curve is turned round."""
    return three_timings(survey, turned=(False,))


def one_unit(survey: Survey) -> Found:
    """The same, but only pairs of curves in one unit are looked at."""
    return three_timings(survey, same=("band", "unit"))


def high_pass(survey: Survey) -> Found:
    """A middling detector: correlation of what is left beyond a moving mean, times the root of the
    number of points, among all pairs of curves of a band."""
    ways = [_high_pass(_on_grid(survey, turned=turned)) for turned in BOTH_WAYS]
    band = _same(survey.curves["band"].replace("", "W"))
    trials = product(ways, Timing)
    found = [_correlation(own, ways[0], _ahead(survey, timing)) for own, timing in trials]
    z = [np.where(band, r * np.sqrt(shared), 0) for r, shared in found]
    return _beyond_chance(survey, np.stack(z))


def raw_flux(survey: Survey) -> Found:
    """A simple detector: correlation of relative flux above 0.8, stellar variability included."""
    ways = [_on_grid(survey, turned=turned) for turned in BOTH_WAYS]
    trials = product(ways, Timing)
    r = [_correlation(own, ways[0], _ahead(survey, timing), clip=8.0)[0] for own, timing in trials]
    return _pairs(survey, np.argwhere(np.stack(r) > 0.8)[:, 1:])


def equal_time(survey: Survey) -> Found:
    """A simple detector: curves of one band with the same start and the same length."""
    first = _first(survey)
    table = survey.curves[["band", "length"]]
    there: Found = set()
    for timing in Timing:
        a = table.assign(first=first - _ahead(survey, timing)).reset_index()
        b = table.assign(first=first).reset_index()
        both = a.merge(b, on=["band", "length", "first"])
        there |= _pairs(survey, both[["index_x", "index_y"]].to_numpy())
    return there


DETECTORS: dict[str, Detector] = {
    "reference": three_timings,
    "times as written": times_as_written,
    "two clocks": two_clocks,
    "as they stand": as_they_stand,
    "one unit": one_unit,
    "high-pass": high_pass,
    "raw flux": raw_flux,
    "equal start and length": equal_time,
}


def score(draw: Draw, detector: str = "reference") -> RowScore:
    """Precision and recall of a detector's list of pairs in published data."""
    survey = published_survey(draw)
    return RowScore.of(DETECTORS[detector](survey), survey.copies())


def ceiling(draws: Sequence[Draw], detector: str = "reference") -> tuple[Ceiling, ...]:
    """What a detector reaches, by noise, over the seeds of the draws of that noise."""
    return ceilings(draws, lambda draw: score(draw, detector), MIN_PRECISION, MIN_RECALL)
