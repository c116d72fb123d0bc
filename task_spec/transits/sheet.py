"""The sheet of labels that vetters filled in by hand, and where its entries stand in wrong rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

RUN_ROWS = (30, 40)  # the protocol says 25 to 40
SPACING = 15  # rows between two runs, and before the first and after the last
MIN_WRONG_LABELS = 12  # in each run, so that a run left in place always shows
ORDERS = 100  # that are tried: in a survey of 100 stars most have room for both runs

Floats = np.ndarray[Any, Any]
Ints = np.ndarray[Any, Any]
Way = Callable[[int], Ints]
Run = tuple[int, Ints]  # first row, and of which of the run's rows each of them holds the entry


def magnitude_error(noise: float) -> float:
    """Standard deviation [mag] of a vetter's estimate; stars differ by about 1 mag."""
    return 0.1 + 0.55 * noise**4


def down_a_row(rows: int) -> Ints:
    """(rows,) each row holds the entry of the one above it, and the first that of the last."""
    return np.roll(np.arange(rows), 1)


def across_columns(rows: int) -> Ints:
    """(rows,) entries 0, h, 1, h + 1, 2, …: two columns of h rows that were copied line by line.

    The first row is right, and the last one if their number is even.
    """
    height = -(-rows // 2)
    return np.argsort(np.arange(rows) % height, kind="stable")


WAYS: tuple[Way, ...] = (down_a_row, across_columns)  # each of them once in a sheet


def draw_sheet(
    rng: np.random.Generator, targets: pd.DataFrame, noise: float, *, misplaced: bool = True
) -> pd.DataFrame:
    """A row a target, in the order in which the vetters worked.

    target_id, mag as it was noted, and the hidden columns ``entry_of`` (the target to which mag
    and label of the row belong) and ``near_run`` (whether the row is in a run of misplaced entries
    or close to one). ``targets`` needs target_id, label and the measured ``mag``. With
    ``misplaced`` there is a run of each of `WAYS`, in either half of the sheet.
    """
    sheet, runs = _shuffled(rng, targets, WAYS if misplaced else ())
    mag = sheet["mag"].to_numpy() + rng.normal(0, magnitude_error(noise), len(sheet))
    entry, near = np.arange(len(sheet)), np.zeros(len(sheet), dtype=bool)
    for first, order in runs:
        entry[first : first + len(order)] = first + order
        near[max(0, first - 5) : first + len(order) + 5] = True
    ids = sheet["target_id"].to_numpy()
    return pd.DataFrame(
        {"target_id": ids, "mag": mag[entry], "entry_of": ids[entry], "near_run": near}
    )


def _shuffled(
    rng: np.random.Generator, targets: pd.DataFrame, ways: tuple[Way, ...]
) -> tuple[pd.DataFrame, list[Run]]:
    """The targets in an order that has room for a run of each way, and these runs."""
    for _ in range(ORDERS):
        sheet = targets.iloc[rng.permutation(len(targets))].reset_index(drop=True)
        runs = _runs(rng, sheet["label"].to_numpy(), ways)
        if len(runs) == len(ways):
            return sheet, runs
    raise ValueError(
        f"no {len(ways)} runs of {RUN_ROWS[0]} rows with {MIN_WRONG_LABELS} wrong labels each fit "
        f"into {len(targets)} targets: draw a larger survey"
    )


def _runs(rng: np.random.Generator, label: Ints, ways: tuple[Way, ...]) -> list[Run]:
    """A run in each part of the sheet that has room for one, none close to another; which way is
    in which part is random."""
    ends = np.linspace(0, len(label), len(ways) + 1).astype(int)
    runs = []
    for first, end, way in zip(ends[:-1], ends[1:], rng.permutation(len(ways)), strict=True):
        found = _candidates(label, first + SPACING, end - SPACING, ways[way])
        if found:
            at, rows = found[rng.integers(len(found))]
            runs.append((at, ways[way](rows)))
    return runs


def _candidates(label: Ints, first: int, end: int, way: Way) -> list[tuple[int, int]]:
    """First row and number of rows of all runs between two rows that leave enough labels wrong."""
    found = []
    for rows in range(RUN_ROWS[0], min(RUN_ROWS[1], end - first) + 1):
        label_of = np.lib.stride_tricks.sliding_window_view(label[first:end], rows)
        wrong = _least_wrong(label_of, way)
        found += [(first + int(at), rows) for at in np.flatnonzero(wrong >= MIN_WRONG_LABELS)]
    return found


def _least_wrong(label: Ints, way: Way) -> Ints:
    """(runs,) how many of the true labels (runs, rows) are wrong: the least of what a run has as
    it stands, and of what it has once it was taken for one that slipped down a row."""
    held = label[:, way(label.shape[1])]
    wrong: Ints = np.sum(held != label, axis=1)
    if way is not down_a_row:
        wrong = np.minimum(wrong, np.sum(np.roll(held, -1, axis=1) != label, axis=1))
    return wrong
