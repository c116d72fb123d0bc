"""How a document is copied: word by word, with edits whose rate grows with the draw's noise. Most
copies lose their order after that: they are set in two columns and read across both, as a page is
by software that sees no columns; or cut into pieces that are put together in another order.
Whatever their order, some are typed on a keyboard without accents, and some are translated.

A word that is put in is drawn as the language has it between its neighbours. What is left out or
moved, and where pieces meet, breaks the language a little; translation does not break it at all.
Words that are read across columns break it altogether, and typed without accents two thirds of the
words are none of it: that tells that something is odd about a text, and not what. At noise 0.95 a
list of the later texts that are most surprising, by the pairs of words in training texts, has
precision and recall of 0.59 at best (mean of 6 draws), since garbled texts are among them, and
others that stand in another order; of copies that are only rearranged, 0.5 by the true
probabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from task_spec.tinylm.grammar import Floats, Grammar, translate, without_accents

MIN_PRECISION, MIN_RECALL = 0.85, 0.85  # of the rows that a report names
MIN_CHARACTERS = 60  # a shorter document is no copy: short texts repeat by chance
MIN_PIECE = 4  # [words] of a copy that is rearranged


class Order(StrEnum):
    """How the words of a document stand. No copy is backwards."""

    IN_ORDER = "in order"
    COLUMNS = "columns"
    REARRANGED = "rearranged"
    BACKWARDS = "backwards"


class Manner(NamedTuple):
    """What became of the words of an edited copy, besides single edits: their ``order``; whether
    they were typed without accents; whether each was translated.

    Who follows a copy along its original loses it where two pieces meet if it is rearranged, and at
    every word if it is read across columns. Most words of an ``unaccented`` one are words of no
    other document. A ``translated`` one shares no word with its original.
    """

    order: Order = Order.IN_ORDER
    unaccented: bool = False
    translated: bool = False


NOTHING_MORE = Manner()
# Copies are edited as at these noises at least: with fewer edits the words, or the pieces, that
# they share with their originals would give them away, in whatever order and though most words are
# spelt differently. Who reads them rightly finds them all the same.
LEAST_NOISE = {
    Order.IN_ORDER: 0.0,
    Order.COLUMNS: 0.95,
    Order.REARRANGED: 0.7,
}
UNACCENTED_NOISE = 0.95


def edited_copy(
    rng: np.random.Generator,
    grammar: Grammar,
    words: list[str],
    noise: float,
    manner: Manner = NOTHING_MORE,
) -> list[str]:
    """A copy of at least MIN_CHARACTERS, thus of 8 words, that differs from its original.

    At noise 0 it is 95 to 100% of its original, in which one word in ten is left out, replaced,
    moved or misspelt; at noise 1 it is 80 to 100%, and more than half of them are. That grows
    evenly, but for the end of the dial, where the best detectors part. Misspelt words, which no
    other document has, give a copy away: they get rarer, and are gone at noise 1.

    Its ``manner`` does not depend on noise; a copy that has lost its order or its accents is edited
    as at LEAST_NOISE or UNACCENTED_NOISE at least.
    """
    noise = max(noise, LEAST_NOISE[manner.order], manner.unaccented * UNACCENTED_NOISE)
    for _ in range(200):
        kept = _excerpt(rng, words, noise)
        moved = _move(rng, _replace(rng, grammar, kept, noise), noise)
        if manner.translated:
            moved = translate(" ".join(moved), grammar.translations).split(" ")
        spelt = _misspell(rng, moved, noise)
        spelt = [without_accents(word) for word in spelt] if manner.unaccented else spelt
        if len(" ".join(spelt)) >= MIN_CHARACTERS and spelt != words:
            return _ORDERED[manner.order](rng, spelt)
    raise ValueError(f"no copy of {len(words)} words has {MIN_CHARACTERS} characters")


def _excerpt(rng: np.random.Generator, words: list[str], noise: float) -> list[str]:
    kept = max(1, round(len(words) * rng.uniform(0.95 - 0.15 * noise, 1)))
    first = int(rng.integers(0, len(words) - kept + 1))
    return words[first : first + kept]


def rearranged(rng: np.random.Generator, words: list[str]) -> list[str]:
    """Pieces of at least MIN_PIECE words, three where there are enough words for that and else two,
    put together with the last one first: no piece follows the one that it followed."""
    pieces = min(3, len(words) // MIN_PIECE)
    longer = rng.multinomial(len(words) - pieces * MIN_PIECE, np.full(pieces, 1 / pieces))
    ends = np.cumsum(longer + MIN_PIECE).tolist()
    return [
        word for first, last in reversed(list(pairwise([0, *ends]))) for word in words[first:last]
    ]


def across_columns(words: list[str]) -> list[str]:
    """Words that were set in two columns, the left one a word longer if their number is odd, and
    are read line by line: the first of each column, the second of each, …"""
    left = (len(words) + 1) // 2
    read = [""] * len(words)
    read[::2], read[1::2] = words[:left], words[left:]
    return read


def down_columns(words: list[str]) -> list[str]:
    """The words of `across_columns` as they were."""
    return [*words[::2], *words[1::2]]


_ORDERED: dict[Order, Callable[[np.random.Generator, list[str]], list[str]]] = {
    Order.IN_ORDER: lambda _, words: words,
    Order.COLUMNS: lambda _, words: across_columns(words),
    Order.REARRANGED: rearranged,
}


def _replace(
    rng: np.random.Generator, grammar: Grammar, words: list[str], noise: float
) -> list[str]:
    """Words left out, or replaced by another that fits between its neighbours."""
    left_out = 0.02 + 0.03 * noise
    replaced = 0.04 + 0.18 * noise + 0.25 * noise**20
    follow = grammar.follow.mean(0)
    copy: list[str] = []
    for word, after in zip(words, [*words[1:], None], strict=True):
        chance = rng.random()
        if chance >= left_out + replaced:
            copy.append(word)
        elif chance >= left_out:
            before = copy[-1] if copy else None
            copy.append(_fitting(rng, grammar, follow, before, word, after))
    return copy


def _fitting(
    rng: np.random.Generator,
    grammar: Grammar,
    follow: Floats,
    before: str | None,
    word: str,
    after: str | None,
) -> str:
    """Another word than ``word``, drawn as the language has it between ``before`` and ``after``
    (None: the text begins or ends there); ``follow`` (words, words): chances of the next word."""
    index = grammar.index
    chances = grammar.start.mean(0) if before is None else follow[index[before]]
    if after is not None:
        chances = chances * follow[:, index[after]]
    chances = np.where(np.arange(len(chances)) == index[word], 0, chances)
    return str(rng.choice(grammar.lexicon, p=chances / chances.sum()))


def _move(rng: np.random.Generator, words: list[str], noise: float) -> list[str]:
    """Neighbours that change places."""
    copy = list(words)
    for i in range(len(copy) - 1):
        if rng.random() < 0.01 + 0.02 * noise:
            copy[i], copy[i + 1] = copy[i + 1], copy[i]
    return copy


def _misspell(rng: np.random.Generator, words: list[str], noise: float) -> list[str]:
    """Letters that are doubled."""
    copy = []
    for word in words:
        at = int(rng.integers(0, len(word)))
        copy.append(word[: at + 1] + word[at:] if rng.random() < 0.02 * (1 - noise) else word)
    return copy
