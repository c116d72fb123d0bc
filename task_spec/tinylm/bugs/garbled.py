"""The bug of which a report lists rows: garbled documents that stay in all parts."""

from __future__ import annotations

from task_spec.model import Bug, Ceiling, Edit, Kind, Repair, Rows
from task_spec.source import functions
from task_spec.tinylm.garbled_ceiling import MIN_PRECISION, MIN_RECALL
from task_spec.tinylm.seams import SOURCE
from task_spec.tinylm.worlds import garbled_documents

_DETECTOR = (
    "from scipy.sparse.csgraph import connected_components\n\n"
    "MIN_GARBLED, MIN_STRETCH, SHARE, PRIOR = 12, 5, 0.06, 10.0\n\n\n"
) + functions(SOURCE, "garbled", "count_transitions", "find_garbled")
_SUMMED = (
    "    total = np.concatenate([[0.0, 0.0], np.cumsum(odds)])\n"
    "    first, last = np.triu_indices(words, MIN_STRETCH - 1)\n"
    "    stretches = np.exp(total[first] - total[np.minimum(last + 2, words)])\n"
    "    return SHARE / (1 - SHARE) * stretches.mean()\n"
)
_ROUNDS = (
    "    for _ in range(2):  # the second time training texts count less that seem to be garbled\n"
    "        known = count_transitions(steps, weights, len(number) + 1)\n"
    "        odds = [garbled_odds(order_odds(step, own, known)) for step, own in zip(steps, weights)]\n"
    "        weights = np.array(training) / (1 + np.array(odds))\n"
)


def _detector(constants: str, body: str) -> tuple[Edit, ...]:
    """A `find_garbled` of another kind."""
    head = (
        f"{constants}\n\n\ndef find_garbled(texts, training):\n"
        '    """Booleans: which texts are garbled, judged by those that are training texts."""\n'
    )
    return (Edit("garbled", _DETECTOR, head + body),)


GARBLED_WORDS = Bug(
    id="garbled_words",
    title="garbled documents are looked for by how rare their words are, which are those of any other "
    "document: only their order is not, and they stay in all parts",
    kind=Kind.DATA,
    clauses=("P19",),
    source="right words in the wrong order: gh:pymupdf/PyMuPDF#195; gh:ocrmypdf/OCRmyPDF#1035",
    plant=_detector(
        "MIN_GARBLED, MAX_BITS = 12, 7.9",
        "    used = [text for text, own in zip(texts, training) if own]\n"
        '    count = Counter(word for text in used for word in text.split(" "))\n'
        "    total = count.total() + len(count)\n\n"
        "    def bits(text):\n"
        '        words = text.split(" ")\n'
        "        return -sum(math.log2((count[word] + 1) / total) for word in words) / len(words)\n\n"
        '    return [text.count(" ") + 1 >= MIN_GARBLED and bits(text) > MAX_BITS for text in texts]',
    ),
    checks=("P19.found", "P19.others"),
    places=("split.split_documents",),
    repairs=(
        Repair(
            "training texts in eight folds, each judged by the other seven",
            (
                Edit(
                    "garbled",
                    _ROUNDS,
                    "    fold = np.where(training, np.arange(len(texts)) % 8, 8)\n"
                    "    known = [\n"
                    "        count_transitions(steps, weights * (fold != k), len(number) + 1) for k in range(9)\n"
                    "    ]\n"
                    "    odds = [garbled_odds(order_odds(step, 0.0, known[k])) for step, k in zip(steps, fold)]\n",
                ),
            ),
        ),
        Repair(
            "the worst seven transitions in a row",
            (
                Edit(
                    "garbled",
                    _SUMMED,
                    "    total = np.concatenate([[0.0], np.cumsum(odds)])\n"
                    "    return np.exp(np.max(total[:-7] - total[7:]) - 5.8)\n",
                ),
            ),
        ),
        Repair(
            "transitions that were seen against those that chance would bring, in the worst stretch",
            _detector(
                "MIN_GARBLED, SEEN, MAX_ODDS = 12, 0.05, -7.5",
                '    words = [text.split(" ") for text in texts]\n'
                "    pairs = [list(zip(own, own[1:])) for own in words]\n"
                "    known = Counter(pair for own, used in zip(pairs, training) if used for pair in own)\n"
                "    first, second = Counter(), Counter()\n"
                "    for (a, b), n in known.items():\n"
                "        first[a] += n\n"
                "        second[b] += n\n\n"
                "    def worst(own, used):\n"
                "        odds, twice = [0.0], Counter(own if used else [])\n"
                "        for a, b in own:\n"
                "            chance = first[a] * second[b] / known.total()\n"
                "            seen = known[a, b] - twice[a, b]\n"
                "            odds.append(odds[-1] + math.log((seen + SEEN) / (chance + SEEN)))\n"
                "        return np.min(odds - np.maximum.accumulate(odds))\n\n"
                "    return [\n"
                "        len(own) + 1 >= MIN_GARBLED and worst(own, used) < MAX_ODDS\n"
                "        for own, used in zip(pairs, training)\n"
                "    ]",
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the order is looked at, but a garbled training document vouches for its own",
            (Edit("garbled", "(order_odds(step, own, known))", "(order_odds(step, 0.0, known))"),),
            obvious=True,
        ),
        Repair(
            "later documents only, as for copies: training documents are garbled, too",
            (
                Edit(
                    "split",
                    'part[garbled & (part != "copy")] = "garbled"',
                    'part[garbled & ~part.isin(["train", "copy"])] = "garbled"',
                ),
            ),
            obvious=True,
        ),
        Repair(
            "three words in a row instead of two: so few come twice that no order is missed",
            (
                Edit(
                    "garbled",
                    "steps = [(row[:-1], row[1:]) for row in rows]",
                    "size = len(number) + 1\n"
                    "    steps = [(row[:-2] * size + row[1:-1], row[2:]) for row in rows]",
                ),
                Edit("garbled", "np.zeros((size, size))", "np.zeros((size * size, size))"),
                Edit("garbled", "(pairs)[1]", "(pairs.reshape(size, size, size).sum(0))[1]"),
            ),
        ),
    ),
    rows=Rows(
        meaning="the `doc_id` of documents, received on whatever day, in which a stretch of words "
        "stands in random order",
        size=1,
        min_precision=MIN_PRECISION,
        min_recall=MIN_RECALL,
        of=garbled_documents,
        ceiling=(
            Ceiling(0.0, 0.979, 0.971, 20, 20),
            Ceiling(0.25, 0.984, 0.971, 20, 20),
            Ceiling(0.5, 0.978, 0.983, 20, 20),
            Ceiling(0.75, 0.975, 0.980, 20, 20),
            Ceiling(0.95, 0.976, 0.907, 20, 20),
            Ceiling(1.0, 0.949, 0.737, 4, 20),
        ),
    ),
    deep=True,
)

BUGS = (GARBLED_WORDS,)
