"""Statistics of a run. What is undefined is None, never 0."""

from __future__ import annotations

from collections.abc import Iterable
from math import comb, exp
from typing import NamedTuple

from scipy.stats import beta, binomtest, entropy

BAND = (0.10, 0.40)


class BandProbabilities(NamedTuple):
    """Probabilities that the true rate lies below, inside and above the band; their sum is 1."""

    below: float
    inside: float
    above: float


def rate(passed: int, trials: int) -> float | None:
    """Share of passes, or None without trials."""
    return passed / trials if trials else None


def wilson(passed: int, trials: int, confidence: float = 0.95) -> tuple[float, float] | None:
    """Wilson score interval of a pass rate (Wilson 1927), or None without trials."""
    if not trials:
        return None
    interval = binomtest(passed, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def credible(passed: int, trials: int, confidence: float = 0.95) -> tuple[float, float] | None:
    """Equal-tailed credible interval of a pass rate, or None without trials.

    From a uniform prior, as :func:`p_in_band`, so that the two say the same: the posterior is
    Beta(1 + passed, 1 + failed) (Gelman et al., Bayesian Data Analysis, 3rd edition, section 2.1).
    """
    _check(passed, trials)
    if not trials:
        return None
    low, high = beta(1 + passed, 1 + trials - passed).interval(confidence)
    return float(low), float(high)


def p_in_band(passed: int, trials: int, band: tuple[float, float] = BAND) -> float | None:
    """Probability that the true rate lies in the band, from a uniform prior."""
    if not trials:
        return None
    posterior = beta(1 + passed, 1 + trials - passed)
    return float(posterior.cdf(band[1]) - posterior.cdf(band[0]))


def band_probabilities(
    passed: int, trials: int, band: tuple[float, float] = BAND
) -> BandProbabilities | None:
    """On which side of the band the true rate lies, or None without trials.

    From the posterior of :func:`credible`, cut at the band's edges.
    """
    _check(passed, trials)
    inside = p_in_band(passed, trials, band)
    if inside is None:
        return None
    posterior = beta(1 + passed, 1 + trials - passed)
    return BandProbabilities(float(posterior.cdf(band[0])), inside, float(posterior.sf(band[1])))


def pass_at_k(passed: int, trials: int, k: int) -> float | None:
    """Probability that at least one of k trials passes, or None where k > trials.

    Unbiased: the share of all choices of k of the trials that hold a pass (Chen et al. 2021,
    Evaluating Large Language Models Trained on Code, equation 1).
    """
    _check(passed, trials)
    if k < 1:
        raise ValueError(f"k counts trials: it is at least 1, not {k}")
    return None if k > trials else 1 - comb(trials - passed, k) / comb(trials, k)


def effective_reasons(counts: Iterable[int]) -> float | None:
    """The effective number of failure reasons, given how often each occurred; None without any.

    The exponential of Shannon's entropy, which is Hill's number of order 1 (Hill 1973, Diversity
    and Evenness): n reasons equally often give n, one reason alone gives 1. Of few failures it is
    an underestimate: reasons that are rare have not been seen yet.
    """
    seen = list(counts)
    if any(count < 0 for count in seen):
        raise ValueError(f"counts can't be negative: {seen}")
    return exp(entropy(seen)) if any(seen) else None


def _check(passed: int, trials: int) -> None:
    if not 0 <= passed <= trials:
        raise ValueError(f"there can't be {passed} passes in {trials} trials")
