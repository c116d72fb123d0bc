"""Small helpers with which a task's checks are declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from task_spec.model import Check, Evidence, Measurement, Sense
from task_spec.prompt import RUN_INTERFACE

Measure = Callable[[Evidence], Measurement]
MeasureAcross = Callable[[Evidence, Mapping[str, Evidence]], Measurement]


class Checks:
    """Collects the checks of a task in the order in which they are declared."""

    def __init__(self) -> None:
        self._found: list[Check] = []

    def __call__(
        self, check_id: str, bound: str, worlds: tuple[str, ...]
    ) -> Callable[[Measure], Measure]:
        """Declare a check that looks at one world at a time; its docstring says what and why."""

        def declare(measure: Measure) -> Measure:
            self._add(check_id, bound, worlds, lambda here, _: measure(here), measure.__doc__)
            return measure

        return declare

    def across(
        self, check_id: str, bound: str, world: str
    ) -> Callable[[MeasureAcross], MeasureAcross]:
        """Declare a check in one world that also looks at worlds that ran before it."""

        def declare(measure: MeasureAcross) -> MeasureAcross:
            self._add(check_id, bound, (world,), measure, measure.__doc__)
            return measure

        return declare

    def _add(
        self,
        check_id: str,
        bound: str,
        worlds: tuple[str, ...],
        measure: MeasureAcross,
        why: str | None,
    ) -> None:
        clause = check_id.partition(".")[0]
        self._found.append(
            Check(
                check_id,
                clause if clause.startswith("P") else None,
                worlds,
                bound,
                " ".join((why or "").split()),
                measure,
            )
        )

    @property
    def found(self) -> tuple[Check, ...]:
        return tuple(self._found)


def declare_interface(check: Checks, worlds: tuple[str, ...]) -> None:
    """Declare the check that a run calls every function of the interface, and answers probes."""

    @check(RUN_INTERFACE, "every function called in a run", worlds)
    def interface(e: Evidence) -> Measurement:
        """Calls of each function of the interface, from the first cell to the last probe, and what
        a probe could not ask."""
        idle = [name for name, count in e.claims["calls"].items() if not count]
        errors = [str(text) for text in e.claims["errors"]]
        return none_of(
            len(idle) + len(errors), f"problems: {', '.join([*idle, *errors])[:400] or 'none'}"
        )


def run_of(e: Evidence) -> dict[str, Any]:
    """What was recorded while the notebook ran."""
    found: dict[str, Any] = e.claims["run"]
    return found


def at_most(value: float, limit: float, what: str, *, log: bool = False) -> Measurement:
    """Holds if ``value`` <= ``limit``; a NaN does not. ``log``: of errors that span magnitudes."""
    text = f"{what}: {value:.4g}, at most {limit:g}"
    return Measurement(value, bool(value <= limit), text, limit, Sense.AT_MOST, log)


def at_least(value: float, limit: float, what: str, *, log: bool = False) -> Measurement:
    """Holds if ``value`` >= ``limit``; a NaN does not. ``log``: of values that span magnitudes."""
    text = f"{what}: {value:.4g}, at least {limit:g}"
    return Measurement(value, bool(value >= limit), text, limit, Sense.AT_LEAST, log)


def none_of(count: int, what: str) -> Measurement:
    """Holds if ``count`` is zero."""
    return Measurement(float(count), count == 0, f"{count} {what}", 0.0, Sense.NONE_OF)
