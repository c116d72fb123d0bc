"""The summary of a run: pass rate with its interval, reasons, bugs, costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from grader.records import RunConfig, Trial
from grader.stats import BAND, p_in_band, rate, wilson
from task_spec.variant import Variant


def summarise(
    config: RunConfig,
    variant: Variant,
    trials: Sequence[Trial],
    seconds: float,
    known_rate: float | None = None,
) -> dict[str, Any]:
    """What ``summary.json`` holds. Infrastructure faults stay out of the pass rate."""
    graded = [trial for trial in trials if trial.outcome != "infrastructure"]
    passed = sum(trial.outcome == "passed" for trial in graded)
    costs = [trial.cost for trial in trials if trial.cost is not None]
    return {
        "task": config.task,
        "variant": config.variant,
        "agent": config.agent,
        "model": config.model,
        "seed": config.seed,
        "confined": config.confined,
        "sandbox": config.sandbox,
        "trials": len(graded),
        "infrastructure": len(trials) - len(graded),
        "passed": passed,
        "pass_rate": rate(passed, len(graded)),
        "ci95": wilson(passed, len(graded)),
        "band": list(BAND),
        "p_in_band": p_in_band(passed, len(graded)),
        "known_pass_rate": known_rate,
        "failure_reasons": _reasons(graded),
        "bugs": {bug.id: _bug(bug.id, graded) for bug in variant.bugs},
        "tool_errors": sum(trial.tool_errors for trial in trials),
        "model_errors": sum(trial.model_errors for trial in trials),
        "tool_calls": sum(trial.tool_calls for trial in trials),
        "usage": _usage(trials),
        "cost": sum(costs) if costs else None,
        "seconds": seconds,
    }


def _reasons(trials: Sequence[Trial]) -> dict[str, int]:
    found = Counter(t.failure_reason.value for t in trials if t.failure_reason is not None)
    return dict(found.most_common())


def _bug(bug_id: str, trials: Sequence[Trial]) -> dict[str, float | None]:
    """Rates over the trials that got as far as being measured."""
    results = [bug for trial in trials for bug in trial.bugs if bug.id == bug_id]
    return {
        "fixed": rate(sum(bug.fixed for bug in results), len(results)),
        "reported": rate(sum(bug.reported for bug in results), len(results)),
    }


def _usage(trials: Sequence[Trial]) -> dict[str, int]:
    kinds = ("input", "output", "cache_read", "cache_write")
    return {kind: sum(trial.usage.get(kind, 0) for trial in trials) for kind in kinds}
