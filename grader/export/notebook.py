"""The cells of a notebook, and how a submitted notebook differs from the delivered one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from pydantic import BaseModel


@dataclass(frozen=True)
class Cell:
    """A cell; its id is unique in its notebook."""

    id: str
    type: str
    source: str


class _RawCell(BaseModel):
    id: str = "no id"
    cell_type: str
    source: str | list[str] = ""


class _RawNotebook(BaseModel):
    cells: list[_RawCell]


def read_cells(text: str) -> tuple[Cell, ...]:
    """The cells of an ``.ipynb``; raises ValueError if it isn't one.

    Read leniently, not with nbformat: a submission that the grader turned down as malformed is
    one that a reviewer wants to see.
    """
    seen: Counter[str] = Counter()
    cells = []
    for raw in _RawNotebook.model_validate_json(text).cells:
        seen[raw.id] += 1
        number = f" ({seen[raw.id]})" if seen[raw.id] > 1 else ""
        cells.append(Cell(raw.id + number, raw.cell_type, "".join(raw.source)))
    return tuple(cells)


@dataclass(frozen=True)
class CellChange:
    """A cell in the delivered notebook (``before``) and in the submitted one (``after``)."""

    before: Cell | None
    after: Cell | None
    moved: bool = False

    @property
    def cell(self) -> Cell:
        """The cell as it is now, or as it was when it was deleted."""
        cell = self.after or self.before
        assert cell is not None
        return cell

    @property
    def kind(self) -> Literal["inserted", "deleted", "changed", "moved", "unchanged"]:
        if self.before is None:
            return "inserted"
        if self.after is None:
            return "deleted"
        if self.before != self.after:
            return "changed"
        return "moved" if self.moved else "unchanged"

    @property
    def sources(self) -> tuple[str, str]:
        """The source before and after; empty where there is no cell."""
        before = self.before.source if self.before else ""
        return before, self.after.source if self.after else ""


def compare(before: Sequence[Cell], after: Sequence[Cell]) -> list[CellChange]:
    """All cells of both, paired by id, in the order of the submission."""
    matcher = SequenceMatcher(
        None, [cell.id for cell in before], [cell.id for cell in after], autojunk=False
    )
    changes: list[CellChange] = []
    old = {cell.id: cell for cell in before}
    new = {cell.id for cell in after}
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            changes += [CellChange(cell, None) for cell in before[i1:i2] if cell.id not in new]
        changes += _paired(old, after[j1:j2], moved=tag != "equal")
    return changes


def _paired(old: dict[str, Cell], cells: Sequence[Cell], *, moved: bool) -> Iterator[CellChange]:
    for cell in cells:
        yield CellChange(old.get(cell.id), cell, moved and cell.id in old)
