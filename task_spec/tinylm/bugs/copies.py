"""The bug of which a report lists rows: copies of training documents that stay in val and test."""

from __future__ import annotations

from task_spec.model import Bug, Ceiling, Edit, Kind, Repair, Rows
from task_spec.source import functions
from task_spec.tinylm.ceiling import MIN_PRECISION, MIN_RECALL
from task_spec.tinylm.seams import SOURCE
from task_spec.tinylm.worlds import edited_copies

_DETECTOR = (
    "MIN_COPY, KEPT, LIKELY = 60, 0.6, 0.005\n"
    "# From a word of a copy to its next: the step in the original, and its probability. Or else a jump\n"
    "# to any of its words, since pieces may have changed places.\n"
    "STEPS, JUMP = {1: 0.81, 2: 0.06, -1: 0.03}, 0.1\n\n\n"
) + functions(SOURCE, "copies", "follower_chances", "copy_odds")

_DOWN, _BACKWARDS = "words[::2] + words[1::2]", "words[::-1]"


def _read_only(reading: str) -> tuple[Edit, ...]:
    """Of the readings but the one as a text stands, this one alone."""
    return (
        Edit("copies", f"({_DOWN}, {_BACKWARDS})", f"({reading},)"),
        Edit("copies", "return total / 3", "return total / 2"),
    )


def _detector(body: str) -> tuple[Edit, ...]:
    """A `find_copies` of another kind."""
    head = 'MIN_COPY = 60\n\n\ndef find_copies(texts, train_texts):\n    """Booleans: which texts are copies of a training text."""\n'
    return (Edit("copies", _DETECTOR, head + body.strip("\n")),)


def _folded(form: str) -> str:
    """Lines that take the marks off all letters, by a normal form."""
    return (
        "\n    texts, train_texts = (\n"
        f'        own.str.normalize("{form}").str.replace("[\\u0300-\\u036f]", "", regex=True)\n'
        "        for own in (texts, train_texts)\n"
        "    )"
    )


# Training texts as a matrix (texts, places) of words, and where each word stands in it.
_MATRIX = """
    words = [text.split(" ") for text in train_texts]
    grid = np.full((len(words), max(map(len, words))), "", dtype=object)
    for line, own in zip(grid, words):
        line[: len(own)] = own
    stands = {word: grid == word for word in set(grid.ravel())}
    inside, nowhere = grid != "", np.zeros(grid.shape, dtype=bool)
    single = Counter(word for own in words for word in own)
    bits = {word: math.log(single.total() / count) for word, count in single.items()}
    pairs = Counter(pair for own in words for pair in zip(own, own[1:]))

    def chance(a, b, lost=True):
        share = math.exp(-bits.get(b, 9.0))
        return max(lost * share, (pairs[a, b] + 10 * share) / (single[a] + 10))

    def fit(own, lost):
        return sum(math.log(chance(a, b, lost)) for a, b in zip(["", *own], own))

    def readings(own):
        return own, own[::2] + own[1::2], own[::-1]
"""
_BEST_PATH = """
    def best_path(own):
        score = np.where(inside, 0.0, -1e9)
        for a, b in zip(["", *own], own):
            last, score = score, np.where(inside, score.max(1, keepdims=True) - 5, -1e9)
            score[:, 1:] = np.maximum(score[:, 1:], last[:, :-1])
            score[:, 2:] = np.maximum(score[:, 2:], last[:, :-2] - 2.5)
            score[:, :-1] = np.maximum(score[:, :-1], last[:, 1:] - 3.5)
            score += np.where(stands.get(b, nowhere), math.log(0.5 + 0.5 / chance(a, b)), math.log(0.5))
            score[~inside] = -1e9
        return score.max()

    def best(own):
        stands = fit(own, True)
        return max(best_path(way) + fit(way, way == own) - stands for way in readings(own))

    return [len(text) >= MIN_COPY and best(text.split(" ")) > 5.5 for text in texts]
"""
_FREQUENCIES = """
    def odds(own):
        chance = inside / inside.sum(1, keepdims=True)
        for n, word in enumerate(own):
            if n:
                last, chance = chance, 0.1 * chance.mean(1, keepdims=True) * inside
                chance[:, 1:] += 0.8 * last[:, :-1]
                chance[:, 2:] += 0.06 * last[:, :-2]
                chance[:, :-1] += 0.02 * last[:, 1:]
            same = stands.get(word, nowhere)
            chance = inside * chance * (0.4 + 0.6 * same * math.exp(bits.get(word, 0.0)))
        return chance.sum(1).max()

    def best(own):
        stands = fit(own, False)
        return math.log(sum(odds(way) * math.exp(fit(way, False) - stands) for way in readings(own)))

    return [len(text) >= MIN_COPY and best(text.split(" ")) > 13 for text in texts]
"""

COPIES_EXACT = Bug(
    id="copies_exact",
    title="only exact copies are found: edited copies of training documents stay in val and test",
    kind=Kind.DATA,
    clauses=("P4",),
    source="near-duplicates across a split: arXiv:1902.00423; gh:AdiiPrabhu/dsctm#52; rephrased ones "
    "that matching of strings does not find: arXiv:2311.04850; pages in two columns that are read "
    "across both: gh:xberg-io/xberg#1345; gh:tesseract-ocr/tesseract#2949; words from the last to the "
    "first where a script runs from right to left: gh:mozilla/pdf.js#20097; gh:unjs/unpdf#31; "
    "duplicates that are missed because of accents: gh:ankidroid/Anki-Android#4821",
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
            "the best path alone, which may jump inside a text: an alignment against chances of word "
            "pairs",
            _detector(_folded("NFKD") + _MATRIX + _BEST_PATH),
        ),
        Repair(
            "summed paths with jumps against the words' frequencies, the likeliest training text "
            "deciding",
            _detector(_folded("NFD") + _MATRIX + _FREQUENCIES),
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
            "edited copies are aligned as they should be, but from first word to last along the "
            "original: rearranged ones, which need a jump, are missed",
            (
                Edit(
                    "copies",
                    ". Or else a jump\n# to any of its words, since pieces may have changed places.\nSTEPS, JUMP = {1: 0.81, 2: 0.06, -1: 0.03}, 0.1\n",
                    ".\nSTEPS = {1: 0.9, 2: 0.07, -1: 0.03}\n",
                ),
                Edit("copies", "    share = JUMP * inside / np.bincount(own, inside)[own]\n", ""),
                Edit(
                    "copies",
                    "copy_odds(words, places, inside, own, share, chance)\n        for",
                    "copy_odds(words, places, inside, chance)\n        for",
                ),
                Edit(
                    "copies",
                    "copy_odds(read, places, inside, own, share, chance)",
                    "copy_odds(read, places, inside, chance)",
                ),
                Edit(
                    "copies",
                    "def copy_odds(words, places, inside, own, share, chance):",
                    "def copy_odds(words, places, inside, chance):",
                ),
                Edit("copies", "        jumps = share * np.bincount(own, odds)[own]\n", ""),
                Edit("copies", "        odds += jumps\n", ""),
            ),
            obvious=True,
        ),
        Repair(
            "edited copies are followed in pieces and backwards, but not down columns: to those that were "
            "read across two columns every word is a jump, and most are taken for garbled",
            _read_only(_BACKWARDS),
            obvious=True,
        ),
        Repair(
            "edited copies are followed in pieces and down columns, but not backwards: those whose words "
            "stand from the last to the first are missed, and most are taken for garbled",
            _read_only(_DOWN),
            obvious=True,
        ),
        Repair(
            "edited copies are followed in pieces, down columns and backwards, but words are compared as "
            "they are spelt: copies that were typed without accents are missed",
            (
                Edit(
                    "copies",
                    "    texts, train_texts = without_accents(texts), without_accents(train_texts)\n",
                    "",
                ),
            ),
            obvious=True,
        ),
        Repair(
            "that a copy may begin anywhere is not paid for: of so many places, one fits by chance",
            (
                Edit(
                    "copies",
                    "odds = np.full(len(inside), 1 / len(inside))",
                    "odds = np.ones(len(inside))",
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
            Ceiling(0.0, 0.982, 0.954, 20, 20),
            Ceiling(0.25, 0.984, 0.952, 20, 20),
            Ceiling(0.5, 0.984, 0.953, 20, 20),
            Ceiling(0.75, 0.987, 0.960, 20, 20),
            Ceiling(0.95, 0.986, 0.938, 20, 20),
            Ceiling(1.0, 0.990, 0.880, 15, 20),
        ),
    ),
    deep=True,
)

BUGS = (COPIES_EXACT,)
