"""A run as one log of Inspect (https://inspect.aisi.org.uk), for its viewer and its analyses.

The variant is the one sample of the log, and each trial an epoch of it. Epochs are not reduced to a
mean before metrics are computed: there would be one value left, without a spread. The answer key is
left out, as it is from the messages.

Imported only where the format is asked for: `inspect_ai` is an optional dependency.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from inspect_ai.log import (
    EvalConfig,
    EvalDataset,
    EvalLog,
    EvalPlan,
    EvalPlanStep,
    EvalResults,
    EvalSample,
    EvalSpec,
    EvalStats,
    EvalStatus,
    recompute_metrics,
    write_eval_log,
)
from inspect_ai.model import ModelUsage

from grader.export.facts import iso_time, model_of
from grader.export.inspect_sample import (
    NO_MODEL,
    SCORER,
    ended_at,
    fault,
    inspect_model,
    sample_of,
)
from grader.export.load import TrialRecord, trial_numbers
from grader.export.plain import plain, plain_text
from grader.records import INTERRUPTED, SETTLED

METRICS = ("accuracy", "stderr", "ci_wilson")
_SETTINGS = ("variant", "variant_seed", "noise", "seed")
_CIRCUMSTANCES = ("confined", "sandbox", "until_decided", "digest")


def write(run: Path, trials: Sequence[TrialRecord], folder: Path) -> Path:
    """Writes ``RUN.eval``, or ``RUN-selected.eval`` if these aren't all of the run's trials.

    Returns its path. There must be a trial.
    """
    whole = {trial.number for trial in trials} == set(trial_numbers(run))
    source = Source(tuple(trials), whole, _stopped(run), run.stat().st_mtime)
    path = folder.resolve() / f"{source.name}{'' if whole else '-selected'}.eval"
    write_eval_log(source.log(), path, format="eval")
    return folder / path.name


@dataclass(frozen=True)
class Source:
    """What a log is made of.

    whole: these are all trials of the run. stopped: why it ended early, "" if it didn't, None if it
    was killed or goes on. changed: when the run's folder last was, in seconds since the epoch.
    """

    trials: tuple[TrialRecord, ...]
    whole: bool
    stopped: str | None
    changed: float

    @property
    def name(self) -> str:
        return self.trials[0].run

    @property
    def config(self) -> dict[str, Any]:
        return self.trials[0].config

    @property
    def asked(self) -> int | None:
        """How many trials were to be in here; None where no record says so."""
        if not self.whole:
            return len(self.trials)
        asked = self.config.get("trials")
        return asked if isinstance(asked, int) else None

    @property
    def complete(self) -> bool:
        """Whether no trial is missing or was cut."""
        if any(trial.outcome is None for trial in self.trials):
            return False
        if (self.stopped or "").startswith(SETTLED):
            return True
        return self.stopped == "" if self.asked is None else len(self.trials) >= self.asked

    @property
    def total(self) -> int:
        """How many samples Inspect is to expect."""
        found = len(self.trials)
        return found if self.complete or self.asked is None else max(found, self.asked)

    @property
    def status(self) -> EvalStatus:
        """In Inspect's words: a run that was killed, or goes on, has ``started`` and no more."""
        if self.complete:
            return "success"
        if self.stopped is None:
            return "started"
        return "cancelled" if self.stopped in ("", INTERRUPTED) else "error"

    @property
    def created(self) -> str:
        """When the run began, or else the first time that is known of it."""
        begun = [trial.start.time for trial in self.trials if trial.start]
        known = _iso(self.config.get("started")) or iso_time(min(begun, default=None))
        return known or datetime.fromtimestamp(self.changed, UTC).isoformat()

    def fact(self, name: str) -> str:
        """A setting that all trials share."""
        known = (trial.fact(name) for trial in self.trials)
        return plain_text(str(next((value for value in known if value), "unknown")))

    def log(self) -> EvalLog:
        """The log, with metrics as Inspect computes them."""
        samples = [sample_of(trial, self.fact("variant")) for trial in self.trials]
        status = self.status
        log = EvalLog(
            status=status,
            eval=_spec(self),
            plan=EvalPlan(steps=[EvalPlanStep(solver=self.fact("agent"))]),
            stats=_stats(self, samples),
            error=fault(self.stopped or "") if status == "error" else None,
            samples=samples,
        )
        log.results = _results(log, self.total)
        return log


def _spec(source: Source) -> EvalSpec:
    config, key = source.config, plain_text(f"{source.name} {source.created}")
    models = (inspect_model(trial) for trial in source.trials if model_of(trial))
    metrics = [{"name": f"inspect_ai/{name}", "options": {}} for name in METRICS]
    return EvalSpec.model_validate(
        {
            # The same run is the same evaluation, however often it is exported.
            "eval_id": uuid5(NAMESPACE_URL, f"eval {key}").hex,
            "run_id": uuid5(NAMESPACE_URL, f"run {key}").hex,
            "task_id": uuid5(NAMESPACE_URL, f"task {key}").hex,
            "created": source.created,
            "task": source.fact("task"),
            "task_args": plain({name: config[name] for name in _SETTINGS if name in config}),
            "solver": source.fact("agent"),
            "dataset": _dataset(source),
            "model": next(models, NO_MODEL),
            "config": _eval_config(source),
            "packages": {"silent-bugs": plain_text(str(config.get("version") or "unknown"))},
            "metadata": _circumstances(source),
            "scorers": [{"name": SCORER, "metrics": metrics}],
        }
    )


def _dataset(source: Source) -> EvalDataset:
    return EvalDataset(
        name=source.fact("task"), samples=1, sample_ids=[source.fact("variant")], shuffled=False
    )


def _eval_config(source: Source) -> EvalConfig:
    workers = source.config.get("concurrency")
    return EvalConfig(
        epochs=source.total,
        epochs_reducer=[],
        # A fault of the machinery is no sample's failure, and stops no run.
        fail_on_error=False,
        max_samples=workers if isinstance(workers, int) else None,
    )


def _circumstances(source: Source) -> dict[str, Any]:
    known = {name: source.config[name] for name in _CIRCUMSTANCES if name in source.config}
    selected = {} if source.whole else {"selected": [trial.number for trial in source.trials]}
    asked: dict[str, Any] = plain({"run": source.name, **known, **selected})
    return asked


def _stats(source: Source, samples: Sequence[EvalSample]) -> EvalStats:
    ends = [end for trial in source.trials if (end := ended_at(trial)) is not None]
    models = sorted({model for sample in samples for model in sample.model_usage})
    return EvalStats(
        started_at=source.created,
        completed_at=(iso_time(max(ends, default=None)) or "") if source.complete else "",
        model_usage={model: _sum(model, samples) for model in models},
    )


def _sum(model: str, samples: Sequence[EvalSample]) -> ModelUsage:
    """What a model used; without a cost if one part's isn't known, since a sum would mislead."""
    parts = [sample.model_usage[model] for sample in samples if model in sample.model_usage]
    used = reduce(add, parts)
    unknown = any(part.total_cost is None for part in parts)
    return used.model_copy(update={"total_cost": None}) if unknown else used


def _results(log: EvalLog, total: int) -> EvalResults:
    """Inspect's own metrics, but for those that are undefined, which it calls 0."""
    samples = log.samples or []
    graded = sum(bool(sample.scores) for sample in samples)
    if not graded:
        completed = sum(sample.error is None for sample in samples)
        return EvalResults(total_samples=total, completed_samples=completed)
    recompute_metrics(log)
    results = log.results or EvalResults()
    results.total_samples = total
    for score in results.scores:
        if graded < 2:
            score.metrics.pop("stderr", None)
    return results


def _stopped(run: Path) -> str | None:
    try:
        summary = json.loads((run / "summary.json").read_text(encoding="utf-8", errors="replace"))
        return str(summary.get("stopped", ""))
    except (OSError, ValueError, AttributeError):
        return None


def _iso(text: Any) -> str | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except (TypeError, ValueError, OverflowError):
        return None
