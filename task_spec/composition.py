"""Choosing the bugs of a variant: by a level, a number, kinds, or by name; drawn by a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass

from task_spec.model import Bug, Kind, Level, Task, TaskError
from task_spec.variant import Variant

DEFAULT_LEVEL = "standard"


@dataclass(frozen=True)
class Composition:
    """``size`` bugs: all ``required`` ones, the rest out of ``pool``, of all at least ``onions``
    onions (as far as there are so many)."""

    required: tuple[Bug, ...]
    pool: tuple[Bug, ...]
    size: int
    onions: int

    @property
    def distinct(self) -> int:
        """How many different sets of bugs this can be."""
        free, first = self.size - len(self.required), self._first
        onions, others = len(_onions(self.pool)), len(self.pool) - len(_onions(self.pool))
        return sum(
            math.comb(onions, k) * math.comb(others, free - k) for k in range(first, free + 1)
        )

    def draw(self, seed: int) -> tuple[Bug, ...]:
        """The set of bugs that a seed names."""
        rng = random.Random(seed)
        drawn = [*self.required, *rng.sample(_onions(self.pool), self._first)]
        rest = [bug for bug in self.pool if bug not in drawn]
        return (*drawn, *rng.sample(rest, self.size - len(drawn)))

    @property
    def _first(self) -> int:
        """How many onions are drawn before the rest."""
        free = self.size - len(self.required)
        missing = max(0, self.onions - len(_onions(self.required)))
        return min(missing, free, len(_onions(self.pool)))


def compose(
    task: Task,
    level: Level,
    *,
    count: int | None = None,
    kinds: Iterable[Kind] | None = None,
    held_out: bool = False,
) -> Composition:
    """What a level composes of a task's bugs, or of those of some kinds.

    Bugs that are held out stay out, or all are in if asked for; so are the deep ones, if the level
    says so. TaskError says what fits.
    """
    wanted = set(kinds) if kinds is not None else set(Kind)
    fitting = [bug for bug in task.bugs if bug.kind in wanted]
    usual = [bug for bug in fitting if not bug.held_out]
    pool = tuple(bug for bug in usual if not (bug.deep and level.deep))
    required = tuple(bug for bug in fitting if bug.held_out) if held_out else ()
    required += tuple(bug for bug in usual if bug not in pool)
    most = len(pool) + len(required)
    size = min(level.bugs, most) if count is None else count
    if not 0 <= size <= most:
        raise TaskError(f"--bugs takes 0 to {most} for these kinds of {task.name}, not {size}")
    return Composition(required[:size], pool, size, level.onions)


def choose(
    task: Task,
    *,
    level: str | None = None,
    count: int | None = None,
    kinds: Iterable[Kind] | None = None,
    noise: float | None = None,
    held_out: bool = False,
    only: Iterable[str] | None = None,
    seed: int = 0,
) -> Variant:
    """The variant that options name: ``only`` these bugs, or those that ``seed`` draws.

    What is not given comes from the level. TaskError says what fits.
    """
    if only is not None and (held_out or not (level is None and count is None and kinds is None)):
        raise TaskError(
            "--only names the bugs: it excludes --level, --bugs, --kinds and --held-out"
        )
    at = task.level(level or DEFAULT_LEVEL)
    noise = at.noise if noise is None else noise
    if not 0 <= noise <= 1:
        raise TaskError(f"--noise takes 0 to 1, not {noise:g}")
    if only is not None:
        return Variant(task, tuple(task.bug(bug_id) for bug_id in dict.fromkeys(only)), seed, noise)
    drawn = compose(task, at, count=count, kinds=kinds, held_out=held_out).draw(seed)
    return Variant(task, tuple(bug for bug in task.bugs if bug in drawn), seed, noise)


def _onions(bugs: Iterable[Bug]) -> list[Bug]:
    return [bug for bug in bugs if bug.onion]
