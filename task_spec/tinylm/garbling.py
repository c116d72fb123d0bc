"""How a document is garbled: a stretch of its words is put into another order."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np

MIN_WORDS = 12  # a shorter document is not garbled: too little would be seen of it
MIN_STRETCH = 5  # [words]
_TRIES = 20


def garble(rng: np.random.Generator, words: list[str], noise: float) -> list[str]:
    """The same words, of which a stretch stands in random order.

    At noise 0 that is the whole document, at noise 1 it is MIN_STRETCH words, whatever its length:
    the longer the document, the more sound order hides them. Of some random orders
    it gets the one that keeps the fewest words next to each other as they were: else a stretch
    would now and then be hardly touched.
    """
    stretch = math.ceil(MIN_STRETCH + (len(words) - MIN_STRETCH) * (1 - noise**1.5))
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
