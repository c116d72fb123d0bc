"""The findings as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kernel_tool.bench.report import figure
from kernel_tool.bench.results import Measure, Part

_COLUMNS = 3
_BAR, _DOTS = "#4c78a8", "#222222"
# Above this ratio of the longest bar to the shortest, the shortest would not be seen.
_WIDE = 50.0
# Above this number of samples, dots would be a smear.
_DOTTED = 30
# A panel has room for so many, so that two are not drawn as walls.
_LEAST_BARS = 5


def draw(parts: Sequence[Part], path: Path) -> None:
    """Write a PNG with a panel for each quantity: bars are medians, dots samples (if few)."""
    panels = [panel for part in parts for panel in _panels(part)]
    if not panels:
        return
    rows = -(-len(panels) // _COLUMNS)
    picture = Figure(figsize=(5.2 * _COLUMNS, 0.6 + 2.0 * rows), layout="constrained")
    axes = picture.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for ax, (title, measures) in zip(axes, panels, strict=False):
        _panel(ax, title, measures)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    picture.suptitle("Kernels: medians (bars) and, where they are few, samples (dots)")
    picture.savefig(path, dpi=110)


def _panels(part: Part) -> list[tuple[str, list[Measure]]]:
    """Measures of one quantity and unit, which can share an axis."""
    kinds: dict[tuple[str, str], list[Measure]] = {}
    for measure in part.measures:
        kinds.setdefault((measure.quantity, measure.unit), []).append(measure)
    return [
        (f"{part.name}: {quantity}", measures)
        for (quantity, _), measures in kinds.items()
        if len(measures) > 1
    ]


def _panel(ax: Axes, title: str, measures: list[Measure]) -> None:
    medians = [measure.median for measure in measures]
    places = range(len(measures))
    ax.barh(places, medians, color=_BAR, height=0.65)
    for place, measure in enumerate(measures):
        if len(measure.samples) <= _DOTTED:
            ax.plot(measure.samples, [place] * len(measure.samples), ".", color=_DOTS, ms=4)
    if min(medians) > 0 and max(medians) / min(medians) > _WIDE:
        ax.set_xscale("log")
    ax.set_yticks(places, [f"{m.way}  ({figure(m.median)})" for m in measures], fontsize=8)
    ax.set_ylim(max(len(measures), _LEAST_BARS) - 0.5, -0.5)
    ax.set_xlabel(f"{measures[0].quantity} ({measures[0].unit})", fontsize=8)
    ax.tick_params(axis="x", labelsize=8)
    ax.set_title(title, fontsize=9, loc="left")
    ax.spines[["top", "right"]].set_visible(False)
