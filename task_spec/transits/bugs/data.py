"""Bugs in how the survey is read: only its data show them."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

STAR_HOURS = Bug(
    id="star_hours",
    title="DR2 gives right ascension in hours, so stars seen in both releases are not matched and "
    "their curves lie on both sides of the split",
    kind=Kind.DATA,
    clauses=("P1",),
    source="group leak: gh:changspencer/Tumor-CapsNet#1; arXiv:2207.07048",
    plant=(
        Edit(
            "stars",
            '    ra = targets["ra"].where(targets["release"] != "DR2", 15 * targets["ra"])\n'
            '    ra, dec = np.deg2rad(ra.to_numpy()), np.deg2rad(targets["dec"].to_numpy())\n',
            '    ra, dec = np.deg2rad(targets[["ra", "dec"]].to_numpy()).T\n',
        ),
    ),
    checks=("P1.stars",),
    places=("stars.split_curves", "load.load_survey"),
    repairs=(
        Repair(
            "degrees from the start, in load_survey",
            (
                Edit(
                    "load",
                    '    curves = pd.read_csv(folder / "curves.csv"',
                    '    targets.loc[targets["release"] == "DR2", "ra"] *= 360 / 24\n'
                    '    curves = pd.read_csv(folder / "curves.csv"',
                ),
                Edit(
                    "stars",
                    'targets["ra"].where(targets["release"] != "DR2", 15 * targets["ra"])',
                    'targets["ra"]',
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "hours converted, but places compared on a grid: neighbours across a line stay apart",
            (
                Edit(
                    "stars",
                    "    near = distance < np.deg2rad(MATCH_ARCSEC / 3600)\n"
                    '    return dict(zip(targets["target_id"], near.argmax(axis=1)))',
                    "    cell = np.round(place / np.deg2rad(MATCH_ARCSEC / 3600)).astype(int)\n"
                    "    star = np.unique(cell, axis=0, return_inverse=True)[1].ravel()\n"
                    '    return dict(zip(targets["target_id"], star))',
                ),
            ),
        ),
        Repair(
            "hours converted, but distances taken in plain ra and dec: stars near the poles stay apart",
            (
                Edit(
                    "stars",
                    "    distance = np.linalg.norm(place[:, None] - place[None], axis=-1)\n",
                    "    sky = np.stack([ra, dec], axis=1)\n"
                    "    distance = np.linalg.norm(sky[:, None] - sky[None], axis=-1)\n",
                ),
            ),
        ),
    ),
)

BAND_NA = Bug(
    id="band_na",
    title='read_csv takes the band "NA" for a missing value, so NA curves count as W',
    kind=Kind.DATA,
    clauses=("P2",),
    source="NA taken for a missing value: documentation of pandas.read_csv, na_values",
    plant=(
        Edit(
            "load",
            '    curves = pd.read_csv(folder / "curves.csv", keep_default_na=False)\n'
            '    curves["band"] = curves["band"].replace("", "W")\n',
            '    curves = pd.read_csv(folder / "curves.csv")\n'
            '    curves["band"] = curves["band"].fillna("W")\n',
        ),
    ),
    checks=("P2.bands",),
    repairs=(
        Repair(
            "only an empty field is missing",
            (
                Edit(
                    "load",
                    ', keep_default_na=False)\n    curves["band"] = curves["band"].replace("", "W")\n',
                    ', keep_default_na=False, na_values=[""])\n'
                    '    curves["band"] = curves["band"].fillna("W")\n',
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "missing means NA: now the blank ones, which are W, count as NA",
            (
                Edit(
                    "load",
                    ', keep_default_na=False)\n    curves["band"] = curves["band"].replace("", "W")\n',
                    ')\n    curves["band"] = curves["band"].fillna("NA")\n',
                ),
            ),
        ),
    ),
)

MAGNITUDES = Bug(
    id="magnitudes",
    title="some curves are delivered in magnitudes and are normalised as if they were flux: their "
    "transits point upwards",
    kind=Kind.DATA,
    clauses=("P3",),
    source="data of another convention merged unseen: gh:pandas-dev/pandas#12585",
    plant=(
        Edit(
            "prepare",
            '    if unit == "mag":\n        flux = 10 ** (-0.4 * (flux - np.nanmedian(flux)))\n    return flux',
            "    return flux",
        ),
    ),
    checks=("P3.flux",),
    places=("prepare.normalise", "prepare.prepare", "load.load_survey"),
    repairs=(
        Repair(
            "flux in every row, in load_survey",
            (
                Edit(
                    "load",
                    "    return survey\n",
                    '    mag = survey["unit"] == "mag"\n'
                    '    survey.loc[mag, "flux"] = pd.Series(\n'
                    '        [10 ** (-0.4 * f) for f in survey.loc[mag, "flux"]], survey.index[mag]\n'
                    "    )\n"
                    "    return survey\n",
                ),
                Edit(
                    "prepare",
                    '    if unit == "mag":\n'
                    "        flux = 10 ** (-0.4 * (flux - np.nanmedian(flux)))\n",
                    "",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the sign turned before the division by the median, which turns it back",
            (
                Edit(
                    "prepare",
                    "        flux = 10 ** (-0.4 * (flux - np.nanmedian(flux)))\n",
                    "        flux = -flux\n",
                ),
            ),
        ),
        Repair(
            "only the band that is always in magnitudes; NA curves come in both units",
            (
                Edit("prepare", "def relative_flux(flux, unit):", "def relative_flux(flux, mag):"),
                Edit("prepare", '    if unit == "mag":', "    if mag:"),
                Edit("prepare", "def normalise(flux, unit):", "def normalise(flux, mag):"),
                Edit("prepare", "relative_flux(flux, unit)\n", "relative_flux(flux, mag)\n"),
                Edit(
                    "prepare",
                    "normalise(row.flux, row.unit)",
                    'normalise(row.flux, row.release == "DR2" and row.band == "NB")',
                ),
            ),
        ),
    ),
)

BUGS = (STAR_HOURS, BAND_NA, MAGNITUDES)
