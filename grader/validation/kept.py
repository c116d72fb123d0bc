"""What a validation has kept of its cells, so that another one goes on where it ended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from grader.checks import Reading
from grader.validation.cells import Cell, Part
from grader.validation.confusion import CellResult, Outcome
from task_spec.model import Measurement, Sense

_PACKAGES, _SUFFIXES = ("grader", "kernel_tool", "task_spec"), (".py", ".j2")


class KeptError(ValueError):
    """A file that a validation can't go on with."""


class _Record(BaseModel):
    # A value may be infinite.
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")


class KeptReading(_Record):
    """A `Reading`."""

    check: str
    world: str
    value: float | None
    passed: bool
    explanation: str
    limit: float | None
    sense: Sense | None
    log: bool


class KeptCell(_Record):
    """A `CellResult`."""

    part: Part
    cell: str
    seed: int
    noise: float
    outcome: Outcome
    why: str
    cpu_seconds: float
    readings: tuple[KeptReading, ...]

    @property
    def key(self) -> tuple[Part, str, int, float]:
        """By which it is found again."""
        return self.part, self.cell, self.seed, self.noise


class Kept(_Record):
    """What a file has. ``sources``: see `sources`. ``costs``: of each world, by which those were
    chosen in which cells ran, since margins need the same ones for all seeds."""

    task: str
    sources: str
    costs: dict[str, float]
    cells: tuple[KeptCell, ...]


def sources() -> str:
    """A digest of the sources on which the outcome of a cell depends."""
    root, found = Path(__file__).parents[2], hashlib.sha256()
    paths = [path for package in _PACKAGES for path in (root / package).rglob("*")]
    for path in sorted(path for path in paths if path.suffix in _SUFFIXES):
        found.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


@dataclass(frozen=True)
class Memory:
    """What an earlier validation of the same task has kept. Without cells: nothing."""

    costs: Mapping[str, float] = field(default_factory=dict)
    cells: Sequence[KeptCell] = ()

    def recall(self, cell: Cell) -> CellResult | None:
        """A cell's result, unless it has none or the machinery failed."""
        each = self._by_key.get((cell.part, cell.name, cell.variant.seed, cell.variant.noise))
        if each is None or each.outcome is Outcome.FAULT:
            return None
        checks = {check.id: check for check in cell.variant.task.checks}
        readings = tuple(
            Reading(
                checks[r.check],
                r.world,
                Measurement(r.value, r.passed, r.explanation, r.limit, r.sense, r.log),
            )
            for r in each.readings
        )
        return CellResult(cell, each.outcome, each.why, readings, each.cpu_seconds)

    @cached_property
    def _by_key(self) -> dict[tuple[Part, str, int, float], KeptCell]:
        return {each.key: each for each in self.cells}


def kept(results: Iterable[CellResult], memory: Memory) -> list[dict[str, Any]]:
    """Cells that were executed, for a JSON file, and those in memory that were not asked for."""
    now = [_kept(result) for result in results if result.cell.part is not Part.REPORT]
    known = {each.key for each in now}
    rest = [each for each in memory.cells if each.key not in known]
    return [each.model_dump(mode="json") for each in (*now, *rest)]


def _kept(result: CellResult) -> KeptCell:
    cell = result.cell
    return KeptCell(
        part=cell.part,
        cell=cell.name,
        seed=cell.variant.seed,
        noise=cell.variant.noise,
        outcome=result.outcome,
        why=result.why,
        cpu_seconds=result.cpu_seconds,
        readings=tuple(
            KeptReading(check=r.check.id, world=r.world, **vars(r.measurement))
            for r in result.readings
        ),
    )


def remembered(path: Path, task: str) -> Memory:
    """What a file has kept.

    Raises KeptError for what is no such file, or is of another task or other sources.
    """
    try:
        found = Kept.model_validate_json(path.read_bytes())
    except OSError as error:
        raise KeptError(f"can't read {path} ({error.strerror})") from None
    except ValidationError as error:
        (first, *_) = error.errors()
        where = ".".join(map(str, first["loc"]))
        raise KeptError(f"{path} was not written by --json: {where} {first['msg']}") from None
    if found.task != task:
        raise KeptError(f"{path} is of {found.task}: give --task {found.task}")
    if found.sources != sources():
        raise KeptError(
            f"{path} is of other sources, by which its cells may come out otherwise: "
            "start again without --resume"
        )
    return Memory(found.costs, found.cells)
