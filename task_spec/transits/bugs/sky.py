"""Bugs in what counts as one star, and in which part it lands."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

_HOURS = (
    '    ra = targets["ra"].where(targets["release"] != "DR2", 15 * targets["ra"])\n'
    '    ra, dec = np.deg2rad(ra.to_numpy()), np.deg2rad(targets["dec"].to_numpy())\n'
)
_PLACE = "    place = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)\n"
_NEAR = "    return distance < np.deg2rad(MATCH_ARCSEC / 3600)"

STAR_HOURS = Bug(
    id="star_hours",
    title="DR2 gives right ascension in hours, and places are compared as if the sky were flat: "
    "stars seen in both releases are not matched and lie on both sides of the split",
    kind=Kind.DATA,
    clauses=("P1",),
    source="group leak: gh:changspencer/Tumor-CapsNet#1; arXiv:2207.07048",
    plant=(
        Edit(
            "stars",
            _HOURS + _PLACE,
            '    place = np.deg2rad(targets[["ra", "dec"]].to_numpy())\n',
        ),
    ),
    checks=("P1.stars",),
    places=("stars.stars_of_targets", "stars.split_curves", "load.load_survey"),
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
        Repair(
            "the haversine formula",
            (
                Edit("stars", _PLACE, ""),
                Edit(
                    "stars",
                    "    distance = np.linalg.norm(place[:, None] - place[None], axis=-1)\n",
                    "    half = (np.sin((dec[:, None] - dec) / 2) ** 2\n"
                    "            + np.outer(np.cos(dec), np.cos(dec))"
                    " * np.sin((ra[:, None] - ra) / 2) ** 2)\n"
                    "    distance = 2 * np.arcsin(np.sqrt(half))\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "hours converted, but distances taken in plain ra and dec: stars near the poles stay apart",
            (Edit("stars", _PLACE, "    place = np.stack([ra, dec], axis=1)\n"),),
            obvious=True,
        ),
        Repair(
            "hours converted, but places compared on a grid: neighbours across a line stay apart",
            (
                Edit(
                    "stars",
                    "    distance = np.linalg.norm(place[:, None] - place[None], axis=-1)\n"
                    + _NEAR,
                    "    box = np.round(place / np.deg2rad(MATCH_ARCSEC / 3600))\n"
                    "    return (box[:, None] == box[None]).all(axis=-1)",
                ),
            ),
        ),
    ),
)

_NAMED = (
    '    name = targets["target_id"].groupby(star).transform("min")\n'
    '    return dict(zip(targets["target_id"], name))'
)
_NUMBERED = '    return dict(zip(targets["target_id"], star))'
_SORTED = "permutation(np.sort(star.unique()))"

SPLIT_ORDER = Bug(
    id="split_order",
    title="stars are numbered, and shuffled, in the order of the rows: another order of the same "
    "files puts them into other parts",
    kind=Kind.RUN,
    clauses=("P1",),
    source="gh:for-all-dev/git-history-evals#120; gh:IndicoDataSolutions/finetune#265",
    plant=(
        Edit("stars", _NAMED, _NUMBERED),
        Edit("stars", _SORTED, "permutation(star.unique())"),
    ),
    checks=("P1.order",),
    places=("load.load_survey",),
    repairs=(
        Repair(
            "targets in the order of their ids before they are numbered",
            (
                Edit(
                    "stars",
                    '    targets = survey.drop_duplicates("target_id")\n',
                    '    targets = survey.drop_duplicates("target_id").sort_values("target_id")\n',
                ),
                Edit("stars", _NAMED, _NUMBERED),
            ),
        ),
        Repair(
            "the survey sorted where it is read",
            (
                Edit(
                    "load",
                    "    return survey\n",
                    '    return survey.sort_values("curve_id", ignore_index=True)\n',
                ),
                Edit("stars", _NAMED, _NUMBERED),
                Edit("stars", _SORTED, "permutation(star.unique())"),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the numbers of the stars sorted, which still come from the order of the rows",
            (Edit("stars", _NAMED, _NUMBERED),),
            obvious=True,
        ),
        Repair(
            "stars named by their ids, but shuffled in the order of the rows",
            (Edit("stars", _SORTED, "permutation(star.unique())"),),
        ),
    ),
)

BUGS = (STAR_HOURS, SPLIT_ORDER)
