"""In which worlds a check is made, and the records of a run that several checks read."""

from __future__ import annotations

from typing import Any

from task_spec.checking import run_of
from task_spec.model import Evidence

FULL = ("published", "fresh")
ALL = (*FULL, "small", "swapped")
PARTS = ("train", "val", "test")  # who is in another one is left out


def steps_of(e: Evidence) -> list[dict[str, Any]]:
    """The optimizer steps of the training; ValueError if there were none."""
    steps: list[dict[str, Any]] = run_of(e)["steps"]
    if not steps:
        raise ValueError("no optimizer step was taken in `train_model`")
    return steps


def epochs_of(e: Evidence) -> list[dict[str, Any]]:
    """The epochs of the training; ValueError if there were none."""
    epochs: list[dict[str, Any]] = run_of(e)["epochs"]
    if not epochs:
        raise ValueError("`train_epoch` was not called in `train_model`")
    return epochs
