"""Reads a run for its page. Parts may be missing, of another version, or damaged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from grader.export.load import Planted, TrialRecord, load_trial, trial_numbers
from grader.records import RunConfig, Trial
from grader.run_folder import FolderError, Run, read_run
from grader.summary import summarise

_Model = TypeVar("_Model", bound=BaseModel)
_Attempt = tuple[int, int]  # numbers of the trial and of the attempt
_UNREADABLE = (FolderError, OSError, ValueError, RecursionError)
_SPENT = ("tool_errors", "model_errors", "tool_calls", "usage", "cost", "seconds")

# What stands in for a field that can't be read; it is never shown, see `Reading.unknown`.
_TRIAL: dict[str, Any] = {
    **dict.fromkeys(("failure_reason", "reward", "cost", "kernel_seconds")),
    **dict.fromkeys(("false_alarms", "turns", "tool_calls", "tool_errors", "model_errors"), 0),
    **{"attempt": 1, "detail": "", "bugs": (), "usage": {}, "confined": False},
    **{"grade_seconds": 0.0, "seconds": 0.0},
}
_CONFIG: dict[str, Any] = {
    **dict.fromkeys(("task", "variant", "digest", "agent", "sandbox", "started", "version"), ""),
    **dict.fromkeys(("variant_seed", "trials", "seed", "concurrency", "retries"), 0),
    **{"bugs": (), "model": None, "max_cost": None, "until_decided": False, "confined": False},
    **{"trial_minutes": 0.0},
}


@dataclass(frozen=True)
class Reading:
    """What could be read of a run.

    unknown: names of the fields of an attempt (by trial and attempt) that could not be read;
        what the record holds there is a stand-in.
    config_unknown: the same of the configuration.
    unfinished: trials that have a folder and no record.
    begun_again: trials with a record whose folder holds a later attempt, without one.
    titles: of the bugs, as far as an answer key has them.
    closing: what the run's own summary says, empty where there is none that fits.
    """

    run: Run
    unknown: Mapping[_Attempt, frozenset[str]]
    config_unknown: frozenset[str]
    unfinished: tuple[TrialRecord, ...]
    begun_again: frozenset[int]
    titles: Mapping[str, str]
    closing: Mapping[str, Any]
    problems: tuple[str, ...]

    def lacks(self, trial: Trial, name: str) -> bool:
        """Whether a field of an attempt is unknown."""
        return name in self.unknown.get((trial.trial, trial.attempt), ())

    def summary(self) -> dict[str, Any]:
        """As :func:`grader.summary.summarise`; sums over what is unknown, or over
        nothing, are None."""
        known = self.closing.get("known_pass_rate")
        valid = isinstance(known, float) and 0 <= known <= 1
        found = summarise(self.run, known if valid else None)
        attempts = self.run.attempts
        for name in _SPENT:
            if not attempts or any(self.lacks(attempt, name) for attempt in attempts):
                found[name] = None
        if found["usage"] is None:
            found["cost"] = None
        if "trials" in self.config_unknown:
            found["open"] = None
        return found


def read(path: Path) -> Reading:
    """A run, as far as it can be read. RunError if it is none."""
    numbers = trial_numbers(path)
    run, unknown, config_unknown, problems = _run(path)
    recorded = {trial.trial for trial in run.trials}
    return Reading(
        run=run,
        unknown=unknown,
        config_unknown=config_unknown,
        unfinished=tuple(load_trial(path, each) for each in numbers if each not in recorded),
        begun_again=frozenset(t.trial for t in run.trials if _aside(path, t).is_dir()),
        titles=_titles(path, numbers),
        closing=_closing(path, run),
        problems=tuple(problems),
    )


def _aside(path: Path, trial: Trial) -> Path:
    """Where an attempt is put once another one is made."""
    return path / "attempts" / f"{trial.trial:03d}-{trial.attempt}"


_Parts = tuple[Run, dict[_Attempt, frozenset[str]], frozenset[str], list[str]]


def _run(path: Path) -> _Parts:
    try:
        return read_run(path), {}, frozenset(), []
    except _UNREADABLE as error:
        problems = [_problem(path, error)]
    trials = _attempts(_text(path / "trials.jsonl"), problems)
    attempts = tuple(trial for trial, _ in trials.values())
    config, lost = _config(path, attempts)
    unknown = {key: missing for key, (_, missing) in trials.items()}
    return Run(path, config, attempts), unknown, lost, problems


def _problem(path: Path, error: Exception) -> str:
    """What is wrong, without the place where the run lies."""
    if not (path / "config.json").is_file():
        return "There is no config.json."
    reason = " ".join(str(error).split())
    said = reason.removeprefix(f"{path} ")
    return f"This run {said}." if said != reason else f"This run can't be read: {reason}."


def _attempts(lines: str, problems: list[str]) -> dict[_Attempt, tuple[Trial, frozenset[str]]]:
    """With the names of what is not known of them; of two lines for one attempt the last."""
    attempts = {}
    for number, line in enumerate(lines.split("\n"), 1):
        found = _mended(Trial, _json(line), _TRIAL)
        if found is not None:
            attempts[found[0].trial, found[0].attempt] = found
        elif line.strip():
            problems.append(f"Line {number} of trials.jsonl can't be read.")
    return attempts


def _config(path: Path, attempts: tuple[Trial, ...]) -> tuple[RunConfig, frozenset[str]]:
    """The configuration; where it does not name the bugs, the trials do."""
    data = _json(_text(path / "config.json"))
    bugs = tuple(dict.fromkeys(bug.id for trial in attempts for bug in trial.bugs))
    fields = data if isinstance(data, dict) else {}
    found = _mended(RunConfig, fields, {**_CONFIG, "bugs": bugs})
    assert found is not None  # it has a stand-in for every field
    return found


def _mended(
    model: type[_Model], data: object, stand_ins: Mapping[str, Any]
) -> tuple[_Model, frozenset[str]] | None:
    """A record with stand-ins for the fields that are missing or wrong, and their names; None
    if one of these has no stand-in."""
    if not isinstance(data, dict):
        return None
    known = model.model_fields
    stand_ins = {**{n: f.default for n, f in known.items() if not f.is_required()}, **stand_ins}
    fields = {name: value for name, value in data.items() if name in known}
    try:
        return model.model_validate(fields), frozenset()
    except ValidationError as error:
        lost = frozenset(str(each["loc"][0]) for each in error.errors())
    if not lost <= stand_ins.keys():
        return None
    return model.model_validate({**fields, **{name: stand_ins[name] for name in lost}}), lost


def _titles(path: Path, numbers: Iterable[int]) -> dict[str, str]:
    """From the first answer key that can be read: all trials of a run have the same."""
    for number in numbers:
        try:
            text = (path / f"trial-{number:03d}" / "planted.json").read_text(encoding="utf-8")
            bugs = TypeAdapter(tuple[Planted, ...]).validate_json(text)
        except (OSError, ValueError):
            continue
        return {bug.id: bug.title for bug in bugs}
    return {}


def _closing(path: Path, run: Run) -> dict[str, Any]:
    """``summary.json``, if it counts what there is: that of a run that goes on is old."""
    data = _json(_text(path / "summary.json"))
    if not isinstance(data, dict):
        return {}
    graded = sum(trial.outcome != "infrastructure" for trial in run.trials)
    counts = {"trials": graded, "infrastructure": len(run.trials) - graded}
    return data if all(data.get(name) == count for name, count in counts.items()) else {}


def _text(path: Path) -> str:
    """Empty if it can't be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
