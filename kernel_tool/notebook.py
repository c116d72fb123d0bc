"""A notebook that is read and edited cell by cell, by cell id."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import nbformat

from kernel_tool.execution import Output
from kernel_tool.matching import EditError, numbered, replace_once, unknown_id
from kernel_tool.outputs import output_text
from kernel_tool.text import clip, encodable

__all__ = ["EditError", "NotebookDocument"]

CellType = Literal["code", "markdown"]

# Characters of a cell's outputs that ``render`` shows.
_SHOWN_OUTPUT = 2_000


class NotebookDocument:
    """An nbformat 4.5 notebook. Methods that name a cell raise EditError for an unknown id."""

    def __init__(self, node: Any) -> None:
        self._node = node

    @classmethod
    def read(cls, path: Path) -> Self:
        """The notebook of a file; an older format is upgraded, so that all cells have ids.

        Raises OSError, or ValueError where the file is no notebook.
        """
        node: Any = nbformat.read(path, as_version=4)
        upgrade: Any = nbformat.v4.upgrade
        return cls(upgrade(node) if node.nbformat_minor < 5 else node)

    @property
    def node(self) -> Any:
        """A copy of the notebook as an nbformat node."""
        return copy.deepcopy(self._node)

    @property
    def ids(self) -> list[str]:
        """The ids of all cells, in order."""
        return [cell.id for cell in self._node.cells]

    @property
    def code_ids(self) -> list[str]:
        """The ids of the code cells, in order."""
        return [cell.id for cell in self._node.cells if cell.cell_type == "code"]

    def source(self, cell_id: str) -> str:
        return str(self._cell(cell_id).source)

    def is_code(self, cell_id: str) -> bool:
        return bool(self._cell(cell_id).cell_type == "code")

    def render(self, cell_ids: Sequence[str] | None = None, outputs: bool = False) -> str:
        """Cells (all by default) with id, type and numbered lines, and their outputs' text."""
        cells = self._node.cells if cell_ids is None else [self._cell(one) for one in cell_ids]
        return "\n\n".join(_rendered(cell, outputs) for cell in cells)

    def edit(self, cell_id: str, old: str, new: str) -> None:
        """Replace the only occurrence of ``old`` in a cell; EditError says why if it can't."""
        cell = self._cell(cell_id)
        cell.source = encodable(replace_once(cell.source, old, new))

    def replace(self, cell_id: str, source: str) -> None:
        """Give a cell a new source."""
        self._cell(cell_id).source = encodable(source)

    def insert(self, after_id: str | None, source: str, cell_type: CellType = "code") -> str:
        """Add a cell after another, or at the start (None); returns the new cell's id."""
        at = 0 if after_id is None else self._position(after_id) + 1
        v4: Any = nbformat.v4
        make = v4.new_code_cell if cell_type == "code" else v4.new_markdown_cell
        cell = make(encodable(source))
        self._node.cells.insert(at, cell)
        return str(cell.id)

    def delete(self, cell_id: str) -> None:
        del self._node.cells[self._position(cell_id)]

    def record(self, cell_id: str, outputs: list[Output], execution_count: int | None) -> None:
        """Store what running a code cell gave, as Jupyter does."""
        cell = self._cell(cell_id)
        cell.outputs = [nbformat.from_dict(output) for output in outputs]
        cell.execution_count = execution_count

    def clear_outputs(self) -> None:
        """Forget all outputs, as before a run of the whole notebook."""
        for cell_id in self.code_ids:
            self.record(cell_id, [], None)

    def to_json(self) -> str:
        """The text of the notebook file."""
        return str(nbformat.writes(self._node))

    def save(self, path: Path) -> None:
        """Write the notebook file. Raises OSError."""
        path.write_text(self.to_json(), encoding="utf-8")

    def _position(self, cell_id: str) -> int:
        if cell_id not in self.ids:
            raise unknown_id(cell_id, self.ids)
        return self.ids.index(cell_id)

    def _cell(self, cell_id: str) -> Any:
        return self._node.cells[self._position(cell_id)]


def _rendered(cell: Any, outputs: bool) -> str:
    text = f"--- cell {cell.id} ({cell.cell_type})\n{numbered(cell.source)}"
    shown = output_text(cell.get("outputs", [])) if outputs else ""
    return f"{text}\n--- output of cell {cell.id}\n{clip(shown, _SHOWN_OUTPUT)}" if shown else text
