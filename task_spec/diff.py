"""Unified diffs between notebooks, for people."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from nbformat import NotebookNode

from task_spec.model import Bug, Task
from task_spec.source import apply_edits, definitions, read_source

_LONGEST, _SHOWN = 6, 2  # removed lines in a row that a brief diff has; of more it shows the first


def notebook_diff(before: NotebookNode, after: NotebookNode, context: int = 2) -> str:
    """Changed cells as unified diffs, each headed by its cell id."""
    new = {cell.id: cell.source for cell in after.cells}
    return "\n".join(
        line
        for cell in before.cells
        for line in difflib.unified_diff(
            cell.source.splitlines(),
            new.get(cell.id, "").splitlines(),
            f"cell {cell.id}",
            f"cell {cell.id}",
            n=context,
            lineterm="",
        )
    )


def _planted(task: Task, bug: Bug) -> tuple[NotebookNode, NotebookNode]:
    """The correct notebook, and the one that the bug breaks."""
    after = read_source(task.source)
    apply_edits(after, bug.plant)
    return read_source(task.source), after


def plant_diff(task: Task, bug: Bug) -> str:
    """What a bug changes: from the correct notebook to the broken one."""
    return notebook_diff(*_planted(task, bug))


def brief_diff(task: Task, bug: Bug) -> str:
    """What a bug changes, for a reader in haste: each hunk by its cell, line and function, with no
    context but between changes; of many removed lines in a row the first two. The correct notebook
    has them all."""
    before, after = _planted(task, bug)
    pairs = zip(before.cells, after.cells, strict=True)
    return "\n".join(line for a, b in pairs for line in _brief(a.id, a.source, b.source))


def _brief(cell: str, before: str, after: str) -> Iterator[str]:
    old, new = before.splitlines(), after.splitlines()
    for group in difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(1):
        changes = group[group[0][0] == "equal" : len(group) - (group[-1][0] == "equal")]
        line = changes[0][1] + 1
        inside = ".".join(name for name, a, b in definitions(before) if a <= line <= b)
        yield f"@@ cell {cell}, line {line}{inside and f', in {inside}'} @@"
        for tag, a, b, c, d in changes:
            if tag == "equal":
                yield from (f" {text}" for text in old[a:b])
            else:
                yield from _folded(old[a:b])
                yield from (f"+{text}" for text in new[c:d])


def _folded(removed: Sequence[str]) -> Iterator[str]:
    shown = removed if len(removed) <= _LONGEST else removed[:_SHOWN]
    yield from (f"-{text}" for text in shown)
    if len(shown) < len(removed):
        yield f"- … and {len(removed) - len(shown)} lines more"
