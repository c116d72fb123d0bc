"""Light curves of a simulated survey: exposures, and what is extracted from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.special import gammainc, gammaincinv

CADENCES_A_DAY = 48
MIN_PRECISION, MIN_RECALL = 0.9, 0.9  # of the pairs that a report names
BANDS = ("W", "NA", "NB")
NOISE = {"W": 1.0, "NA": 1.25, "NB": 1.4}
ZERO_POINT = 25.0
HALF_A_DAY = CADENCES_A_DAY // 2
THE_OTHER = {"e/s": "mag", "mag": "e/s"}  # of the two units
OTHER_UNIT = 0.34  # share of second extractions in another unit than the exposure: most of DR2's
NEWEST_FIRST = 0.25  # share of second extractions whose points are written newest first
# Shares of the curves of DR2 that hold the last value where a point is missing, that have the
# straight line there between the points beside it, and that repeat the points before it.
FILLED = {"held": 0.3, "bridged": 0.2, "repeated": 0.2}
# Share of those that repeat which lack their first point as well: so each large survey shows what
# becomes of a gap near the start of a curve that does not begin with its first point.
FIRST_MISSING = 0.7
LEAST_BEND = 0.05  # of an observed point, over what is typical of its curve; see `apart`
# First cadence of an exposure, by release. Curves have up to 360 points, so the releases are apart
# in true time, and only curves of one release can share an exposure. As they are published they may
# overlap: a late second extraction of DR1 that is timed by its middle point can seem to lie in DR2.
FIRST_CADENCE = {"DR1": (0, 384), "DR2": (768, 1152)}
SHORTEST, LONGEST = 90, 360  # points of a curve
# An exposure that is extracted again has more points than the shortest second extraction.
SHORTEST_EXPOSED_TWICE, SHORTEST_EXTRACTED_AGAIN = 150, 120

Floats = np.ndarray[Any, Any]


class Timing(StrEnum):
    """What a pipeline gives as the time of a curve, in days: that of its first point, counted from
    midnight, as modified Julian dates are, or from noon, as Julian dates are; or that of its middle
    point."""

    START = "start"
    NOON = "start, from noon"
    MIDDLE = "middle"

    def ahead(self, length: int) -> int:
        """Cadences by which the time of a curve of so many points is ahead of its start."""
        return {Timing.START: 0, Timing.NOON: HALF_A_DAY, Timing.MIDDLE: length // 2}[self]


@dataclass(frozen=True)
class Curve:
    """A light curve as it is published.

    ``first``: true cadence of the first point; ``timing``: how the pipeline that extracted the
    curve gives its time; ``shape`` (T,): flux relative to ``counts`` (electrons a second), less 1;
    ``sigma``: its white noise; ``missing`` (T,); ``newest_first``: whether the pipeline writes its
    points from the last one to the first. Its time is the same whatever their order.
    """

    band: str
    unit: str
    first: int
    counts: float
    shape: Floats
    sigma: float
    missing: Floats
    timing: Timing = Timing.START
    newest_first: bool = False

    def t0(self) -> float:
        """Its published time, in days."""
        return (self.first + self.timing.ahead(len(self.shape))) / CADENCES_A_DAY

    def without_first(self) -> Curve:
        """The same curve, but the first of its points as they are written is missing."""
        missing = self.missing.copy()
        missing[-1 if self.newest_first else 0] = True
        return replace(self, missing=missing)

    def values(self, filled: str) -> Floats:
        """(T,) float32 in the curve's unit and in the order in which it is written, NaN where a
        point is missing; moved apart, so that it can be told which points were observed once gaps
        are ``filled`` (a key of FILL)."""
        flux = self.counts * (1 + self.shape)
        out = ZERO_POINT - 2.5 * np.log10(flux) if self.unit == "mag" else flux
        shown = np.where(self.missing, np.nan, out).astype(np.float32)
        return apart(shown[::-1] if self.newest_first else shown, FILL[filled])


def hold(values: Floats) -> Floats:
    """(T,) where a point is missing the last value that was seen, if there was one before it."""
    at = np.where(np.isfinite(values), np.arange(len(values)), 0)
    return np.asarray(values[np.maximum.accumulate(at)])


def bridge(values: Floats) -> Floats:
    """(T,) where a point is missing between two that were seen the straight line between them."""
    seen = np.flatnonzero(np.isfinite(values))
    known = values[seen].astype(np.float64)
    line = np.interp(np.arange(len(values)), seen, known, left=np.nan, right=np.nan)
    return np.asarray(line, dtype=values.dtype)


def repeat(values: Floats) -> Floats:
    """(T,) where points are missing as many as were before them once more, or, near the first one
    that was seen, all that there are over and over."""
    shown, missing = values.copy(), np.isnan(values)
    edges = np.flatnonzero(np.diff(missing, prepend=False, append=False))
    seen = int((~missing).argmax())
    for first, end in edges.reshape(-1, 2):
        if first > seen:
            shown[first:end] = np.resize(shown[max(seen, 2 * first - end) : first], end - first)
    return shown


# What is published of a curve, by how its gaps are filled.
FILL: dict[str, Callable[[Floats], Floats]] = {
    "": np.copy,
    "held": hold,
    "bridged": bridge,
    "repeated": repeat,
}


def apart(values: Floats, fill: Callable[[Floats], Floats]) -> Floats:
    """(T,) values moved up a little where an observed point could be taken for a filled one.

    However gaps are filled, and before they are, no observed point has a value that the curve had
    before, nor a bend (the second difference there) of less than LEAST_BEND of the typical one. And
    it differs by as much from the last one that was observed: a flatter line between the two would
    have some values twice, as a curve that is held has.
    """
    values, seen = values.copy(), np.isfinite(values)
    least = LEAST_BEND * float(np.nanmedian(np.abs(np.diff(values, 2))))
    while np.any(close := seen & _mistakable(values, fill, least)):
        # A point that is moved bends the curve at its neighbours too: these wait.
        waits = np.append(False, close)[:-1] | np.append([False, False], close)[:-2]
        values[close & ~waits] += least
    return values


def _mistakable(values: Floats, fill: Callable[[Floats], Floats], least: float) -> Floats:
    """(T,) whether a point is `_close`, before gaps are filled or after."""
    close = _close(values, least, least)
    return close if fill is FILL[""] else close | _close(fill(values), least)


def _close(shown: Floats, least: float, step: float = 0) -> Floats:
    """(T,) whether a point has a value that was there before, bends less than ``least`` or is less
    than a ``step`` from the one before it, if points that are missing are left out."""
    close, there = np.zeros(len(shown), dtype=bool), np.isfinite(shown)
    x = shown[there].astype(np.float64)
    bend = np.diff(x, 2, prepend=np.nan, append=np.nan)
    new = np.zeros(len(x), dtype=bool)
    new[np.unique(x, return_index=True)[1]] = True
    close[there] = ~new | (np.abs(bend) < least) | (np.abs(np.diff(x, prepend=np.nan)) < step)
    return close


def expose(rng: np.random.Generator, star: pd.Series, release: str, shortest: int) -> Curve:
    """A curve of a star, whose transits keep their times from curve to curve."""
    band = str(rng.choice(BANDS, p=[0.4, 0.3, 0.3]))
    length = _length(rng, shortest)
    first = int(rng.integers(*FIRST_CADENCE[release]))
    time = (first + np.arange(length)) / CADENCES_A_DAY
    signal = star["amplitude"] * _variability(rng, time, star["rotation"])
    signal += star["red"] * _red_noise(rng, length) + rng.normal(0, 1, length)
    if star["has_planet"]:
        signal -= star["depth"] * _transit(time + star["epoch"], star["period"], star["duration"])
    signal -= _systematic(rng, length)
    sigma = star["noise"] * NOISE[band]
    missing = _missing(rng, length)
    return Curve(
        band, _unit(rng, release, band), first, star["counts"], sigma * signal, sigma, missing
    )


def _length(rng: np.random.Generator, shortest: int) -> int:
    """Points of a curve: from a gamma distribution between ``shortest`` and LONGEST. Not clipped: a
    length that many curves share would tell which of them were extracted twice."""
    low, high = gammainc(5.0, np.array([shortest, LONGEST]) / 38)
    return round(38 * float(gammaincinv(5.0, rng.uniform(low, high))))


def extract_again(
    rng: np.random.Generator,
    curve: Curve,
    noise: float,
    timing: Timing,
    unit: str,
    *,
    newest_first: bool = False,
) -> Curve:
    """A second extraction of a curve's exposure, by a pipeline that gives times in a way of its
    own, flux in a ``unit`` of its own, and perhaps its points from the last one to the first:
    another aperture, less time, more noise."""
    length = len(curve.shape)
    share = rng.uniform(max(0.55, SHORTEST_EXTRACTED_AGAIN / length), 0.95)
    kept = round(length * share)
    start = int(rng.integers(0, length - kept + 1))
    dilution = rng.uniform(0.75, 1.0)
    own = extraction_noise(noise)
    shape = curve.shape[start : start + kept] + own * curve.sigma * rng.normal(0, 1, kept)
    return Curve(
        curve.band,
        unit,
        curve.first + start,
        curve.counts * np.exp(rng.normal(0, 0.6)) / dilution,
        dilution * shape,
        dilution * curve.sigma,
        _missing(rng, kept),
        timing,
        newest_first,
    )


def extraction_noise(noise: float) -> float:
    """White noise of a second extraction over that of its exposure."""
    return 0.3 + 1.9 * noise**5


def _unit(rng: np.random.Generator, release: str, band: str) -> str:
    """DR2 delivers the NB band, and a part of the NA band, in magnitudes."""
    share = {"NB": 1.0, "NA": 0.3}.get(band, 0.0) if release == "DR2" else 0.0
    return "mag" if rng.random() < share else "e/s"


def _variability(rng: np.random.Generator, time: Floats, rotation: float) -> Floats:
    phase = rng.uniform(0, 2 * np.pi, 2)
    angle = 2 * np.pi * time / rotation
    return np.asarray(np.sin(angle + phase[0]) + 0.5 * np.sin(2 * angle + phase[1]))


def _red_noise(rng: np.random.Generator, length: int, memory: float = 0.9) -> Floats:
    """A first-order autoregressive process of unit variance."""
    steps = rng.normal(0, np.sqrt(1 - memory**2), length)
    return np.asarray(lfilter([1.0], [1.0, -memory], steps, zi=[memory * rng.normal()])[0])


def _transit(time: Floats, period: float, duration: float) -> Floats:
    """A trapezoid of unit depth whose ingress takes a fifth of its duration (days)."""
    offset = np.abs((time + period / 2) % period - period / 2)
    return np.asarray(np.clip((duration / 2 - offset) / (duration / 5), 0, 1))


def _systematic(rng: np.random.Generator, length: int) -> Floats:
    """A lone dip of the instrument in a quarter of the curves: looks like one transit."""
    dip = np.zeros(length)
    if rng.random() < 0.25:
        at, width = rng.integers(0, length), rng.integers(4, 12)
        dip[at : at + width] = rng.uniform(1.5, 4)
    return dip


def _missing(rng: np.random.Generator, length: int) -> Floats:
    """(length,) boolean: scattered losses of 3% and one longer gap."""
    lost = rng.random(length) < 0.03
    at, width = rng.integers(0, length), rng.integers(6, 24)
    lost[at : at + width] = True
    return lost
