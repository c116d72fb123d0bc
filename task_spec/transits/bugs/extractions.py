"""A bug in finding exposures that were extracted twice."""

from __future__ import annotations

from task_spec.model import Bug, Ceiling, Draw, Edit, Kind, Repair, Row, Rows
from task_spec.source import functions
from task_spec.transits.extraction_ceiling import MIN_PRECISION, MIN_RECALL
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
_RETURNED = "    return np.stack(np.nonzero(found & alone[:, None]))"
_SCANNED = (
    "def same_exposure(survey, furthest=48, least=40, sigmas=4.4, certain=6):\n"
    '    """(2, n) rows of curves whose noise is the same, once the first, the only curve of its\n'
    "    target, is moved to lie within the time of the second: by what makes some pair certain, up\n"
    '    to a day."""\n'
    "    noise, seen = white_noise(survey)\n"
    "    first, last = cadences(survey)\n"
    '    alone = np.flatnonzero(~survey["target_id"].duplicated(keep=False))\n'
    "    found = np.zeros((len(alone), len(survey)), dtype=bool)\n"
    "    for shift in range(-furthest, furthest + 1):\n"
    "        mine, here = (x[alone].roll(-shift, 1) for x in (noise, seen))\n"
) + (
    _SIGNIFICANCE + "        fits = (first[alone, None] >= first + shift)\n"
    "        fits &= (last[alone, None] <= last + shift) & (shared >= least).numpy()\n"
    "        match = np.where(fits, significance.numpy(), 0)\n"
    "        if match.max() > certain:\n"
    "            found |= match > sigmas\n"
    "    which, others = np.nonzero(found)\n"
    "    return np.stack([alone[which], others])\n"
)


def _pairs(draw: Draw) -> frozenset[Row]:
    return frozenset(published_survey(draw).copies())


SECOND_EXTRACTIONS = Bug(
    id="second_extractions",
    title="curves count as the same exposure only if they start together and are equally long, but "
    "second extractions cover a part of the exposure, and half of them are timed by a clock that is "
    "half a day ahead: none is found",
    kind=Kind.DATA,
    clauses=("P17",),
    source="near duplicates on both sides of a split: ciFAIR, arXiv:1902.00423; arXiv:1812.06469; "
    "days from noon or from midnight in one column: gh:njcuk9999/lbl#9",
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
            "what a moving mean leaves of the curves, of one band and unit",
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
                    '    light = (survey["band"] + survey["unit"]).to_numpy()\n'
                    "    found &= light[:, None] == light\n" + _RETURNED,
                ),
            ),
        ),
        Repair(
            "longer memory, sums of products, and for each curve the exposure that it fits best",
            (
                Edit("stars", _LIMITS, "least=40, sigmas=4.15"),
                Edit(
                    "stars", "def white_noise(survey, order=3)", "def white_noise(survey, order=4)"
                ),
                Edit(
                    "stars",
                    "    found = np.zeros((len(survey), len(survey)), dtype=bool)\n",
                    "    best = np.zeros((len(survey), len(survey)))\n",
                ),
                Edit(
                    "stars",
                    _SIGNIFICANCE,
                    "        shared = here @ seen.T\n"
                    "        significance = mine @ noise.T / shared.clamp(min=1).sqrt()\n",
                ),
                Edit(
                    "stars",
                    "        found |= within & ((shared >= least) & (significance > sigmas)).numpy()\n",
                    "        fits = within & (shared >= least).numpy()\n"
                    "        best = np.maximum(best, np.where(fits, significance.numpy(), 0))\n"
                    "    np.fill_diagonal(best, 0)\n"
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
            "every shift of up to a day is looked at, those with a certain pair closely",
            (
                Edit(
                    "stars",
                    functions(SOURCE, "stars", "same_exposure", "same_exposure"),
                    _SCANNED,
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "times taken as they are written: half of the pairs come from a pipeline whose days begin "
            "at noon",
            (Edit("stars", "clocks=(0, 24)", "clocks=(0,)"),),
            obvious=True,
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
                    "(first[:, None] >= first + ahead)",
                    "(first[:, None] == first + ahead)",
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
            (Edit("stars", "found & alone[:, None]", "found & alone[:, None] & alone"),),
        ),
    ),
    rows=Rows(
        meaning="pairs of `target_id` that are extractions of the same exposure",
        size=2,
        min_precision=MIN_PRECISION,
        min_recall=MIN_RECALL,
        of=_pairs,
        ceiling=(
            Ceiling(0.0, 0.993, 1.000, 20, 20),
            Ceiling(0.25, 0.993, 1.000, 20, 20),
            Ceiling(0.5, 0.993, 1.000, 20, 20),
            Ceiling(0.75, 0.993, 1.000, 20, 20),
            Ceiling(0.95, 0.990, 0.989, 20, 20),
            Ceiling(1.0, 0.989, 0.908, 14, 20),
        ),
    ),
)

BUGS = (SECOND_EXTRACTIONS,)
