"""The worlds in which a `tinylm` notebook is executed again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from task_spec.inside import PROBE, prelude_of
from task_spec.model import Draw, Evidence, Row, World
from task_spec.tinylm.language import SMALL, Corpus, draw_corpus
from task_spec.tinylm.prefixes import Prefixes, draw_prefixes, draw_texts
from task_spec.tinylm.seams import SEAMS

HERE = Path(__file__).parent
HIDDEN = "hidden"
# What `evaluate` answers in the small worlds, epoch by epoch: the best is neither first nor last,
# hardly better than the one before it, and met once more.
RIGGED = (1.9, 1.7, 1.5, 0.90002, 0.9, 1.4, 0.9, 1.3)

_draw = lru_cache(maxsize=8)(draw_corpus)


@dataclass(frozen=True)
class Truth:
    """What the grader knows of a world: the run's corpus, hidden prefixes, texts for probes."""

    corpus: Corpus
    hidden: Prefixes
    probes: dict[str, list[tuple[str, str]]]  # name -> (source, text)


def write_published(folder: Path, draw: Draw) -> None:
    """The data files that are published with the notebook."""
    _draw(draw.seed, draw.noise).write(folder)


def edited_copies(draw: Draw) -> frozenset[Row]:
    """The published val and test documents that are edited copies of training documents."""
    return frozenset((doc_id,) for doc_id in _draw(draw.seed, draw.noise).copies(edited_only=True))


def garbled_documents(draw: Draw) -> frozenset[Row]:
    """The published documents of which a stretch stands in random order."""
    return frozenset((doc_id,) for doc_id in _draw(draw.seed, draw.noise).garbled())


def worlds(published: Draw, seed: int) -> tuple[World, ...]:
    """All worlds of one grading; ``seed`` draws whatever is not published."""
    draws = [
        int(s) for s in np.random.default_rng([published.seed, seed]).integers(1 << 40, size=5)
    ]

    def full(name: str, why: str, data: int, hidden: int) -> World:
        def stage(folder: Path, _: Mapping[str, Evidence]) -> Truth:
            return _stage(folder, _draw(data, published.noise), hidden, 1500)

        return World(name, why, stage, _reveal, _prelude(), PROBE)

    def small(name: str, why: str, swapped: bool) -> World:
        def stage(folder: Path, _: Mapping[str, Evidence]) -> Truth:
            corpus = _draw(draws[3], published.noise, SMALL)
            if swapped:
                corpus = corpus.with_other_test_texts(draws[4])
            return _stage(folder, corpus, draws[4], 60)

        return World(name, why, stage, _reveal, _prelude(rigged=RIGGED), PROBE)

    return (
        full(
            "published",
            "the data that the solver saw, scored on hidden documents",
            published.seed,
            draws[0],
        ),
        full(
            "fresh",
            "another language and other documents: nothing can be learnt by heart",
            draws[1],
            draws[2],
        ),
        small(
            "small",
            "few training documents and many copies; `evaluate` is made to answer that epoch 5 was "
            "best",
            swapped=False,
        ),
        small(
            "swapped",
            "the small draw with other texts in test documents whose day can't be misread: only "
            "the test score may move",
            swapped=True,
        ),
    )


def _prelude(rigged: tuple[float, ...] | None = None) -> str:
    return prelude_of(HERE / "inside.py", SEAMS, rigged=rigged, hidden=HIDDEN)


def _stage(folder: Path, corpus: Corpus, hidden_seed: int, count: int) -> Truth:
    corpus.write(folder / "data")
    rng = np.random.default_rng(hidden_seed)
    return Truth(corpus, draw_prefixes(rng, corpus.grammar, count), draw_texts(rng, corpus.grammar))


def _reveal(folder: Path, truth: Truth) -> None:
    truth.hidden.write(folder / HIDDEN)
    probes: dict[str, Any] = truth.probes
    (folder / HIDDEN / "probes.json").write_text(json.dumps(probes), encoding="utf-8")
