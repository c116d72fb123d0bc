"""A simulated photometric survey: targets on the sky, light curves, and what is true of them.

Nothing here is a physical model of a mission; it has the traits that make such data treacherous:
stars observed again under another id, releases with other conventions, several bands and units,
curves of unequal length with gaps, red noise and stellar variability.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

CADENCE_DAYS = 1 / 48
BANDS = ("W", "NA", "NB")
NOISE = {"W": 1.0, "NA": 1.25, "NB": 1.4}
ZERO_POINT = 25.0

Floats = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Survey:
    """One draw of the survey.

    ``targets``: target_id, release, ra, dec, label, and the hidden ``star`` (index of the physical
    star). ``curves``: curve_id, target_id, band, unit, start, length, and the hidden ``true_band``.
    ``flux``: float32 of shape (sum of lengths,), NaN where a point is missing.
    """

    targets: pd.DataFrame
    curves: pd.DataFrame
    flux: Floats

    def write(self, folder: Path, *, labels: bool = True) -> None:
        """Write the files a notebook reads; hidden columns stay out, and so do labels if asked."""
        folder.mkdir(parents=True, exist_ok=True)
        targets = self.targets.drop(columns="star" if labels else ["star", "label"])
        targets.to_csv(folder / "targets.csv", index=False, float_format="%.8f")
        self.curves.drop(columns="true_band").to_csv(folder / "curves.csv", index=False)
        np.save(folder / "flux.npy", self.flux)

    def of_targets(self, target_ids: set[str]) -> Survey:
        """The part of the survey that concerns some targets; ``flux`` stays whole."""
        return Survey(
            self.targets[self.targets["target_id"].isin(target_ids)].reset_index(drop=True),
            self.curves[self.curves["target_id"].isin(target_ids)].reset_index(drop=True),
            self.flux,
        )

    def with_labels(self, label: dict[str, int]) -> Survey:
        """The same survey with the labels of some targets (by target_id) replaced."""
        new = self.targets["target_id"].map(label).fillna(self.targets["label"]).astype(int)
        return Survey(self.targets.assign(label=new), self.curves, self.flux)


def draw_survey(seed: int, stars: int = 560, reobserved: float = 0.18) -> Survey:
    """Draw a survey of ``stars`` physical stars, of which a share is observed under two ids."""
    rng = np.random.default_rng(seed)
    positions = _positions(rng, stars)
    planets = _planets(rng, stars)
    targets = _targets(rng, positions, planets["has_planet"], reobserved)
    curves, flux = _curves(rng, targets, planets)
    return Survey(targets, curves, flux)


def _positions(rng: np.random.Generator, stars: int) -> Floats:
    """(stars, 2) right ascension and declination in degrees, no two closer than 60 arcsec.

    Half of the fields lie near the celestial poles, as in surveys with a continuous viewing zone.
    """
    chosen: list[tuple[float, float]] = []
    vectors: list[Floats] = []
    limit = np.cos(np.deg2rad(60 / 3600))
    while len(chosen) < stars:
        polar = rng.random() < 0.5
        dec = rng.choice([-1, 1]) * rng.uniform(70, 86) if polar else rng.uniform(-60, 60)
        # Some fields straddle the origin of right ascension.
        ra = rng.normal(0, 0.002) % 360 if rng.random() < 0.06 else rng.uniform(0, 360)
        vector = unit_vectors(np.array([ra]), np.array([dec]))[0]
        if not vectors or np.max(np.stack(vectors) @ vector) < limit:
            chosen.append((ra, dec))
            vectors.append(vector)
    return np.array(chosen)


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
            "depth": np.exp(rng.normal(np.log(3.7), 0.25, stars)),
            "duration": rng.uniform(0.09, 0.2, stars),
            "rotation": np.exp(rng.uniform(np.log(0.5), np.log(5), stars)),
            "amplitude": np.abs(rng.normal(0, 1.1, stars)),
            "red": rng.uniform(0.2, 0.75, stars),
            "noise": np.exp(rng.normal(np.log(1.2e-3), 0.4, stars)),
            "counts": np.exp(rng.normal(np.log(2e4), 0.9, stars)),
        }
    )


def _targets(
    rng: np.random.Generator, positions: Floats, has_planet: pd.Series, reobserved: float
) -> pd.DataFrame:
    """Targets of both releases. DR1 gives right ascension in degrees, DR2 in hours."""
    stars = len(positions)
    first = np.where(rng.random(stars) < 0.6, "DR1", "DR2")
    again = np.flatnonzero(rng.random(stars) < reobserved)
    star = np.concatenate([np.arange(stars), again])
    second = np.where(first[again] == "DR1", "DR2", "DR1")
    release = np.concatenate([first, second])
    moved = _jitter(rng, positions[again])
    ra, dec = np.concatenate([positions, moved]).T
    ids = rng.permutation(np.arange(1000, 1000 + 3 * len(star)))[: len(star)]
    table = pd.DataFrame(
        {
            "target_id": [f"T{i}" for i in ids],
            "release": release,
            "ra": np.where(release == "DR2", ra / 15, ra),
            "dec": dec,
            "label": has_planet.to_numpy()[star],
            "star": star,
        }
    )
    return table.sort_values("target_id", ignore_index=True)


def _jitter(rng: np.random.Generator, positions: Floats) -> Floats:
    """Positions measured again: off by 1 to 3 arcsec on the sky, in a random direction."""
    radius = rng.uniform(1, 3, len(positions)) / 3600
    angle = rng.uniform(0, 2 * np.pi, len(positions))
    dec = positions[:, 1] + radius * np.sin(angle)
    ra = positions[:, 0] + radius * np.cos(angle) / np.cos(np.deg2rad(positions[:, 1]))
    return np.stack([ra % 360, dec], axis=1)


def _curves(
    rng: np.random.Generator, targets: pd.DataFrame, planets: pd.DataFrame
) -> tuple[pd.DataFrame, Floats]:
    rows, pieces, start = [], [], 0
    for target_id, release, star in targets[["target_id", "release", "star"]].itertuples(
        index=False
    ):
        for _ in range(rng.integers(1, 4)):
            band = str(rng.choice(BANDS, p=[0.4, 0.3, 0.3]))
            length = int(np.clip(rng.gamma(5.0, 38), 90, 360))
            flux = _light_curve(rng, planets.loc[star], band, length)
            unit = _unit(rng, release, band)
            pieces.append(ZERO_POINT - 2.5 * np.log10(flux) if unit == "mag" else flux)
            blank = band == "W" and rng.random() < 0.25
            rows.append((target_id, "" if blank else band, unit, start, length, band))
            start += length
    names = ["target_id", "band", "unit", "start", "length", "true_band"]
    table = pd.DataFrame(rows, columns=names)
    table.insert(0, "curve_id", [f"C{i:05d}" for i in range(len(table))])
    return table, np.concatenate(pieces).astype(np.float32)


def _unit(rng: np.random.Generator, release: str, band: str) -> str:
    """DR2 delivers the NB band, and a part of the NA band, in magnitudes."""
    share = {"NB": 1.0, "NA": 0.3}.get(band, 0.0) if release == "DR2" else 0.0
    return "mag" if rng.random() < share else "e/s"


def _light_curve(rng: np.random.Generator, star: pd.Series, band: str, length: int) -> Floats:
    """(length,) flux in electrons a second, NaN where a point is missing."""
    time = rng.uniform(0, 100) + CADENCE_DAYS * np.arange(length)
    sigma = star["noise"] * NOISE[band]
    signal = star["amplitude"] * _variability(rng, time, star["rotation"])
    signal += star["red"] * _red_noise(rng, length) + rng.normal(0, 1, length)
    if star["has_planet"]:
        signal -= star["depth"] * _transit(time, star["period"], star["duration"])
    signal -= _systematic(rng, length)
    flux = star["counts"] * (1 + sigma * signal)
    flux[_missing(rng, length)] = np.nan
    return np.asarray(flux)


def _variability(rng: np.random.Generator, time: Floats, rotation: float) -> Floats:
    phase = rng.uniform(0, 2 * np.pi, 2)
    angle = 2 * np.pi * time / rotation
    return np.asarray(np.sin(angle + phase[0]) + 0.5 * np.sin(2 * angle + phase[1]))


def _red_noise(rng: np.random.Generator, length: int, memory: float = 0.9) -> Floats:
    """A first-order autoregressive process of unit variance."""
    steps = rng.normal(0, np.sqrt(1 - memory**2), length)
    out = np.empty(length)
    value = rng.normal()
    for i, step in enumerate(steps):
        value = memory * value + step
        out[i] = value
    return out


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


def _missing(rng: np.random.Generator, length: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Scattered losses of 3% and one longer gap."""
    lost = rng.random(length) < 0.03
    at, width = rng.integers(0, length), rng.integers(6, 24)
    lost[at : at + width] = True
    return lost
