"""The sheet of labels that vetters filled in by hand, and where its entries slipped by a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

RUN_ROWS = (30, 40)  # the protocol says 25 to 40
SPACING = 15  # rows between two runs, and before the first and after the last
MIN_WRONG_LABELS = 12  # in each run, so that a run left in place always shows

Floats = np.ndarray[Any, Any]


def magnitude_error(noise: float) -> float:
    """Standard deviation [mag] of a vetter's estimate; stars differ by about 1 mag."""
    return 0.1 + 1.0 * noise**4


def draw_sheet(
    rng: np.random.Generator, targets: pd.DataFrame, runs: int, noise: float
) -> pd.DataFrame:
    """A row a target, in the order in which the vetters worked.

    target_id, mag as it was noted, and the hidden columns ``entry_of`` (the target to which mag
    and label of the row belong) and ``near_run`` (whether the row is in a slipped run or close to
    one). ``targets`` needs target_id, label and the measured ``mag``. In a run the entries stand
    one row too low, and the last one in the first row.
    """
    sheet = targets.iloc[rng.permutation(len(targets))].reset_index(drop=True)
    mag = sheet["mag"].to_numpy() + rng.normal(0, magnitude_error(noise), len(sheet))
    entry, near = np.arange(len(sheet)), np.zeros(len(sheet), dtype=bool)
    for first, last in _runs(rng, sheet["label"].to_numpy(), runs):
        entry[first : last + 1] = np.roll(entry[first : last + 1], 1)
        near[max(0, first - 5) : last + 6] = True
    ids = sheet["target_id"].to_numpy()
    return pd.DataFrame(
        {"target_id": ids, "mag": mag[entry], "entry_of": ids[entry], "near_run": near}
    )


def _runs(rng: np.random.Generator, label: Floats, runs: int) -> list[tuple[int, int]]:
    """First and last row of each run, none close to another or to an end of the sheet."""
    found: list[tuple[int, int]] = []
    part = len(label) // max(1, runs)
    for k in range(runs):
        while len(found) == k:
            length = int(rng.integers(RUN_ROWS[0], RUN_ROWS[1] + 1))
            first = int(rng.integers(k * part + SPACING, (k + 1) * part - SPACING - length))
            run = label[first : first + length]
            if np.sum(run != np.roll(run, 1)) >= MIN_WRONG_LABELS:
                found.append((first, first + length - 1))
    return found
