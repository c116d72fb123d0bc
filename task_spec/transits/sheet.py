"""The sheet of labels that vetters filled in by hand, and where its entries slipped by a row."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

RUN_ROWS = (30, 40)  # the protocol says 25 to 40
SPACING = 15  # rows between two runs, and before the first and after the last
MIN_WRONG_LABELS = 12  # in each run, so that a run left in place always shows
ORDERS = 100  # that are tried: in a survey of 100 stars most have room for a run

Floats = np.ndarray[Any, Any]
Run = tuple[int, int]  # first and last row


def magnitude_error(noise: float) -> float:
    """Standard deviation [mag] of a vetter's estimate; stars differ by about 1 mag."""
    return 0.1 + 0.55 * noise**4


def draw_sheet(
    rng: np.random.Generator, targets: pd.DataFrame, runs: int, noise: float
) -> pd.DataFrame:
    """A row a target, in the order in which the vetters worked.

    target_id, mag as it was noted, and the hidden columns ``entry_of`` (the target to which mag
    and label of the row belong) and ``near_run`` (whether the row is in a slipped run or close to
    one). ``targets`` needs target_id, label and the measured ``mag``. In a run the entries stand
    one row too low, and the last one in the first row.
    """
    sheet, slipped = _shuffled(rng, targets, runs)
    mag = sheet["mag"].to_numpy() + rng.normal(0, magnitude_error(noise), len(sheet))
    entry, near = np.arange(len(sheet)), np.zeros(len(sheet), dtype=bool)
    for first, last in slipped:
        entry[first : last + 1] = np.roll(entry[first : last + 1], 1)
        near[max(0, first - 5) : last + 6] = True
    ids = sheet["target_id"].to_numpy()
    return pd.DataFrame(
        {"target_id": ids, "mag": mag[entry], "entry_of": ids[entry], "near_run": near}
    )


def _shuffled(
    rng: np.random.Generator, targets: pd.DataFrame, runs: int
) -> tuple[pd.DataFrame, list[Run]]:
    """The targets in an order that has room for ``runs`` runs, and these runs."""
    for _ in range(ORDERS):
        sheet = targets.iloc[rng.permutation(len(targets))].reset_index(drop=True)
        found = _runs(rng, sheet["label"].to_numpy(), runs)
        if len(found) == runs:
            return sheet, found
    raise ValueError(
        f"no {runs} runs of {RUN_ROWS[0]} rows with {MIN_WRONG_LABELS} wrong labels each fit into "
        f"{len(targets)} targets: draw a larger survey"
    )


def _runs(rng: np.random.Generator, label: Floats, runs: int) -> list[Run]:
    """First and last row of a run in each part of the sheet that has one, none close to another."""
    ends = np.linspace(0, len(label), runs + 1).astype(int)
    parts = [_candidates(label, first, end) for first, end in pairwise(ends)]
    return [found[rng.integers(len(found))] for found in parts if found]


def _candidates(label: Floats, first: int, end: int) -> list[Run]:
    """All runs between two rows that leave enough labels wrong."""
    found = []
    for length in range(RUN_ROWS[0], RUN_ROWS[1] + 1):
        for start in range(first + SPACING, end - SPACING - length + 1):
            run = label[start : start + length]
            if np.sum(run != np.roll(run, 1)) >= MIN_WRONG_LABELS:
                found.append((start, start + length - 1))
    return found
