"""How well edited copies can be found: a reference detector, and simple ones.

The detectors use what a solver has once texts and days are read rightly, and nothing hidden.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from task_spec.model import Ceiling, Draw
from task_spec.rows import RowScore, ceilings
from task_spec.tinylm.copying import MIN_CHARACTERS, MIN_PRECISION, MIN_RECALL, Order
from task_spec.tinylm.garbling import TURNED_BACK
from task_spec.tinylm.grammar import translate, without_accents
from task_spec.tinylm.language import draw_corpus
from task_spec.tinylm.translation import translations

Detector = Callable[[Sequence[str], Sequence[str]], list[bool]]
Floats = np.ndarray[Any, Any]
GAP = 2  # places behind each training text that no path may enter, as many as its longest step


@dataclass(frozen=True)
class _Row:
    """The words of all training texts in one row: ``words`` (places), as numbers, -1 in a gap;
    ``of`` (places), the number of the text that a place belongs to; ``share`` (places), of each
    place in its text, 0 in a gap; ``order`` (words+1, words), chances of each word after another,
    or after the last row's: at a text's beginning or after a word that no training text has;
    ``follow``, the same, but no lower than the word's share, since the words of a text that is no
    copy may be out of order, too."""

    numbers: dict[str, int]
    words: Floats
    of: Floats
    share: Floats
    order: Floats
    follow: Floats

    @classmethod
    def of_texts(cls, train: Sequence[str], smooth: float = 12) -> _Row:
        texts = [text.split(" ") for text in train]
        numbers = {word: i for i, word in enumerate(sorted({w for own in texts for w in own}))}
        words = np.array([n for own in texts for n in [-1] * GAP + [numbers[w] for w in own]])
        of = np.repeat(np.arange(len(texts)), [GAP + len(own) for own in texts])
        inside = words >= 0
        share = inside / np.bincount(of, inside)[of]
        count = np.zeros((len(numbers) + 1, len(numbers)))
        np.add.at(count, (words[:-1][inside[1:]], words[1:][inside[1:]]), 1.0)
        shares = count.sum(0) / count.sum()
        order = (count + smooth * shares) / (count.sum(1, keepdims=True) + smooth)
        return cls(numbers, words, of, share, order, np.maximum(order, shares))

    def _moved(self, chances: Floats, jump: float) -> Floats:
        """Chances (places) of where a copy goes to from where it is: to the next word of its
        original (90%), the one after that or the one before, or with ``jump`` to any of them."""
        there = np.zeros_like(chances)
        there[1:] += 0.9 * chances[:-1]
        there[2:] += 0.07 * chances[:-2]
        there[:-1] += 0.03 * chances[1:]
        there[self.words < 0] = 0
        if jump:
            there *= 1 - jump
            there += jump * self.share * np.bincount(self.of, chances)[self.of]
        return there

    def _fits(self, words: Sequence[str], kept: float) -> Iterator[Floats]:
        """For each word, how much likelier (places) it is as the copy of a place than in a text of
        its own: a copy has kept its original's word or has another one that fits as well."""
        before = -1
        for word in words:
            number = self.numbers.get(word, -2)  # -2 stands nowhere in the row
            same = kept / self.follow[before, number] if number >= 0 else 0.0
            yield 1 - kept + same * (self.words == number)
            before = max(number, -1)

    def log_odds(self, words: Sequence[str], kept: float = 0.6, jump: float = 0.1) -> float:
        """Log of the probability of words as a copy over that as a text of its own, summed over
        all paths through the row that jump within a training text only."""
        chances, total = np.full(len(self.words), 1 / len(self.words)), 0.0
        for fit in self._fits(words, kept):
            there = self._moved(chances, jump) * fit
            total += math.log(there.sum())
            chances = there / there.sum()
        return total

    def upright(self, text: str, orders: Collection[Order]) -> list[str]:
        """Words of a text as they stand, or brought back from one of some ``orders``: as they
        follow each other best."""
        words = text.split(" ")
        return max([words, *(TURNED_BACK[order](words) for order in orders)], key=self._log_chance)

    def _log_chance(self, words: Sequence[str]) -> float:
        """Log of the probability, by ``order``, of words as a text of its own: of those words that
        the row has."""
        numbers = [self.numbers.get(word, -1) for word in words]
        pairs = zip([-1, *numbers], numbers, strict=False)
        return sum(math.log(self.order[a, b]) for a, b in pairs if b >= 0)

    def log_odds_of_a_stretch(self, text: str, kept: float = 0.5) -> float:
        """The same of the stretch of a text that is likeliest to be a copied one, without jumps."""
        odds, best = np.zeros(len(self.words)), 0.0
        for fit in self._fits(text.split(" "), kept):
            odds = (self._moved(odds, 0.0) + (self.words >= 0) / len(self.words)) * fit
            best = max(best, float(odds.sum()))
        return math.log(best)


def _bare(detector: Detector, *, accents: bool = False, language: bool = False) -> Detector:
    """The detector, to which neither ``accents`` nor the ``language`` of a text count, if not told
    so: a copy may have been typed without, and translated."""

    def detect(texts: Sequence[str], train: Sequence[str]) -> list[bool]:
        if not accents:
            texts, train = ([without_accents(text) for text in own] for own in (texts, train))
        if not language:
            known = translations(train)
            texts, train = ([translate(text, known) for text in own] for own in (texts, train))
        return detector(texts, train)

    return detect


def _copies(
    texts: Sequence[str],
    train: Sequence[str],
    *,
    orders: Collection[Order] = tuple(TURNED_BACK),
    enough: float = 0.012,
) -> list[bool]:
    """Odds of being a copy, averaged over where it may begin in training texts, and over where it
    goes on at each word: pieces of a copy may have changed places. Texts that stand in one of some
    ``orders`` are brought back first."""
    row, limit = _Row.of_texts(train), math.log(enough)
    return [row.log_odds(row.upright(text, orders)) > limit for text in texts]


never_translated = _bare(_copies, language=True)  # odds of texts in their own words
as_spelt = _bare(_copies, accents=True)  # odds of texts as they are spelt
summed_paths = _bare(_copies)  # the reference


@_bare
def never_down(texts: Sequence[str], train: Sequence[str]) -> list[bool]:
    """The same odds, but no text is read down columns."""
    return _copies(texts, train, orders=(Order.BACKWARDS,))


@_bare
def without_jumps(texts: Sequence[str], train: Sequence[str], enough: float = 0.05) -> list[bool]:
    """Such odds, but a copy follows its original from its first word to its last."""
    row, limit = _Row.of_texts(train), math.log(enough)
    words = (row.upright(text, tuple(TURNED_BACK)) for text in texts)
    return [row.log_odds(own, kept=0.5, jump=0.0) > limit for own in words]


@_bare
def best_stretch(texts: Sequence[str], train: Sequence[str], enough: float = 12) -> list[bool]:
    """Such odds of the stretch of a text that speaks most for a copy, whatever is around it: of
    a rearranged one, its longest piece. The limit is about the best one at noise 0.95; a solver
    would have to guess it."""
    row = _Row.of_texts(train)
    return [row.log_odds_of_a_stretch(text) > math.log(enough) for text in texts]


def _word_pairs(text: str) -> set[tuple[str, str, int]]:
    words = text.split(" ")
    return {(a, b, d) for d in (1, 2, 3) for a, b in zip(words, words[d:], strict=False)}


@_bare
def word_pairs(texts: Sequence[str], train: Sequence[str], enough: float = 0.2) -> list[bool]:
    """The share of a text's word pairs, at distances of 1 to 3, that one training text has too,
    each weighted by how few training texts have it."""
    pairs = [_word_pairs(text) for text in train]
    count = Counter(pair for own in pairs for pair in own)
    holders: defaultdict[tuple[str, str, int], list[int]] = defaultdict(list)
    for i, own in enumerate(pairs):
        for pair in own:
            holders[pair].append(i)

    def shared(text: str) -> float:
        found, total = np.zeros(len(train)), 1e-9
        for pair in _word_pairs(text):
            weight = math.log((len(train) + 1) / (count[pair] + 1))
            found[holders[pair]] += weight
            total += weight
        return float(found.max() / total)

    return [shared(text) > enough for text in texts]


@_bare
def character_grams(texts: Sequence[str], train: Sequence[str]) -> list[bool]:
    """Cosine of weighted character n-grams above 0.42."""
    grams = TfidfVectorizer(analyzer="char", ngram_range=(3, 8), sublinear_tf=True)
    known = grams.fit_transform(train)
    nearest = (grams.transform(texts) @ known.T).max(axis=1).toarray()[:, 0]
    return [bool(s > 0.42) for s in nearest]


def same_words(texts: Sequence[str], train: Sequence[str], share: float = 0.7) -> list[bool]:
    """A simple detector: sets of words with a Jaccard index of at least ``share``."""
    known = [set(text.split(" ")) for text in train]
    own = [set(text.split(" ")) for text in texts]
    return [any(len(a & b) >= share * len(a | b) for b in known) for a in own]


def same_beginning(texts: Sequence[str], train: Sequence[str], characters: int = 25) -> list[bool]:
    """A simple detector: the same first characters."""
    known = {text[:characters] for text in train}
    return [text[:characters] in known for text in texts]


DETECTORS: dict[str, Detector] = {
    "reference": summed_paths,
    "as spelt": as_spelt,
    "never down": never_down,
    "never translated": never_translated,
    "without jumps": without_jumps,
    "best stretch": best_stretch,
    "word pairs": word_pairs,
    "character n-grams": character_grams,
    "same words": same_words,
    "same beginning": same_beginning,
}


def score(draw: Draw, detector: str = "reference") -> RowScore:
    """Precision and recall of a detector's list of edited copies in published data."""
    corpus = draw_corpus(draw.seed, draw.noise)
    table = corpus.table
    train = table.loc[table["part"] == "train", "clean"].tolist()
    later = table[(table["part"] != "train") & (table["clean"].str.len() >= MIN_CHARACTERS)]
    later = later[~later["clean"].isin(set(train))]  # exact copies are not to be listed
    found = np.array(DETECTORS[detector](later["clean"].tolist(), train))
    return RowScore.of(
        {(doc_id,) for doc_id in later.loc[found, "doc_id"]},
        {(doc_id,) for doc_id in corpus.copies(edited_only=True)},
    )


def ceiling(draws: Sequence[Draw], detector: str = "reference") -> tuple[Ceiling, ...]:
    """What a detector reaches, by noise, over the seeds of the draws of that noise."""
    return ceilings(draws, lambda draw: score(draw, detector), MIN_PRECISION, MIN_RECALL)
