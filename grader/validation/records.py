"""A validation as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from grader.validation.confusion import CellResult, Outcome, confusion
from grader.validation.kept import kept, sources
from grader.validation.margins import Margin, Side
from grader.validation.printing import again
from grader.validation.running import Validation


def record(validation: Validation, margins: Sequence[Margin], interrupted: bool) -> dict[str, Any]:
    """All that was found. A margin without a spread is written as "inf" or "-inf"."""
    plan, results = validation.plan, validation.results
    return {
        "task": plan.task.name,
        "sources": sources(),
        "seeds": [*plan.seeds],
        "noise": plan.noise,
        "interrupted": interrupted,
        "confusion": {
            part.value: {outcome.value: counts[outcome] for outcome in Outcome}
            for part, counts in confusion(results).items()
        },
        "margins": [_margin(margin) for margin in margins],
        "wrong": [_wrong(result) for result in results if result.outcome is not Outcome.RIGHT],
        "cpu_seconds": sum(result.cpu_seconds for result in results),
        "costs": validation.layout.costs,
        "cells": kept(results, validation.memory),
    }


def _margin(margin: Margin) -> dict[str, Any]:
    sides = {name: _side(getattr(margin, name)) for name in ("clean", "broken")}
    return {**asdict(margin), **sides, "too_small": margin.too_small}


def _side(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    known = side.margin is None or math.isfinite(side.margin)
    return {**asdict(side), "margin": side.margin if known else str(side.margin)}


def _wrong(result: CellResult) -> dict[str, Any]:
    cell = result.cell
    return {
        "part": cell.part.value,
        "cell": cell.name,
        "seed": cell.variant.seed,
        "noise": cell.variant.noise,
        "outcome": result.outcome.value,
        "why": result.why,
        "again": again(cell),
    }
