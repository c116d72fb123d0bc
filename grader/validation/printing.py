"""What a validation prints: progress, the confusion table, margins, and what is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from grader.validation.cells import Cell
from grader.validation.confusion import CellResult, Outcome, confusion
from grader.validation.margins import LEAST, SEEDS, Margin, Side

# Cells from one line of progress to the next, where no bar can be drawn, and from one time to the
# next that results are written.
EVERY = 100


class Bar:
    """A bar that counts cells, or a line now and then where output is no terminal; wrong cells are
    printed as they come."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self.progress.add_task("cells", total=None)
        self._wrong = 0

    def start(self, total: int) -> None:
        self.progress.update(self._task, total=total)

    def ended(self, result: CellResult) -> None:
        """A cell has ended."""
        if result.outcome is not Outcome.RIGHT:
            self._wrong += 1
            print_wrong(self._console, result)
        wrong = f", {self._wrong} wrong" if self._wrong else ""
        self.progress.update(self._task, advance=1, description=f"cells{wrong}")
        (cells,) = self.progress.tasks
        if self.progress.disable and cells.completed % EVERY == 0:
            how_far = f"{cells.completed:.0f} of {cells.total:.0f} cells{wrong}"
            self._console.print(how_far, highlight=False)


def print_wrong(console: Console, result: CellResult) -> None:
    """What is wrong with a cell, and how to see it again."""
    cell = result.cell
    where = f"seed {cell.variant.seed}, noise {cell.variant.noise:g}"
    console.print(f"[red]{result.outcome}[/red]: {cell.part}, {escape(cell.name)} ({where})")
    console.print(f"  {result.why}", markup=False, highlight=False)
    console.print(f"  again: {again(cell)}", markup=False, highlight=False, soft_wrap=True)


def again(cell: Cell) -> str:
    """The command that runs a cell again, with few others."""
    variant = cell.variant
    all_bugs = len(cell.ids) in (0, len(variant.task.bugs))
    only = "" if all_bugs else f" --only {','.join(cell.ids)}"
    return (
        f"python -m grader.validate --task {variant.task.name} --part {cell.part}{only} "
        f"--seed {variant.seed} --seeds 1 --noise {variant.noise:g}"
    )


def print_confusion(console: Console, results: Iterable[CellResult]) -> None:
    """How many cells of each part came out how."""
    table = _table("cells by what they are and how they came out", ("", *Outcome))
    for part, counts in confusion(results).items():
        table.add_row(part, *(_count(counts[outcome], outcome) for outcome in Outcome))
    console.print(table)


def _count(count: int, outcome: Outcome) -> str:
    if outcome is Outcome.RIGHT or not count:
        return str(count)
    return f"[red]{count}[/red]"


def print_margins(console: Console, margins: Sequence[Margin]) -> None:
    """The margins of every check, to both sides."""
    title = "distance of each bound, in standard deviations over seeds"
    headings = ("check", "bound", "correct", "margin", "broken", "margin", "nearest")
    table = _table(title, headings)
    for margin in margins:
        clean, broken = margin.clean, margin.broken
        table.add_row(
            margin.check,
            _bound(margin),
            *_side(clean),
            *_side(broken),
            escape(broken.of[:40]) if broken else "seen by another check first",
        )
    console.print(table)


def _bound(margin: Margin) -> str:
    if margin.limit is None or margin.sense is None:
        return "-"
    logs = ", log" if margin.log else ""
    return f"{margin.sense} {margin.limit:g}{logs}" if margin.limit else f"{margin.sense}"


def _side(side: Side | None) -> tuple[str, str]:
    if side is None:
        return "-", "-"
    shown = "not measurable" if side.low is None else f"{side.low:.3g} to {side.high:.3g}"
    margin = margin_text(side.margin)
    return shown, f"[red]{margin}[/red]" if side.too_small else margin


def margin_text(margin: float | None) -> str:
    """A margin; ``sure`` is one without a spread."""
    if margin is None:
        return "-"
    if math.isinf(margin):
        return "sure" if margin > 0 else "wrong"
    return f"{margin:.1f}"


@dataclass(frozen=True)
class Tally:
    """What a validation comes to."""

    cells: int
    wrong: int
    margins: Sequence[Margin]

    @property
    def small(self) -> list[Margin]:
        """Those that are too small; whether one is, is only decided by enough seeds."""
        return [margin for margin in self.margins if margin.too_small]

    @property
    def undecided(self) -> int:
        return sum(margin.undecided for margin in self.margins)

    @property
    def holds(self) -> bool:
        return not self.wrong and not self.small


def print_tally(console: Console, tally: Tally) -> None:
    """The result in a line, and the margins that are too small."""
    for margin in tally.small:
        for name, side in (("correct", margin.clean), ("broken", margin.broken)):
            if side is not None and side.too_small:
                text = f"{margin.check}: only {margin_text(side.margin)} to {name} ({side.of})"
                console.print(f"margin too small: {text}", markup=False, soft_wrap=True)
    decided = f", {tally.undecided} undecided: it takes {SEEDS} seeds" * bool(tally.undecided)
    console.print(
        f"{tally.cells} cells, {tally.wrong} wrong; {len(tally.small)} margins below {LEAST:g}"
        f"{decided}",
        highlight=False,
    )


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for index, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", justify="right" if index else "left")
    return table
