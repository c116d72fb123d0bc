"""In which worlds a check is made, and the records of a run that several checks read."""

from __future__ import annotations

from typing import Any

import pandas as pd

from task_spec.checking import run_of
from task_spec.model import Evidence

FULL = ("published", "fresh")
ALL = (*FULL, "small", "swapped")
PARTS = ("train", "val", "test")  # who is in another one is left out


def truth_of(e: Evidence) -> pd.DataFrame:
    """The true documents, by doc_id."""
    table: pd.DataFrame = e.truth.corpus.table
    return table.set_index("doc_id")


def claimed(e: Evidence) -> list[tuple[str, str, str]]:
    """(doc_id, source, text) of the run's documents."""
    return [(str(i), str(source), str(text)) for i, source, text in e.claims["documents"]]


def spelt(e: Evidence) -> set[str]:
    """Ids of the documents whose text the run read as clauses P1 and P2 say."""
    clean = dict(truth_of(e)["clean"])
    return {i for i, _, text in claimed(e) if clean.get(i) == text}


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
