"""How a document is copied: word by word, with edits whose rate grows with the draw's noise."""

from __future__ import annotations

import numpy as np

from task_spec.tinylm.grammar import Grammar

MIN_CHARACTERS = 60  # a shorter document is no copy: short texts repeat by chance


def edited_copy(
    rng: np.random.Generator, grammar: Grammar, words: list[str], noise: float
) -> list[str]:
    """A copy of at least MIN_CHARACTERS that differs from its original.

    At noise 0 it keeps 95 to 100% of its original, in which one word in ten is left out, replaced,
    moved or misspelt; at noise 1 it keeps 75 to 100%, and one word in three is. Most of that comes
    at the end of the dial, where detectors part.
    """
    for _ in range(200):
        copy = _misspell(
            rng,
            _move(rng, _replace(rng, grammar, _excerpt(rng, words, noise), noise), noise),
            noise,
        )
        if len(" ".join(copy)) >= MIN_CHARACTERS and copy != words:
            return copy
    raise ValueError(f"no copy of {len(words)} words has {MIN_CHARACTERS} characters")


def _excerpt(rng: np.random.Generator, words: list[str], noise: float) -> list[str]:
    kept = max(1, round(len(words) * rng.uniform(0.95 - 0.15 * noise - 0.05 * noise**4, 1)))
    first = int(rng.integers(0, len(words) - kept + 1))
    return words[first : first + kept]


def _replace(
    rng: np.random.Generator, grammar: Grammar, words: list[str], noise: float
) -> list[str]:
    """Words left out, or replaced by any word of the lexicon."""
    left_out = 0.02 + 0.025 * noise + 0.03 * noise**4
    replaced = 0.04 + 0.1 * noise + 0.08 * noise**4
    copy = []
    for word in words:
        chance = rng.random()
        if chance >= left_out:
            other = chance < left_out + replaced
            copy.append(str(rng.choice(grammar.lexicon)) if other else word)
    return copy


def _move(rng: np.random.Generator, words: list[str], noise: float) -> list[str]:
    """Neighbours that change places."""
    copy = list(words)
    for i in range(len(copy) - 1):
        if rng.random() < 0.01 + 0.025 * noise:
            copy[i], copy[i + 1] = copy[i + 1], copy[i]
    return copy


def _misspell(rng: np.random.Generator, words: list[str], noise: float) -> list[str]:
    """Letters that are doubled."""
    copy = []
    for word in words:
        at = int(rng.integers(0, len(word)))
        copy.append(word[: at + 1] + word[at:] if rng.random() < 0.02 + 0.05 * noise else word)
    return copy
