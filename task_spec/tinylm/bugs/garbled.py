"""The bug of which a report lists rows: garbled documents that stay in all parts."""

from __future__ import annotations

from task_spec.model import Bug, Ceiling, Edit, Kind, Repair, Rows
from task_spec.source import cell_text
from task_spec.tinylm.garbling import MIN_PRECISION, MIN_RECALL
from task_spec.tinylm.seams import SOURCE
from task_spec.tinylm.worlds import garbled_documents

_DETECTOR = cell_text(SOURCE, "garbled")
_SUMMED = (
    "    total = np.concatenate([[0.0, 0.0], np.cumsum(odds)])\n"
    "    first, last = np.triu_indices(words, MIN_STRETCH - 1)\n"
    "    stretches = np.exp(total[first] - total[np.minimum(last + 2, words)])\n"
    "    return SHARE / (1 - SHARE) * stretches.mean()\n"
)
_ORDERS = "orders = [row, row[::-1], np.concatenate([row[::2], row[1::2]])]"
_ROUNDS = (
    "    for _ in range(2):  # the second time in their best order, and by how likely they are sound\n"
    "        known = count_transitions(rows, weights, len(number) + 1)\n"
    "        rows, odds = zip(*(best_order(row, own, known) for row, own in zip(rows, weights)))\n"
    "        garbled = np.array([garbled_odds(own) for own in odds])\n"
    "        weights = np.array(training) / (1 + garbled)\n"
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
                    "    size = len(number) + 1\n"
                    "    known = [count_transitions(rows, weights * (fold != k), size) for k in range(9)]\n"
                    "    odds = [best_order(row, 0.0, known[k])[1] for row, k in zip(rows, fold)]\n"
                    "    garbled = np.array([garbled_odds(own) for own in odds])\n",
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
            "transitions that were seen against those that chance would bring, in the worst stretch "
            "of the best order, in which a text teaches the second time",
            _detector(
                "MIN_GARBLED, SEEN, MAX_ODDS = 12, 0.05, -9.3",
                "    def worst(own, twice):\n"
                "        odds = [0.0]\n"
                "        for a, b in zip(own, own[1:]):\n"
                "            chance = 2 * first[a] * second[b] / known.total()\n"
                "            seen = known[a, b] - twice[a, b]\n"
                "            odds.append(odds[-1] + math.log((seen + SEEN) / (chance + SEEN)))\n"
                "        return np.min(odds - np.maximum.accumulate(odds))\n\n"
                "    def best(own, used):\n"
                "        twice = Counter(zip(own, own[1:]) if used else [])\n"
                "        orders = own, own[::-1], own[::2] + own[1::2]\n"
                "        return max((worst(order, twice), order) for order in orders)\n\n"
                '    words = [text.split(" ") for text in texts]\n'
                "    for _ in range(2):\n"
                "        known, first, second = Counter(), Counter(), Counter()\n"
                "        for own, used in zip(words, training):\n"
                "            for a, b in zip(own, own[1:]) if used else []:\n"
                "                known[a, b] += 1\n"
                "                first[a] += 1\n"
                "                second[b] += 1\n"
                "        odds, words = zip(*map(best, words, training))\n"
                "    return [len(own) >= MIN_GARBLED and odd < MAX_ODDS for odd, own in zip(odds, words)]",
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the order is looked at, but a garbled training document vouches for its own",
            (Edit("garbled", "own * (order is row)", "0.0"),),
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
        *(
            Repair(
                f"orders that a rule brings back are not told from random ones: {which} are taken "
                "for garbled",
                (Edit("garbled", _ORDERS, f"orders = [{orders}]"),),
                obvious=True,
            )
            for which, orders in (
                ("texts that are backwards, or were read across columns,", "row"),
                ("texts that are backwards", "row, np.concatenate([row[::2], row[1::2]])"),
                ("texts that were read across columns", "row, row[::-1]"),
            )
        ),
        Repair(
            "three words in a row instead of two: so few come twice that no order is missed",
            (
                Edit(
                    "garbled",
                    "(row[:-1], row[1:]), weight",
                    "(row[:-2] * size + row[1:-1], row[2:]), weight",
                ),
                Edit(
                    "garbled",
                    "a, b = row[:-1], row[1:]",
                    "a, b = row[:-2] * len(shares) + row[1:-1], row[2:]",
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
            Ceiling(0.0, 0.984, 0.956, 20, 20),
            Ceiling(0.25, 0.992, 0.967, 20, 20),
            Ceiling(0.5, 0.988, 0.962, 20, 20),
            Ceiling(0.75, 0.987, 0.963, 20, 20),
            Ceiling(0.95, 0.979, 0.957, 20, 20),
            Ceiling(1.0, 0.928, 0.716, 3, 20),
        ),
    ),
    deep=True,
)

BUGS = (GARBLED_WORDS,)
