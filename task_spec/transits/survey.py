"""A simulated photometric survey: targets on the sky, light curves, and what is true of them.

Nothing here is a physical model of a mission; it has the traits that make such data treacherous:
stars observed again under another id, exposures extracted twice, timed in ways that differ and
written in either order, releases with other conventions, several bands and units, curves of unequal
length with gaps that are marked or filled, red noise and stellar variability, and labels that were
entered by hand.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from task_spec.transits.curves import (
    FILL,
    FILLED,
    FIRST_MISSING,
    NEWEST_FIRST,
    OTHER_UNIT,
    SHORTEST,
    SHORTEST_EXPOSED_TWICE,
    THE_OTHER,
    ZERO_POINT,
    Curve,
    Timing,
    expose,
    extract_again,
)
from task_spec.transits.earlier import earlier_inputs
from task_spec.transits.remarks import in_another_order, with_notes, with_remarks
from task_spec.transits.sheet import draw_sheet

Floats = np.ndarray[Any, Any]

HIDDEN_OF_TARGETS = ["star", "place", "copy_of", "south", "label"]
HIDDEN_OF_CURVES = ["true_band", "newest_first", "filled", "swallowed"]
POLAR = 70  # beyond it a declination [degrees] is near a pole
STRIP = 1.1  # within it a declination [degrees] is in the strip along the equator
APART = np.cos(np.deg2rad(60 / 3600))  # the cosine of the least distance of two places


@dataclass(frozen=True)
class Survey:
    """One draw of the survey.

    ``targets``: target_id, release, ra, dec, and the hidden ``label``, ``star`` (index of the
    physical star), ``place`` (index of the position), ``south`` (whether that is south of the
    equator) and ``copy_of`` (for a second extraction the target whose exposure it is, else "").
    ``curves``: curve_id, target_id, band, unit, t0, start (counted from 0), length, remark, in the
    order of the file (that of ``flux`` is another), and the hidden ``true_band``, ``newest_first``
    (whether its points are written from the last to the first), ``filled`` (how the file fills
    gaps, a key of FILL) and ``swallowed`` (see `with_remarks`). ``flux``: float32 of shape (sum of
    lengths + 1,), a NaN behind each curve, and NaN where a point is missing; each curve in the
    order in which it is written. ``sheet``: see `draw_sheet`.
    """

    targets: pd.DataFrame
    curves: pd.DataFrame
    flux: Floats
    sheet: pd.DataFrame

    def write(self, folder: Path, *, labels: bool = True) -> None:
        """Write the files a notebook reads; hidden columns stay out.

        With ``labels`` they are the published ones, else those of a survey that is to be scored.
        """
        folder.mkdir(parents=True, exist_ok=True)
        targets = self.targets.drop(columns=HIDDEN_OF_TARGETS)
        targets.to_csv(folder / "targets.csv", index=False, float_format="%.8f")
        curves = self.curves.drop(columns=HIDDEN_OF_CURVES)
        curves["start"] += self.releases() == "DR2"  # whose programs count from 1
        # Marks in remarks are written as they are.
        curves.to_csv(
            folder / "curves.csv", index=False, float_format="%.5f", quoting=csv.QUOTE_NONE
        )
        flux = self.published_flux()
        np.save(folder / "flux.npy", flux)
        if labels:
            self.labels().to_csv(folder / "labels.csv", index=False, float_format="%.2f")
            inputs = earlier_inputs(self.curves, flux)
            ids = self.curves["curve_id"].to_numpy(dtype="U6")
            length = self.curves["length"].to_numpy()
            np.savez_compressed(folder / "inputs.npz", curve_id=ids, length=length, x=inputs)

    def releases(self) -> pd.Series:
        """The release of each curve."""
        return _releases(self.targets, self.curves)

    def published_flux(self) -> Floats:
        """`flux.npy`: as ``flux``, but for curves whose gaps are filled."""
        flux = self.flux.copy()
        for row in self.curves.itertuples():
            piece = slice(row.start, row.start + row.length)
            flux[piece] = FILL[row.filled](flux[piece])
        return flux

    def labels(self) -> pd.DataFrame:
        """`labels.csv`: target_id, mag and label as they stand in the sheet."""
        label = self.targets.set_index("target_id")["label"]
        sheet = self.sheet[["target_id", "mag"]]
        return sheet.assign(label=label.loc[self.sheet["entry_of"]].to_numpy())

    def misplaced(self) -> set[str]:
        """Targets whose row of the sheet holds the entry of another."""
        moved = self.sheet["target_id"] != self.sheet["entry_of"]
        return set(self.sheet["target_id"][moved])

    def copies(self) -> set[tuple[str, str]]:
        """Pairs of targets (in sorted order) that share an exposure."""
        copies = self.targets[self.targets["copy_of"] != ""]
        pairs = zip(copies["target_id"], copies["copy_of"], strict=True)
        return {(min(pair), max(pair)) for pair in pairs}

    def in_another_order(self, seed: int) -> Survey:
        """The same survey with the rows of `targets.csv` and `curves.csv` permuted; the rows of
        `curves.csv` that are swallowed stay together."""
        rng = np.random.default_rng(seed)
        targets = self.targets.iloc[rng.permutation(len(self.targets))].reset_index(drop=True)
        return replace(self, targets=targets, curves=in_another_order(rng, self.curves))

    def with_labels(self, label: dict[str, int]) -> Survey:
        """The same survey with the true labels of some targets (by target_id) replaced."""
        new = self.targets["target_id"].map(label).fillna(self.targets["label"]).astype(int)
        return replace(self, targets=self.targets.assign(label=new))


def draw_survey(
    seed: int,
    stars: int = 520,
    *,
    noise: float = 0.0,
    reobserved: float = 0.18,
    copied: float = 0.12,
    misplaced: bool = True,
) -> Survey:
    """Draw a survey of ``stars`` physical stars.

    A share ``reobserved`` of them is observed under two ids, ``copied`` times as many targets as
    there are stars are second extractions. With ``misplaced`` four runs of the label sheet hold
    entries in wrong rows. ``noise`` (0 to 1) makes second extractions and such runs harder to find.
    """
    rng = np.random.default_rng(seed)
    planets = _planets(rng, stars)
    places = _positions(rng, stars + round(copied * stars))
    # From a stream of its own: whatever else is drawn does not depend on where the strip is.
    places = _with_a_strip(np.random.default_rng([seed, 1]), places)
    targets = _targets(rng, planets["has_planet"], reobserved, places)
    by_target = _exposures(rng, targets, planets, noise)
    curves, flux = _tables(rng, targets, by_target)
    measured = targets.assign(mag=targets["target_id"].map(magnitudes(curves, flux)))
    sheet = draw_sheet(rng, measured, noise, misplaced=misplaced)
    copies = targets[targets["copy_of"] != ""]
    twice = {*copies["target_id"], *copies["copy_of"]}
    # From a stream of its own, as the strip is.
    curves = with_remarks(np.random.default_rng([seed, 2]), curves, twice)
    curves = with_notes(np.random.default_rng([seed, 3]), curves, targets)
    return Survey(targets, curves, flux, sheet)


def _positions(rng: np.random.Generator, stars: int) -> Floats:
    """(stars, 2) right ascension and declination in degrees, no two closer than 60 arcsec.

    Half of the fields lie near the celestial poles, as in surveys with a continuous viewing zone.
    """
    chosen: list[tuple[float, float]] = []
    vectors: list[Floats] = []
    while len(chosen) < stars:
        polar = rng.random() < 0.5
        dec = rng.choice([-1, 1]) * rng.uniform(POLAR, 86) if polar else rng.uniform(-60, 60)
        # Some fields straddle the origin of right ascension.
        ra = rng.normal(0, 0.002) % 360 if rng.random() < 0.06 else rng.uniform(0, 360)
        vector = unit_vectors(np.array([ra]), np.array([dec]))[0]
        if not vectors or np.max(np.stack(vectors) @ vector) < APART:
            chosen.append((ra, dec))
            vectors.append(vector)
    return np.array(chosen)


def _with_a_strip(rng: np.random.Generator, positions: Floats) -> Floats:
    """The same (n, 2) positions, but 70% of those far from the poles, and whatever was there
    already, are moved to a strip along the equator.

    No two are closer than 60 arcsec, even if one of them is mirrored at the equator: so a lost
    sign of a declination can be told.
    """
    positions = positions.copy()
    dec = np.abs(positions[:, 1])
    moved = (dec < STRIP) | (dec < POLAR) & (rng.random(len(positions)) < 0.7)
    for i in np.flatnonzero(moved):
        others = np.delete(positions, i, axis=0)
        others = np.concatenate([others, others * [1, -1]])
        vectors = unit_vectors(*others.T)
        while True:
            positions[i, 1] = rng.uniform(-STRIP, STRIP)
            if np.max(vectors @ unit_vectors(*positions[i])) < APART:
                break
    return positions


def unit_vectors(ra: Floats, dec: Floats) -> Floats:
    """(n, 3) unit vectors of positions given in degrees."""
    a, d = np.deg2rad(ra), np.deg2rad(dec)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)


def _planets(rng: np.random.Generator, stars: int) -> pd.DataFrame:
    """One row a star: whether it has a planet, the transit, and the star's own variability."""
    return pd.DataFrame(
        {
            "has_planet": (rng.random(stars) < 0.3).astype(int),
            "period": rng.uniform(0.9, 2.6, stars),
            "epoch": rng.uniform(0, 100, stars),
            "depth": np.exp(rng.normal(np.log(4.1), 0.25, stars)),
            "duration": rng.uniform(0.09, 0.2, stars),
            "rotation": np.exp(rng.uniform(np.log(0.5), np.log(5), stars)),
            "amplitude": np.abs(rng.normal(0, 1.1, stars)),
            "red": rng.uniform(0.2, 0.75, stars),
            "noise": np.exp(rng.normal(np.log(1.2e-3), 0.4, stars)),
            "counts": np.exp(rng.normal(np.log(2e4), 0.9, stars)),
        }
    )


def _targets(
    rng: np.random.Generator, has_planet: pd.Series, reobserved: float, positions: Floats
) -> pd.DataFrame:
    """Targets of both releases; ``positions``: (n, 2), of the stars and then of the copies."""
    stars = len(has_planet)
    copies = len(positions) - stars
    again = np.flatnonzero(rng.random(stars) < reobserved)
    release = np.where(rng.random(stars) < 0.6, "DR1", "DR2")
    release = np.concatenate([release, np.where(release[again] == "DR1", "DR2", "DR1")])
    place = np.concatenate([np.arange(stars), again])
    original = rng.choice(len(place), copies, replace=False)
    release = np.concatenate([release, release[original]])
    star = np.concatenate([place, place[original]])
    measured = np.concatenate(
        [positions[:stars], _jitter(rng, positions[again]), positions[stars:]]
    )
    ra, dec = _written(release, measured).T
    ids = _ids(rng, len(star))
    table = pd.DataFrame(
        {
            "target_id": ids,
            "release": release,
            "ra": ra,
            "dec": dec,
            "label": has_planet.to_numpy()[star],
            "star": star,
            "place": np.concatenate([place, np.arange(stars, stars + copies)]),
            "south": measured[:, 1] < 0,
            "copy_of": np.concatenate([np.full(len(place), ""), ids[original]]),
        }
    )
    return table.sort_values("target_id", ignore_index=True)


def _written(release: Floats, positions: Floats) -> Floats:
    """(n, 2) right ascension and declination as the releases (n,) write them.

    DR1 gives both in degrees. DR2 gives right ascension in hours, and its declinations went
    through degrees, minutes and seconds, of which the degrees were read as a number: "-00" lost
    its sign.
    """
    ra, dec = positions.T
    second = release == "DR2"
    unsigned = second & (dec > -1) & (dec < 0)
    return np.stack([np.where(second, ra / 15, ra), np.where(unsigned, -dec, dec)], axis=1)


def _ids(rng: np.random.Generator, count: int) -> Floats:
    """(count,) ids of nine digits, as strings; a third of them follow close upon another."""
    gaps = np.where(rng.random(count) < 0.35, rng.integers(1, 4, count), 0)
    gaps = np.where(gaps > 0, gaps, rng.integers(200, 900, count))
    return rng.permutation((rng.integers(270_000_000, 520_000_000) + np.cumsum(gaps)).astype(str))


def _jitter(rng: np.random.Generator, positions: Floats) -> Floats:
    """Positions measured again: off by 1 to 3 arcsec on the sky, in a random direction."""
    radius = rng.uniform(1, 3, len(positions)) / 3600
    angle = rng.uniform(0, 2 * np.pi, len(positions))
    dec = positions[:, 1] + radius * np.sin(angle)
    ra = positions[:, 0] + radius * np.cos(angle) / np.cos(np.deg2rad(positions[:, 1]))
    return np.stack([ra % 360, dec], axis=1)


def _exposures(
    rng: np.random.Generator, targets: pd.DataFrame, planets: pd.DataFrame, noise: float
) -> dict[str, list[Curve]]:
    """The curves of each target: one to three of its own, or one that was extracted again."""
    found: dict[str, list[Curve]] = {}
    copies = targets[targets["copy_of"] != ""]
    own = targets[targets["copy_of"] == ""]
    twice = set(copies["copy_of"])
    for target_id, release, star in own[["target_id", "release", "star"]].itertuples(index=False):
        shortest = SHORTEST_EXPOSED_TWICE if target_id in twice else SHORTEST
        number = rng.integers(1, 4)
        found[target_id] = [
            expose(rng, planets.loc[star], release, shortest) for _ in range(number)
        ]
    # From a stream of their own: whatever else is drawn does not depend on what pipelines do.
    stream = rng.spawn(1)[0]
    timings = stream.choice(list(Timing), len(copies))
    # Of every survey the same share, if DR2 has so many.
    second = stream.permutation(np.flatnonzero(copies["release"] == "DR2"))
    others = np.isin(np.arange(len(copies)), second[: round(OTHER_UNIT * len(copies))])
    # From a stream of that stream, for the same reason. The same share, too.
    turned = stream.spawn(1)[0].permutation(len(copies)) < round(NEWEST_FIRST * len(copies))
    pairs = copies[["target_id", "copy_of"]].itertuples(index=False)
    for (target_id, original), timing, other, back in zip(
        pairs, timings, others, turned, strict=True
    ):
        chosen = found[original][rng.integers(len(found[original]))]
        unit = THE_OTHER[chosen.unit] if other else chosen.unit
        again = extract_again(rng, chosen, noise, Timing(timing), unit, newest_first=bool(back))
        found[target_id] = [again]
    return found


def _tables(
    rng: np.random.Generator, targets: pd.DataFrame, by_target: dict[str, list[Curve]]
) -> tuple[pd.DataFrame, Floats]:
    rows = []
    every = [(t, curve) for t in targets["target_id"] for curve in by_target[t]]
    for target_id, curve in every:
        blank = curve.band == "W" and rng.random() < 0.25
        band = "" if blank else curve.band
        shown = (target_id, band, curve.unit, curve.t0(), len(curve.shape))
        rows.append((*shown, curve.band, curve.newest_first))
    names = ["target_id", "band", "unit", "t0", "length", "true_band", "newest_first"]
    table = pd.DataFrame(rows, columns=names)
    taken = table["length"] + 1  # a NaN behind each
    table.insert(4, "start", taken.cumsum() - taken)
    table.insert(0, "curve_id", [f"C{i:05d}" for i in range(len(table))])
    # From a stream of its own, as timings are.
    ways = [*FILLED, ""]
    shares = [*FILLED.values(), 1 - sum(FILLED.values())]
    stream = rng.spawn(1)[0]
    filled = stream.choice(ways, len(table), p=shares)
    table["filled"] = np.where(_releases(targets, table) == "DR2", filled, "")
    first_missing = (table["filled"] == "repeated") & (stream.random(len(table)) < FIRST_MISSING)
    flux = [
        np.append((curve.without_first() if cut else curve).values(filled), np.float32(np.nan))
        for (_, curve), filled, cut in zip(every, table["filled"], first_missing, strict=True)
    ]
    return table, np.concatenate(flux)


def _releases(targets: pd.DataFrame, curves: pd.DataFrame) -> pd.Series:
    """The release of each curve."""
    return curves["target_id"].map(targets.set_index("target_id")["release"])


def magnitudes(curves: pd.DataFrame, flux: Floats) -> pd.Series:
    """Magnitude of each target by id: the mean over its curves of that of the median flux."""
    median = [np.nanmedian(flux[a : a + n]) for a, n in curves[["start", "length"]].to_numpy()]
    mag = np.where(curves["unit"] == "mag", median, ZERO_POINT - 2.5 * np.log10(np.abs(median)))
    return pd.Series(mag).groupby(curves["target_id"]).mean()
