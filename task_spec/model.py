"""The interfaces of a task, on one page: Task, Clause, Bug, World, Check, and what they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from task_spec.source import clauses_of, read_source


class TaskError(ValueError):
    """A task, bug or option that does not exist or does not fit; the text says what would."""


class Kind(StrEnum):
    """What it takes to see a bug."""

    READABLE = "readable"  # reading the code
    LIBRARY = "library"  # knowing a library exactly
    DATA = "data"  # looking at the data
    RUN = "run"  # running the code and measuring


@dataclass(frozen=True)
class Edit:
    """Replaces a piece of text that occurs exactly once in a cell's source."""

    cell: str
    old: str
    new: str

    def reversed(self) -> Edit:
        return Edit(self.cell, self.new, self.old)


@dataclass(frozen=True)
class Repair:
    """Edits of the correct notebook: another correct solution, or a near miss.

    A near miss looks right and leaves the bug's clause broken; the grader must fail it.
    """

    why: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Bug:
    """One planted bug: edits of the correct notebook that break a clause without an error.

    ``places``: where it may rightly be reported, as ``cell`` or ``cell.function``; the cells and
    functions that ``plant`` edits always count. ``checks``: ids of the checks that must pass for
    the bug to count as repaired. ``source``: where it was seen in the wild.
    """

    id: str
    title: str
    kind: Kind
    clauses: tuple[str, ...]
    source: str
    plant: tuple[Edit, ...]
    checks: tuple[str, ...]
    repairs: tuple[Repair, ...]
    near_misses: tuple[Repair, ...]
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clause:
    """A numbered clause of the notebook's protocol, read from its first cell."""

    id: str
    title: str
    text: str


@dataclass(frozen=True)
class Seam:
    """A function or value of the notebook that stays, because the grader calls or watches it."""

    signature: str
    meaning: str

    @property
    def name(self) -> str:
        return self.signature.partition("(")[0]


@dataclass(frozen=True)
class Evidence:
    """What came out of one world's kernel: claims, to be compared with ``truth`` outside.

    ``claims``: parsed JSON. ``arrays``: from an .npz without pickles, finite or not. ``truth``:
    what only the grader knows of this world.
    """

    world: str
    truth: Any
    claims: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """A check's value in one world (None: not measurable), whether it holds, and why."""

    value: float | None
    passed: bool
    explanation: str


@dataclass(frozen=True)
class Check:
    """Measures one thing in each of its worlds; the worst world decides.

    ``measure`` gets the evidence of the world, and of all worlds that ran before it by name. Where
    evidence is missing or malformed it may raise KeyError, TypeError or ValueError: it then fails.
    """

    id: str
    clause: str | None
    worlds: tuple[str, ...]
    bound: str
    why: str
    measure: Callable[[Evidence, Mapping[str, Evidence]], Measurement]


@dataclass(frozen=True)
class World:
    """One re-execution: what the workspace holds, what watches the run, what is asked afterwards.

    ``stage`` writes the data before the first cell and returns the truth (it gets the evidence of
    earlier worlds); ``reveal`` writes the hidden inputs after the last cell. ``prelude`` and
    ``probe`` are sources that run in the kernel before the first and after the last cell; they
    hold no answer.
    """

    name: str
    why: str
    stage: Callable[[Path, Mapping[str, Evidence]], Any]
    reveal: Callable[[Path, Any], None]
    prelude: str
    probe: str


@dataclass(frozen=True)
class Demand:
    """A sentence of the prompt that demands something, and the checks that hold it."""

    text: str
    checks: tuple[str, ...]


@dataclass(frozen=True)
class Budgets:
    """What an episode may use, and what one re-execution may take (seconds of wall time)."""

    tool_calls: int = 80
    kernel_minutes: float = 15
    tokens: int = 1_500_000
    cell_seconds: int = 120
    run_seconds: int = 300


@dataclass(frozen=True)
class ReportRules:
    """Limits of the bug report."""

    max_entries: int = 16
    max_false_alarms: int = 1


@dataclass(frozen=True)
class Task:
    """A task: one correct notebook, the bugs that can be planted in it, and its checks."""

    name: str
    title: str
    source: Path
    bugs: tuple[Bug, ...]
    default_bugs: tuple[str, ...]
    seams: tuple[Seam, ...]
    checks: tuple[Check, ...]
    metrics: tuple[Demand, ...]
    write_data: Callable[[Path, int], None]
    worlds: Callable[[int, int], Sequence[World]]
    budgets: Budgets = Budgets()
    report: ReportRules = ReportRules()

    @cached_property
    def cells(self) -> Mapping[str, Any]:
        """The correct notebook's cells by id."""
        return {cell.id: cell for cell in read_source(self.source).cells}

    @cached_property
    def clauses(self) -> tuple[Clause, ...]:
        first = read_source(self.source).cells[0].source
        return tuple(Clause(*parts) for parts in clauses_of(first))

    def bug(self, bug_id: str) -> Bug:
        """The bug of that id; TaskError names those that exist."""
        for bug in self.bugs:
            if bug.id == bug_id:
                return bug
        known = ", ".join(bug.id for bug in self.bugs)
        raise TaskError(f"{self.name} has no bug {bug_id!r}; it has {known}")
