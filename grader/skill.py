"""What an agent can do, bug by bug: a hierarchical logistic model of finished trials.

In trial t, planted bug b is handled (repaired and reported) with probability

    logistic(skill[b] - slope * noise[t] * rows[b] + form[t]),  form[t] ~ Normal(0, spread)

so outcomes within a trial go together, and noise acts on bugs that are graded by rows. Skills
share a mean, an effect of their kind and one of being an onion (partial pooling), so that a bug
nobody met has a prediction too, with a wide interval. A trial passes if every planted bug is
handled and nothing else goes wrong; the latter has a probability of its own, see ``CLEAN``.

The posterior: for each pair of scales on a grid the skills' is approximated by a normal at its
mode (Rue, Martino and Chopin 2009, Journal of the Royal Statistical Society B 71, section 3), and
draws from that mixture are corrected by importance resampling (Gelman et al., Bayesian Data
Analysis, 3rd edition, section 10.4) and moved through the posterior, since with bugs in doubt it is
far from a normal. It is not statsmodels' BinomialBayesMixedGLM, because its
variational posterior leaves out how skills and scales go together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh, solve_triangular
from scipy.special import expit, log_expit, logsumexp
from scipy.stats import norm

Floats = npt.NDArray[np.float64]

# Priors, in logits. A bug of average skill is handled in 4 to 99% of trials.
MEAN = (1.0, 1.8)
KIND = 0.7  # standard deviation of the kinds' effects
ONION = (-1.0, 1.0)
SLOPE = (2.0, 1.0)  # from noise 0 to 1
# Scales: medians and standard deviations of their logarithms, on a grid of as many points.
BUG, SPREAD, POINTS = (1.2, 0.7), (0.5, 0.6), 5
# Beta priors of what must not go wrong besides the bugs: Jeffreys', and eight pilot trials of a
# strong model in which nothing of it went wrong.
CLEAN = (8.5, 0.5)
# A trial's form is integrated out on this many Gauss-Hermite nodes.
NODES = 11
# Moves of each draw after resampling, where bugs are in doubt.
MOVES = 20


class Trait(NamedTuple):
    """What is known of a bug before anyone meets it."""

    id: str
    kind: str
    onion: bool
    rows: bool


@dataclass(frozen=True)
class Attempt:
    """One graded trial: what became of each planted bug, and what else went wrong.

    ``handled``: by bug; None if there was no submission that could be graded, which says of each
    bug nothing and of the trial that it failed. ``doubtful``: sets of bugs, none of them in
    ``handled``, of which it is known that not all were handled. ``alarmed``: too many false alarms.
    ``broke``: something else than the planted bugs is broken; it shows only where all of them are
    handled.
    """

    handled: Mapping[str, bool] | None
    noise: float = 0.0
    doubtful: tuple[frozenset[str], ...] = ()
    alarmed: bool = False
    broke: bool = False

    @property
    def all_handled(self) -> bool:
        return self.handled is not None and all(self.handled.values()) and not self.doubtful

    @property
    def passed(self) -> bool:
        return self.all_handled and not (self.alarmed or self.broke)


@dataclass(frozen=True)
class Posterior:
    """Equally likely draws of all that decides whether a trial passes.

    ``skill``: (draws, bugs) logits without noise; ``slope``, ``spread``: (draws,), logits;
    ``clean``: (draws,), the probability that nothing but the bugs goes wrong. ``efficiency``: the
    effective share of the importance sample, before its draws were moved: how well normals fit.
    """

    traits: tuple[Trait, ...]
    skill: Floats
    slope: Floats
    spread: Floats
    clean: Floats
    efficiency: float = 1.0

    def log_chances(self, bugs: Sequence[str], noise: float) -> Floats:
        """Logarithm of bugs' chances in a trial of each form, (bugs, draws, nodes of the form)."""
        ids = [trait.id for trait in self.traits]
        index = [ids.index(bug) for bug in bugs]
        rows = np.array([self.traits[bug].rows for bug in index], dtype=float)
        logits = self.skill.T[index] - noise * rows[:, None] * self.slope
        return np.asarray(log_expit(logits[..., None] + self.spread[:, None] * _FORMS))

    def chances(self, bugs: Sequence[str], noise: float) -> Floats:
        """Chances of being handled, (bugs, draws)."""
        return np.asarray(np.exp(self.log_chances(bugs, noise)) @ _WEIGHTS)

    def passing(self, log_all: Floats) -> Floats:
        """Pass rates (..., draws) where all bugs are handled by ``log_all`` (..., draws, nodes)."""
        return np.asarray((np.exp(log_all) @ _WEIGHTS) * self.clean)

    def rates(self, bugs: Sequence[str], noise: float) -> Floats:
        """The pass rate of a composition, (draws,)."""
        return self.passing(self.log_chances(bugs, noise).sum(axis=0))


def _nodes() -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return nodes, weights / weights.sum()


_FORMS, _WEIGHTS = _nodes()


class _Prior(NamedTuple):
    """Of the latent vector, a normal for each pair of scales: (latent,), (scales, latent, latent)
    and the logarithm of its determinant."""

    mean: Floats
    precision: Floats
    log_det: Floats


class _Data(NamedTuple):
    """Outcomes, each of one bug in one trial or of a doubtful set: whether all were ``handled``,
    (outcomes,).

    ``design``: what of the latent vector each bug in each trial depends on, (bugs met, latent);
    ``first``: the first row there of each outcome, (outcomes,).
    """

    design: Floats
    first: npt.NDArray[np.int_]
    handled: npt.NDArray[np.bool_]

    def log_all(self, log_each: Floats) -> Floats:
        """Sums (..., outcomes) of what is given for each bug met, (..., bugs met)."""
        return np.asarray(np.add.reduceat(log_each, self.first, axis=-1))

    def log_likelihood(self, logits: Floats) -> Floats:
        """Of all outcomes, (...), with logits (..., bugs met)."""
        log_all = self.log_all(log_expit(logits))
        return np.asarray(np.where(self.handled, log_all, np.log(-np.expm1(log_all))).sum(axis=-1))

    def expected(self, logits: Floats) -> Floats:
        """The probability that each bug met was handled, given the outcomes, (..., bugs met)."""
        share = np.where(self.handled, 0, 1 / self._failed(logits))
        return np.asarray(1 - expit(-logits) * np.repeat(share, self._sizes, axis=-1))

    def information(self, logits: Floats) -> Floats:
        """The negative second derivative of the log likelihood at logits (bugs met,), (latent,
        latent). Along the difference of two bugs in doubt it is negative."""
        chance, failed = expit(logits), self._failed(logits)
        odds = np.where(self.handled, -1, (1 - failed) / failed)
        slopes = np.add.reduceat(self.design * (1 - chance)[:, None], self.first)
        own = -np.repeat(odds, self._sizes) * chance * (1 - chance)
        return np.asarray(
            (slopes.T * odds * (1 + odds)) @ slopes + (self.design.T * own) @ self.design
        )

    def _failed(self, logits: Floats) -> Floats:
        """The probability that not all of an outcome's bugs were handled, (..., outcomes)."""
        return np.asarray(-np.expm1(self.log_all(log_expit(logits))))

    @property
    def doubtful(self) -> bool:
        """Whether some outcome is of several bugs."""
        return len(self.design) > len(self.first)

    @property
    def _sizes(self) -> npt.NDArray[np.int_]:
        return np.diff(self.first, append=len(self.design))


def fit(
    traits: Sequence[Trait],
    attempts: Sequence[Attempt],
    draws: int = 2000,
    seed: int = 0,
) -> Posterior:
    """The posterior of an agent's skills. ``traits``: the catalogue, with every bug planted."""
    rng = np.random.default_rng(seed)
    measured = [each for each in attempts if each.handled is not None]
    data, grid = _data(traits, measured), _grid()
    prior = _prior(traits, len(measured), grid)
    near = _normals(data, prior)
    proposed = _proposed(data, prior, near, 4 * draws, rng)
    weights = proposed.weights
    # No weight above sqrt(n) times the mean (Ionides 2008, Journal of Computational and Graphical
    # Statistics 17): where the normals fit badly many draws, moved on, do better than a few.
    cut = np.minimum(weights, len(weights) ** -0.5)
    kept = rng.choice(len(weights), size=draws, p=cut / cut.sum())
    latent = _moved(data, prior, near, proposed.z[:, kept], proposed.which[kept], rng)
    bugs = len(traits)
    return Posterior(
        tuple(traits),
        skill=latent[:, :bugs],
        slope=latent[:, bugs],
        spread=grid[proposed.which[kept], 1],
        clean=_clean(attempts, draws, rng),
        efficiency=float(1 / (weights**2).sum() / len(weights)),
    )


def _data(traits: Sequence[Trait], attempts: Sequence[Attempt]) -> _Data:
    place = {trait.id: number for number, trait in enumerate(traits)}
    outcomes = [
        (t, bugs, handled)
        for t, attempt in enumerate(attempts)
        for bugs, handled in (
            *(((bug,), handled) for bug, handled in (attempt.handled or {}).items()),
            *((sorted(bugs), False) for bugs in attempt.doubtful),
        )
    ]
    met = [(t, place[bug]) for t, bugs, _ in outcomes for bug in bugs]
    design = np.zeros((len(met), len(traits) + 1 + len(attempts)))
    for row, (t, bug) in zip(design, met, strict=True):
        row[[bug, len(traits), len(traits) + 1 + t]] = 1, -attempts[t].noise * traits[bug].rows, 1
    sizes = [len(bugs) for _, bugs, _ in outcomes]
    first = np.cumsum([0, *sizes])[:-1]
    return _Data(design, first, np.array([handled for *_, handled in outcomes], dtype=bool))


def _grid() -> Floats:
    """Scales (of bugs, of trials), (POINTS**2, 2): quantiles of their priors, equally likely."""
    quantiles = norm.ppf((np.arange(POINTS) + 0.5) / POINTS)
    bug, spread = (np.exp(np.log(middle) + sd * quantiles) for middle, sd in (BUG, SPREAD))
    return np.stack(np.meshgrid(bug, spread), axis=-1).reshape(-1, 2)


def _prior(traits: Sequence[Trait], trials: int, grid: Floats) -> _Prior:
    """Of the latent vector: skills, slope, forms; for each pair of scales."""
    bugs = len(traits)
    kinds = np.array([trait.kind for trait in traits])
    onion = np.array([trait.onion for trait in traits], dtype=float)
    shared = (
        MEAN[1] ** 2 + KIND**2 * (kinds[:, None] == kinds) + ONION[1] ** 2 * onion[:, None] * onion
    )
    mean = np.concatenate([MEAN[0] + ONION[0] * onion, [SLOPE[0]], np.zeros(trials)])
    precision = np.zeros((len(grid), len(mean), len(mean)))
    for matrix, (bug, spread) in zip(precision, grid, strict=True):
        matrix[:bugs, :bugs] = np.linalg.inv(shared + bug**2 * np.eye(bugs))
        np.fill_diagonal(matrix[bugs:, bugs:], [SLOPE[1] ** -2, *[spread**-2] * trials])
    return _Prior(mean, precision, np.linalg.slogdet(precision)[1])


class _Normals(NamedTuple):
    """An approximation of the posterior for each pair of scales: its mode (scales, latent), the
    Cholesky factor of its precision, the log joint density at the mode, and the share of the pair.
    """

    modes: Floats
    lower: Floats
    height: Floats
    share: Floats

    def latent(self, k: int, z: Floats) -> Floats:
        """Latent vectors (n, latent) of standard normal ones (latent, n), at the scales ``k``."""
        return np.asarray(self.modes[k] + solve_triangular(self.lower[k], z, lower=True, trans=1).T)


class _Proposed(NamedTuple):
    """Draws from a mixture of normals, (latent, n), the scales of each, and importance weights."""

    z: Floats
    which: npt.NDArray[np.int_]
    weights: Floats


def _normals(data: _Data, prior: _Prior) -> _Normals:
    modes = _modes(data, prior)
    curvature = np.array(
        [
            _no_wider_than(data.information(data.design @ mode) + precision, precision)
            for mode, precision in zip(modes, prior.precision, strict=True)
        ]
    )
    lower = np.linalg.cholesky(curvature)
    height = np.array([_log_joint(data, prior, k, mode) for k, mode in enumerate(modes)])
    evidence = height - np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
    return _Normals(modes, lower, height, np.exp(evidence - logsumexp(evidence)))


def _no_wider_than(curvature: Floats, precision: Floats) -> Floats:
    """A curvature, in each direction at least half of the prior's: what is in doubt can make it
    negative."""
    values, vectors = eigh(curvature, precision)
    scaled = precision @ vectors
    return np.asarray((scaled * np.maximum(values, 0.5)) @ scaled.T)


def _log_weight(data: _Data, prior: _Prior, near: _Normals, k: int, z: Floats) -> Floats:
    """Log of the posterior over its approximation, (n,), up to a constant, at the scales ``k``."""
    joint = _log_joint(data, prior, k, near.latent(k, z))
    return np.asarray(joint - near.height[k] + (z**2).sum(0) / 2)


def _proposed(
    data: _Data, prior: _Prior, near: _Normals, number: int, rng: np.random.Generator
) -> _Proposed:
    which = np.sort(rng.choice(len(near.share), size=number, p=near.share))
    z = rng.standard_normal((len(prior.mean), number))
    log_weights = np.empty(number)
    for k in np.unique(which):
        log_weights[which == k] = _log_weight(data, prior, near, k, z[:, which == k])
    return _Proposed(z, which, np.exp(log_weights - logsumexp(log_weights)))


def _moved(
    data: _Data,
    prior: _Prior,
    near: _Normals,
    z: Floats,
    which: npt.NDArray[np.int_],
    rng: np.random.Generator,
) -> Floats:
    """Draws (n, latent) that were resampled, each moved by elliptical slices (Murray, Adams and
    MacKay 2010, AISTATS 9) through the posterior of its scales, lest they be few."""
    latent = np.empty((z.shape[1], len(prior.mean)))
    for k in np.unique(which):
        here, log_weight = which == k, partial(_log_weight, data, prior, near, k)
        moved = z[:, here]
        # Without doubt the normals fit well, and what was resampled is good enough.
        for _ in range(MOVES if data.doubtful else 0):
            moved = _slice(log_weight, moved, rng)
        latent[here] = near.latent(k, moved)
    return latent


def _slice(log_weight: Callable[[Floats], Floats], z: Floats, rng: np.random.Generator) -> Floats:
    """One move of each column of ``z`` (latent, n)."""
    n = z.shape[1]
    other, level = rng.standard_normal(z.shape), log_weight(z) + np.log(rng.random(n))
    angle = np.asarray(rng.uniform(0, 2 * np.pi, n))
    low, high, moved, left = angle - 2 * np.pi, angle.copy(), z.copy(), np.arange(n)
    while len(left):
        tried = z[:, left] * np.cos(angle[left]) + other[:, left] * np.sin(angle[left])
        there = log_weight(tried) >= level[left]
        moved[:, left[there]] = tried[:, there]
        left = left[~there]
        ahead = angle[left] > 0
        high[left[ahead]], low[left[~ahead]] = angle[left[ahead]], angle[left[~ahead]]
        angle[left] = rng.uniform(low[left], high[left])
    return moved


def _modes(data: _Data, prior: _Prior) -> Floats:
    """Modes of the latent vector, (scales, latent): Newton's method, with what is doubtful at its
    expectation (EM; Dempster, Laird and Rubin 1977, Journal of the Royal Statistical Society B 39).
    Among bugs in doubt it may be a ridge between modes."""
    modes = np.tile(prior.mean, (len(prior.precision), 1))
    for _ in range(100):
        logits = modes @ data.design.T
        chance = expit(logits)
        weighted = data.design.T * (chance * (1 - chance))[:, None]
        curvature = weighted @ data.design + prior.precision
        pull = np.einsum("kij,kj->ki", prior.precision, prior.mean - modes)
        gradient = (data.expected(logits) - chance) @ data.design + pull
        step = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        # What each step maximises is log-concave: steps of bounded length arrive.
        modes += step / np.maximum(1, np.abs(step).max(axis=1, keepdims=True) / 2)
        if np.abs(step).max() < 1e-3:
            break
    return modes


def _log_joint(data: _Data, prior: _Prior, k: int, latent: Floats) -> Any:
    """Of latent vectors (..., latent) and outcomes, at the scales ``k``, up to a constant."""
    likelihood = data.log_likelihood(latent @ data.design.T)
    off = latent - prior.mean
    return likelihood - ((off @ prior.precision[k]) * off).sum(axis=-1) / 2 + prior.log_det[k] / 2


def _clean(attempts: Sequence[Attempt], draws: int, rng: np.random.Generator) -> Floats:
    """The probability that nothing but the bugs goes wrong: a product of Beta distributed ones."""
    measured = [each for each in attempts if each.handled is not None]
    looks = (
        [each.handled is not None for each in attempts],
        [not each.alarmed for each in measured],
        [not each.broke for each in measured if each.all_handled],
    )
    good, bad = CLEAN
    factors = [rng.beta(good + sum(fine), bad + len(fine) - sum(fine), draws) for fine in looks]
    return np.asarray(np.prod(factors, axis=0))
