"""Unified diffs between notebooks, for people."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from itertools import groupby

from nbformat import NotebookNode

from task_spec.model import Bug, Task
from task_spec.source import apply_edits, read_source

_LONGEST, _SHOWN = 6, 2  # removed lines in a row that a brief diff has; of more it shows the first


def notebook_diff(before: NotebookNode, after: NotebookNode, context: int = 2) -> str:
    """Changed cells as unified diffs, each headed by its cell id."""
    return "\n".join(line for _, lines in _cell_diffs(before, after, context) for line in lines)


def _cell_diffs(
    before: NotebookNode, after: NotebookNode, context: int
) -> Iterator[tuple[str, list[str]]]:
    """Ids of the changed cells, and the lines of their diffs."""
    new = {cell.id: cell.source for cell in after.cells}
    for cell in before.cells:
        lines = difflib.unified_diff(
            cell.source.splitlines(),
            new.get(cell.id, "").splitlines(),
            f"cell {cell.id}",
            f"cell {cell.id}",
            n=context,
            lineterm="",
        )
        yield cell.id, [*lines]


def _planted(task: Task, bug: Bug) -> tuple[NotebookNode, NotebookNode]:
    """The correct notebook, and the one that the bug breaks."""
    after = read_source(task.source)
    apply_edits(after, bug.plant)
    return read_source(task.source), after


def plant_diff(task: Task, bug: Bug) -> str:
    """What a bug changes: from the correct notebook to the broken one."""
    return notebook_diff(*_planted(task, bug))


def brief_diff(task: Task, bug: Bug) -> str:
    """What a bug changes, for a reader in haste: a line of context, and of many removed lines in a
    row the first two. The correct notebook has them all."""
    shown: list[str] = []
    for cell, lines in _cell_diffs(*_planted(task, bug), 1):
        for kind, run in groupby(lines[2:], lambda line: line[0]):
            shown.extend(_folded(cell, kind, [*run]))
    return "\n".join(shown)


def _folded(cell: str, kind: str, lines: Sequence[str]) -> list[str]:
    if kind == "@":
        return [f"@@ cell {cell}, line {line.split()[1][1:].split(',')[0]} @@" for line in lines]
    if kind == "-" and len(lines) > _LONGEST:
        return [*lines[:_SHOWN], f"- … and {len(lines) - _SHOWN} lines more"]
    return [*lines]
