"""What a first run of the correct notebook tells of the worlds: what each costs and needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, combinations
from pathlib import Path
from typing import Any

from task_spec.model import Check, Draw, Evidence, Measurement, Task, World

_START = 0.5  # seconds of CPU that any run costs


class _Seen(Mapping[str, Evidence]):
    """A mapping that notes what is looked up in it."""

    def __init__(self, of: Mapping[str, Evidence], seen: set[str]) -> None:
        self._of, self._seen = of, seen

    def __getitem__(self, world: str) -> Evidence:
        self._seen.add(world)
        return self._of[world]

    def __iter__(self) -> Iterator[str]:
        self._seen |= set(self._of)
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)


@dataclass(frozen=True)
class Layout:
    """Of each world, what it costs (CPU seconds) and which worlds it is made from; of each check in
    a world, which worlds it looks at besides."""

    costs: dict[str, float] = field(default_factory=dict)
    made_from: dict[str, set[str]] = field(default_factory=dict)
    looked_at: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def watching(self, task: Task) -> Task:
        """The task, noting here what its worlds and checks look at."""
        checks = tuple(replace(c, measure=self._watch_check(c)) for c in task.checks)

        def worlds(published: Draw, seed: int) -> Sequence[World]:
            found = task.worlds(published, seed)
            return [replace(world, stage=self._watch_stage(world)) for world in found]

        return replace(task, checks=checks, worlds=worlds)

    def _watch_stage(self, world: World) -> Callable[[Path, Mapping[str, Evidence]], Any]:
        seen = self.made_from.setdefault(world.name, set())
        return lambda folder, earlier: world.stage(folder, _Seen(earlier, seen))

    def _watch_check(
        self, check: Check
    ) -> Callable[[Evidence, Mapping[str, Evidence]], Measurement]:
        def measure(here: Evidence, others: Mapping[str, Evidence]) -> Measurement:
            seen = self.looked_at.setdefault((check.id, here.world), set())
            return check.measure(here, _Seen(others, seen))

        return measure

    def cheapest(self, task: Task, checks: Iterable[str]) -> tuple[str, ...]:
        """The cheapest worlds in which each of some checks can be measured somewhere."""
        wanted = set(checks)

        def cost(worlds: Iterable[str]) -> float:
            return sum(self.costs[world] + _START for world in worlds)

        for worlds in sorted(map(frozenset, _subsets(self.costs)), key=cost):
            measured = {check.id for check in self.measurable(task, worlds)}
            if all(self.made_from[world] <= worlds for world in worlds) and wanted <= measured:
                return tuple(world for world in self.costs if world in worlds)
        raise ValueError(f"no world measures all of {', '.join(sorted(wanted))}")

    def measurable(self, task: Task, worlds: frozenset[str]) -> tuple[Check, ...]:
        """The checks that some worlds suffice for, in these worlds."""
        found = (replace(c, worlds=self._worlds(c, worlds)) for c in task.checks)
        return tuple(check for check in found if check.worlds)

    def _worlds(self, check: Check, of: frozenset[str]) -> tuple[str, ...]:
        sufficient = partial(self._suffice, check.id, of)
        return tuple(world for world in check.worlds if sufficient(world))

    def _suffice(self, check: str, worlds: frozenset[str], world: str) -> bool:
        return world in worlds and self.looked_at.get((check, world), set()) <= worlds


def _subsets(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    known = list(names)
    return chain.from_iterable(combinations(known, n) for n in range(1, len(known) + 1))
