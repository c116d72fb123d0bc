"""Two runs side by side, and whether their difference may be chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import barnard_exact
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep

from grader.records import RunConfig, Trial
from grader.run_folder import Run
from grader.stats import rate
from grader.summary import summarise

# Settings that say what an agent faces and how it is judged, not who plays.
_GIVEN = ("task", "variant", "variant_seed", "noise", "bugs", "digest", "version")
_UNTOLD = ("started", "trials")  # unlike in any two runs, or shown anyway


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Side(_Record):
    """One run. Means are over its graded trials; infrastructure faults stay out of all but
    their number."""

    run: str
    agent: str
    model: str | None
    trials: int = Field(description="graded")
    infrastructure: int
    passed: int
    pass_rate: float | None
    ci95: tuple[float, float] | None = Field(description="Wilson's")
    failure_reasons: dict[str, int]
    effective_reasons: float | None
    cost: float | None = Field(description="mean, USD; None where one is unknown")
    tokens: dict[str, float] | None = Field(description="means by kind, and of their sum: all")


class Handled(_Record):
    """In how many trials a bug was both repaired and reported, of those that were measured and
    left no doubt about it."""

    handled: int
    measured: int
    rate: float | None


class BugDifference(_Record):
    """One bug in both runs; None where a run didn't have it."""

    id: str
    first: Handled | None
    second: Handled | None
    difference: float | None
    p_value: float | None = Field(description="Barnard's")
    p_holm: float | None = Field(description="the same, corrected for the number of bugs compared")


class Comparison(_Record):
    """Two runs. Differences are the second less the first; None where one is undefined."""

    first: Side
    second: Side
    unlike: dict[str, tuple[Any, Any]] = Field(
        description="settings that differ; of bugs, those that only the one and the other has"
    )
    cautions: tuple[str, ...]
    difference: float | None
    difference_ci95: tuple[float, float] | None = Field(description="Newcombe's hybrid score")
    p_value: float | None = Field(description="Barnard's exact unconditional test, two-sided")
    bugs: tuple[BugDifference, ...]


def compare(first: Run, second: Run) -> Comparison:
    """Compare two runs.

    The interval of the difference is Newcombe's (1998, Statistics in Medicine 17, method 10). The
    tests are Barnard's (1945, Nature 156; 1947, Biometrika 34), exact for two independent samples
    of fixed sizes, with the pooled score statistic. The bugs' are corrected by Holm's method (1979,
    Scandinavian Journal of Statistics 6), over the bugs that were measured in both runs.
    """
    sides = _side(first), _side(second)
    passes = [(side.passed, side.trials) for side in sides]
    unlike = _unlike(first.config, second.config)
    return Comparison(
        first=sides[0],
        second=sides[1],
        unlike=unlike,
        cautions=tuple(_cautions(first.config, second.config, unlike)),
        difference=_difference(sides[0].pass_rate, sides[1].pass_rate),
        difference_ci95=_newcombe(*passes),
        p_value=_barnard(*passes),
        bugs=_bugs(first, second),
    )


def _side(run: Run) -> Side:
    summary, graded = summarise(run), run.graded
    told = {name: summary[name] for name in Side.model_fields if name in summary}
    means = {"cost": _mean_cost(graded), "tokens": _tokens(graded)}
    return Side.model_validate({**told, **means, "run": str(run.path)})


def _mean_cost(trials: Sequence[Trial]) -> float | None:
    """None where that of one trial is unknown, since the mean of the others would mislead."""
    known = [trial.cost for trial in trials if trial.cost is not None]
    return sum(known) / len(known) if known and len(known) == len(trials) else None


def _tokens(trials: Sequence[Trial]) -> dict[str, float] | None:
    if not trials:
        return None
    total: Counter[str] = Counter()
    for trial in trials:
        total.update(trial.usage)
    total["all"] = total.total()
    return {kind: tokens / len(trials) for kind, tokens in total.items()}


def _unlike(first: RunConfig, second: RunConfig) -> dict[str, tuple[Any, Any]]:
    pairs = {name: (getattr(first, name), getattr(second, name)) for name in RunConfig.model_fields}
    pairs["bugs"] = _only(first.bugs, second.bugs), _only(second.bugs, first.bugs)
    return {name: (a, b) for name, (a, b) in pairs.items() if a != b and name not in _UNTOLD}


def _only(bugs: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    return tuple(bug for bug in bugs if bug not in others)


def _cautions(first: RunConfig, second: RunConfig, unlike: dict[str, tuple[Any, Any]]) -> list[str]:
    given = [name for name in _GIVEN if name in unlike]
    told = []
    if given:
        told.append(
            "The runs differ in what was given, or in what graded it: "
            f"{', '.join(given)}. That may be what makes their passes differ."
        )
    if first.until_decided or second.until_decided:
        told.append(
            "A run went on until the band was decided: intervals and tests are for numbers of "
            "trials that are fixed beforehand."
        )
    return told


def _difference(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else second - first


def _newcombe(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float] | None:
    if not (first[1] and second[1]):
        return None
    low, high = confint_proportions_2indep(*second, *first, method="newcomb", compare="diff")
    return float(low), float(high)


def _barnard(first: tuple[int, int], second: tuple[int, int]) -> float | None:
    if not (first[1] and second[1]):
        return None
    # Samples are columns.
    passed = [first[0], second[0]]
    failed = [first[1] - first[0], second[1] - second[0]]
    return float(barnard_exact([passed, failed]).pvalue)


def _bugs(first: Run, second: Run) -> tuple[BugDifference, ...]:
    ids = dict.fromkeys((*first.config.bugs, *second.config.bugs))
    found = [_bug(bug, first, second) for bug in ids]
    tested = [bug for bug in found if bug.p_value is not None]
    if not tested:
        return tuple(found)
    holm = multipletests([bug.p_value for bug in tested], method="holm")[1]
    corrected = {bug.id: float(p) for bug, p in zip(tested, holm, strict=True)}
    return tuple(bug.model_copy(update={"p_holm": corrected.get(bug.id)}) for bug in found)


def _bug(bug: str, first: Run, second: Run) -> BugDifference:
    one, two = _handled(bug, first), _handled(bug, second)
    difference = p_value = None
    if one is not None and two is not None:
        difference = _difference(one.rate, two.rate)
        p_value = _barnard((one.handled, one.measured), (two.handled, two.measured))
    return BugDifference(
        id=bug, first=one, second=two, difference=difference, p_value=p_value, p_holm=None
    )


def _handled(bug: str, run: Run) -> Handled | None:
    if bug not in run.config.bugs:
        return None
    results = [r for t in run.graded for r in t.bugs if r.id == bug and not r.in_doubt]
    handled = sum(result.fixed and result.reported for result in results)
    return Handled(handled=handled, measured=len(results), rate=rate(handled, len(results)))
