"""How a document is garbled: a stretch of its words is put into random order. And what only looks
like it: another order, which a rule brings back."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from task_spec.tinylm.copying import Order, across_columns, down_columns

MIN_PRECISION, MIN_RECALL = 0.8, 0.8  # of the rows that a report names
MIN_WORDS = 12  # a shorter document is not garbled: too little would be seen of it
MIN_STRETCH = 5  # [words]
_TRIES = 20


def backwards(words: list[str]) -> list[str]:
    """From the last word to the first."""
    return words[::-1]


# Orders of whole documents that are not random, and how each is brought back. To who judges by
# which word follows which they are garbled as no document with a random stretch is.
TURNED: dict[Order, Callable[[list[str]], list[str]]] = {
    Order.BACKWARDS: backwards,
    Order.COLUMNS: across_columns,
}
TURNED_BACK: dict[Order, Callable[[list[str]], list[str]]] = {
    Order.BACKWARDS: backwards,
    Order.COLUMNS: down_columns,
}


def garble(rng: np.random.Generator, words: list[str], noise: float) -> list[str]:
    """The same words, of which a stretch stands in random order.

    At noise 0 that is the whole document, at noise 1 it is MIN_STRETCH words, whatever its length:
    the longer the document, the more sound order hides them. Of some random orders
    it gets the one that keeps the fewest words next to each other as they were: else a stretch
    would now and then be hardly touched.
    """
    stretch = math.ceil(MIN_STRETCH + (len(words) - MIN_STRETCH) * (1 - noise**4))
    first = int(rng.integers(0, len(words) - stretch + 1))
    orders = [first + rng.permutation(stretch) for _ in range(_TRIES)]
    tried = [
        [*words[:first], *(words[i] for i in order), *words[first + stretch :]] for order in orders
    ]
    return min(tried, key=lambda other: kept_transitions(words, other))


def kept_transitions(words: list[str], other: list[str]) -> int:
    """How many transitions from word to word two texts have in common."""
    before, after = (Counter(pairwise(text)) for text in (words, other))
    return (before & after).total()
