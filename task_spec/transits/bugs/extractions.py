"""A bug in finding exposures that were extracted twice."""

from __future__ import annotations

from task_spec.model import Bug, Draw, Edit, Kind, Repair, Row, Rows
from task_spec.source import functions
from task_spec.transits.ceiling import ceiling_of
from task_spec.transits.seams import SOURCE
from task_spec.transits.worlds import published_survey

_WHITENED = (
    "    before = torch.stack([noise.roll(k, 1) for k in range(1, order + 1)], 2) * seen[:, :, None]\n"
    "    weight = torch.linalg.solve(before.mT @ before, before.mT @ noise[:, :, None])\n"
    "    noise = noise - (before @ weight).squeeze(2)\n"
)
_SIGNIFICANCE = (
    "    shared, power = seen @ seen.T, noise.square() @ seen.T\n"
    "    r = noise @ noise.T / (power * power.T).clamp(min=1e-6).sqrt()\n"
    "    significance = r.clamp(-0.999, 0.999).atanh() * (shared - 3).clamp(min=1).sqrt()\n"
)
_FOUND = "((shared >= least) & (significance > sigmas)).numpy()"
_ADMITTED = "found & within & alone[:, None]"


def _pairs(draw: Draw) -> frozenset[Row]:
    return frozenset(published_survey(draw).copies())


SECOND_EXTRACTIONS = Bug(
    id="second_extractions",
    title="curves count as the same exposure only if they start together and are equally long, but "
    "a second extraction covers a part of the exposure: none is found",
    kind=Kind.DATA,
    clauses=("P17",),
    source="near duplicates on both sides of a split: ciFAIR, arXiv:1902.00423; arXiv:1812.06469",
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
                    f"    return np.stack(np.nonzero({_ADMITTED}))",
                    '    light = (survey["band"] + survey["unit"]).to_numpy()\n'
                    "    same_light = light[:, None] == light\n"
                    f"    return np.stack(np.nonzero({_ADMITTED} & same_light))",
                ),
            ),
        ),
        Repair(
            "longer memory, sums of products, and for each curve the exposure that it fits best",
            (
                Edit("stars", "least=40, sigmas=4.1", "least=40, sigmas=3.9"),
                Edit(
                    "stars", "def white_noise(survey, order=3)", "def white_noise(survey, order=4)"
                ),
                Edit(
                    "stars",
                    _SIGNIFICANCE,
                    "    shared = seen @ seen.T\n"
                    "    significance = noise @ noise.T / shared.clamp(min=1).sqrt()\n",
                ),
                Edit(
                    "stars",
                    f"    return np.stack(np.nonzero({_ADMITTED}))",
                    "    others = np.where(within & alone[:, None], significance.numpy(), -np.inf)\n"
                    "    np.fill_diagonal(others, -np.inf)\n"
                    "    best = others == others.max(axis=1, keepdims=True)\n"
                    f"    return np.stack(np.nonzero({_ADMITTED} & best))",
                ),
            ),
        ),
        Repair(
            "by the share of the variance that two curves have in common, with a higher limit",
            (
                Edit(
                    "stars",
                    "    significance = r.clamp(-0.999, 0.999).atanh() * (shared - 3).clamp(min=1).sqrt()\n",
                    "    left = (1 - r.square()).clamp(min=1e-3)\n"
                    "    significance = r * ((shared - 2).clamp(min=1) / left).sqrt()  # Student's t\n",
                ),
                Edit("stars", "least=40, sigmas=4.1", "least=40, sigmas=4.3"),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "flux correlated as it is: the slow variability of one star resembles another's",
            (Edit("stars", _WHITENED, ""),),
            obvious=True,
        ),
        Repair(
            "only curves that start together: most second extractions start later",
            (Edit("stars", "(first[:, None] >= first)", "(first[:, None] == first)"),),
        ),
        Repair(
            "times truncated to a cadence: what is written as 0.02083 days falls before its own",
            (Edit("stars", '(48 * survey["t0"]).round()', '(48 * survey["t0"])'),),
        ),
        Repair(
            "a limit of 2.5 standard deviations, for thousands of pairs: chance joins many of them",
            (Edit("stars", "least=40, sigmas=4.1", "least=40, sigmas=2.5"),),
        ),
        Repair(
            "only pairs each of which is its target's only curve: most exposures have others beside",
            (Edit("stars", _ADMITTED, "found & within & alone[:, None] & alone"),),
        ),
    ),
    rows=Rows(
        meaning="pairs of `target_id` that are extractions of the same exposure",
        size=2,
        min_precision=0.9,
        min_recall=0.9,
        of=_pairs,
        ceiling=ceiling_of("second_extractions"),
    ),
)

BUGS = (SECOND_EXTRACTIONS,)
