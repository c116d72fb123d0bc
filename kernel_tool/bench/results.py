"""What a benchmark finds: samples, ratios, and the bounds on them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Measure:
    """Repeated measurements of one quantity of one way of doing things, in ``unit``."""

    quantity: str
    way: str
    unit: str
    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.samples)

    def described(self) -> dict[str, Any]:
        return {
            "quantity": self.quantity,
            "way": self.way,
            "unit": self.unit,
            "median": self.median,
            "samples": list(self.samples),
        }


@dataclass(frozen=True)
class Ratio:
    """A figure without unit. ``limit``: what it may be at most; None: it is only told."""

    name: str
    value: float
    limit: float | None = None

    @property
    def holds(self) -> bool | None:
        return None if self.limit is None else self.value <= self.limit

    def described(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "limit": self.limit, "holds": self.holds}


@dataclass
class Part:
    """What one part of the benchmark found.

    notes: what could not be measured, and why. failed: a fault ended it.
    """

    name: str
    title: str
    measures: list[Measure] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed: bool = False

    def add(self, quantity: str, way: str, unit: str, samples: Sequence[float]) -> None:
        """Keep some measurements, if there are any."""
        if samples:
            self.measures.append(Measure(quantity, way, unit, tuple(samples)))

    def of(self, quantity: str, way: str) -> Measure | None:
        for measure in self.measures:
            if (measure.quantity, measure.way) == (quantity, way):
                return measure
        return None

    def compare(
        self,
        over: tuple[str, str],
        under: tuple[str, str],
        limit: float | None = None,
        factor: float = 1.0,
    ) -> None:
        """Note the ratio of two medians, each named by quantity and way, times ``factor``.

        Nothing is noted where one is missing.
        """
        above, below = self.of(*over), self.of(*under)
        if above is not None and below is not None:
            name = f"{': '.join(over)} / {': '.join(under)}"
            self.ratios.append(Ratio(name, factor * above.median / below.median, limit))

    def described(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "measures": [measure.described() for measure in self.measures],
            "ratios": [ratio.described() for ratio in self.ratios],
            "notes": self.notes,
            "failed": self.failed,
        }


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    repetitions: of what takes seconds. cells: round trips of each way. epochs: how long the
    notebook trains. executions: of the notebook, two at a time. forked, cold: how many kernels
    share the machine's memory. trials: of the agent ``oracle``.
    """

    repetitions: int = 5
    cells: int = 300
    epochs: int = 30
    executions: int = 16
    forked: tuple[int, ...] = (1, 8, 32)
    cold: tuple[int, ...] = (1, 8, 16)
    trials: int = 4


QUICK = Effort(repetitions=1, cells=40, epochs=2, executions=2, forked=(1, 2), cold=(1,), trials=1)

Measurement = Callable[[Effort, Callable[[str], None]], Awaitable[Part]]
