"""Which bugs to plant, at what noise, so that an agent's pass rate most surely lies in the band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from grader.skill import Floats, Posterior
from grader.stats import BAND, BandProbabilities

TARGET = 0.25
# What a mean rate of ten points from the target may cost of the probability to be in the band.
_PULL = 0.01
# What another noise than the first must bring: the first was seen, others are extrapolated.
_WORTH = 0.03

Choices = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Prediction:
    """The pass rate of a composition, as the posterior has it. ``interval``: central 95%."""

    bugs: tuple[str, ...]
    noise: float
    mean: float
    interval: tuple[float, float]
    sides: BandProbabilities


class Reach(NamedTuple):
    """Probabilities that nothing in the catalogue is hard enough, or easy enough, for the band."""

    too_strong: float
    too_weak: float


def predict(posterior: Posterior, bugs: Sequence[str], noise: float) -> Prediction:
    """The pass rate of a composition."""
    rates = posterior.rates(bugs, noise)
    low, high = np.quantile(rates, (0.025, 0.975))
    below, above = float((rates < BAND[0]).mean()), float((rates > BAND[1]).mean())
    sides = BandProbabilities(below, max(0.0, 1 - below - above), above)
    return Prediction(tuple(bugs), noise, float(rates.mean()), (float(low), float(high)), sides)


def propose(
    posterior: Posterior,
    allowed: Sequence[str],
    noises: Sequence[float],
    target: float = TARGET,
) -> Prediction:
    """The composition most surely inside the band; of those as sure, the nearest to ``target``.

    Looks at all runs of neighbours in the order of the bugs' chances; then adds, drops or
    exchanges a bug as long as that helps. ``noises``: another than the first must be clearly
    better.
    """
    found = [(noise, *_search(posterior, allowed, noise, target)) for noise in noises]
    best = max(found, key=lambda each: each[2])
    noise, chosen, _ = best if best[2] > found[0][2] + _WORTH else found[0]
    bugs = [bug for bug, taken in zip(allowed, chosen, strict=True) if taken]
    return predict(posterior, bugs, noise)


def reach(posterior: Posterior, allowed: Sequence[str], noises: Sequence[float]) -> Reach:
    """Whether no composition of at least one bug can be in the band: a bug more, or more noise,
    never makes a task easier."""
    hardest = posterior.rates(allowed, max(noises))
    easiest = np.max([posterior.rates([bug], min(noises)) for bug in allowed], axis=0)
    return Reach(float((hardest > BAND[1]).mean()), float((easiest < BAND[0]).mean()))


def _search(
    posterior: Posterior, allowed: Sequence[str], noise: float, target: float
) -> tuple[Choices, float]:
    """The best composition at one noise, as a mask of the allowed bugs, and its score."""
    logs = posterior.log_chances(allowed, noise)
    order = np.argsort(-posterior.chances(allowed, noise).mean(axis=1))

    def best(choices: Choices) -> tuple[Choices, float]:
        scores = [_score(posterior.passing(logs[each].sum(axis=0)), target) for each in choices]
        top = int(np.argmax(scores))
        return choices[top], scores[top]

    chosen, score = best(_neighbours(order))
    while True:
        other, better = best(_moves(chosen))
        if better <= score:
            return chosen, score
        chosen, score = other, better


def _score(rates: Floats, target: float) -> float:
    inside = ((rates >= BAND[0]) & (rates <= BAND[1])).mean()
    return float(inside - _PULL * abs(rates.mean() - target) / 0.1)


def _neighbours(order: npt.NDArray[np.int_]) -> Choices:
    """All runs of neighbours in an order of bugs."""
    place = np.argsort(order)
    first, last = np.triu_indices(len(order))
    return (first[:, None] <= place) & (place <= last[:, None])


def _moves(chosen: Choices) -> Choices:
    """The compositions of at least one bug that are a bug more, a bug less, or one exchanged."""
    toggled = chosen ^ np.eye(len(chosen), dtype=bool)
    dropped, added = np.flatnonzero(chosen), np.flatnonzero(~chosen)
    exchanged = np.repeat(toggled[dropped], len(added), axis=0)
    exchanged[np.arange(len(exchanged)), np.tile(added, len(dropped))] = True
    every: Choices = np.concatenate([toggled, exchanged])
    return every[every.any(axis=1)]
