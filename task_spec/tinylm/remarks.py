"""What the desk typed about documents: `remark`, the last column of `documents.csv`. A few refer to
another document: mostly to the one that theirs was made from.

Quotation marks in it are typed as they come and quote nothing. But to a reader of CSV that takes
them for quotes, a field that begins with a mark goes on to the next mark of the file, over as many
rows as it takes: those rows become part of one remark, and no error tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from task_spec.tinylm.copying import MIN_CHARACTERS

COLUMN = "remark"
PLAIN = ("checked", "late", "by phone", "seen twice", "page 2", "from the archive", "second desk")
# Marks inside, or one that ends the word which it begins: read in any way, the row ends as written.
HARMLESS = ('5" by hand', 'desk "north"', 'for the "late" page', '"late" desk', '3" cut')
# They begin with a mark that is never closed. A row of any of these ends what one before it began.
OPEN = ('"by phone', '"checked', '"late', '"page 2')
SHARE_PLAIN, SHARE_HARMLESS = 0.15, 0.02  # of the rows that are in no stretch
CLOSED_BY_OPEN = 0.5  # share of the stretches that end with another one of `OPEN`


@dataclass(frozen=True)
class Stretches:
    """``least`` to ``most`` rows of a file have an open mark, and the next mark comes ``shortest``
    to ``longest`` rows later."""

    least: int
    most: int
    shortest: int
    longest: int


MANY = Stretches(least=3, most=3, shortest=8, longest=20)
FEW = Stretches(least=2, most=2, shortest=5, longest=10)
LARGE = 1000  # rows from which on a file has `MANY`
SEE = "see {}"
# Rows that refer to another one: copies to their original, one of which was translated, and one
# to a training document that has nothing to do with it. So at first look four of six fit.
PLAIN_COPIES, TRANSLATED_COPIES, UNRELATED = 4, 1, 1


def draw_remarks(rng: np.random.Generator, rows: int) -> list[str]:
    """The remarks of a file of so many rows, mostly empty."""
    remarks = _choose(rng, PLAIN, SHARE_PLAIN, rows)
    marked = _choose(rng, HARMLESS, SHARE_HARMLESS, rows)
    stretches = _draw_stretches(rng, MANY if rows >= LARGE else FEW, rows)
    swallowed = {i for first, last in stretches for i in range(first + 1, last)}
    for i in range(rows):
        if marked[i] and i not in swallowed:
            remarks[i] = marked[i]
    for first, last in stretches:
        remarks[first] = str(rng.choice(OPEN))
        remarks[last] = str(rng.choice(OPEN if rng.random() < CLOSED_BY_OPEN else HARMLESS))
    return remarks


def _choose(rng: np.random.Generator, kinds: tuple[str, ...], share: float, rows: int) -> list[str]:
    """One of some remarks in a share of the rows, "" in the others."""
    given = rng.random(rows) < share
    return [str(kind) if g else "" for kind, g in zip(rng.choice(kinds, rows), given, strict=True)]


def _draw_stretches(rng: np.random.Generator, kind: Stretches, rows: int) -> list[tuple[int, int]]:
    """(row of the open mark, row of the mark that closes it) of each stretch; none overlap."""
    count = int(rng.integers(kind.least, kind.most + 1))
    lengths: np.ndarray[Any, Any] = rng.integers(kind.shortest, kind.longest + 1, count)
    before = np.concatenate([[0], np.cumsum(lengths + 1)])
    starts = np.sort(rng.integers(rows - before[-1] + 1, size=count)) + before[:-1]
    return [(int(a), int(a + n)) for a, n in zip(starts, lengths, strict=True)]


def with_notes(rng: np.random.Generator, table: pd.DataFrame) -> pd.Series[str]:
    """The remarks, of which a few that were empty refer to another document."""
    remark = table[COLUMN].copy()
    long = table["clean"].str.len() >= MIN_CHARACTERS
    free, train = table[long & (remark == "")], table[long & (table["part"] == "train")]
    copies = free[free["edited"]]
    others = free[(free["part"] != "train") & (free["original"] == "")]
    any_text = train["doc_id"].sample(len(others), random_state=rng)
    for group, count in (
        (copies[~copies["translated"]], PLAIN_COPIES),
        (copies[copies["translated"]], TRANSLATED_COPIES),
        (others.assign(original=list(any_text)), UNRELATED),
    ):
        chosen = group.sample(min(count, len(group)), random_state=rng)
        remark[chosen.index] = [SEE.format(doc_id) for doc_id in chosen["original"]]
    return remark
