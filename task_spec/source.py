"""Reading the correct notebook from its percent-format source, and editing cells of it."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import jupytext
import nbformat
from nbformat import NotebookNode

if TYPE_CHECKING:
    from task_spec.model import Edit

_CLAUSE = re.compile(
    r"^- \*\*(?P<id>P\d+) (?P<title>[^*]+?)\.\*\* (?P<text>.+?)(?=^- |\Z)", re.M | re.S
)
_KERNELSPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}


_NEW_CELL: dict[str, Callable[..., NotebookNode]] = {
    "markdown": nbformat.v4.new_markdown_cell,
    "code": nbformat.v4.new_code_cell,
}


@cache
def _parsed(path: Path) -> NotebookNode:
    scripted = jupytext.read(path, fmt="py:percent")
    notebook: NotebookNode = nbformat.v4.new_notebook(
        metadata={"kernelspec": _KERNELSPEC, "language_info": {"name": "python"}}
    )
    for cell in scripted.cells:
        new_cell = _NEW_CELL[cell.cell_type]
        notebook.cells.append(new_cell(cell.source, id=cell.metadata["id"]))
    nbformat.validate(notebook)
    return notebook


def read_source(path: Path) -> NotebookNode:
    """A fresh copy of the notebook written at ``path``; cell ids come from ``id="..."``."""
    return copy.deepcopy(_parsed(path))


def cell_text(path: Path, cell: str) -> str:
    """The whole text of a cell."""
    return next(str(c.source) for c in _parsed(path).cells if c.id == cell)


def functions(path: Path, cell: str, first: str, last: str) -> str:
    """The text of a cell from the definition of one function to the end of another."""
    source = cell_text(path, cell)
    lines = {
        node.name: (node.lineno, node.end_lineno or node.lineno)
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    }
    return "".join(source.splitlines(keepends=True)[lines[first][0] - 1 : lines[last][1]])


def definitions(source: str) -> list[tuple[str, int, int]]:
    """(name, first line, last line) of every function and class, inner ones after outer ones."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found.append((node.name, first, node.end_lineno or node.lineno))
    return found


def clauses_of(protocol: str) -> Iterator[tuple[str, str, str]]:
    """(id, title, text) of each clause of a protocol cell."""
    for match in _CLAUSE.finditer(protocol):
        yield match["id"], match["title"], " ".join(match["text"].split())


def apply_edits(notebook: NotebookNode, edits: Iterable[Edit]) -> None:
    """Apply edits in place. ValueError where a cell is missing or the text is not unique in it."""
    cells = {cell.id: cell for cell in notebook.cells}
    for edit in edits:
        if edit.cell not in cells:
            raise ValueError(f"edit of cell {edit.cell!r}: there is no such cell")
        cell = cells[edit.cell]
        count = cell.source.count(edit.old)
        if count != 1:
            raise ValueError(f"edit of cell {edit.cell!r}: {count} matches of {edit.old!r}")
        cell.source = cell.source.replace(edit.old, edit.new)
