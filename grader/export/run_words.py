"""What the page of a run says in words, and its figures as a reader wants to see them.

Figures are None where there is nothing to show: not defined, not known, or no number at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import isfinite
from typing import Any, Literal, NamedTuple

from grader.export import display
from grader.export.display import count
from grader.export.run_reading import Reading
from grader.records import SETTLED
from grader.stats import BAND
from grader.tables import percent as whole_percent


def headline(summary: dict[str, Any]) -> str:
    """The result in a few words."""
    if not summary["trials"]:
        return "No trial graded yet"
    return f"{summary['passed']} of {count(summary['trials'], 'trial')} passed"


class State(NamedTuple):
    """Whether a run is at its end, and what is to be said of that."""

    finished: bool
    text: str


def state(reading: Reading, summary: dict[str, Any]) -> State:
    """From the run's records and its own last word."""
    left, faults = summary["open"], summary["infrastructure"]
    # More trials than were asked for are as good as none left.
    open_ = "how many trials are left is unknown" if left is None else _left(max(left, 0))
    stopped = reading.closing.get("stopped")
    if isinstance(stopped, str) and stopped.startswith(SETTLED):
        return State(True, f"Finished early: {stopped}; {open_}.")
    if isinstance(stopped, str) and stopped:
        return State(False, f"Stopped: {stopped}; {open_}.")
    if left is None or left > 0:
        ended = "Stopped" if reading.closing else "Under way, or killed"
        return State(False, f"{ended}: {open_}.")
    if faults:
        return State(True, f"Finished, but {_faults(faults)} can be tried again.")
    return State(True, "Finished.")


def _left(trials: int) -> str:
    return f"{count(trials, 'trial')} not run or not ended" if trials else "no trial is left"


def _faults(faults: int) -> str:
    return f"{count(faults, 'trial')} that a fault of the machinery ended"


def confined(reading: Reading) -> Literal["yes", "no", "unknown"]:
    """Whether the kernels of all trials were confined."""
    attempts = reading.run.attempts
    known = [a.confined for a in attempts if not reading.lacks(a, "confined")]
    if "confined" not in reading.config_unknown:
        known.append(reading.run.config.confined)
    if not all(known):
        return "no"
    return "yes" if len(known) == len(attempts) + 1 else "unknown"


def place(interval: Sequence[float]) -> str:
    """Where an interval lies as seen from the band."""
    low, high = interval
    band = f"the band of {whole_percent(BAND[0])} to {whole_percent(BAND[1])}"
    if BAND[0] <= low and high <= BAND[1]:
        return f"It lies within {band}"
    if high < BAND[0] or low > BAND[1]:
        return f"It lies outside of {band}"
    return f"It reaches beyond {band}"


def percent(share: float | None) -> str | None:
    """A share in whole percent."""
    return None if _number(share) is None else whole_percent(share)


def probability(value: float | None) -> str | None:
    """A probability in whole percent; what is not certain is not called so."""
    if _number(value) is None or value is None:
        return None
    return "< 1%" if 0 < value < 0.005 else "> 99%" if 0.995 <= value < 1 else whole_percent(value)


def dollars(value: float | None) -> str | None:
    """An amount in USD."""
    known = _number(value)
    return None if known is None else f"${known:,.2f}"


def figure(value: float | None) -> str | None:
    """A count with its thousands apart, or a value to four digits."""
    known = _number(value)
    return None if known is None else f"{known:,}" if isinstance(known, int) else f"{known:,.4g}"


def time(seconds: float | None) -> str | None:
    """A duration."""
    known = _number(seconds)
    return None if known is None else display.duration(known)


def when(started: str) -> str:
    """``2026-11-24 13:51+01:00`` of an ISO time; any other text as it is."""
    try:
        return datetime.fromisoformat(started).isoformat(" ", "minutes")
    except ValueError:
        return started


def _number(value: float | None) -> float | None:
    """None where a value is none, or beyond all bounds."""
    try:
        return value if value is not None and isfinite(value) else None
    except OverflowError:  # an integer that no float can hold
        return None
