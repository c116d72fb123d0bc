"""Whether the trials so far settle that the pass rate is inside the band, or outside of it.

The rule: from the tenth graded trial on, the question is settled as soon as the posterior
probability (uniform prior) that the true rate is inside, or that it is outside, reaches 0.975.

It is looked at after every trial, and so has more chances to be wrong than a single look would
have. With 0.95, a true rate of 0.35 is called outside in 8% of runs; hence 0.975. What then holds
was computed without approximation, for maxima of up to 1000 trials:

- A rate five points or more from both edges (up to 0.05, 0.15 to 0.35, from 0.45) is called
  wrongly in less than 5% of runs: at worst 4.3%, at 0.35. Ten points or more from both (0.20 to
  0.30, from 0.50): at worst 1.1%.
- Of the answers of each kind, over rates drawn uniformly, at most 2.5% are wrong, whatever the
  maximum: that is what a posterior promises.

What does not hold:

- Nearer to an edge, errors are more frequent and grow with the maximum: at an edge up to 14% in
  100 trials, 24% in 1000. Most runs there end undecided.
- The interval and the pass rate of a run that was stopped early are not those of a run of fixed
  length: with a maximum of 100, Wilson's interval covers a true rate of 0.40 in 77% of runs, and
  the pass rate of 0.45 is 0.49 on average.
- All of it is for independent trials with one and the same rate, taken in order of their numbers:
  see :func:`first_settled`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import click
import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.table import Table
from scipy.stats import beta

from grader.records import Outcome
from grader.stats import BAND
from task_spec.cli import run

Answer = Literal["inside", "outside"]

PROBABILITY = 0.975
LEAST = 10
RATES = (
    *(0.02, 0.05, 0.08, 0.10, 0.12, 0.15, 0.20, 0.25, 0.30),
    *(0.35, 0.38, 0.40, 0.42, 0.45, 0.50, 0.60, 0.70, 0.80),
)


@dataclass(frozen=True)
class Characteristic:
    """What becomes of runs with one true rate: probabilities of each end, mean graded trials."""

    rate: float
    inside: float
    outside: float
    undecided: float
    trials: float

    @property
    def wrong(self) -> float:
        """Probability of the wrong answer; the band's edges belong to it."""
        return self.outside if BAND[0] <= self.rate <= BAND[1] else self.inside


def settled(passed: int, trials: int) -> Answer | None:
    """The answer that so many passes in so many graded trials settle, or None."""
    if not 0 <= passed <= trials:
        raise ValueError(f"there can't be {passed} passes in {trials} trials")
    inside, outside = _answers(np.array([passed]), trials)
    return "inside" if inside[0] else "outside" if outside[0] else None


def first_settled(outcomes: Mapping[int, Outcome]) -> Answer | None:
    """The answer at the first trial that settles it. ``outcomes``: by number, from 0, as they end.

    Trials are taken in order of their numbers, up to the first that has not ended: short ones end
    first, and where passes and failures differ in length those that happen to have ended are no
    fair sample. (Eight at a time, failures three times as long as passes, in order of ending: a
    rate of 0.35 is called outside in 16% of runs instead of 4%.) A trial whose fault will be
    tried again has not ended.
    """
    passed = trials = number = 0
    while number in outcomes:
        passed += outcomes[number] == "passed"
        trials += outcomes[number] != "infrastructure"
        answer = settled(passed, trials)
        if answer is not None:
            return answer
        number += 1
    return None


def operating_characteristic(rates: Sequence[float], most: int) -> tuple[Characteristic, ...]:
    """What the rule does at true rates if a run ends at ``most`` graded trials, computed exactly.

    Carries the probability of each number of passes, among runs not settled yet, from trial to
    trial (Schultz et al. 1973, Multiple-Stage Procedures for Drug Screening, Biometrics 29).
    """
    if most < 1 or not all(0 <= rate <= 1 for rate in rates):
        raise ValueError("rates lie between 0 and 1, and there is at least one trial")
    p = np.asarray(rates, dtype=float)[:, None]
    open_ = np.ones((len(p), 1))  # rate x passes so far
    inside, outside, trials = np.zeros((3, len(p)))
    for n in range(1, most + 1):
        trials += open_.sum(axis=1)
        open_ = np.pad(open_ * (1 - p), ((0, 0), (0, 1))) + np.pad(open_ * p, ((0, 0), (1, 0)))
        says_inside, says_outside = _answers(np.arange(n + 1), n)
        inside += open_[:, says_inside].sum(axis=1)
        outside += open_[:, says_outside].sum(axis=1)
        open_[:, says_inside | says_outside] = 0
    rows = zip(rates, inside, outside, open_.sum(axis=1), trials, strict=True)
    return tuple(Characteristic(*map(float, row)) for row in rows)


def _answers(
    passed: npt.NDArray[np.int_], trials: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """For each number of passes: whether that settles it as inside, and whether as outside."""
    if trials < LEAST:
        return np.zeros(len(passed), bool), np.zeros(len(passed), bool)
    posterior = beta(1 + passed, 1 + trials - passed)
    outside = posterior.cdf(BAND[0]) + posterior.sf(BAND[1])
    return 1 - outside >= PROBABILITY, outside >= PROBABILITY


@click.command()
@click.option(
    "--most",
    default=100,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Graded trials at which a run ends, settled or not.",
)
def main(most: int) -> None:
    """Print what the rule of --until-decided does at true pass rates, as a Markdown table."""
    table = Table(box=box.MARKDOWN)
    for heading in ("true rate", "says inside", "says outside", "undecided", "wrong", "trials"):
        table.add_column(heading, justify="right")
    for row in operating_characteristic(RATES, most):
        ends = (row.inside, row.outside, row.undecided, row.wrong)
        table.add_row(
            f"{row.rate:.2f}", *(f"{100 * end:.1f}%" for end in ends), f"{row.trials:.0f}"
        )
    Console().print(table)


if __name__ == "__main__":
    run(main, "python -m grader.decide")
