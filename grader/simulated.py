"""Solvers of known skill, to prove what :mod:`grader.calibrate` claims of its proposals.

Each repetition draws a solver's skills anew, plays trials of it, and calibrates on them without
knowing the skills; then the pass rate of the proposal is computed from the skills.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from statistics import mean

import numpy as np
from scipy.special import expit

from grader.proposal import Prediction, propose
from grader.skill import Attempt, Posterior, Trait, fit
from grader.stats import BAND

_KINDS = ("readable", "library", "data", "run")
BUGS = 27  # as many as `transits` has that are not held out
NOISE = 0.3
# How often a simulated trial ends without a submission that can be graded, alarms falsely, and
# breaks something else.
LOST, ALARMED, BROKE = 0.02, 0.02, 0.02


@dataclass(frozen=True)
class Solver:
    """How the skills of a solver are drawn: logits from a mixture of normals.

    ``parts``: share, mean and standard deviation of each; ``onion`` comes on top for an onion.
    ``spread``: of trials' form, ``slope``: of noise, both in logits.
    """

    name: str
    parts: tuple[tuple[float, float, float], ...]
    onion: float = -0.7
    spread: float = 0.5
    slope: float = 2.0

    def drawn(self, traits: Sequence[Trait], rng: np.random.Generator) -> Posterior:
        """One such solver: a posterior that is sure of everything."""
        shares, middles, widths = np.array(self.parts).T
        part = rng.choice(len(shares), size=len(traits), p=shares)
        onions = np.array([trait.onion for trait in traits], dtype=float)
        skill = rng.normal(middles[part], widths[part]) + self.onion * onions
        clean = np.array([(1 - LOST) * (1 - ALARMED) * (1 - BROKE)])
        known = np.array([self.slope]), np.array([self.spread])
        return Posterior(tuple(traits), skill[None], *known, clean)


@dataclass(frozen=True)
class Design:
    """What trials to calibrate on. ``bugs``: planted in a trial; ``trials``: in a round.

    ``redrawn``: other bugs in every trial. ``rounds``: those after the first plant what was
    proposed. ``beside``: so many bugs are shown by one check, so many others by another, and so on.
    """

    name: str
    bugs: int = BUGS
    trials: int = 10
    redrawn: bool = False
    rounds: int = 1
    beside: tuple[int, ...] = ()


SOLVERS = (
    Solver("weak", ((1.0, -0.8, 1.0),)),
    Solver("middling", ((1.0, 1.0, 1.0),)),
    Solver("strong", ((1.0, 3.3, 1.0),)),
    Solver("strong, but for onions", ((1.0, 3.3, 0.7),), onion=-3.0),
    Solver("uneven", ((0.7, 3.0, 0.5), (0.3, -1.5, 0.7))),
)
DESIGNS = (
    Design("all bugs, 10 trials"),
    Design("all bugs, 15 trials", trials=15),
    Design("all bugs, 10 trials, then 10 of the proposal", rounds=2),
    Design("all bugs, 10 trials, checks show several as in transits", beside=(2, 3, 2, 2, 3)),
    Design("8 bugs, 10 trials", bugs=8),
    Design("8 bugs, others in each of 10 trials", bugs=8, redrawn=True),
)


@dataclass(frozen=True)
class Repetition:
    """One calibration, held against the truth.

    ``rate``: the true pass rate of the proposal; ``possible``: whether any composition's lies in
    the band. ``handles``: the mean chance of a bug; ``bugs_covered``: the share of bugs whose true
    chance is in its 95% interval.
    """

    proposal: Prediction
    rate: float
    possible: bool
    handles: float
    bugs_covered: float

    @property
    def inside(self) -> bool:
        return BAND[0] <= self.rate <= BAND[1]

    @property
    def covered(self) -> bool:
        """Whether the proposal's 95% interval holds its true rate."""
        low, high = self.proposal.interval
        return low <= self.rate <= high


@dataclass(frozen=True)
class Proof:
    """Repetitions with one solver and one design; shares of none are None."""

    solver: Solver
    design: Design
    repetitions: tuple[Repetition, ...]

    @property
    def possible(self) -> tuple[Repetition, ...]:
        return tuple(each for each in self.repetitions if each.possible)

    @property
    def inside(self) -> int:
        """How many of the possible proposals have a true rate in the band."""
        return sum(each.inside for each in self.possible)

    def mean(self, figure: Callable[[Repetition], float]) -> float | None:
        """Of a figure, over the repetitions where some composition is in the band; None of none."""
        return mean(map(figure, self.possible)) if self.possible else None


def catalogue(bugs: int = BUGS) -> tuple[Trait, ...]:
    """Bugs of all kinds; two of five are onions, one of seven is graded by rows."""
    return tuple(
        Trait(f"bug{n:02d}", _KINDS[n % 4], onion=n % 5 < 2, rows=n % 7 == 2) for n in range(bugs)
    )


def prove(
    solver: Solver,
    design: Design,
    repetitions: int,
    *,
    traits: Sequence[Trait] = (),
    draws: int = 500,
    seed: int = 0,
) -> Proof:
    """Calibrate on so many solvers of a kind. ``traits``: the bugs there are."""
    rng = np.random.default_rng(seed)
    bugs = tuple(traits) or catalogue()
    found = (_repetition(solver.drawn(bugs, rng), design, draws, rng) for _ in range(repetitions))
    return Proof(solver, design, tuple(found))


def played(
    truth: Posterior, bugs: Sequence[str], noise: float, rng: np.random.Generator
) -> Attempt:
    """One trial of a solver whose skills are known."""
    if rng.random() < LOST:
        return Attempt(None, noise)
    form = rng.normal(0, truth.spread[0])
    handled = {
        trait.id: bool(rng.random() < expit(skill - truth.slope[0] * noise * trait.rows + form))
        for trait, skill in zip(truth.traits, truth.skill[0], strict=True)
        if trait.id in bugs
    }
    alarmed, broken = rng.random(2) < (ALARMED, BROKE)
    broke = bool(broken and all(handled.values()))
    return Attempt(handled, noise, alarmed=bool(alarmed), broke=broke)


def in_doubt(attempt: Attempt, ids: Sequence[str], beside: Sequence[int]) -> Attempt:
    """What is known of an attempt if checks show several bugs each, the first ``beside[0]`` of
    ``ids``, the next ``beside[1]`` and so on, and all were reported."""
    if attempt.handled is None:
        return attempt
    handled = attempt.handled
    groups = (frozenset(ids[a:b]) & {*handled} for a, b in pairwise(accumulate(beside, initial=0)))
    doubtful = [group for group in groups if len(group) > 1 and not all(map(handled.get, group))]
    decided = {*handled}.difference(*doubtful)
    return replace(
        attempt,
        handled={bug: done for bug, done in handled.items() if bug in decided},
        doubtful=tuple(doubtful),
    )


def _repetition(
    truth: Posterior, design: Design, draws: int, rng: np.random.Generator
) -> Repetition:
    ids = [trait.id for trait in truth.traits]
    attempts: list[Attempt] = []
    planted = _drawn(ids, design, rng)
    for _ in range(design.rounds):
        attempts += [
            in_doubt(played(truth, bugs, NOISE, rng), ids, design.beside) for bugs in planted
        ]
        posterior = fit(truth.traits, attempts, draws, int(rng.integers(2**31)))
        proposal = propose(posterior, ids, [NOISE])
        planted = [list(proposal.bugs)] * design.trials
    chances = posterior.chances(ids, NOISE)
    low, high = np.quantile(chances, (0.025, 0.975), axis=1)
    known = truth.chances(ids, NOISE)[:, 0]
    return Repetition(
        proposal,
        rate=float(truth.rates(proposal.bugs, NOISE)[0]),
        possible=propose(truth, ids, [NOISE]).sides.inside == 1,
        handles=float(known.mean()),
        bugs_covered=float(((low <= known) & (known <= high)).mean()),
    )


def _drawn(ids: Sequence[str], design: Design, rng: np.random.Generator) -> list[list[str]]:
    """What a first round plants in each trial."""
    draws = [list(rng.permutation(ids)[: design.bugs]) for _ in range(design.trials)]
    return draws if design.redrawn else draws[:1] * design.trials
