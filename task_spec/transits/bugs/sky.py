"""Bugs in what counts as one star, and in which part it lands."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

_HOURS = (
    '    ra = targets["ra"].where(targets["release"] != "DR2", 15 * targets["ra"])\n'
    '    ra, dec = np.deg2rad(ra.to_numpy()), np.deg2rad(targets["dec"].to_numpy())\n'
)
_PLACE = "    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)\n"
_FLAT = "    return np.stack([ra, dec], axis=1)\n"
_DISTANCE = "    distance = np.linalg.norm(some[:, None] - others[None], axis=-1)\n"
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
            '    return np.deg2rad(targets[["ra", "dec"]].to_numpy())\n',
        ),
    ),
    checks=("P1.stars",),
    places=(
        "stars.at_one_place",
        "stars.near_targets",
        "stars.stars_of_targets",
        "stars.split_curves",
        "load.load_survey",
    ),
    repairs=(
        Repair(
            "degrees from the start, in load_survey",
            (
                Edit(
                    "load",
                    "    curves = pd.read_csv(\n",
                    '    targets.loc[targets["release"] == "DR2", "ra"] *= 360 / 24\n'
                    "    curves = pd.read_csv(\n",
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
                Edit("stars", _PLACE, _FLAT),
                Edit(
                    "stars",
                    _DISTANCE,
                    "    (ra, dec), (other_ra, other_dec) = some.T, others.T\n"
                    "    half = (np.sin((dec[:, None] - other_dec) / 2) ** 2\n"
                    "            + np.outer(np.cos(dec), np.cos(other_dec))"
                    " * np.sin((ra[:, None] - other_ra) / 2) ** 2)\n"
                    "    distance = 2 * np.arcsin(np.sqrt(half))\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "hours converted, but distances taken in plain ra and dec: stars near the poles stay apart",
            (Edit("stars", _PLACE, _FLAT),),
            obvious=True,
        ),
        Repair(
            "hours converted, but places compared on a grid: neighbours across a line stay apart",
            (
                Edit(
                    "stars",
                    _DISTANCE + _NEAR,
                    "    size = np.deg2rad(MATCH_ARCSEC / 3600)\n"
                    "    box, other = np.round(some / size), np.round(others / size)\n"
                    "    return (box[:, None] == other[None]).all(axis=-1)",
                ),
            ),
        ),
    ),
)

_UNSIGNED = (
    '    # DR2 lost the sign of "-00" degrees: what it has just north of the equator may be south of it.\n'
    '    unsigned = (targets["release"] == "DR2") & targets["dec"].between(0, 1)\n'
)
_SOUTH = '    south = targets.assign(dec=targets["dec"].where(~unsigned, -targets["dec"]))\n'
_AT_PLACES = "    place = places(targets)\n"
_OR_MIRRORED = "    return at_one_place(place, place) | at_one_place(places(south), place)"
_AS_WRITTEN = Edit(
    "stars",
    '    """(n, n) True where two targets are, or may be, at one place."""\n'
    + _UNSIGNED
    + _SOUTH
    + _AT_PLACES
    + _OR_MIRRORED,
    '    """(n, n) True where two targets are at one place."""\n'
    + _AT_PLACES
    + "    return at_one_place(place, place)",
)


_ALL_SOUTH = Edit(
    "stars",
    _AT_PLACES + _OR_MIRRORED,
    "    place = places(south)\n    return at_one_place(place, place)",
)


def _signs_by(found: str) -> tuple[Edit, ...]:
    """Edits that restore signs in `load_survey`, where ``found`` tells (rows of `two`, boolean)
    which of DR2's targets are `south`; a right ascension is in degrees there."""
    return (
        _AS_WRITTEN,
        Edit(
            "load",
            "def load_survey(folder):",
            "def restore_signs(targets):\n"
            '    """Puts back the sign of declinations of "-00" degrees, which DR2 lost."""\n'
            '    one, two = (targets[targets["release"] == name] for name in ("DR1", "DR2"))\n'
            '    two = two[two["dec"].between(0, 1)].assign(ra=lambda table: 15 * table["ra"])\n'
            + found
            + '    targets.loc[two.index[south], "dec"] *= -1\n'
            "\n\n"
            "def load_survey(folder):",
        ),
        Edit(
            "load",
            "    curves = pd.read_csv(\n",
            "    restore_signs(targets)\n    curves = pd.read_csv(\n",
        ),
    )


MINUS_ZERO = Bug(
    id="minus_zero",
    title='DR2 lost the sign of "-00" degrees: what lies up to a degree south of the equator stands '
    "in it as far north; stars there that both releases saw are not matched and lie on both sides of "
    "the split",
    kind=Kind.DATA,
    clauses=("P1",),
    source="gh:astropy/astropy#875; gh:scottransom/presto#228; gh:sczesla/PyAstronomy#29",
    plant=(_AS_WRITTEN,),
    checks=("P1.stars",),
    places=(
        "stars.places",
        "stars.at_one_place",
        "stars.stars_of_targets",
        "stars.split_curves",
        "load.load_survey",
    ),
    repairs=(
        Repair(
            "near the equator declinations are compared without their signs as well",
            (
                Edit("stars", _UNSIGNED + _SOUTH, ""),
                Edit(
                    "stars",
                    _AT_PLACES + _OR_MIRRORED,
                    '    north = targets["dec"].abs().where(targets["dec"].abs() < 1.01, targets["dec"])\n'
                    "    place, folded = places(targets), places(targets.assign(dec=north))\n"
                    "    return at_one_place(place, place) | at_one_place(folded, folded)",
                ),
            ),
        ),
        Repair(
            "signs put back in load_survey where DR1 has a target at the mirrored place",
            _signs_by(
                '    turn = np.abs(two["ra"].to_numpy()[:, None] - one["ra"].to_numpy())\n'
                '    rise = two["dec"].to_numpy()[:, None] + one["dec"].to_numpy()\n'
                "    away = np.hypot(np.minimum(turn, 360 - turn), rise)  # flat, at the equator\n"
                "    south = (away < MATCH_ARCSEC / 3600).any(axis=1)\n"
            ),
        ),
        Repair(
            "what DR2 has just north of the equator lies south of it unless DR1 has it there",
            (
                Edit(
                    "stars",
                    _SOUTH,
                    '    first, place = (targets["release"] == "DR1").to_numpy(), places(targets)\n'
                    "    unsigned &= ~at_one_place(place, place[first]).any(axis=1)\n" + _SOUTH,
                ),
                _ALL_SOUTH,
            ),
        ),
    ),
    near_misses=(
        Repair(
            "all that DR2 has up to a degree north of the equator is put south of it: what is north "
            "is not matched any more",
            (_ALL_SOUTH,),
            obvious=True,
        ),
        Repair(
            "signs put back where DR1 has the mirrored place to four decimals: two places of one star "
            "differ in the third",
            _signs_by(
                '    at = set(zip(one["ra"].round(4), (-one["dec"]).round(4)))\n'
                '    south = [place in at for place in zip(two["ra"].round(4), two["dec"].round(4))]\n'
            ),
        ),
        Repair(
            "looks for what DR2 has up to a degree south of the equator, where it has nothing",
            (Edit("stars", 'targets["dec"].between(0, 1)', 'targets["dec"].between(-1, 0)'),),
        ),
    ),
    deep=True,
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

BUGS = (STAR_HOURS, SPLIT_ORDER, MINUS_ZERO)
