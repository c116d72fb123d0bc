"""What the forms for other programs say of a trial, beside its conversation.

The answer key is left out of it: what became of the bugs goes here, not what they are.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from grader.agents.base import Usage
from grader.export.load import TrialRecord
from grader.transcript import TurnEvent

_SETTINGS = ("task", "variant", "agent", "model", "seed")


def metadata(record: TrialRecord) -> dict[str, Any]:
    """The outcome with its evidence, and what the trial used."""
    return {
        "run": record.run,
        "trial": record.number,
        **{name: record.fact(name) for name in _SETTINGS},
        "outcome": record.outcome,
        "failure_reason": record.failure_reason,
        "detail": record.detail,
        "reward": record.reward,
        "seconds": record.seconds,
        "cost": record.finished.cost if record.finished else None,
        "usage": vars(record.usage),
        "tool_calls": record.tool_calls,
        "tool_faults": record.tool_faults,
        "ended": record.end.model_dump(include={"reason", "detail"}) if record.end else None,
        "verdict": record.verdict.model_dump(mode="json") if record.verdict else None,
        "report": [entry.model_dump() for entry in record.report] if record.report else None,
        "problems": list(record.problems),
    }


def model_of(record: TrialRecord) -> str | None:
    """The model that played; None for a script."""
    model = record.fact("model")
    return str(model) if model else None


def usage_of(turn: TurnEvent) -> Usage:
    """Tokens of one turn."""
    return Usage(*(turn.usage.get(kind, 0) for kind in vars(Usage())))


def iso_time(seconds: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601 in UTC; None where that is no time."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, OSError, ValueError):
        return None


def incomplete(record: TrialRecord) -> str | None:
    """What is missing from a trial that a kill has cut, in one sentence."""
    if record.outcome is not None:
        return None
    if not record.events:
        return "The trial was killed before it left a transcript."
    if record.end is None:
        return "The transcript breaks off here: the trial was killed."
    if record.end.reason == "interrupted":
        return "The trial was interrupted."
    return "The trial was killed before it was graded."
