"""How a list of rows of the data compares with the affected ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from statistics import fmean

from task_spec.model import Ceiling, Draw, Row, Rows


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

    def clears(self, min_precision: float, min_recall: float) -> bool:
        """Whether neither is below its bound."""
        return self.precision >= min_precision and self.recall >= min_recall

    def reaches(self, rows: Rows) -> bool:
        """Whether the list reports the bug."""
        return self.clears(rows.min_precision, rows.min_recall)

    def __str__(self) -> str:
        return f"precision {self.precision:.2f}, recall {self.recall:.2f}"


def ceilings(
    draws: Iterable[Draw],
    score: Callable[[Draw], RowScore],
    min_precision: float,
    min_recall: float,
) -> tuple[Ceiling, ...]:
    """What a detector reaches, by noise, over the seeds of the draws of that noise; ``score``: of
    its list in the published data of a draw."""
    scores: dict[float, list[RowScore]] = {}
    for draw in draws:
        scores.setdefault(draw.noise, []).append(score(draw))
    return tuple(
        Ceiling(
            noise,
            fmean(one.precision for one in got),
            fmean(one.recall for one in got),
            sum(one.clears(min_precision, min_recall) for one in got),
            len(got),
        )
        for noise, got in scores.items()
    )
