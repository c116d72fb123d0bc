"""The bug of which a report lists rows: copies of training documents that stay in val and test."""

from __future__ import annotations

from task_spec.model import Bug, Ceiling, Edit, Kind, Repair, Rows
from task_spec.source import functions
from task_spec.tinylm.ceiling import MIN_PRECISION, MIN_RECALL
from task_spec.tinylm.seams import SOURCE
from task_spec.tinylm.worlds import edited_copies

_DETECTOR = "MIN_COPY, MAX_SHARED = 60, 0.2\n\n\n" + functions(
    SOURCE, "copies", "word_pairs", "shared_most"
)


def _detector(body: str) -> tuple[Edit, ...]:
    """A `find_copies` of another kind."""
    head = 'MIN_COPY = 60\n\n\ndef find_copies(texts, train_texts):\n    """Booleans: which texts are copies of a training text."""\n'
    return (Edit("copies", _DETECTOR, head + body),)


COPIES_EXACT = Bug(
    id="copies_exact",
    title="only exact copies are found: edited copies of training documents stay in val and test",
    kind=Kind.DATA,
    clauses=("P4",),
    source="near-duplicates across a split: arXiv:1902.00423; gh:AdiiPrabhu/dsctm#52",
    plant=_detector(
        '    seen = {" ".join(text.lower().split()) for text in train_texts}\n'
        "    return [\n"
        '        len(text) >= MIN_COPY and " ".join(text.lower().split()) in seen for text in texts\n'
        "    ]"
    ),
    checks=("P4.found", "P4.others"),
    places=("split.split_documents",),
    repairs=(
        Repair(
            "cosine of character n-grams, weighted",
            _detector(
                "    from sklearn.feature_extraction.text import TfidfVectorizer\n\n"
                '    grams = TfidfVectorizer(analyzer="char", ngram_range=(3, 8), sublinear_tf=True)\n'
                "    known = grams.fit_transform(train_texts)\n"
                "    nearest = (grams.transform(texts) @ known.T).max(axis=1).toarray()[:, 0]\n"
                "    return [len(text) >= MIN_COPY and s > 0.42 for text, s in zip(texts, nearest)]"
            ),
        ),
        Repair(
            "the share of a text's word pairs, near or apart, without weights",
            _detector(
                "    def pairs(text):\n"
                '        words = text.split(" ")\n'
                "        return {(a, b, d) for d in (1, 2, 3) for a, b in zip(words, words[d:])}\n\n"
                "    known = [pairs(text) for text in train_texts]\n"
                "    return [\n"
                "        len(text) >= MIN_COPY\n"
                "        and max(len(pairs(text) & other) for other in known) > 0.22 * len(pairs(text))\n"
                "        for text in texts\n"
                "    ]"
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the order of words and their number no longer count, but every word must be there",
            _detector(
                '    seen = {frozenset(text.split(" ")) for text in train_texts}\n'
                "    return [\n"
                '        len(text) >= MIN_COPY and frozenset(text.split(" ")) in seen for text in texts\n'
                "    ]"
            ),
            obvious=True,
        ),
        Repair(
            "nine words in ten must be shared: a copy with two edits is missed",
            _detector(
                '    known = [set(text.split(" ")) for text in train_texts]\n\n'
                "    def near(words):\n"
                "        return any(len(words & k) >= 0.9 * len(words | k) for k in known)\n\n"
                '    return [len(text) >= MIN_COPY and near(set(text.split(" "))) for text in texts]'
            ),
            obvious=True,
        ),
        Repair(
            "one word pair in ten is enough, which documents share by chance",
            (
                Edit(
                    "copies",
                    "MIN_COPY, MAX_SHARED = 60, 0.2\n",
                    "MIN_COPY, MAX_SHARED = 60, 0.05\n",
                ),
            ),
        ),
    ),
    rows=Rows(
        meaning="the `doc_id` of documents received from April 2024 on that were made by editing a "
        "training document (one with the very words of a training document is not listed)",
        size=1,
        min_precision=MIN_PRECISION,
        min_recall=MIN_RECALL,
        of=edited_copies,
        ceiling=(
            Ceiling(0.0, 0.986, 1.000, 10, 10),
            Ceiling(0.25, 0.985, 0.998, 10, 10),
            Ceiling(0.5, 0.986, 0.998, 10, 10),
            Ceiling(0.75, 0.985, 0.988, 10, 10),
            Ceiling(0.8, 0.985, 0.980, 10, 10),
            Ceiling(1.0, 0.985, 0.975, 10, 10),
        ),
    ),
)

BUGS = (COPIES_EXACT,)
