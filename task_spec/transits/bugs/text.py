"""Pieces of the correct notebook that edits replace as a whole."""

from __future__ import annotations

import ast
from pathlib import Path

from task_spec.source import read_source

_SOURCE = Path(__file__).parents[1] / "notebook.py"


def functions(cell: str, first: str, last: str) -> str:
    """The text of a cell from the definition of one function to the end of another."""
    source = next(c.source for c in read_source(_SOURCE).cells if c.id == cell)
    lines = {
        node.name: (node.lineno, node.end_lineno or node.lineno)
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    }
    return "".join(source.splitlines(keepends=True)[lines[first][0] - 1 : lines[last][1]])
