"""The bug of which a report lists rows: garbled documents that stay in all parts."""

from __future__ import annotations

from task_spec.model import Bug, Ceiling, Edit, Kind, Repair, Rows
from task_spec.source import functions
from task_spec.tinylm.garbled_ceiling import MIN_PRECISION, MIN_RECALL
from task_spec.tinylm.seams import SOURCE
from task_spec.tinylm.worlds import garbled_documents

_DETECTOR = "MIN_GARBLED, PRIOR, MAX_ODDS = 12, 10.0, -9.0\n\n\n" + functions(
    SOURCE, "garbled", "count_transitions", "find_garbled"
)
_COUNTED = "count_transitions([text] if used else [])"


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
        "MIN_GARBLED, MAX_BITS = 12, 7.3",
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
                    "    known = count_transitions(text for text, used in zip(texts, training) if used)\n"
                    "    found = []\n"
                    "    for text, used in zip(texts, training):\n"
                    "        own = count_transitions([text] if used else [])\n",
                    '    learnt = [text if used else "" for text, used in zip(texts, training)]\n'
                    "    whole = count_transitions(learnt)\n"
                    "    folds = [\n"
                    "        count_transitions(text for i, text in enumerate(learnt) if i % 8 != k)\n"
                    "        for k in range(8)\n"
                    "    ]\n"
                    "    own, found = count_transitions([]), []\n"
                    "    for i, (text, used) in enumerate(zip(texts, training)):\n"
                    "        known = folds[i % 8] if used else whole\n",
                ),
                Edit(
                    "garbled",
                    "PRIOR, MAX_ODDS = 12, 10.0, -9.0",
                    "PRIOR, MAX_ODDS = 12, 10.0, -8.7",
                ),
            ),
        ),
        Repair(
            "the worst six transitions in a row",
            (
                Edit(
                    "garbled",
                    "    lowest = run = 0.0\n",
                    "    odds = []\n",
                ),
                Edit(
                    "garbled",
                    "            run = min(0.0, run + math.log((pairs / share + PRIOR) / (after + PRIOR)))\n"
                    "            lowest = min(lowest, run)\n"
                    "    return lowest\n",
                    "            odds.append(math.log((pairs / share + PRIOR) / (after + PRIOR)))\n"
                    "    return min(sum(odds[i : i + 6]) for i in range(max(1, len(odds) - 5)))\n",
                ),
                Edit(
                    "garbled",
                    "PRIOR, MAX_ODDS = 12, 10.0, -9.0",
                    "PRIOR, MAX_ODDS = 12, 10.0, -7.2",
                ),
            ),
        ),
        Repair(
            "transitions that were seen against those that chance would bring, in the worst stretch",
            _detector(
                "MIN_GARBLED, SEEN, MAX_ODDS = 12, 0.05, -11.3",
                '    pairs = [list(pairwise(text.split(" "))) for text in texts]\n'
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
            (Edit("garbled", _COUNTED, "count_transitions([])"),),
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
                    "in pairwise(own))\n",
                    "in zip(pairwise(own), own[2:]))\n",
                ),
                Edit("garbled", "for word in own[:-1])", "for word in pairwise(own[:-1]))"),
                Edit(
                    "garbled",
                    "for a, b in pairwise(words):",
                    "for a, b in zip(pairwise(words), words[2:]):",
                ),
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
            Ceiling(0.0, 0.965, 0.990, 20, 20),
            Ceiling(0.25, 0.961, 0.986, 20, 20),
            Ceiling(0.5, 0.963, 0.983, 20, 20),
            Ceiling(0.75, 0.964, 0.976, 20, 20),
            Ceiling(0.95, 0.956, 0.927, 20, 20),
            Ceiling(1.0, 0.941, 0.872, 16, 20),
        ),
    ),
)

BUGS = (GARBLED_WORDS,)
