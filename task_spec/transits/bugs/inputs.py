"""Bugs in what enters the network."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair
from task_spec.source import functions
from task_spec.transits.seams import SOURCE

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
            "brightness over that of the faintest point",
            (
                Edit(
                    "prepare",
                    "flux = 10 ** (-0.4 * (flux - np.nanmedian(flux)))",
                    "flux = np.exp((np.nanmax(flux) - flux) * np.log(100) / 5)",
                ),
            ),
        ),
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
                    '    survey.loc[mag, "unit"] = "e/s"\n'
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

_PREPARE = "def prepare(survey):\n"
_DOCSTRING = '    """The curves of a survey, ready for the network, in the survey\'s order."""\n'
_NORMALISED = "normalise(row.flux, row.unit), y)"
_MISSING = "        return {}\n"
_OTHER = "    if any(known.get(c, empty).shape[1] != n for c, n in wanted):\n"
_KNOWN = (
    'def known_inputs(survey, path=DATA / "inputs.npz"):\n'
    '    """Network input by curve_id, where the survey was prepared before."""\n'
    "    if not path.exists():\n"
    f"{_MISSING}"
    "    with np.load(path) as file:\n"
    '        ids, length, x = file["curve_id"], file["length"], file["x"].astype(np.float32)\n'
    "    x = torch.from_numpy(np.stack([np.nan_to_num(x), np.isfinite(x)]))\n"
    "    known, empty = dict(zip(ids, x.split(length.tolist(), dim=1))), x[:, :0]\n"
    '    wanted = zip(survey["curve_id"], survey["length"])\n'
    f"{_OTHER}"
    "        return {}\n"
    "    return known\n\n\n"
)


def _reading(known: str) -> tuple[Edit, ...]:
    """Edits with which `prepare` takes inputs from a file, by a function ``known_inputs``."""
    return (
        Edit("prepare", _PREPARE, known + _PREPARE),
        Edit("prepare", _DOCSTRING, _DOCSTRING + "    known = known_inputs(survey)\n"),
        Edit("prepare", _NORMALISED, "known[row.curve_id] if known else " + _NORMALISED),
    )


STALE_CACHE = Bug(
    id="stale_cache",
    title="inputs are taken from the file of an earlier version that knew nothing of magnitudes, "
    "whatever the code does now",
    kind=Kind.RUN,
    clauses=("P3",),
    source="gh:huggingface/datasets#3297",
    plant=_reading(_KNOWN),
    checks=("P3.again",),
    places=("prepare.normalise", "prepare.relative_flux"),
    repairs=(
        Repair(
            "the old file removed by the notebook, before anything is read",
            (
                *_reading(_KNOWN),
                Edit(
                    "load",
                    "survey = load_survey(DATA)\n",
                    '(DATA / "inputs.npz").unlink(missing_ok=True)\nsurvey = load_survey(DATA)\n',
                ),
            ),
        ),
        Repair(
            "inputs kept in memory, by what they are made from",
            (
                Edit("prepare", _PREPARE, "made = {}\n\n\n" + _PREPARE),
                Edit(
                    "prepare",
                    _DOCSTRING,
                    _DOCSTRING + "    for row in survey.itertuples():\n"
                    "        key = row.flux.tobytes(), row.unit\n"
                    "        if key not in made:\n"
                    "            made[key] = normalise(row.flux, row.unit)\n",
                ),
                Edit("prepare", _NORMALISED, "made[row.flux.tobytes(), row.unit], y)"),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "made anew if the file is missing; in the data as published it is there",
            _reading(
                _KNOWN.replace(
                    _MISSING,
                    "        x = [normalise(r.flux, r.unit).numpy() for r in survey.itertuples()]\n"
                    "        x = [np.where(seen > 0, flux, np.nan) for flux, seen in x]\n"
                    '        ids = survey["curve_id"].to_numpy(dtype="U6")\n'
                    '        length = survey["length"].to_numpy()\n'
                    "        np.savez(path, curve_id=ids, length=length, x=np.concatenate(x))\n",
                    1,
                )
            ),
            obvious=True,
        ),
        Repair(
            "taken only where the number of curves agrees too, as it does",
            _reading(
                _KNOWN.replace(
                    _OTHER,
                    "    wanted = list(wanted)\n"
                    "    if len(known) != len(wanted) or any(\n"
                    "        known.get(c, empty).shape[1] != n for c, n in wanted\n"
                    "    ):\n",
                )
            ),
        ),
    ),
)

_STRUCK = "    return np.where(straight | pd.Series(flux).duplicated(), np.nan, flux)\n"
_BODY = (
    "    bend = np.abs(np.diff(flux, 2, prepend=np.nan, append=np.nan))\n"
    "    straight = bend < 0.01 * np.nanmedian(bend)\n" + _STRUCK
)
_LOAD = "def load_survey(folder):\n"
_TAKEN_AS_IT_IS = (
    Edit("load", "[observed(flux[a : a + n]) for a, n in zip", "[flux[a : a + n] for a, n in zip"),
    Edit("load", functions(SOURCE, "load", "observed", "observed") + "\n\n" + _LOAD, _LOAD),
)


def _observed(body: str) -> tuple[Edit, ...]:
    """An `observed` of another kind."""
    return (Edit("load", _BODY, body),)


def _struck(*lines: str) -> tuple[Edit, ...]:
    """An `observed` that strikes out other points, of which it knows where the curve is straight."""
    return (Edit("load", _STRUCK, "".join(f"    {line}\n" for line in lines)),)


HELD_POINTS = Bug(
    id="held_points",
    title="where points are missing, single ones as well as gaps, three tenths of DR2's curves hold "
    "the last value, a fifth have the straight line to the next one, and a fifth repeat the points "
    "before, as many as are missing: what was not observed enters the network and is trained on",
    kind=Kind.DATA,
    clauses=("P3",),
    source="the last valid value is sent on instead of NaN: gh:SWAT-engineering/kiwi-air-monitor#21; "
    "sensors that stopped repeat one value: gh:earthobservations/wetterdienst#1921; a day that is "
    "missing becomes a line that nothing marks: gh:CIROH-UA/NGIAB_data_preprocess#236; a part of a "
    "stream that comes once more: gh:rafael2k/darkice#13; gaps that get what other days have at that "
    "hour: gh:wadpac/GGIR#322",
    plant=_TAKEN_AS_IT_IS,
    checks=("P3.flux", "P3.observed"),
    places=("prepare.normalise", "prepare.relative_flux", "prepare.prepare", "load.load_survey"),
    repairs=(
        Repair(
            "struck out where the input is made, within the steps of float32",
            (
                *_TAKEN_AS_IT_IS,
                Edit(
                    "prepare",
                    "    x = relative_flux(flux, unit)\n",
                    "    bend = np.abs(np.diff(flux, 2, prepend=np.nan, append=np.nan))\n"
                    "    filled = bend <= 4 * np.spacing(flux.astype(np.float32))\n"
                    "    filled |= pd.Series(flux).duplicated().to_numpy()\n"
                    "    x = relative_flux(np.where(filled, np.nan, flux), unit)\n",
                ),
            ),
        ),
        Repair(
            "only in curves without a gap between their first and last point, by pandas",
            _observed(
                "    seen = np.flatnonzero(np.isfinite(flux))\n"
                "    flux = pd.Series(flux)\n"
                "    if flux[seen[0] : seen[-1] + 1].isna().any():\n"
                "        return flux.to_numpy()\n"
                "    line = (flux.shift() + flux.shift(-1)) / 2\n"
                "    filled = np.isclose(flux, line, rtol=5e-7, atol=0) | flux.duplicated()\n"
                "    return flux.mask(filled).to_numpy()\n"
            ),
        ),
        Repair(
            "stretches that equal the one before them, however long, and points at which a curve goes "
            "on as it came",
            _observed(
                "    from scipy.ndimage import binary_opening\n\n"
                "    filled = np.zeros(len(flux), dtype=bool)\n"
                "    step = np.diff(flux)\n"
                "    filled[1:-1] = np.abs(np.diff(step)) < 0.01 * np.nanstd(step)\n"
                "    for n in range(1, 40):\n"
                "        filled[n:] |= binary_opening(flux[n:] == flux[:-n], np.ones(n))\n"
                "    return np.where(filled, np.nan, flux)\n"
            ),
        ),
    ),
    near_misses=(
        Repair(
            "held values only: gaps that are bridged remain, and those that repeat what was before",
            _observed("    return np.where(np.diff(flux, prepend=np.nan) == 0, np.nan, flux)\n"),
            obvious=True,
        ),
        Repair(
            "held and bridged values: gaps remain that repeat several points",
            _struck(
                "return np.where(straight | (np.diff(flux, prepend=np.nan) == 0), np.nan, flux)"
            ),
            obvious=True,
        ),
        Repair(
            "gaps of an hour or longer: single points that are missing remain",
            _struck(
                "filled = straight | pd.Series(flux).duplicated()",
                'length = filled.groupby((~filled).cumsum()).transform("sum")',
                "return np.where(filled & (length > 1), np.nan, flux)",
            ),
        ),
        Repair(
            "the point that is repeated is struck out too, which was observed",
            _struck(
                "return np.where(straight | pd.Series(flux).duplicated(keep=False), np.nan, flux)"
            ),
        ),
        Repair(
            "the points at both ends of a line are struck out too, which were observed",
            _struck("straight[1:-1] |= straight[2:] | straight[:-2]", _STRUCK.strip()),
        ),
        Repair(
            "values that are close to the one before count as the same: so do many that were observed",
            _struck(
                "straight |= np.append(False, np.isclose(flux[1:], flux[:-1]))",
                _STRUCK.strip(),
            ),
        ),
    ),
    deep=True,
)

_FIRST = '    first = survey["start"] - (survey["release"] == "DR2")  # which counts from 1\n'

_COUNTED_FROM_ZERO = Edit("load", _FIRST, '    first = survey["start"]\n')

COUNTED_FROM_ONE = Bug(
    id="counted_from_one",
    title="DR2 counts from 1 where its curves start: each of them lacks its first point and ends with "
    "the NaN behind it",
    kind=Kind.DATA,
    clauses=("P3",),
    source="places counted from 1 by one program and from 0 by another: gh:bobeobibo/phigaro#35; "
    "gh:ikarosilva/wfdb-app-toolbox#172",
    plant=(_COUNTED_FROM_ZERO,),
    checks=("P3.flux", "P3.observed"),
    places=("prepare.prepare",),
    repairs=(
        Repair(
            "behind the curves before it, in the order of their starts",
            (
                Edit(
                    "load",
                    _FIRST,
                    '    by_start = survey["length"].iloc[survey["start"].argsort()] + 1\n'
                    "    first = by_start.cumsum() - by_start\n"
                    "    first = first.loc[survey.index]\n",
                ),
            ),
        ),
        Repair(
            "the table put right where it is read",
            (
                Edit(
                    "load",
                    '    survey = curves.merge(targets, on="target_id"',
                    '    second = set(targets.loc[targets["release"] == "DR2", "target_id"])\n'
                    '    curves.loc[curves["target_id"].isin(second), "start"] -= 1\n'
                    '    survey = curves.merge(targets, on="target_id"',
                ),
                _COUNTED_FROM_ZERO,
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the last point of DR2's curves, which is always missing, cut off: their first is still left "
            "out",
            (
                _COUNTED_FROM_ZERO,
                Edit(
                    "load",
                    'zip(first, survey["length"])]',
                    'zip(first, survey["length"] - (survey["release"] == "DR2"))]',
                ),
            ),
            obvious=True,
        ),
        Repair(
            "all curves moved by a point, those of DR1 as well",
            (Edit("load", _FIRST, '    first = (survey["start"] - 1).clip(lower=0)\n'),),
        ),
    ),
    deep=True,
)

BUGS = (MAGNITUDES, STALE_CACHE, HELD_POINTS, COUNTED_FROM_ONE)
