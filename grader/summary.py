"""The summary of a run: pass rate with its intervals, reasons, bugs, costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from grader.records import RunConfig, Trial
from grader.run_folder import Run
from grader.stats import (
    BAND,
    band_probabilities,
    credible,
    effective_reasons,
    p_in_band,
    pass_at_k,
    rate,
    wilson,
)

_KS = (1, 2, 4, 8)


def summarise(run: Run, known_rate: float | None = None) -> dict[str, Any]:
    """What ``summary.json`` holds. Infrastructure faults stay out of the pass rate, and what they
    cost does not."""
    graded = run.graded
    passed = sum(trial.outcome == "passed" for trial in graded)
    reasons = _reasons(graded)
    sides = band_probabilities(passed, len(graded))
    return {
        **_facts(run.config),
        "trials": len(graded),
        "open": run.config.trials - len(run.trials),
        "infrastructure": len(run.trials) - len(graded),
        "repeated": len(run.attempts) - len(run.trials),
        "passed": passed,
        "pass_rate": rate(passed, len(graded)),
        "ci95": wilson(passed, len(graded)),
        "credible95": credible(passed, len(graded)),
        "band": list(BAND),
        "p_in_band": p_in_band(passed, len(graded)),
        "p_below_in_above": list(sides) if sides else None,
        "pass_at_k": {str(k): pass_at_k(passed, len(graded), k) for k in _KS},
        "known_pass_rate": known_rate,
        "failure_reasons": reasons,
        "effective_reasons": effective_reasons(reasons.values()),
        "bugs": {bug: _bug(bug, graded) for bug in run.config.bugs},
        "tool_errors": sum(trial.tool_errors for trial in run.attempts),
        "model_errors": sum(trial.model_errors for trial in run.attempts),
        "tool_calls": sum(trial.tool_calls for trial in run.attempts),
        **_spent(run.attempts),
    }


def _facts(config: RunConfig) -> dict[str, Any]:
    names = ("task", "variant", "agent", "model", "seed", "confined", "sandbox")
    return {name: getattr(config, name) for name in names}


def _reasons(trials: Sequence[Trial]) -> dict[str, int]:
    found = Counter(t.failure_reason.value for t in trials if t.failure_reason is not None)
    return dict(found.most_common())


def _bug(bug_id: str, trials: Sequence[Trial]) -> dict[str, Any]:
    """Rates over the trials that got as far as being measured; of repairs, over those in which
    they are not in doubt."""
    results = [bug for trial in trials for bug in trial.bugs if bug.id == bug_id]
    known = [bug for bug in results if not bug.in_doubt]
    handled = sum(bug.fixed and bug.reported for bug in known)
    return {
        "trials": len(results),
        "in_doubt": len(results) - len(known),
        "fixed": rate(sum(bug.fixed for bug in known), len(known)),
        "reported": rate(sum(bug.reported for bug in results), len(results)),
        "handled": rate(handled, len(known)),
        "handled_ci95": wilson(handled, len(known)),
    }


def _spent(attempts: Sequence[Trial]) -> dict[str, Any]:
    """Of all attempts. ``cost`` is None where that of one is unknown, since a sum would mislead."""
    kinds = ("input", "output", "cache_read", "cache_write")
    costs = [attempt.cost for attempt in attempts if any(attempt.usage.values())]
    known = [each for each in costs if each is not None]
    return {
        "usage": {kind: sum(a.usage.get(kind, 0) for a in attempts) for kind in kinds},
        "cost": sum(known) if known and len(known) == len(costs) else None,
        "seconds": sum(attempt.seconds for attempt in attempts),
    }
