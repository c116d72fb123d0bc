"""How a list of rows of the data compares with the affected ones."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from task_spec.model import Row, Rows


@dataclass(frozen=True)
class RowScore:
    """Precision and recall of a list of rows; of no rows both are 0."""

    precision: float
    recall: float

    @classmethod
    def of(cls, listed: Set[Row], affected: Set[Row]) -> RowScore:
        """The score of a list."""
        hits = len(listed & affected)
        return cls(hits / max(1, len(listed)), hits / max(1, len(affected)))

    def reaches(self, rows: Rows) -> bool:
        """Whether the list reports the bug."""
        return self.precision >= rows.min_precision and self.recall >= rows.min_recall

    def __str__(self) -> str:
        return f"precision {self.precision:.2f}, recall {self.recall:.2f}"
