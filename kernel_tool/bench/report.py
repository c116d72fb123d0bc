"""The findings as tables in a terminal, and as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kernel_tool.bench.results import Part, Ratio


def print_machine(console: Console, machine: dict[str, Any]) -> None:
    load = ", ".join(f"{each:.2f}" for each in machine["load_average"])
    console.print(
        f"{machine['cpu']}, {machine['cores']} cores, load average {load}; "
        f"Python {machine['python']}; kernels: {machine['sandbox_description']}",
        markup=False,
    )


def print_part(console: Console, part: Part) -> None:
    table = Table(title=part.title, title_justify="left")
    table.add_column("quantity")
    table.add_column("way")
    for heading in ("median", "least", "most", "samples"):
        table.add_column(heading, justify="right")
    quantities = [each.quantity for each in part.measures]
    for each in sorted(part.measures, key=lambda each: quantities.index(each.quantity)):
        figures = [f"{figure(x)} {each.unit}" for x in (each.median, min(each.samples))]
        figures += [f"{figure(max(each.samples))} {each.unit}", str(len(each.samples))]
        table.add_row(each.quantity, each.way, *figures)
    if part.measures:
        console.print(table)
    for note in part.notes:
        console.print(f"- {note}", markup=False, highlight=False)


def print_ratios(console: Console, parts: Sequence[Part]) -> None:
    table = Table("part", "ratio of medians", title="ratios and bounds", title_justify="left")
    for heading in ("value", "at most", "holds"):
        table.add_column(heading, justify="right")
    for part in parts:
        for ratio in part.ratios:
            limit = "" if ratio.limit is None else figure(ratio.limit)
            table.add_row(part.name, Text(ratio.name), figure(ratio.value), limit, _holds(ratio))
    console.print(table)


def _holds(ratio: Ratio) -> str:
    words = {True: "[green]yes[/green]", False: "[red]NO[/red]", None: ""}
    return words[ratio.holds]


def figure(value: float) -> str:
    """Three digits that count, as long as they are no later than the fourth; no exponent."""
    for digits in range(4):
        if abs(value) >= 10 ** (2 - digits):
            return f"{value:.{digits}f}"
    return f"{value:.4f}"


def document(
    parts: Sequence[Part], machine: dict[str, Any], quick: bool, started: str, seconds: float
) -> dict[str, Any]:
    """All of it. Bounds are the ratios that have a limit. ``seconds``: the whole benchmark's."""
    return {
        "started": started,
        "seconds": seconds,
        "quick": quick,
        "machine": {**machine, "load_average_after": list(os.getloadavg())},
        "parts": {part.name: part.described() for part in parts},
        "bounds": [
            {"part": part.name, **ratio.described()}
            for part in parts
            for ratio in part.ratios
            if ratio.limit is not None
        ],
    }


def write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
