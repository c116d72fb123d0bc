"""How far every statistic stays from its bound, in standard deviations over seeds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grader.validation.cells import Part
from grader.validation.confusion import CellResult
from task_spec.model import Measurement, Sense, Task

LEAST = 4.0  # standard deviations
SEEDS = 20  # from so many on, a margin decides
# Logarithms are taken of no less: an error that float32 can't tell from none is none.
_TINY = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Side:
    """The distance of a bound to one distribution of a statistic, in its standard deviations.

    ``margin``: infinite where all values are alike and on their side, or could not be measured in
    what is broken; None where it isn't defined, as for a single seed. ``low``, ``high``: the range
    of the values. ``of``: which cell or world comes nearest to the bound.
    """

    margin: float | None
    seeds: int
    low: float | None
    high: float | None
    of: str

    @property
    def too_small(self) -> bool:
        """Whether enough seeds say that the bound stands too near."""
        return self.seeds >= SEEDS and self.margin is not None and self.margin < LEAST

    @property
    def undecided(self) -> bool:
        """Whether it takes more seeds to say that; where values don't vary it takes none."""
        return self.seeds < SEEDS and (self.margin is None or math.isfinite(self.margin))


@dataclass(frozen=True)
class Margin:
    """A check's bound between what is correct and what is broken. ``broken`` is None where no bug
    is seen by this check first; ``limit`` where it has no one number as its bound."""

    check: str
    clause: str | None
    limit: float | None
    sense: Sense | None
    log: bool
    clean: Side | None
    broken: Side | None

    @property
    def too_small(self) -> bool:
        return any(side is not None and side.too_small for side in (self.clean, self.broken))

    @property
    def undecided(self) -> bool:
        return any(side is not None and side.undecided for side in (self.clean, self.broken))


def margin_of(found: Sequence[Measurement], *, clean: bool, of: str) -> Side:
    """The margin of one check in one world, over seeds: its values of the correct notebook
    (``clean``) or of a broken one."""
    values = [m.value for m in found if m.value is not None and math.isfinite(m.value)]
    low, high = (min(values), max(values)) if values else (None, None)
    return Side(_margin(found, clean), len(found), low, high, of)


def _margin(found: Sequence[Measurement], clean: bool) -> float | None:
    known = [m for m in found if m.value is not None and math.isfinite(m.value)]
    if not known:
        return -math.inf if clean else math.inf
    if len(found) == 1 or any(m.limit is None or m.sense is None for m in known):
        return None
    inside = np.array([_distance(m, clean) for m in known])
    distances = inside if clean else -inside
    mean = float(distances.mean())
    # Values that are alike to rounding don't spread.
    if np.ptp(distances) <= 1e-9 * max(1e-12, float(np.abs(distances).max())):
        # A value on its limit holds.
        return math.inf if mean > 0 or (clean and mean == 0) else -math.inf
    return mean / float(distances.std(ddof=1))


def _distance(m: Measurement, clean: bool) -> float:
    """How far a value lies on the side of its limit that holds."""
    assert m.value is not None and m.limit is not None
    if m.sense is Sense.NONE_OF:
        # A count breaks its bound by being 1 or more: halfway between, but 0 is no distance. Roots
        # of counts spread as much wherever they lie (Bartlett 1936), counts the more the higher.
        return -m.value if clean else math.sqrt(0.5) - math.sqrt(m.value)
    value, limit = (math.log10(max(x, _TINY)) if m.log else x for x in (m.value, m.limit))
    return value - limit if m.sense is Sense.AT_LEAST else limit - value


def margins(task: Task, noise: float, results: Iterable[CellResult]) -> list[Margin]:
    """The margins of every check, at some noise, in the order of the task's checks."""
    at = [r for r in results if r.cell.variant.noise == noise and r.readings]
    clean = _by_world([r for r in at if r.cell.part is Part.CORRECT])
    broken = _broken(at)
    return [
        Margin(
            check.id,
            check.clause,
            example.limit,
            example.sense,
            example.log,
            _nearest(
                margin_of(ms, clean=True, of=world)
                for (name, world), ms in clean.items()
                if name == check.id
            ),
            _nearest(broken.get(check.id, ())),
        )
        for check in task.checks
        if (example := _example(check.id, at)) is not None
    ]


def _example(check: str, results: Iterable[CellResult]) -> Measurement | None:
    """A measurement that tells a check's bound, if one was taken at all."""
    found = [x.measurement for r in results for x in r.readings if x.check.id == check]
    return next((m for m in found if m.limit is not None), found[0] if found else None)


def _by_world(results: Iterable[CellResult]) -> Mapping[tuple[str, str], list[Measurement]]:
    found: dict[tuple[str, str], list[Measurement]] = defaultdict(list)
    for reading in (reading for result in results for reading in result.readings):
        found[reading.check.id, reading.world].append(reading.measurement)
    return found


def _broken(results: Iterable[CellResult]) -> dict[str, list[Side]]:
    """Of each check, the margins of the bugs and near misses that it sees most surely."""
    groups: dict[str, list[CellResult]] = defaultdict(list)
    for result in results:
        if result.cell.part in (Part.BUG, Part.NEAR_MISS):
            groups[result.cell.name].append(result)
    found: dict[str, list[Side]] = defaultdict(list)
    for name, group in groups.items():
        check, side = _surest(name, group)
        if side is not None:
            found[check].append(side)
    return found


def _surest(name: str, group: Sequence[CellResult]) -> tuple[str, Side | None]:
    """One check that fails in one world is enough: which does it best, and how well."""
    (bug,) = group[0].cell.breaks
    sides = {
        (check, world): margin_of(ms, clean=False, of=name)
        for (check, world), ms in _by_world(group).items()
        if check in bug.checks and len(ms) == len(group)  # in every seed
    }
    if not sides:
        return "", None
    best = max(sides, key=lambda key: _order(sides[key]))
    return best[0], sides[best]


def _nearest(sides: Iterable[Side]) -> Side | None:
    return min(sides, key=_order, default=None)


def _order(side: Side) -> float:
    """A margin that isn't defined is no better than the least, no worse than what is too small."""
    return LEAST if side.margin is None else side.margin
