"""A bug in finding exposures that were extracted twice."""

from __future__ import annotations

from task_spec.model import Bug, Draw, Edit, Kind, Repair, Row, Rows
from task_spec.source import functions
from task_spec.transits.ceiling import ceiling_of
from task_spec.transits.seams import SOURCE
from task_spec.transits.worlds import published_survey

_SIGNIFICANCE = "    significance = noise @ noise.T / shared.clamp(min=1).sqrt()\n"
_FOUND = "((shared >= least) & (significance > sigmas))"


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
            functions(SOURCE, "stars", "fast_noise", "same_exposure"),
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
            "Pearson's correlation over the common time, by Fisher's transformation",
            (
                Edit(
                    "stars",
                    _SIGNIFICANCE,
                    "    power = noise.square() @ seen.T\n"
                    "    r = noise @ noise.T / (power * power.T).clamp(min=1e-6).sqrt()\n"
                    "    significance = r.clamp(max=0.999).atanh() * (shared - 3).clamp(min=1).sqrt()\n",
                ),
            ),
        ),
        Repair(
            "a shorter moving mean, and only curves of one band",
            (
                Edit(
                    "stars", "def fast_noise(survey, window=9)", "def fast_noise(survey, window=5)"
                ),
                Edit(
                    "stars",
                    f"    return np.stack(np.nonzero({_FOUND}.numpy()))",
                    '    band = torch.tensor([BANDS.index(b) for b in survey["band"]])\n'
                    "    same_band = band[:, None] == band\n"
                    f"    return np.stack(np.nonzero(({_FOUND} & same_band).numpy()))",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "flux correlated as it is: slow variability hides some pairs and makes up others",
            (
                Edit("stars", "(noise - mean / share).nan_to_num()", "noise.nan_to_num()"),
                Edit("stars", _SIGNIFICANCE, "    significance = noise @ noise.T / shared\n"),
                Edit("stars", "least=40, sigmas=5.5", "least=40, sigmas=0.9"),
            ),
            obvious=True,
        ),
        Repair(
            "only curves that start together: most second extractions start later",
            (
                Edit(
                    "stars",
                    _FOUND,
                    '((shared >= least) & (significance > sigmas)\n        & torch.tensor(survey["t0"].to_numpy()[:, None] == survey["t0"].to_numpy()))',
                ),
            ),
        ),
        Repair(
            "times truncated to a cadence: what is written as 0.02083 days falls before its own",
            (Edit("stars", '(48 * survey["t0"]).round()', '(48 * survey["t0"])'),),
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
