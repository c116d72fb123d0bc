"""The sheet of labels that vetters filled in by hand, and where its entries stand in wrong rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

MIN_PRECISION, MIN_RECALL = 0.9, 0.9  # of the rows that a report names
# The protocol says 20 to 40 rows of all of them.
RUN_ROWS = (30, 40)  # of the run that slipped, and of the one that was copied across columns
PAGE_ROWS = (24, 30)  # of either of two pages that changed places
SPACING = 10  # rows between two runs, and before the first and after the last
NEAR_ROWS = 3  # before and after a run, which a good repair may take for rows of it
# In each run, and in both pages together, if they are left: so that it shows, by about as much in
# every survey of `LARGE` targets or more. Smaller ones have fewer planets, and are not measured.
WRONG_LABELS, WRONG_LABELS_OF_SMALL = (18, 24), (12, 24)
LARGE = 400
# Least mean square by which magnitudes in a run differ from those of its targets, over what it is
# for any two targets: so that no run is less sure than one that looks misplaced by chance.
CLEAR = 0.95
ORDERS = (
    300  # of all rows that are tried: some have no room for all runs, or too few planets in one
)
ARRANGEMENTS = 1000  # of the rows of a run that are tried

Floats = np.ndarray[Any, Any]
Ints = np.ndarray[Any, Any]
Way = Callable[[int], Ints]
Moved = tuple[Ints, Ints]  # rows, and the row to which the entry in each of them belongs
Left = tuple[Ints, list[Ints]]  # rows, and in each way of leaving them which of them each has


def magnitude_error(noise: float) -> float:
    """Standard deviation [mag] of a vetter's estimate; stars differ by about 1 mag."""
    return 0.1 + 0.42 * noise**4


def down_a_row(rows: int) -> Ints:
    """(rows,) each row holds the entry of the one above it, and the first that of the last."""
    return np.roll(np.arange(rows), 1)


def across_columns(rows: int) -> Ints:
    """(rows,) entries 0, h, 1, h + 1, 2, …: two columns of h rows that were copied line by line.

    The first row is right, and the last one if their number is even.
    """
    height = -(-rows // 2)
    return np.argsort(np.arange(rows) % height, kind="stable")


WAYS: tuple[Way, ...] = (down_a_row, across_columns)  # within a run; each of them once in a sheet


def draw_sheet(
    rng: np.random.Generator, targets: pd.DataFrame, noise: float, *, misplaced: bool = True
) -> pd.DataFrame:
    """A row a target, in the order in which the vetters worked.

    target_id, mag as it was noted, and the hidden columns ``entry_of`` (the target to which mag
    and label of the row belong) and ``near_run`` (whether the row is in a run of misplaced entries
    or close to one). ``targets`` needs target_id, label and the measured ``mag``. With
    ``misplaced`` there are a run of each of `WAYS` and two pages that changed places.
    """
    if misplaced:
        order, moved = _order_with_runs(rng, targets)
    else:
        order, moved = rng.permutation(len(targets)), []
    sheet = targets.iloc[order].reset_index(drop=True)
    mag = sheet["mag"].to_numpy() + rng.normal(0, magnitude_error(noise), len(sheet))
    entry, near = np.arange(len(sheet)), np.zeros(len(sheet), dtype=bool)
    for rows, belongs in moved:
        entry[rows] = belongs
        near[np.add.outer(rows, np.arange(-NEAR_ROWS, NEAR_ROWS + 1))] = True
    ids = sheet["target_id"].to_numpy()
    return pd.DataFrame(
        {"target_id": ids, "mag": mag[entry], "entry_of": ids[entry], "near_run": near}
    )


def _order_with_runs(rng: np.random.Generator, targets: pd.DataFrame) -> tuple[Ints, list[Moved]]:
    """An order of the targets, and in it runs each of which shows if it is left."""
    wrong = WRONG_LABELS if len(targets) >= LARGE else WRONG_LABELS_OF_SMALL
    for _ in range(ORDERS):
        order, moved = rng.permutation(len(targets)), _runs(rng, len(targets))
        if moved and all(_arrange(rng, order, targets, run, wrong) for run in _left(moved)):
            return order, moved
    raise ValueError(
        f"no two runs of {RUN_ROWS[0]} and two pages of {PAGE_ROWS[0]} rows with "
        f"{wrong[0]} wrong labels fit into {len(targets)} targets: draw a larger survey"
    )


def _arrange(
    rng: np.random.Generator, order: Ints, targets: pd.DataFrame, left: Left, wrong: tuple[int, int]
) -> bool:
    """Shuffle the targets of a run, in place, so that their magnitudes show that it is misplaced,
    and in each way in which it can be left so many labels are ``wrong``. False if none is found."""
    label, mag = targets["label"].to_numpy(), targets["mag"].to_numpy()
    (rows, holds), (least, most) = left, wrong
    tried = rng.permuted(np.tile(order[rows], (ARRANGEMENTS, 1)), axis=1)
    counts = np.stack([np.sum(label[tried] != label[tried[:, at]], axis=1) for at in holds])
    differ = np.mean((mag[tried] - mag[tried[:, holds[0]]]) ** 2, axis=1)
    shows = np.all((least <= counts) & (counts <= most), axis=0)
    shows &= differ >= CLEAR * 2 * np.var(mag)
    order[rows] = tried[shows.argmax()]
    return bool(shows.any())


def _left(moved: list[Moved]) -> list[Left]:
    """Of each run, and of both pages together, the ways in which they can be left: as they are, and
    two columns also taken for a run that slipped down a row, or read across again."""
    (slip, _), (columns, _), (pages, _) = moved
    down, across = (way(len(run)) for way, run in zip(WAYS, (slip, columns), strict=True))
    other = np.roll(np.arange(len(pages)), len(pages) // 2)
    return [
        (slip, [down]),
        (columns, [across, np.roll(across, -1), across[across]]),
        (pages, [other]),
    ]


def _runs(rng: np.random.Generator, rows: int) -> list[Moved]:
    """A run of each way and two pages of one length, in a random order along the sheet and none
    close to another; an empty list if they are too long for that."""
    lengths = np.append(rng.integers(RUN_ROWS[0], RUN_ROWS[1] + 1, len(WAYS)), [0, 0])
    lengths[-2:] = rng.integers(PAGE_ROWS[0], PAGE_ROWS[1] + 1)
    spare = rows - int(lengths.sum()) - SPACING * (len(lengths) + 1)
    if spare < 0:
        return []
    order = rng.permutation(len(lengths))
    before = np.sort(rng.integers(0, spare + 1, len(lengths))) + SPACING * (
        1 + np.arange(len(order))
    )
    first = np.empty_like(lengths)
    first[order] = before + np.cumsum(lengths[order]) - lengths[order]
    *runs, page, other = [a + np.arange(n) for a, n in zip(first, lengths, strict=True)]
    moved = [(run, run[way(len(run))]) for run, way in zip(runs, WAYS, strict=True)]
    return [*moved, (np.append(page, other), np.append(other, page))]
