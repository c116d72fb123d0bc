"""A synthetic language whose probabilities are known exactly.

A document is a sequence of words. Its topic is drawn by source; in a topic, words follow each other
by a Markov chain over a small lexicon; after each word the document ends with a fixed probability.
So the probability of a text, and of the next word after a prefix, is a finite sum: the bits that no
honest model beats are a fact, not an estimate.

The country has two languages. A document is in one of them, and what is likely in one is as likely
in the other, word for word.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

SOURCES = ("wire", "press", "NA")
END = ""  # the next "word" after a text that is complete
ENDS = 0.05  # probability that a document ends after a word
MAX_WORDS = 24
TOPICS = 3
COMMON = 0.9  # share of the transitions that does not depend on the topic
# Each occurs in texts as one code point or, in some deliveries, as a letter and a combining mark.
ACCENTED_VOWELS, ACCENTED_CONSONANTS = "áéíóúåö", "ñ"
# Long s is a character of its own; its compatibility form is "s".
LONG_S = "ſ"
_CONSONANTS = "bdklmnprstv" + LONG_S + ACCENTED_CONSONANTS
_VOWELS = "aeiou" + ACCENTED_VOWELS
# Words of the language that a careless reader of CSV takes for missing values.
TREACHEROUS = ("null", "nan")

Floats = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Grammar:
    """``start`` (topics, words), ``follow`` (topics, words, words), ``prior`` (sources, topics).
    The ``lexicon`` has the words of one language, then those of the other in the same order."""

    lexicon: tuple[str, ...]
    start: Floats
    follow: Floats
    prior: Floats

    @cached_property
    def index(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.lexicon)}

    @cached_property
    def translations(self) -> dict[str, str]:
        """The word of the other language for each word."""
        half = len(self.lexicon) // 2
        return dict(zip(self.lexicon, self.lexicon[half:] + self.lexicon[:half], strict=True))

    def draw(self, rng: np.random.Generator, source: str, words: int | None = None) -> list[str]:
        """The words of a document; with ``words`` it ends after exactly so many."""
        topic = rng.choice(TOPICS, p=self.prior[SOURCES.index(source)])
        drawn = [int(rng.choice(len(self.lexicon), p=self.start[topic]))]
        while len(drawn) < MAX_WORDS:
            if rng.random() < ENDS if words is None else len(drawn) >= words:
                break
            drawn.append(int(rng.choice(len(self.lexicon), p=self.follow[topic, drawn[-1]])))
        return [self.lexicon[i] for i in drawn]

    def _prefix_probability(self, source: str, words: Sequence[str]) -> float:
        """Probability that a document of a source begins with these words."""
        weight, chances = self.prior[SOURCES.index(source)], self.start
        for place, word in enumerate(words):
            if word not in self.index:
                return 0.0
            i = self.index[word]
            weight = weight * chances[:, i] * (1 if place == 0 else 1 - ENDS)
            chances = self.follow[:, i]
        return float(weight.sum()) * (len(words) <= MAX_WORDS)

    def next_bits(self, source: str, words: Sequence[str], following: str) -> float:
        """Bits of the word (or END) that follows these words, by the true probabilities.

        They are infinite where the grammar excludes it.
        """
        ends = 1.0 if len(words) == MAX_WORDS else ENDS if words else 0.0
        if following == END:
            chance = ends
        else:
            whole = self._prefix_probability(source, words)
            chance = self._prefix_probability(source, [*words, following]) / whole if whole else 0.0
        return -math.log2(chance) if chance else math.inf

    def text_bits(self, source: str, text: str) -> float:
        """Bits of a whole document, its end included."""
        words = text.split(" ")
        pairs = enumerate([*words, END])
        return sum(self.next_bits(source, words[:i], following) for i, following in pairs)


def draw_grammar(rng: np.random.Generator, words: int = 90) -> Grammar:
    """Two languages of so many ``words`` each; what follows a word depends little on the topic."""
    lexicon = _lexicon(rng, 2 * words)
    common, own = _chain(rng, words), np.stack([_chain(rng, words) for _ in range(TOPICS)])
    start = 0.95 * rng.dirichlet(np.full(words, 0.5), size=TOPICS) + 0.05 / words
    prior = 0.9 * rng.dirichlet(np.full(TOPICS, 0.8), size=len(SOURCES)) + 0.1 / TOPICS
    follow = np.kron(np.eye(2), COMMON * common + (1 - COMMON) * own)  # each language to itself
    return Grammar(lexicon, np.tile(start, 2) / 2, follow, prior)


def _chain(rng: np.random.Generator, words: int, branches: int = 8) -> Floats:
    """(words, words) transition probabilities: a few likely followers each, all others possible."""
    chain = np.full((words, words), 0.08 / words)
    for row in chain:
        row[rng.choice(words, branches, replace=False)] += 0.92 * rng.dirichlet([2.0] * branches)
    return chain


def _lexicon(rng: np.random.Generator, words: int) -> tuple[str, ...]:
    """Words of one to three syllables that are different without accents, too; the treacherous ones
    are among them."""
    found = {word: word for word in TREACHEROUS}
    while len(found) < words:
        syllables = rng.integers(1, 4)
        letters = [str(rng.choice(list(group))) for _ in range(syllables) for group in _GROUPS]
        word = "".join(letters)[: int(rng.integers(2, 8))]
        found.setdefault(without_accents(word), word)
    return tuple(found.values())


def translate(text: str, dictionary: Mapping[str, str]) -> str:
    """A text in another language, word by word; words that the dictionary lacks stay."""
    return " ".join(dictionary.get(word, word) for word in text.split(" "))


def without_accents(text: str) -> str:
    """A text as a keyboard without accents types it: letters without their marks, as many. Long s
    has no mark, and stays."""
    letters = unicodedata.normalize("NFD", text)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


_GROUPS = (_CONSONANTS, _VOWELS)
