"""How well garbled documents can be found: a reference detector, and simple ones.

The detectors use what a solver has once texts and days are read rightly and copies are left out,
and nothing hidden.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np

from task_spec.model import Ceiling, Draw
from task_spec.rows import RowScore, ceilings
from task_spec.tinylm.ceiling import summed_paths
from task_spec.tinylm.copying import MIN_CHARACTERS
from task_spec.tinylm.garbling import MIN_WORDS
from task_spec.tinylm.language import draw_corpus

MIN_PRECISION, MIN_RECALL = 0.82, 0.82
MAX_ODDS = -9.0
PRIOR = 10.0  # transitions that follow the words' own frequencies, added to those of each word
Detector = Callable[[Sequence[str], Sequence[bool]], list[bool]]


class _Order:
    """Which word follows which in some texts, and how often."""

    def __init__(self, texts: Iterable[str]) -> None:
        words = [text.split(" ") for text in texts]
        self.pairs = Counter(p for own in words for p in pairwise(own))
        self.after = Counter(word for own in words for word in own[:-1])
        self.before = Counter(word for own in words for word in own[1:])

    def odds(self, text: str, own: _Order) -> list[float]:
        """Log odds of each word of a text but the first: after the word before it, against
        anywhere; without the counts of ``own``, which the text itself brought in."""
        words, found = text.split(" "), []
        for a, b in pairwise(words):
            share = self.before[b] / self.before.total()
            pairs = self.pairs[a, b] - own.pairs[a, b]
            after = self.after[a] - own.after[a]
            chance = (pairs + PRIOR * share) / (after + PRIOR)
            found.append(math.log(chance / share) if share else 0.0)
        return found


def _odds(
    texts: Sequence[str], training: Sequence[bool], *, left_out: bool = True
) -> list[list[float]]:
    """The log odds of each text, by training texts; ``left_out``: by the others among them."""
    known = _Order(text for text, used in zip(texts, training, strict=True) if used)
    owned = [used and left_out for used in training]
    return [
        known.odds(text, _Order([text] if own else []))
        for text, own in zip(texts, owned, strict=True)
    ]


def _lowest_sum(odds: Sequence[float]) -> float:
    """The lowest sum of a stretch, at most 0."""
    lowest = run = 0.0
    for value in odds:
        run = min(0.0, run + value)
        lowest = min(lowest, run)
    return lowest


def worst_stretch(texts: Sequence[str], training: Sequence[bool]) -> list[bool]:
    """The reference: the stretch whose order is worst, by training texts other than the text."""
    return [_lowest_sum(odds) < MAX_ODDS for odds in _odds(texts, training)]


def own_order_counted(texts: Sequence[str], training: Sequence[bool]) -> list[bool]:
    """The same, but a training text vouches for its own order."""
    return [_lowest_sum(odds) < MAX_ODDS for odds in _odds(texts, training, left_out=False)]


def whole_text(texts: Sequence[str], training: Sequence[bool]) -> list[bool]:
    """A simple detector: mean log odds of a whole text. The limit is the best one at noise 0.95; a
    solver would have to guess it."""
    return [bool(odds) and sum(odds) / len(odds) < 0.37 for odds in _odds(texts, training)]


def rare_words(texts: Sequence[str], training: Sequence[bool]) -> list[bool]:
    """A simple detector: mean bits of a text's words, in whatever order; the rarest twentieth."""
    used = [text for text, used in zip(texts, training, strict=True) if used]
    count = Counter(word for text in used for word in text.split(" "))
    words = [text.split(" ") for text in texts]
    bits = [-sum(math.log2(count[word] + 1) for word in own) / len(own) for own in words]
    limit = float(np.quantile(bits, 0.95))
    return [value > limit for value in bits]


DETECTORS: dict[str, Detector] = {
    "reference": worst_stretch,
    "own order counted": own_order_counted,
    "whole text": whole_text,
    "rare words": rare_words,
}


def score(draw: Draw, detector: str = "reference") -> RowScore:
    """Precision and recall of a detector's list of garbled documents in published data. Copies
    that the reference for copies finds are not listed; those that it misses may be."""
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
