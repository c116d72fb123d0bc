"""The cells of a validation: what is executed, and what must come out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations

from nbformat import NotebookNode

from grader.agents.scripted import oracle
from grader.validation.cheats import GENERIC
from grader.verdict import ReportEntry
from task_spec.model import Bug, Cheat, Repair, Task
from task_spec.variant import Variant


class Part(StrEnum):
    """What kinds of cells there are."""

    CORRECT = "correct"
    BUG = "bug"
    PAIR = "pair"
    REPAIR = "repair"
    NEAR_MISS = "near_miss"
    CHEAT = "cheat"
    REPORT = "report"


@dataclass(frozen=True)
class Cell:
    """One notebook with a report, and what must come out of grading it.

    ``breaks``: bugs that it leaves broken; of each, a check must fail, and none of a clause that
    isn't theirs. ``measures``: checks for which it is run, in the fewest worlds (None: all worlds).
    ``worlds``: those, where they are named. ``cheat``: it must not pass, however it fails.
    ``sources`` makes the code cells; ValueError where edits don't fit the notebook.
    """

    part: Part
    name: str
    variant: Variant
    sources: Callable[[], tuple[str, ...]]
    report: tuple[ReportEntry, ...] = ()
    breaks: tuple[Bug, ...] = ()
    measures: frozenset[str] | None = None
    worlds: tuple[str, ...] = ()
    cheat: Cheat | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The bugs that ``--only`` has to name to get this cell."""
        return tuple(bug.id for bug in self.breaks) or tuple(b.id for b in self.variant.bugs)


@dataclass(frozen=True)
class Plan:
    """What to validate. Seed k of ``seeds`` draws the published and the hidden data.

    ``bugs``: those whose cells are wanted. ``noise``: of the hardest level unless given. ``pairs``:
    how many are sampled. ``repair_seeds``: how many seeds a repair gets, and other noises do.
    """

    task: Task
    parts: frozenset[Part]
    bugs: tuple[Bug, ...]
    seeds: range
    noise: float
    pairs: int = 12
    repair_seeds: int = 2

    @property
    def first_seeds(self) -> range:
        """Those with repairs and other noises."""
        return self.seeds[: self.repair_seeds]

    @property
    def other_noises(self) -> list[float]:
        return sorted({0.0, *(level.noise for level in self.task.levels)} - {self.noise})


def code_cells(notebook: NotebookNode) -> tuple[str, ...]:
    return tuple(cell.source for cell in notebook.cells if cell.cell_type == "code")


def full_report(variant: Variant) -> tuple[ReportEntry, ...]:
    """An entry for every bug that is planted."""
    return tuple(ReportEntry.model_validate(fields) for fields in oracle(variant, 0).report)


def pilot_of(plan: Plan) -> Cell:
    """The first cell of all: the correct notebook at the first seed."""
    return _correct(plan, plan.seeds.start, plan.noise)


def cells_of(plan: Plan) -> list[Cell]:
    """All other cells that are executed, seed by seed."""
    makers = {
        Part.CORRECT: _correct_ones,
        Part.BUG: _bugs,
        Part.NEAR_MISS: _near_misses,
        Part.REPAIR: _repairs,
        Part.PAIR: _pairs,
        Part.CHEAT: _cheats,
    }
    wanted = [maker for part, maker in makers.items() if part in plan.parts]
    return [cell for seed in plan.seeds for maker in wanted for cell in maker(plan, seed)]


def _correct(plan: Plan, seed: int, noise: float) -> Cell:
    """The correct notebook with a report of all bugs, in all worlds."""
    variant = Variant(plan.task, plan.bugs, seed, noise)

    def sources() -> tuple[str, ...]:
        return code_cells(variant.correct())

    return Cell(Part.CORRECT, f"noise {noise:g}", variant, sources, full_report(variant))


def _correct_ones(plan: Plan, seed: int) -> Iterator[Cell]:
    if seed != plan.seeds.start:
        yield _correct(plan, seed, plan.noise)
    if seed in plan.first_seeds:
        yield from (_correct(plan, seed, noise) for noise in plan.other_noises)


def _bugs(plan: Plan, seed: int) -> Iterator[Cell]:
    yield from (_left_in(plan, Part.BUG, (bug,), seed) for bug in plan.bugs)


def _pairs(plan: Plan, seed: int) -> Iterator[Cell]:
    """A sample of pairs; two bugs of one clause can't be told apart, and make none."""
    pairs = [
        pair for pair in combinations(plan.bugs, 2) if not {*pair[0].clauses} & {*pair[1].clauses}
    ]
    if seed == plan.seeds.start:
        for pair in random.Random(0).sample(pairs, min(plan.pairs, len(pairs))):
            yield _left_in(plan, Part.PAIR, pair, seed)


def _left_in(plan: Plan, part: Part, bugs: tuple[Bug, ...], seed: int) -> Cell:
    variant = Variant(plan.task, bugs, seed, plan.noise)

    def sources() -> tuple[str, ...]:
        return code_cells(variant.broken())

    name = " + ".join(bug.id for bug in bugs)
    return Cell(part, name, variant, sources, breaks=bugs, measures=_checks_of(bugs))


def _near_misses(plan: Plan, seed: int) -> Iterator[Cell]:
    for bug in plan.bugs:
        for number, miss in enumerate(bug.near_misses, 1):
            name = f"{bug.id}, near miss {number}: {miss.why}"
            yield replace(
                _edited(plan, Part.NEAR_MISS, name, bug, miss, seed),
                breaks=(bug,),
                measures=_checks_of([bug]),
            )


def _repairs(plan: Plan, seed: int) -> Iterator[Cell]:
    """Each is held against every check once, then against those of its bug."""
    if seed not in plan.first_seeds:
        return
    for bug in plan.bugs:
        measures = None if seed == plan.seeds.start else _checks_of([bug])
        for number, repair in enumerate(bug.repairs, 1):
            name = f"{bug.id}, repair {number}: {repair.why}"
            cell = _edited(plan, Part.REPAIR, name, bug, repair, seed)
            yield replace(cell, measures=measures)


def _edited(plan: Plan, part: Part, name: str, bug: Bug, repair: Repair, seed: int) -> Cell:
    variant = Variant(plan.task, (bug,), seed, plan.noise)
    return Cell(part, name, variant, lambda: code_cells(variant.correct(repair.edits)))


def _cheats(plan: Plan, seed: int) -> Iterator[Cell]:
    """Each on one bug, in turn: so it has but one check to fool, and all checks are attacked."""
    if seed == plan.seeds.start and plan.bugs:
        for number, cheat in enumerate((*GENERIC, *plan.task.cheats)):
            yield _cheating(plan, cheat, plan.bugs[number % len(plan.bugs)], seed)


def _cheating(plan: Plan, cheat: Cheat, bug: Bug, seed: int) -> Cell:
    variant = Variant(plan.task, (bug,), seed, plan.noise)

    def sources() -> tuple[str, ...]:
        given = variant.correct() if cheat.repaired else variant.broken()
        return tuple(cheat.change(code_cells(given)))

    return Cell(
        Part.CHEAT,
        f"{cheat.id}, on {bug.id}: {cheat.why}",
        variant,
        sources,
        full_report(variant),
        measures=frozenset(cheat.checks) or _checks_of([bug]),
        worlds=cheat.worlds,
        cheat=cheat,
    )


def _checks_of(bugs: Iterable[Bug]) -> frozenset[str]:
    return frozenset(check for bug in bugs for check in bug.checks)
