"""A variant: a task with a choice of its bugs and a draw of its data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nbformat import NotebookNode

from task_spec.model import Bug, Draw, Edit, Task
from task_spec.source import apply_edits, definitions, read_source


@dataclass(frozen=True)
class Variant:
    """``bugs`` planted together in the task's notebook; ``seed`` and ``noise`` draw the published
    data."""

    task: Task
    bugs: tuple[Bug, ...]
    seed: int = 0
    noise: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.task.name}-{len(self.bugs)}-{self.seed}"

    @property
    def draw(self) -> Draw:
        return Draw(self.seed, self.noise)

    def correct(self, edits: Iterable[Edit] = ()) -> NotebookNode:
        """The correct notebook, with edits (an alternative repair, a near miss) if given."""
        notebook = read_source(self.task.source)
        apply_edits(notebook, edits)
        return notebook

    def broken(self) -> NotebookNode:
        """The notebook as a solver gets it."""
        return self.correct(edit for bug in self.bugs for edit in bug.plant)

    @cached_property
    def sources(self) -> Mapping[str, str]:
        """The text of each cell of the broken notebook, by its id."""
        return {cell.id: cell.source for cell in self.broken().cells}

    def write_data(self, folder: Path) -> None:
        self.task.write_data(folder, self.draw)

    def planted_lines(self, bug: Bug) -> dict[str, list[tuple[int, int]]]:
        """The lines that a bug has changed: cell id -> ranges, as of `places`."""
        found: dict[str, list[tuple[int, int]]] = {}
        for edit in bug.plant:
            found.setdefault(edit.cell, []).append(_lines_of(self.sources[edit.cell], edit.new))
        return found

    def places(self, bug: Bug) -> dict[str, list[tuple[int, int]]]:
        """Where a bug may be reported: cell id -> line ranges (1-based, both ends included)."""
        found = {
            cell: [_enclosing(self.sources[cell], lines) for lines in planted]
            for cell, planted in self.planted_lines(bug).items()
        }
        for place in bug.places:
            cell, _, function = place.partition(".")
            source = self.sources[cell]
            lines = _function(source, function) if function else (1, len(source.splitlines()))
            found.setdefault(cell, []).append(lines)
        return found


def _lines_of(source: str, text: str) -> tuple[int, int]:
    start = source.index(text)
    first = source.count("\n", 0, start) + 1
    return first, first + text.rstrip("\n").count("\n")


def _enclosing(source: str, lines: tuple[int, int]) -> tuple[int, int]:
    """The outermost definition around some lines, or the lines and their neighbours."""
    for _, first, last in definitions(source):
        if first <= lines[0] and lines[1] <= last:
            return first, last
    return max(1, lines[0] - 1), min(lines[1] + 1, len(source.splitlines()))


def _function(source: str, name: str) -> tuple[int, int]:
    for found, first, last in definitions(source):
        if found == name:
            return first, last
    raise ValueError(f"no definition of {name!r} in the cell")
