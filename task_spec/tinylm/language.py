"""The corpora of `tinylm`: documents of a synthetic language, and what is true of them.

They have the traits that make text collections treacherous: days that can be read in two ways, a
source whose name looks like a missing value, accents that are spelt in two ways, documents that
are edited copies of earlier ones, some of them in another language, documents whose words were put
out of order, others that only stand backwards or were read across columns, remarks with quotation
marks that are never closed, and a vocabulary file that has fallen out of date.
"""

from __future__ import annotations

import csv
import json
import unicodedata
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from task_spec.tinylm.copying import MIN_CHARACTERS, Manner, Order, edited_copy
from task_spec.tinylm.garbling import MIN_WORDS, TURNED, garble
from task_spec.tinylm.grammar import (
    MAX_WORDS,
    SOURCES,
    TREACHEROUS,
    Grammar,
    draw_grammar,
    translate,
)
from task_spec.tinylm.remarks import COLUMN, draw_remarks, with_notes

# How most documents of a source have their day written, and how the others have it.
DATES = {
    "wire": ("%Y-%m-%d", "%Y-%m-%d"),
    "press": ("%d/%m/%Y", "%m/%d/%Y"),
    "NA": ("%m/%d/%Y", "%d/%m/%Y"),
}
OTHER_DESK = 0.3  # share of those others
# Days within which the numbers before and after a document whose day can be read in two ways hold
# one whose day is certain. Two readings of a day lie at least 27 days apart.
NEAR = 9
# First and last day of each part.
PERIODS = {
    "train": ("2023-09-01", "2024-03-31"),
    "val": ("2024-04-01", "2024-06-30"),
    "test": ("2024-07-01", "2024-12-31"),
}
# Words that no training document has: a few later ones do.
NOVEL = ("covid", "brexit", "https", "emoji", "ok")
EXACT = 0.08  # share of the copies that are exact
# Shares of the edited copies whose words do not stand in the order of the original. The others' do.
ORDERS = {Order.COLUMNS: 0.42, Order.REARRANGED: 0.26}
DECOMPOSED = {"wire": 0.0, "press": 0.15, "NA": 0.6}  # share delivered with combining marks


@dataclass(frozen=True)
class Corpus:
    """One draw of documents.

    ``table`` has, in random order, doc_id (whose numbers grow with the day), source, received, text
    as delivered and remark; and, hidden: ``part``, ``day``, ``clean`` (the text in NFC),
    ``original`` (doc_id of the document it copies, or ""), ``edited`` (whether that copy is not
    exact), ``order`` (the `Order` of that edited one, or of another document whose words stand in
    one of `TURNED`; else ""), ``unaccented`` and ``translated``
    (whether that edited one was typed without accents, or translated) and ``garbled``
    (whether words of it stand in random order).
    """

    grammar: Grammar
    table: pd.DataFrame

    def write(self, folder: Path) -> None:
        """Write the files that a notebook reads; hidden columns stay out."""
        folder.mkdir(parents=True, exist_ok=True)
        write_documents(folder, self.table)
        words = json.dumps(self._old_vocabulary(), ensure_ascii=False)
        (folder / "vocabulary.json").write_text(words, encoding="utf-8")

    def _old_vocabulary(self) -> list[str]:
        """Nine tenths of today's words, and a few that are out of use."""
        lexicon = self.grammar.lexicon
        return sorted([*lexicon[: len(lexicon) * 9 // 10], *NOVEL[:1], "thou", "hath"])

    @property
    def words(self) -> frozenset[str]:
        """The words of the training documents."""
        texts = self.table.loc[self.table["part"] == "train", "clean"]
        return frozenset(word for text in texts for word in text.split(" "))

    def ids(self, part: str) -> frozenset[str]:
        return frozenset(self.table.loc[self.table["part"] == part, "doc_id"])

    def copies(self, *, edited_only: bool = False) -> frozenset[str]:
        """Ids of the val and test documents that copy a training document."""
        table = self.table[self.table["edited"] if edited_only else self.table["original"] != ""]
        return frozenset(table["doc_id"])

    def garbled(self) -> frozenset[str]:
        """Ids of the documents of which a stretch stands in random order."""
        return frozenset(self.table.loc[self.table["garbled"], "doc_id"])

    def with_other_test_texts(self, seed: int) -> Corpus:
        """The same corpus, in which test documents say something else: those that are in test
        however their day is read. They are longer than any document was, so that sizes that are
        taken from them change."""
        rng, table = np.random.default_rng(seed), self.table.copy()
        earliest = readings(table["received"]).min(axis=1)
        for i in table.index[earliest >= pd.Timestamp(PERIODS["test"][0])]:
            words = self.grammar.draw(rng, table.loc[i, "source"], MAX_WORDS)
            text = " ".join([*words, "later", "on"])
            table.loc[i, ["text", "clean"]] = text
            table.loc[i, ["original", "order"]] = ""
            table.loc[i, ["edited", "unaccented", "translated", "garbled"]] = False
        return Corpus(self.grammar, table)


@dataclass(frozen=True)
class Size:
    """Documents of each part; of the copies, about half go to each of val and test. How many of
    the documents that are no copies are ``garbled``, and how many stand in each order of
    `TURNED`."""

    train: int
    val: int
    test: int
    copies: int
    garbled: int
    turned: int


FULL = Size(train=800, val=170, test=170, copies=84, garbled=72, turned=26)
SMALL = Size(train=190, val=75, test=75, copies=44, garbled=22, turned=8)


def draw_corpus(seed: int, noise: float, size: Size = FULL) -> Corpus:
    """Draw a language and a corpus in it; ``noise`` (0 to 1) is how far copies are edited, and how
    short the stretches are that are garbled."""
    rng = np.random.default_rng(seed)
    grammar = draw_grammar(rng)
    train = _own(rng, grammar, "train", size.train)
    later = [_own(rng, grammar, part, getattr(size, part)) for part in ("val", "test")]
    table = pd.concat([train, *later, _copies(rng, grammar, train, size.copies, noise)])
    table = table.sample(frac=1, random_state=int(rng.integers(1 << 31)), ignore_index=True)
    numbers = rng.choice(np.arange(10_000, 99_999), len(table), replace=False)
    # Drawn by itself: all other documents are the same, whatever is garbled.
    _garble(np.random.default_rng([seed, 19]), table, size.garbled, noise)
    _turn(np.random.default_rng([seed, 37]), table, size.turned)
    table["day"] = [_day(rng, part) for part in table["part"]]
    table["text"] = [_delivered(rng, row.source, row.clean) for row in table.itertuples()]
    _receive(np.random.default_rng([seed, 23]), table)
    _number(table, numbers)
    table = table.drop(columns="serial").iloc[np.argsort(numbers)]  # rows in random order
    table[COLUMN] = draw_remarks(np.random.default_rng([seed, 29]), len(table))
    table[COLUMN] = with_notes(np.random.default_rng([seed, 31]), table)
    return Corpus(grammar, table.reset_index(drop=True))


def write_documents(folder: Path, table: pd.DataFrame) -> None:
    """Write `documents.csv`: what is in a row, as it is; marks quote nothing."""
    columns = ["doc_id", "source", "received", "text", COLUMN]
    table[columns].to_csv(folder / "documents.csv", index=False, quoting=csv.QUOTE_NONE)


def _own(rng: np.random.Generator, grammar: Grammar, part: str, count: int) -> pd.DataFrame:
    """Documents that copy nothing. Some consist of one treacherous word; some later ones hold a
    word that is new."""
    sources = rng.choice(SOURCES, count, p=[0.4, 0.35, 0.25])
    texts = [" ".join(grammar.draw(rng, source)) for source in sources]
    for i in range(4):
        texts[i] = TREACHEROUS[i % len(TREACHEROUS)]
    if part != "train":
        for i, word in enumerate(NOVEL, start=4):
            texts[i] = f"{texts[i]} {word}"
    serials = [f"{part}{i}" for i in range(count)]
    return pd.DataFrame(
        {"serial": serials, "part": part, "source": sources, "clean": texts}
    ).assign(original="", edited=False, order="", unaccented=False, translated=False)


def _copies(
    rng: np.random.Generator, grammar: Grammar, train: pd.DataFrame, count: int, noise: float
) -> pd.DataFrame:
    """Later documents, each of which copies another training document."""
    # Long enough to be edited, in either language.
    shorter = [min(len(t), len(translate(t, grammar.translations))) for t in train["clean"]]
    long = train[np.array(shorter) >= 1.25 * MIN_CHARACTERS]
    chosen = long.iloc[rng.choice(len(long), count, replace=False)]
    exact = round(EXACT * count)
    manners = _manners(count - exact)
    texts = chosen["clean"].tolist()
    texts[exact:] = [
        " ".join(edited_copy(rng, grammar, text.split(" "), noise, manner))
        for text, manner in zip(texts[exact:], manners, strict=True)
    ]
    return pd.DataFrame(
        {
            "serial": [f"copy{i}" for i in range(count)],
            "part": np.where(rng.permutation(count) % 2, "val", "test"),
            "source": rng.choice(SOURCES, count, p=[0.4, 0.35, 0.25]),
            "clean": texts,
            "original": chosen["serial"].to_numpy(),
            "edited": np.arange(count) >= exact,
            "order": [""] * exact + [manner.order for manner in manners],
            "unaccented": [False] * exact + [manner.unaccented for manner in manners],
            "translated": [False] * exact + [manner.translated for manner in manners],
        }
    )


def _manners(count: int) -> list[Manner]:
    """The manners of so many edited copies, in the same shares in every draw: half of those that
    were not read off a page are translated, and each second of the others has lost its accents."""
    lost = [order for order, share in ORDERS.items() for _ in range(round(share * count))]
    orders = [Order.IN_ORDER] * (count - len(lost)) + lost
    translated = [i % 2 == 0 and order != Order.COLUMNS for i, order in enumerate(orders)]
    second = cycle((True, False))
    unaccented = [not done and next(second) for done in translated]
    return list(map(Manner, orders, unaccented, translated))


def _garble(rng: np.random.Generator, table: pd.DataFrame, count: int, noise: float) -> None:
    """Garble some documents in place: no copies, none that is copied, none that is short."""
    chosen = rng.choice(table.index[_apart(table)], count, replace=False)
    for i in chosen:
        table.loc[i, "clean"] = " ".join(garble(rng, table.loc[i, "clean"].split(" "), noise))
    table["garbled"] = table.index.isin(chosen)


def _turn(rng: np.random.Generator, table: pd.DataFrame, count: int) -> None:
    """Put so many other such documents, in place, into each of the orders that are not random."""
    free = table.index[_apart(table) & ~table["garbled"]]
    chosen = rng.choice(free, (len(TURNED), count), replace=False)
    for (order, turned), own in zip(TURNED.items(), chosen, strict=True):
        table.loc[own, "clean"] = [
            " ".join(turned(text.split(" "))) for text in table.loc[own, "clean"]
        ]
        table.loc[own, "order"] = order


def _apart(table: pd.DataFrame) -> pd.Series[bool]:
    """Which documents neither copy another nor are copied, and are not short."""
    whole = (table["original"] == "") & ~table["serial"].isin(table["original"])
    return whole & (table["clean"].str.count(" ") + 1 >= MIN_WORDS)


def _day(rng: np.random.Generator, part: str) -> pd.Timestamp:
    """A day of the part's period."""
    days = pd.date_range(*PERIODS[part])
    return days[int(rng.integers(len(days)))]


def _receive(rng: np.random.Generator, table: pd.DataFrame) -> None:
    """Write each document's day down; where its neighbours can't tell how to read it, it was
    received on another day."""
    lonely = table.index
    while len(lonely):
        table.loc[lonely, "received"] = [
            written(rng, row.source, row.day) for row in table.loc[lonely].itertuples()
        ]
        lonely = table.index[_lonely(table)]
        table.loc[lonely, "day"] = [_day(rng, part) for part in table.loc[lonely, "part"]]


def written(rng: np.random.Generator, source: str, day: pd.Timestamp) -> str:
    """A day as the source writes it, at one of its desks."""
    return str(day.strftime(DATES[source][int(rng.random() < OTHER_DESK)]))


def readings(received: pd.Series[str]) -> pd.DataFrame:
    """What days as written can mean: a column for each form, missing where that does not fit."""
    forms = sorted({form for both in DATES.values() for form in both})
    return pd.DataFrame(
        {form: pd.to_datetime(received, format=form, errors="coerce") for form in forms}
    )


def _lonely(table: pd.DataFrame) -> pd.Series[bool]:
    """Which documents can be read in two ways, while the last certain day before or the first one
    after theirs, in the order of numbers, is too far off."""
    ordered = table.sort_values("day", kind="stable")
    certain = readings(ordered["received"]).nunique(axis=1) == 1
    known = ordered["day"].where(certain)
    near = pd.Timedelta(NEAR, "D")
    far = (ordered["day"] - known.ffill() > near) | (known.bfill() - ordered["day"] > near)
    return far.reindex(table.index)


def _number(table: pd.DataFrame, numbers: np.ndarray[Any, Any]) -> None:
    """Number documents in the order in which they were received, those of a day in any."""
    ordered = table["day"].argsort(kind="stable")
    ids = pd.Series([f"D{number}" for number in np.sort(numbers)], table.index[ordered])
    table["doc_id"] = ids
    known = dict(zip(table["serial"], table["doc_id"], strict=True))
    table["original"] = [known.get(serial, "") for serial in table["original"]]


def _delivered(rng: np.random.Generator, source: str, text: str) -> str:
    """The text as its source spells it: with combining marks, or not."""
    return unicodedata.normalize("NFD", text) if rng.random() < DECOMPOSED[source] else text
