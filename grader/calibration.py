"""From finished runs to a composition whose pass rate should lie in the band."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from grader.doubt import share_a_check, shown_together
from grader.proposal import TARGET, Prediction, propose, reach
from grader.records import RunConfig, Trial
from grader.run_folder import Run
from grader.skill import Attempt, Posterior, Trait, fit
from grader.verdict import FailureReason
from task_spec.model import Task

# Ends that leave the bugs unmeasured: the notebook did not run to its end.
_UNMEASURED = (FailureReason.NOTEBOOK_ERROR, FailureReason.TIMEOUT)
# Below this a proposal is no more than the best there is.
LIKELY = 0.5
_SEED = 0  # the same runs give the same proposal


class CalibrationError(ValueError):
    """The runs can't be calibrated on; the text says why."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BugChance(_Record):
    """The chance that a bug is handled, at the noise of most of the trials."""

    id: str
    kind: str
    onion: bool
    handled: int
    measured: int
    doubtful: int = Field(description="trials in which it or another bug was not handled")
    mean: float
    interval: tuple[float, float] = Field(description="central 95% of the posterior")


class Fitted(_Record):
    """A composition that was played: how many passes the model predicts, and how many came."""

    bugs: tuple[str, ...]
    noise: float
    trials: int
    passed: int
    predicted: float = Field(description="mean pass rate")
    interval: tuple[float, float] = Field(description="of that rate, central 95%")
    passes: tuple[int, int] = Field(description="central 95% of the passes of as many new trials")

    @property
    def fits(self) -> bool:
        return self.passes[0] <= self.passed <= self.passes[1]


class Proposal(_Record):
    """The composition most surely in the band, and where its pass rate lies, with probabilities."""

    bugs: tuple[str, ...]
    onions: int
    noise: float
    mean: float
    interval: tuple[float, float]
    below: float
    inside: float
    above: float
    too_strong: float = Field(description="probability that even all bugs together are too easy")
    too_weak: float = Field(description="probability that even the easiest bug alone is too hard")
    command: str

    @property
    def likely(self) -> bool:
        return self.inside >= LIKELY


class Calibration(_Record):
    """What runs say of an agent. ``lost``: trials without a notebook and report to measure."""

    task: str
    agent: str
    model: str | None
    trials: int
    lost: int
    target: float
    clean: float = Field(description="mean probability that nothing but the bugs goes wrong")
    spread: float = Field(description="mean standard deviation of trials' form, in logits")
    efficiency: float = Field(description="of the importance sample, before its draws are moved")
    bugs: tuple[BugChance, ...]
    fitted: tuple[Fitted, ...]
    proposal: Proposal


def calibrate(task: Task, runs: Sequence[Run], target: float = TARGET) -> Calibration:
    """Estimate an agent's skills from its runs, and propose a composition.

    Held-out bugs are never proposed. Raises CalibrationError for runs of different agents, with
    bugs that the task no longer has, or without a trial in which bugs were measured.
    """
    config = _common(task, runs)
    attempts = [(run.config, attempt_of(trial, run, task)) for run in runs for trial in run.graded]
    played = [attempt for _, attempt in attempts]
    lost = sum(attempt.handled is None for attempt in played)
    if lost == len(played):
        raise CalibrationError(
            "no finished trial in which bugs were measured: let run_trials finish some first"
        )
    traits = [Trait(bug.id, bug.kind, bug.onion, bug.rows is not None) for bug in task.bugs]
    posterior = fit(traits, played, seed=_SEED)
    noises = _noises(task, played)
    return Calibration(
        task=task.name,
        agent=config.agent,
        model=config.model,
        trials=len(played),
        lost=lost,
        target=target,
        clean=float(posterior.clean.mean()),
        spread=float(posterior.spread.mean()),
        efficiency=posterior.efficiency,
        bugs=tuple(_chance(posterior, trait, played, noises[0]) for trait in traits),
        fitted=tuple(_fitted(posterior, attempts)),
        proposal=_proposal(task, posterior, noises, target),
    )


def attempt_of(trial: Trial, run: Run, task: Task) -> Attempt:
    """What a graded trial says.

    One without a submission, or whose notebook did not run, counts as a failure of its own, not
    as one that handled nothing: that would be a lie about each of its bugs, and one that fewer or
    easier bugs could not mend. Of bugs that a check shows together all are in doubt if all were
    reported; if one was not, nothing is known of the others.
    """
    noise = run.config.noise
    if not trial.bugs or trial.failure_reason in _UNMEASURED:
        return Attempt(None, noise)
    left = (task.bug(result.id) for result in trial.bugs if not result.fixed)
    together = [frozenset(group) for group in shown_together(left) if len(group) > 1]
    reported = {bug.id for bug in trial.bugs if bug.reported}
    undecided = reported & frozenset[str]().union(*together)
    # One beside a bug that was not reported is known only if it was repaired, which would flatter.
    unsaid = [task.bug(bug.id) for bug in trial.bugs if not bug.reported]
    undecided |= {b for b in reported if any(share_a_check(task.bug(b), u) for u in unsaid)}
    return Attempt(
        {bug.id: bug.fixed and bug.reported for bug in trial.bugs if bug.id not in undecided},
        noise,
        tuple(group for group in together if group <= reported),
        alarmed=trial.false_alarms > task.report.max_false_alarms,
        broke=trial.failure_reason is FailureReason.REGRESSION,
    )


def _common(task: Task, runs: Sequence[Run]) -> RunConfig:
    """The configuration of the first run; all are of one task and one agent."""
    first = runs[0].config
    for run in runs[1:]:
        for name in ("task", "agent", "model"):
            one, other = getattr(first, name), getattr(run.config, name)
            if one != other:
                raise CalibrationError(
                    f"{runs[0].path} and {run.path} are of different {name}s, {one} and {other}: "
                    "give runs of one agent on one task"
                )
    known = {bug.id for bug in task.bugs}
    for run in runs:
        if gone := [bug for bug in run.config.bugs if bug not in known]:
            raise CalibrationError(
                f"{run.path} planted what {task.name} no longer has: {', '.join(gone)}"
            )
    return first


def _noises(task: Task, attempts: Sequence[Attempt]) -> list[float]:
    """Noises to choose from: that of most trials, the others played, those of the levels."""
    played = [attempt.noise for attempt in attempts]
    seen = sorted(set(played), key=played.count, reverse=True)
    return list(dict.fromkeys([*seen, *(level.noise for level in task.levels)]))


def _chance(
    posterior: Posterior, trait: Trait, attempts: Sequence[Attempt], noise: float
) -> BugChance:
    known = [each.handled for each in attempts if each.handled is not None]
    results = [handled[trait.id] for handled in known if trait.id in handled]
    chances = posterior.chances([trait.id], noise)[0]
    return BugChance(
        id=trait.id,
        kind=trait.kind,
        onion=trait.onion,
        handled=sum(results),
        measured=len(results),
        doubtful=sum(trait.id in bugs for each in attempts for bugs in each.doubtful),
        mean=float(chances.mean()),
        interval=_central(chances),
    )


def _fitted(
    posterior: Posterior, attempts: Sequence[tuple[RunConfig, Attempt]]
) -> Iterable[Fitted]:
    """The posterior predictive check of each composition that was played."""
    groups = defaultdict(list)
    for config, attempt in attempts:
        groups[tuple(sorted(config.bugs)), config.noise].append(attempt.passed)
    rng = np.random.default_rng(_SEED)
    for (bugs, noise), passed in groups.items():
        rates = posterior.rates(bugs, noise)
        again = _central(rng.binomial(len(passed), np.clip(rates, 0, 1)))
        yield Fitted(
            bugs=bugs,
            noise=noise,
            trials=len(passed),
            passed=sum(passed),
            predicted=float(rates.mean()),
            interval=_central(rates),
            passes=(int(again[0]), int(again[1])),
        )


def _proposal(task: Task, posterior: Posterior, noises: Sequence[float], target: float) -> Proposal:
    allowed = [bug.id for bug in task.bugs if not bug.held_out]
    best = propose(posterior, allowed, noises, target)
    return Proposal(
        **_told(best),
        **reach(posterior, allowed, noises)._asdict(),
        onions=sum(task.bug(bug).onion for bug in best.bugs),
        command=(
            f"python -m grader.run_trials --task {task.name} "
            f"--only {','.join(best.bugs)} --noise {best.noise:g}"
        ),
    )


def _told(best: Prediction) -> dict[str, Any]:
    told = {name: getattr(best, name) for name in ("bugs", "noise", "mean", "interval")}
    return {**told, **best.sides._asdict()}


def _central(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)
