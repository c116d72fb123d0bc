"""How well garbled documents can be found: a reference detector, and simple ones.

The detectors use what a solver has once texts and days are read rightly and copies are left out,
and nothing hidden.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse.csgraph import connected_components

from task_spec.model import Ceiling, Draw
from task_spec.rows import RowScore, ceilings
from task_spec.tinylm.ceiling import summed_paths
from task_spec.tinylm.copying import MIN_CHARACTERS, Order
from task_spec.tinylm.garbling import (
    MIN_PRECISION,
    MIN_RECALL,
    MIN_STRETCH,
    MIN_WORDS,
    TURNED_BACK,
)
from task_spec.tinylm.language import draw_corpus

PRIOR = 10.0  # transitions that follow the words' own frequencies, added to those of each word
SHARE = 0.06  # of documents that are garbled, as P19 says
Detector = Callable[[Sequence[str], Sequence[bool]], list[bool]]
Floats = np.ndarray[Any, Any]


@dataclass(frozen=True)
class _Order:
    """Which word follows which in training texts: ``pairs`` (words+1, words+1), counts by the
    texts' weights; ``numbers`` of the words, the last one for all words that no such text has."""

    numbers: dict[str, int]
    pairs: Floats

    @classmethod
    def of(cls, texts: Sequence[str], weights: Floats) -> _Order:
        """Of texts with a weight each; those of weight 0 teach nothing."""
        teach = [(text.split(" "), w) for text, w in zip(texts, weights, strict=True) if w > 0]
        numbers = {w: i for i, w in enumerate(sorted({w for own, _ in teach for w in own}))}
        pairs = np.zeros((len(numbers) + 1, len(numbers) + 1))
        for own, weight in teach:
            row = [numbers[word] for word in own]
            np.add.at(pairs, (row[:-1], row[1:]), weight)
        return cls(numbers, pairs)

    @cached_property
    def after(self) -> Floats:
        """(words+1) How often each word has one after it."""
        return np.asarray(self.pairs.sum(1))

    @cached_property
    def shares(self) -> Floats:
        """(words+1) Of each word among those of its language."""
        before = self.pairs.sum(0)
        language = connected_components(self.pairs)[1]  # no training text is in two
        return np.asarray(before / np.maximum(np.bincount(language, before), 1e-9)[language])

    def odds(self, texts: Sequence[str], own: Floats) -> list[Floats]:
        """For each text the log odds of its words but the first: after the word before it, against
        anywhere; without the counts that the text itself brought in, by its weight in ``own``."""
        return [
            self._odds(text.split(" "), weight) for text, weight in zip(texts, own, strict=True)
        ]

    def upright(
        self, texts: Sequence[str], own: Floats, orders: Collection[Order]
    ) -> tuple[list[str], list[Floats]]:
        """Texts as they stand, or brought back from one of some ``orders``: as their words follow
        each other best; and their log odds."""
        readings = [zip(texts, self.odds(texts, own), strict=True)]
        for order in orders:
            back = [" ".join(TURNED_BACK[order](text.split(" "))) for text in texts]
            readings.append(zip(back, self.odds(back, 0 * own), strict=True))
        best = [max(each, key=lambda pair: pair[1].sum()) for each in zip(*readings, strict=True)]
        return [text for text, _ in best], [odds for _, odds in best]

    def _odds(self, words: list[str], own: float) -> Floats:
        row = np.array([self.numbers.get(word, len(self.numbers)) for word in words])
        a, b = row[:-1], row[1:]
        same = a == a[:, None]
        pairs = self.pairs[a, b] - own * (same & (b == b[:, None])).sum(0)
        share = np.maximum(self.shares[b], 1e-9)
        chance = (pairs + PRIOR * share) / (self.after[a] - own * same.sum(0) + PRIOR)
        known: Floats = np.where(self.shares[b] > 0, np.log(chance / share), 0.0)
        return known


def _odds(texts: Sequence[str], training: Sequence[bool]) -> list[Floats]:
    """The log odds of each text, by the other training texts."""
    weights = np.array(training, dtype=float)
    return _Order.of(texts, weights).odds(texts, weights)


def _stretch_odds(odds: Floats) -> float:
    """Odds that a text is garbled, from the log odds of its words: the mean over all stretches.
    A stretch has lost the order into each of its words and into the one behind it."""
    words = len(odds) + 1
    if words < MIN_WORDS:
        return 0.0
    until = np.concatenate([[0.0, 0.0], np.cumsum(odds)])
    first, last = np.triu_indices(words, MIN_STRETCH - 1)
    stretches = np.exp(until[first] - until[np.minimum(last + 2, words)])
    return SHARE / (1 - SHARE) * float(stretches.mean())


def summed_stretches(
    texts: Sequence[str],
    training: Sequence[bool],
    *,
    left_out: bool = True,
    orders: Collection[Order] = tuple(TURNED_BACK),
) -> list[bool]:
    """The reference: odds of being garbled, averaged over where the stretch may be, by training
    texts other than the text (``left_out``). Texts that stand in one of some ``orders`` are
    brought back first. In a second round, training texts count by how likely they are sound."""
    weights, found = np.array(training, dtype=float), np.zeros(len(texts))
    for _ in range(2):
        known = _Order.of(texts, weights)
        texts, odds = known.upright(texts, weights * left_out, orders)
        found = np.array([_stretch_odds(own) for own in odds])
        weights = np.array(training) / (1 + found)
    return [bool(value > 1) for value in found]


def own_order_counted(texts: Sequence[str], training: Sequence[bool]) -> list[bool]:
    """The same, but a training text vouches for its own order."""
    return summed_stretches(texts, training, left_out=False)


def as_they_stand(texts: Sequence[str], training: Sequence[bool]) -> list[bool]:
    """The same, but what is backwards, or was read across two columns, is out of order."""
    return summed_stretches(texts, training, orders=())


def never_backwards(texts: Sequence[str], training: Sequence[bool]) -> list[bool]:
    """The same, but what is backwards is out of order."""
    return summed_stretches(texts, training, orders=(Order.COLUMNS,))


def lowest_sum(
    texts: Sequence[str], training: Sequence[bool], max_odds: float = -9.0
) -> list[bool]:
    """The stretch whose order is worst as texts stand, by a fixed limit of its sum of log odds. At
    noise 0.95 no limit brings both precision and recall above 0.58 (4 draws)."""

    def lowest(odds: Floats) -> float:
        until = np.concatenate([[0.0], np.cumsum(odds)])
        return float(np.min(until - np.maximum.accumulate(until)))

    return [lowest(odds) < max_odds for odds in _odds(texts, training)]


def whole_text(texts: Sequence[str], training: Sequence[bool], max_odds: float = 0.6) -> list[bool]:
    """A simple detector: mean log odds of a whole text. The limit is the best one at noise 0.95; a
    solver would have to guess it."""
    return [len(odds) > 0 and float(odds.mean()) < max_odds for odds in _odds(texts, training)]


def rare_words(texts: Sequence[str], training: Sequence[bool]) -> list[bool]:
    """A simple detector: mean bits of a text's words, in whatever order; the rarest twentieth."""
    used = [text for text, used in zip(texts, training, strict=True) if used]
    count = Counter(word for text in used for word in text.split(" "))
    words = [text.split(" ") for text in texts]
    bits = [-sum(math.log2(count[word] + 1) for word in own) / len(own) for own in words]
    limit = float(np.quantile(bits, 0.95))
    return [value > limit for value in bits]


DETECTORS: dict[str, Detector] = {
    "reference": summed_stretches,
    "lowest sum": lowest_sum,
    "own order counted": own_order_counted,
    "as they stand": as_they_stand,
    "never backwards": never_backwards,
    "whole text": whole_text,
    "rare words": rare_words,
}


def score(draw: Draw, detector: str = "reference") -> RowScore:
    """Precision and recall of a detector's list of garbled documents in published data. What the
    reference for copies finds is not listed; copies that it misses may be."""
    corpus = draw_corpus(draw.seed, draw.noise)
    table = corpus.table
    training = (table["part"] == "train").to_numpy()
    train, later = table.loc[training, "clean"].tolist(), table.loc[~training, "clean"]
    copied = np.array(summed_paths(later.tolist(), train)) & (later.str.len() >= MIN_CHARACTERS)
    found = np.array(DETECTORS[detector](table["clean"].tolist(), training.tolist()))
    found &= (table["clean"].str.count(" ") + 1 >= MIN_WORDS).to_numpy()
    listed = table.loc[found & ~table.index.isin(later.index[copied]), "doc_id"]
    return RowScore.of({(doc_id,) for doc_id in listed}, {(doc_id,) for doc_id in corpus.garbled()})


def ceiling(draws: Sequence[Draw], detector: str = "reference") -> tuple[Ceiling, ...]:
    """What a detector reaches, by noise, over the seeds of the draws of that noise."""
    return ceilings(draws, lambda draw: score(draw, detector), MIN_PRECISION, MIN_RECALL)
