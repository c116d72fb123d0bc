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

    A near miss looks right and leaves the bug's clause broken; the grader must fail it. It is
    ``obvious`` if it is what comes to mind first: the bug is then an onion.
    """

    why: str
    edits: tuple[Edit, ...]
    obvious: bool = False


@dataclass(frozen=True)
class Draw:
    """What published data are drawn from: a seed, and how hard row faults are to see (0 to 1)."""

    seed: int = 0
    noise: float = 0.0


Row = tuple[str, ...]


@dataclass(frozen=True)
class Ceiling:
    """What a reference detector reaches at some noise: means over ``seeds`` draws, and how many of
    them reach both bounds."""

    noise: float
    precision: float
    recall: float
    reached: int
    seeds: int


@dataclass(frozen=True)
class Rows:
    """The rows of the published data that a bug touches, to be listed in its report.

    A row is ``size`` ids, in sorted order; ``meaning`` names them in the prompt. ``of`` gives the
    affected rows of a draw. A list reports the bug if of its rows at least ``min_precision`` are
    affected, and of the affected rows at least ``min_recall`` are in it.
    """

    meaning: str
    size: int
    min_precision: float
    min_recall: float
    of: Callable[[Draw], frozenset[Row]]
    ceiling: tuple[Ceiling, ...] = ()


@dataclass(frozen=True)
class Bug:
    """One planted bug: edits of the correct notebook that break a clause without an error.

    ``places``: where it may rightly be reported, as ``cell`` or ``cell.function``; the cells and
    functions that ``plant`` edits always count. ``checks``: ids of the checks that must pass for
    the bug to count as repaired. ``source``: where it was seen in the wild. ``rows``: what its
    report must list. ``deep``: the data hold a side of it that no clause tells, so that a repair
    may seem complete and isn't. ``held_out``: never planted for training, so that generalisation
    to bugs that were never seen can be measured.
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
    rows: Rows | None = None
    deep: bool = False
    held_out: bool = False

    @property
    def onion(self) -> bool:
        """Whether the repair that comes to mind first leaves the clause broken."""
        return any(miss.obvious for miss in self.near_misses)


@dataclass(frozen=True)
class Decoy:
    """Code of the correct notebook that looks odd and is right: who reports it errs."""

    cell: str
    quote: str
    why: str


@dataclass(frozen=True)
class Level:
    """How hard a variant is: how many bugs, at least how many onions among them, whether all deep
    ones are in, what noise."""

    name: str
    bugs: int
    onions: int
    noise: float
    deep: bool = False


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


class Sense(StrEnum):
    """On which side of its limit a value holds."""

    AT_MOST = "at most"
    AT_LEAST = "at least"
    NONE_OF = "none of"  # a count that is 0


@dataclass(frozen=True)
class Measurement:
    """A check's value in one world (None: not measurable), whether it holds, and why.

    ``limit`` and ``sense`` say what the value was held against, where that is one number; ``log``
    that it spans orders of magnitude, so that its distance to the limit is one of logarithms.
    """

    value: float | None
    passed: bool
    explanation: str
    limit: float | None = None
    sense: Sense | None = None
    log: bool = False


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
class Cheat:
    """Code that tries to pass without an honest repair; the grader must not let it.

    ``exploit``: its number in `grader.validation.exploits`. ``change`` makes its code cells of a
    notebook's: of the correct one if ``repaired``, else of one with a bug left in. ``worlds`` to
    run it in and ``checks`` of which one must fail; left empty, the grader's choice and any.
    """

    id: str
    why: str
    exploit: int
    change: Callable[[Sequence[str]], Sequence[str]]
    repaired: bool = False
    worlds: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Demand:
    """A sentence of the prompt that demands something, and the checks that hold it."""

    text: str
    checks: tuple[str, ...]


@dataclass(frozen=True)
class Budgets:
    """What an episode may use, and what one re-execution may take (seconds of wall time).

    memory_gib: of a kernel with all processes that it starts, in an episode as in a re-execution.
    """

    tool_calls: int = 120
    kernel_minutes: float = 30
    tokens: int = 4_000_000
    cell_seconds: int = 120
    run_seconds: int = 300
    memory_gib: int = 4


@dataclass(frozen=True)
class ReportRules:
    """Limits of the bug report."""

    max_entries: int = 40
    max_false_alarms: int = 1


@dataclass(frozen=True)
class Task:
    """A task: one correct notebook, the bugs that can be planted in it, and its checks.

    ``write_data(folder, draw)`` writes the published data; ``worlds(published, seed)`` are the
    re-executions of one grading, in which ``seed`` draws whatever is not published.
    ``levels`` go from the easiest to the hardest. ``reruns`` tells a solver on what data its
    notebook is run again, ``kept_names`` which top-level names it must keep.
    """

    name: str
    title: str
    source: Path
    bugs: tuple[Bug, ...]
    decoys: tuple[Decoy, ...]
    levels: tuple[Level, ...]
    seams: tuple[Seam, ...]
    checks: tuple[Check, ...]
    metrics: tuple[Demand, ...]
    reruns: str
    kept_names: tuple[str, ...]
    write_data: Callable[[Path, Draw], None]
    worlds: Callable[[Draw, int], Sequence[World]]
    budgets: Budgets = Budgets()
    report: ReportRules = ReportRules()
    cheats: tuple[Cheat, ...] = ()

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

    def level(self, name: str) -> Level:
        """The level of that name; TaskError names those that exist."""
        for level in self.levels:
            if level.name == name:
                return level
        known = ", ".join(level.name for level in self.levels)
        raise TaskError(f"{self.name} has no level {name!r}; it has {known}")
