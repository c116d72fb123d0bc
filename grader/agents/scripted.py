"""Agents without a model: they know the answers, and drive the same tools in the same loop."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from grader.agents.base import Results, ToolCall, Turn
from task_spec.model import Bug, Edit
from task_spec.prompt import clauses_with_rows
from task_spec.source import apply_edits
from task_spec.variant import Variant

FOUND, NEAR_MISS, CAREFUL = 0.86, 0.5, 0.9


@dataclass
class Plan:
    """What a scripted agent will do: edits of the notebook, then a report."""

    edits: list[Edit] = field(default_factory=list)
    report: list[dict[str, Any]] = field(default_factory=list)


class Scripted:
    """Plays a plan: reads the notebook, edits it, runs it if it was edited, submits."""

    model: str | None = None

    def __init__(self, name: str, plan: Plan | None) -> None:
        self.name = name
        self._turns = _turns(plan)

    async def begin(self, prompt: str, tools: Sequence[Mapping[str, Any]]) -> Turn:
        return next(self._turns)

    async def turn(self, results: Results, note: str | None = None) -> Turn:
        return next(self._turns)

    async def close(self, results: Results = ()) -> None:
        """Nothing is held."""


def _turns(plan: Plan | None) -> Iterator[Turn]:
    ids = count(1)

    def turn(text: str, *calls: tuple[str, dict[str, Any]]) -> Turn:
        made = tuple(ToolCall(f"call_{next(ids)}", name, arguments) for name, arguments in calls)
        return Turn(text=text, calls=made, stop_reason="tool_use" if made else "end_turn")

    if plan is not None:
        yield turn("I read the notebook first.", ("read_notebook", {}))
        for edit in plan.edits:
            arguments = {"cell_id": edit.cell, "old": edit.old, "new": edit.new}
            yield turn(f"I change cell {edit.cell}.", ("edit_cell", arguments))
        if plan.edits:
            yield turn("I run the notebook from a fresh kernel.", ("run_cells", {"cells": "all"}))
        yield turn("I submit.", ("submit", {"bug_report": plan.report}))
    while True:
        yield turn("I have nothing more to do.")


def _entry(bug: Bug, variant: Variant) -> dict[str, Any]:
    edit = bug.plant[0]
    new = [line for line in edit.new.splitlines() if line not in edit.old.splitlines()]
    lines = sorted(new or edit.new.splitlines(), key=len)
    entry: dict[str, Any] = {
        "clause": bug.clauses[0],
        "cell": edit.cell,
        "quote": lines[-1].strip(),
        "explanation": bug.title,
    }
    if bug.rows is not None:
        entry["rows"] = [list(row) for row in sorted(bug.rows.of(variant.draw))]
    return entry


def _false_entries(variant: Variant) -> Iterator[dict[str, Any]]:
    """Well-formed entries that report no planted bug: clauses that hold."""
    cell = next(cell for cell in variant.broken().cells if cell.cell_type == "code")
    broken = {clause for bug in variant.bugs for clause in bug.clauses}
    rows = clauses_with_rows(variant.task)
    for clause in variant.task.clauses:
        if clause.id not in broken:
            entry: dict[str, Any] = {
                "clause": clause.id,
                "cell": cell.id,
                "quote": cell.source.splitlines()[0],
                "explanation": "This may break it.",
            }
            if clause.id in rows:
                entry["rows"] = [[f"id {n}" for n in range(rows[clause.id].size)]]
            yield entry


def _repair(bug: Bug) -> list[Edit]:
    return [edit.reversed() for edit in reversed(bug.plant)]


def oracle(variant: Variant, _: int) -> Plan:
    """Repairs and reports everything."""
    return Plan(
        [edit for bug in variant.bugs for edit in _repair(bug)],
        [_entry(b, variant) for b in variant.bugs],
    )


def reporter(variant: Variant, _: int) -> Plan:
    """Reports everything, repairs nothing."""
    return Plan([], oracle(variant, 0).report)


def fixer(variant: Variant, _: int) -> Plan:
    """Repairs everything, reports nothing."""
    return Plan(oracle(variant, 0).edits, [])


def spammer(variant: Variant, _: int) -> Plan:
    """Repairs everything, and reports every clause, broken or not."""
    plan = oracle(variant, 0)
    plan.report += _false_entries(variant)
    return Plan(plan.edits, plan.report[: variant.task.report.max_entries])


def apprentice(variant: Variant, seed: int) -> Plan:
    """Finds each bug with probability ``FOUND``. What it does not find it misses, or repairs by a
    near miss; now and then it raises false alarms. See `apprentice_rate`."""
    rng = random.Random(seed)
    plan = Plan()
    for bug in variant.bugs:
        found, near = rng.random() < FOUND, rng.random() < NEAR_MISS
        if found:
            plan.edits += _repair(bug)
            plan.report.append(_entry(bug, variant))
        elif near and bug.near_misses:
            attempt = [*_repair(bug), *rng.choice(bug.near_misses).edits]
            if _applies(variant, [*plan.edits, *attempt]):
                plan.edits += attempt
                plan.report.append(_entry(bug, variant))
    if rng.random() >= CAREFUL:
        alarms = list(_false_entries(variant))
        plan.report += alarms[: variant.task.report.max_false_alarms + 1]
    return plan


def apprentice_rate(variant: Variant) -> float:
    """The known pass rate of `apprentice`: it finds all bugs, and raises no false alarm."""
    can_alarm = len(list(_false_entries(variant))) > variant.task.report.max_false_alarms
    return float(FOUND ** len(variant.bugs) * (CAREFUL if can_alarm else 1))


def _applies(variant: Variant, edits: list[Edit]) -> bool:
    try:
        apply_edits(variant.broken(), edits)
    except ValueError:
        return False
    return True


PLANS: dict[str, Callable[[Variant, int], Plan | None]] = {
    "oracle": oracle,
    "nop": lambda _variant, _seed: None,
    "reporter": reporter,
    "fixer": fixer,
    "spammer": spammer,
    "apprentice": apprentice,
}


def scripted_agent(name: str, variant: Variant, seed: int) -> Scripted:
    """The scripted agent of that name, for one trial."""
    return Scripted(name, PLANS[name](variant, seed))
