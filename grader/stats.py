"""Statistics of a run. What is undefined is None, never 0."""

from __future__ import annotations

from scipy.stats import beta, binomtest

BAND = (0.10, 0.40)


def rate(passed: int, trials: int) -> float | None:
    """Share of passes, or None without trials."""
    return passed / trials if trials else None


def wilson(passed: int, trials: int, confidence: float = 0.95) -> tuple[float, float] | None:
    """Wilson score interval of a pass rate (Wilson 1927), or None without trials."""
    if not trials:
        return None
    interval = binomtest(passed, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def p_in_band(passed: int, trials: int, band: tuple[float, float] = BAND) -> float | None:
    """Probability that the true rate lies in the band, from a uniform prior."""
    if not trials:
        return None
    posterior = beta(1 + passed, 1 + trials - passed)
    return float(posterior.cdf(band[1]) - posterior.cdf(band[0]))
