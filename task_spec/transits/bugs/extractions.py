"""A bug in finding exposures that were extracted twice."""

from __future__ import annotations

from task_spec.model import Bug, Ceiling, Draw, Edit, Kind, Repair, Row, Rows
from task_spec.source import functions
from task_spec.transits.curves import MIN_PRECISION, MIN_RECALL
from task_spec.transits.seams import SOURCE
from task_spec.transits.worlds import published_survey

_WHITENED = (
    "    before = torch.stack([noise.roll(k, 1) for k in range(1, order + 1)], 2) * seen[:, :, None]\n"
    "    weight = torch.linalg.solve(before.mT @ before, before.mT @ noise[:, :, None])\n"
    "    noise = noise - (before @ weight).squeeze(2)\n"
)
_FISHER = (
    "        significance = r.clamp(-0.999, 0.999).atanh() * (shared - 3).clamp(min=1).sqrt()\n"
)
_SIGNIFICANCE = (
    "        shared, power = here @ seen.T, (mine.square() @ seen.T) * (here @ noise.square().T)\n"
    "        r = mine @ noise.T / power.clamp(min=1e-6).sqrt()\n"
) + _FISHER
_LIMITS = "least=40, sigmas=4.4"
_BOTH_WAYS = (
    "    own, alone = [*alone, *range(len(survey), len(points[0]))], np.append(alone, alone)\n"
)
_TIMINGS = "    for ahead in (0, 24, length[alone] // 2):\n"
_FOUND = "        found |= within & ((shared >= least) & (significance > sigmas)).numpy()\n"
_RETURNED = "    which, others = np.nonzero(found)\n"
_ALIKE = "    found &= {0}[alone, None] == {0}\n"
_FLUX = '        flux = 10 ** (-0.4 * flux) if unit == "mag" else flux\n'
_CERTAIN = (
    "        match = np.where(within & (shared >= least).numpy(), significance.numpy(), 0)\n"
    "        match[np.arange(len(alone)), alone] = 0\n"
    "        if match.max() > 6:\n"
    "            found |= match > sigmas\n"
)


def _pairs(draw: Draw) -> frozenset[Row]:
    return frozenset(published_survey(draw).copies())


SECOND_EXTRACTIONS = Bug(
    id="second_extractions",
    title="curves count as the same exposure only if they start together and are equally long, but "
    "second extractions cover a part of the exposure, and their pipelines time them in three ways, by "
    "a clock that is half a day ahead or by their middle point, too, in DR2 mostly give another "
    "unit, and at times write the newest point first: none is found",
    kind=Kind.DATA,
    clauses=("P17",),
    source="near duplicates on both sides of a split: ciFAIR, arXiv:1902.00423; arXiv:1812.06469; "
    "days from noon or from midnight in one column: gh:njcuk9999/lbl#9; times of the start or of "
    "the middle under one name: gh:ZwickyTransientFacility/ztf-avro-alert#11; lightkurve/lightkurve#647; "
    "newest values first, sliced as if they came last: gh:RomelTorres/alpha_vantage#186",
    plant=(
        Edit(
            "stars",
            functions(SOURCE, "stars", "cadences", "same_exposure"),
            "def same_exposure(survey):\n"
            '    """(2, n) rows of curves of the same exposure: same band, same start, same length."""\n'
            '    when = survey[["t0", "length"]].assign(band=survey["band"].map(BANDS.index)).to_numpy()\n'
            "    return np.stack(np.nonzero((when[:, None] == when[None]).all(axis=-1)))\n",
        ),
    ),
    checks=("P17.joined", "P17.apart"),
    places=("stars.stars_of_targets", "stars.split_curves"),
    repairs=(
        Repair(
            "what a moving mean leaves of the curves, of one band",
            (
                Edit(
                    "stars",
                    _WHITENED,
                    "    mean, share = (F.avg_pool1d(x, 9, 1, 4) for x in (noise, seen))\n"
                    "    noise = (noise - mean / share).nan_to_num() * seen\n",
                ),
                Edit(
                    "stars",
                    _RETURNED,
                    '    band = survey["band"].to_numpy()\n' + _ALIKE.format("band") + _RETURNED,
                ),
            ),
        ),
        Repair(
            "longer memory, sums of products, and for each curve the exposure that it fits best",
            (
                Edit("stars", _LIMITS, "least=40, sigmas=4.3"),
                Edit(
                    "stars", "def white_noise(survey, order=3)", "def white_noise(survey, order=4)"
                ),
                Edit(
                    "stars",
                    "    found = np.zeros((len(alone), len(survey)), dtype=bool)\n",
                    "    best = np.zeros((len(alone), len(survey)))\n",
                ),
                Edit(
                    "stars",
                    _SIGNIFICANCE,
                    "        shared = here @ seen.T\n"
                    "        significance = mine @ noise.T / shared.clamp(min=1).sqrt()\n",
                ),
                Edit(
                    "stars",
                    _FOUND,
                    "        fits = within & (shared >= least).numpy()\n"
                    "        best = np.maximum(best, np.where(fits, significance.numpy(), 0))\n"
                    "    best[np.arange(len(alone)), alone] = 0\n"
                    "    found = (best > sigmas) & (best == best.max(axis=1, keepdims=True))\n",
                ),
            ),
        ),
        Repair(
            "by the share of the variance that two curves have in common, with a higher limit",
            (
                Edit(
                    "stars",
                    _FISHER,
                    "        left = (1 - r.square()).clamp(min=1e-3)\n"
                    "        significance = r * ((shared - 2).clamp(min=1) / left).sqrt()  # Student's t\n",
                ),
                Edit("stars", _LIMITS, "least=40, sigmas=4.6"),
            ),
        ),
        Repair(
            "every quarter of a day and every eighth of a curve's length are looked at, those with a "
            "certain pair closely",
            (
                Edit(
                    "stars",
                    _TIMINGS,
                    "    eighths = [k * length[alone] // 8 for k in range(1, 9)]\n"
                    "    for ahead in [*range(-48, 49, 12), *eighths]:\n",
                ),
                Edit("stars", _FOUND, _CERTAIN),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "times taken as they are written: two thirds of the pairs come from pipelines whose days "
            "begin at noon, or that give the time of the middle point",
            (Edit("stars", _TIMINGS, "    for ahead in (0,):\n"),),
            obvious=True,
        ),
        Repair(
            "both clocks, but each time is taken for that of a first point: a third of the pairs are "
            "timed by their middle point",
            (Edit("stars", _TIMINGS, "    for ahead in (0, 24):\n"),),
            obvious=True,
        ),
        Repair(
            "in the order in which they stand: curves that are written newest first are not found",
            (Edit("stars", _BOTH_WAYS, "    own = alone\n"),),
            obvious=True,
        ),
        Repair(
            "every shift of whole hours, up to a day, is looked at, and those kept at which some pair is certain: "
            "it finds the two clocks, while curves timed by their middle point share no shift",
            (
                Edit("stars", _TIMINGS, "    for ahead in range(-48, 49, 2):\n"),
                Edit("stars", _FOUND, _CERTAIN),
            ),
            obvious=True,
        ),
        Repair(
            "only pairs of curves in one unit: a third of the pairs are in two",
            (
                Edit(
                    "stars",
                    _RETURNED,
                    '    unit = survey["unit"].to_numpy()\n' + _ALIKE.format("unit") + _RETURNED,
                ),
            ),
            obvious=True,
        ),
        Repair(
            "magnitudes correlated as they are: what dims in flux rises in them",
            (Edit("stars", _FLUX, ""),),
            obvious=True,
        ),
        Repair(
            "the middle taken for half of what was observed of a curve: missing points count as well",
            (
                Edit(
                    "stars",
                    _TIMINGS,
                    "    observed = points[1].sum(1).long().numpy()\n"
                    "    for ahead in (0, 24, observed[alone] // 2):\n",
                ),
            ),
        ),
        Repair(
            "flux correlated as it is: the slow variability of one star resembles another's",
            (Edit("stars", _WHITENED, ""),),
            obvious=True,
        ),
        Repair(
            "only curves that start together: most second extractions start later",
            (
                Edit(
                    "stars",
                    "(first[:, None] >= t0)",
                    "(first[:, None] == t0)",
                ),
            ),
        ),
        Repair(
            "times truncated to a cadence: what is written as 0.02083 days falls before its own",
            (Edit("stars", '(48 * survey["t0"]).round()', '(48 * survey["t0"])'),),
        ),
        Repair(
            "a limit of 2.5 standard deviations, for thousands of pairs: chance joins many of them",
            (Edit("stars", _LIMITS, "least=40, sigmas=2.5"),),
        ),
        Repair(
            "only pairs each of which is its target's only curve: most exposures have others beside",
            (
                Edit(
                    "stars",
                    _RETURNED,
                    '    found &= ~survey["target_id"].duplicated(keep=False).to_numpy()\n'
                    + _RETURNED,
                ),
            ),
        ),
    ),
    rows=Rows(
        meaning="pairs of `target_id` that are extractions of the same exposure",
        size=2,
        min_precision=MIN_PRECISION,
        min_recall=MIN_RECALL,
        of=_pairs,
        ceiling=(
            Ceiling(0.0, 0.992, 1.000, 20, 20),
            Ceiling(0.25, 0.992, 1.000, 20, 20),
            Ceiling(0.5, 0.992, 1.000, 20, 20),
            Ceiling(0.75, 0.992, 1.000, 20, 20),
            Ceiling(0.95, 0.991, 0.976, 20, 20),
            Ceiling(1.0, 0.989, 0.873, 5, 20),
        ),
    ),
    deep=True,
)

BUGS = (SECOND_EXTRACTIONS,)
