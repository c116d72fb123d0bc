"""Remarks that observers typed about curves, and the rows that a reader of quoted text loses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

# A mark here is an inch mark, a second of arc or what is put around a word: never CSV quoting.
# Most of them hold a number of the night, so that few are alike.
PLAIN = (
    "thin cirrus",
    "moon {} deg away",
    "wind {} km/h",
    "guiding lost for {} s",
    "focus at {}",
    "dome closed at {} min",
    "humidity {} percent",
)
CLOSING = ('{}" from a neighbour', 'seeing {}"', 'off by {}" at the start')  # a mark inside
MARKED = (*CLOSING, 'star looks "fuzzy"', '"hot" column {}')
UNCLOSED = (
    '"ghost of a bright star',
    '"striped background',
    '"warm chip',
    '"old flat field',
)
REMARKED, OF_THEM_MARKED = 0.15, 0.15  # shares of the curves, and of the remarks
SAME_STAR, SAME_EXPOSURE = "same star as {}", "same exposure as {}"
# How many remarks tell of something that was seen twice, at least and at most: of stars in both
# releases whose places are alike once units are, and of those mirrored at the equator; of second
# extractions in the order of time, and of those written newest first.
NOTED = {"alike": (4, 4), "mirrored": (2, 3), "oldest first": (4, 4), "newest first": (2, 3)}
LARGE = 600  # curves of a survey that counts as large
STRETCHES = 2  # of rows that are swallowed, in a large survey; in others one or two
SWALLOWED = {True: (12, 25), False: (8, 15)}  # rows of a stretch, by whether the survey is large

Ints = np.ndarray[Any, Any]


def with_remarks(
    rng: np.random.Generator, curves: pd.DataFrame, extracted_twice: set[str]
) -> pd.DataFrame:
    """The curves in random order, with a ``remark`` and the hidden column ``swallowed``.

    A few remarks begin with a mark that none closes in their row. Who takes marks for quoting reads
    on to the next row with a mark, and takes all rows on the way, and this one, for a part of the
    remark: they are ``swallowed``. No target loses more than one of its curves by that, and none
    its only one; nor do targets in ``extracted_twice`` lose any, so that an exposure that was
    extracted twice can be seen to be so by whoever loses rows.
    """
    stretches = _stretches(rng, curves, extracted_twice)
    kept = rng.permutation(np.setdiff1d(np.arange(len(curves)), np.concatenate(stretches)))
    # Each of them after a row that swallows it; never at once after each other.
    first = np.sort(rng.choice(np.arange(1, len(kept)), len(stretches), replace=False))
    pieces = np.split(kept, first)
    order, remark = list(pieces[0]), dict(zip(kept, _harmless(rng, len(kept)), strict=True))
    for rows, piece in zip(stretches, pieces[1:], strict=True):
        remark[order[-1]] = str(rng.choice(UNCLOSED))
        remark |= dict(zip(rows, _plain(rng, len(rows)), strict=True))
        remark[rows[-1]] = _typed(rng, CLOSING)
        order += [*rows, *piece]
    swallowed = np.isin(order, np.concatenate(stretches))
    table = curves.iloc[order].reset_index(drop=True)
    return table.assign(remark=[remark[i] for i in order], swallowed=swallowed)


def _stretches(
    rng: np.random.Generator, curves: pd.DataFrame, extracted_twice: set[str]
) -> list[Ints]:
    """Rows that are swallowed, stretch by stretch: each a curve of another target."""
    large = len(curves) >= LARGE
    number = STRETCHES if large else int(rng.integers(1, STRETCHES + 1))
    low, high = SWALLOWED[large]
    lengths = rng.integers(low, high + 1, number)
    target = curves["target_id"].to_numpy()
    several = curves["target_id"].duplicated(keep=False).to_numpy()
    may = np.flatnonzero(several & ~np.isin(target, list(extracted_twice)))
    may = rng.permutation(may)
    may = may[np.sort(np.unique(target[may], return_index=True)[1])]  # a curve of each target
    if len(may) < lengths.sum():
        raise ValueError(f"{len(may)} targets can lose a curve, not {lengths.sum()}: draw more")
    return np.split(may[: lengths.sum()], np.cumsum(lengths)[:-1])


def _plain(rng: np.random.Generator, rows: int) -> list[str]:
    """Remarks without marks; most are empty."""
    remarked = rng.random(rows) < REMARKED
    return [_typed(rng, PLAIN) if there else "" for there in remarked]


def _typed(rng: np.random.Generator, remarks: tuple[str, ...]) -> str:
    """One of some remarks, with a number where it has one."""
    return str(rng.choice(remarks)).format(rng.integers(2, 60))


def _harmless(rng: np.random.Generator, rows: int) -> list[str]:
    """Remarks of which some have marks, but none that opens what its row does not close."""
    marked = rng.random(rows) < OF_THEM_MARKED
    plain = _plain(rng, rows)
    return [
        _typed(rng, MARKED) if remark and mark else remark
        for remark, mark in zip(plain, marked, strict=True)
    ]


def with_notes(
    rng: np.random.Generator, curves: pd.DataFrame, targets: pd.DataFrame
) -> pd.DataFrame:
    """The curves, of which a few that had no remark name the other target of a star that was seen
    by both releases, or the target whose exposure they are a second extraction of.

    It is how those can be told whose declination lost its sign, and what is written newest first.
    """
    free = curves[curves["remark"] == ""].drop_duplicates("target_id").reset_index(names="row")
    free = free.merge(targets, on="target_id")
    own, again = free[free["copy_of"] == ""], free[free["copy_of"] != ""]
    before = targets[(targets["copy_of"] == "") & (targets["release"] == "DR1")]
    seen = own[own["release"] == "DR2"].merge(before, on="star", suffixes=("", "_before"))
    mirrored, turned = seen["south"] & (seen["dec"] > 0), again["newest_first"]
    remark = curves["remark"].copy()
    for group, kind, text, other in (
        (seen[mirrored], "mirrored", SAME_STAR, "target_id_before"),
        (seen[~mirrored], "alike", SAME_STAR, "target_id_before"),
        (again[turned], "newest first", SAME_EXPOSURE, "copy_of"),
        (again[~turned], "oldest first", SAME_EXPOSURE, "copy_of"),
    ):
        number = int(rng.integers(*NOTED[kind], endpoint=True))
        chosen = group.sample(min(number, len(group)), random_state=rng)
        remark[chosen["row"]] = [text.format(target) for target in chosen[other]]
    return curves.assign(remark=remark)


def in_another_order(rng: np.random.Generator, curves: pd.DataFrame) -> pd.DataFrame:
    """The same rows in another order, in which the same are swallowed: they stay where they were
    behind the row that swallows them."""
    swallower = (~curves["swallowed"]).cumsum().to_numpy() - 1
    place = rng.permutation(swallower[-1] + 1)[swallower]
    return curves.iloc[np.argsort(place, kind="stable")].reset_index(drop=True)
