"""Unified diffs between notebooks, for people."""

from __future__ import annotations

import difflib

from nbformat import NotebookNode

from task_spec.model import Bug, Edit, Task
from task_spec.source import apply_edits, read_source


def notebook_diff(before: NotebookNode, after: NotebookNode, context: int = 2) -> str:
    """Changed cells as unified diffs, each headed by its cell id."""
    new = {cell.id: cell.source for cell in after.cells}
    parts: list[str] = []
    for cell in before.cells:
        lines = difflib.unified_diff(
            cell.source.splitlines(),
            new.get(cell.id, "").splitlines(),
            f"cell {cell.id}",
            f"cell {cell.id}",
            n=context,
            lineterm="",
        )
        parts.extend(lines)
    return "\n".join(parts)


def edits_diff(task: Task, edits: tuple[Edit, ...]) -> str:
    """What some edits do to the correct notebook."""
    after = read_source(task.source)
    apply_edits(after, edits)
    return notebook_diff(read_source(task.source), after)


def plant_diff(task: Task, bug: Bug) -> str:
    """What a bug changes: from the correct notebook to the broken one."""
    return edits_diff(task, bug.plant)
