"""Writing what a solver gets: the broken notebook and its data."""

from __future__ import annotations

from pathlib import Path

import nbformat

from task_spec.variant import Variant


def stage_workspace(variant: Variant, folder: Path) -> Path:
    """Write the notebook (without outputs) and ``data/`` into a folder; returns the notebook."""
    folder.mkdir(parents=True, exist_ok=True)
    notebook = folder / f"{variant.task.name}.ipynb"
    nbformat.write(variant.broken(), notebook)
    variant.write_data(folder / "data")
    return notebook
