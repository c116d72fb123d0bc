"""Hidden documents, cut: what comes next never enters a kernel, so it can't be peeked at."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from task_spec.tinylm.grammar import END, SOURCES, Grammar
from task_spec.tinylm.language import write_documents, written
from task_spec.tinylm.remarks import COLUMN, draw_remarks


@dataclass(frozen=True)
class Prefixes:
    """``table``: doc_id, source, received, text (the words before the cut, as delivered), remark;
    and, hidden: ``following`` (the next word, or END) and ``bits`` (its true ones)."""

    table: pd.DataFrame

    def write(self, folder: Path) -> None:
        """Write `documents.csv` without the hidden columns."""
        folder.mkdir(parents=True, exist_ok=True)
        write_documents(folder, self.table)


def draw_prefixes(rng: np.random.Generator, grammar: Grammar, count: int) -> Prefixes:
    """New documents of a language, each cut after a random word, numbered in the order in which
    they were received."""
    rows, (desks, remarks) = [], rng.spawn(2)
    for i in range(count):
        source = str(rng.choice(SOURCES))
        words = grammar.draw(rng, source)
        cut = int(rng.integers(1, len(words) + 1))
        following = words[cut] if cut < len(words) else END
        text = " ".join(words[:cut])
        if source == "NA" and rng.random() < 0.5:
            text = unicodedata.normalize("NFD", text)
        day = written(
            desks, source, pd.Timestamp("2025-01-01") + pd.Timedelta(90 * i // count, "D")
        )
        bits = grammar.next_bits(source, words[:cut], following)
        rows.append((f"D{100_000 + i}", source, day, text, following, bits))
    names = ["doc_id", "source", "received", "text", "following", "bits"]
    table = pd.DataFrame(rows, columns=names)
    table[COLUMN] = draw_remarks(remarks, count)
    return Prefixes(table)


def draw_texts(rng: np.random.Generator, grammar: Grammar) -> dict[str, list[tuple[str, str]]]:
    """Texts for probes: of all lengths; of one length; and pairs that differ from word 7 on."""

    def draw(words: int) -> tuple[str, str]:
        source = str(rng.choice(SOURCES))
        return source, " ".join(grammar.draw(rng, source, words))

    early = [draw(12) for _ in range(12)]
    late = [
        (source, " ".join([*text.split(" ")[:6], *grammar.draw(rng, source, 6)]))
        for source, text in early
    ]
    return {
        "various": [draw(n) for n in (1, 2, 3, 4, 5, 7, 9, 11, 13, 15, 17, 20)],
        "equal": [draw(8) for _ in range(12)],
        "early": early,
        "late": late,
    }
