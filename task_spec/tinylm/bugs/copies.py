"""The bug of which a report lists rows: copies of training documents that stay in val and test."""

from __future__ import annotations

from task_spec.model import Bug, Ceiling, Edit, Kind, Repair, Rows
from task_spec.source import cell_text
from task_spec.tinylm.copying import MIN_PRECISION, MIN_RECALL
from task_spec.tinylm.seams import SOURCE
from task_spec.tinylm.worlds import edited_copies

_DETECTOR = cell_text(SOURCE, "copies")


def _detector(body: str, imports: str = "") -> tuple[Edit, ...]:
    """A `find_copies` of another kind."""
    head = f'{imports}MIN_COPY = 60\n\n\ndef find_copies(texts, train_texts):\n    """Booleans: which texts are copies of a training text."""\n'
    return (Edit("copies", _DETECTOR, head + body.strip("\n")),)


# All texts without accents and in one language. Words are numbered in each language by how common
# they are; `a` and `b` (words, words) have the roots of how often one follows another, `pair` (words,
# words) will have the 1 of each word and its translation.
_LANGUAGES = r"""
    def fold(own):
        return own.str.normalize("NFD").str.replace("[\u0300-\u036f]", "", regex=True)

    long = texts.str.len() >= MIN_COPY
    texts, train_texts = fold(texts), fold(train_texts)
    rows = [text.split(" ") for text in train_texts]
    common = [word for word, _ in Counter(word for row in rows for word in row).most_common()]
    speech = {word: word for word in common}
    for row in rows:  # words of one text are of one language
        own = {speech[word] for word in row}
        speech = {word: min(own) if one in own else one for word, one in speech.items()}
    two = [one for one, _ in Counter(speech.values()).most_common(2)]
    sides = [[word for word in common if speech[word] == one] for one in two]
    size = max(map(len, sides))
    a, b = tables = np.zeros((2, size, size))
    for table, side in zip(tables, sides):
        number = {word: i for i, word in enumerate(side)}
        for row in rows:
            for before, word in zip(row, row[1:]):
                if word in number:
                    table[number[before], number[word]] += 1
    tables **= 0.5
"""
_ASSIGNED = """
    def agreement(pair):
        return np.sum(a * (pair @ b @ pair.T))

    def assigned(value):
        pair = np.zeros((size, size))
        pair[linear_sum_assignment(-value)] = 1
        return pair

    found = []
    for width in (3, 6, 12, 24, 48):
        like = [np.hstack([-np.sort(-t)[:, :width], -np.sort(-t.T)[:, :width]]) for t in tables]
        pair = assigned(-cdist(*like, "sqeuclidean"))
        for _ in range(40):
            pair = 0.5 * pair + 0.5 * assigned(a @ pair @ b.T + a.T @ pair @ b)
        found.append(assigned(pair))
    pair = max(found, key=agreement)
"""
_RELAXED = """
    rng = np.random.default_rng(5)
    options = dict(maximize=True, P0="randomized", rng=rng)
    found = [quadratic_assignment(a, b, options=options) for _ in range(60)]
    pair = np.eye(size)[max(found, key=lambda one: one.fun).col_ind]
"""
_ONE_LANGUAGE = """
    first, second = (side + [None] * (size - len(side)) for side in sides)
    meaning = {second[k]: first[i] or second[k] for i, k in np.argwhere(pair)}
    texts, train_texts = (
        own.map(lambda text: " ".join(meaning.get(word, word) for word in text.split(" ")))
        for own in (texts, train_texts)
    )
"""

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

    def chances(a, b):
        share = math.exp(-bits.get(b, 9.0))
        return max(share, (pairs[a, b] + 10 * share) / (single[a] + 10))

    def fit(own):
        return sum(math.log((pairs[pair] + 0.1) / (single[pair[0]] + 9)) for pair in zip(own, own[1:]))

    texts = texts.str.split(" ").map(lambda own: max(own, own[::-1], own[::2] + own[1::2], key=fit))
"""
_BEST_PATH = """
    def best_path(own):
        score = np.where(inside, 0.0, -1e9)
        for a, b in zip(["", *own], own):
            last, score = score, np.where(inside, score.max(1, keepdims=True) - 5, -1e9)
            score[:, 1:] = np.maximum(score[:, 1:], last[:, :-1])
            score[:, 2:] = np.maximum(score[:, 2:], last[:, :-2] - 2.5)
            score[:, :-1] = np.maximum(score[:, :-1], last[:, 1:] - 3.5)
            score += np.where(stands.get(b, nowhere), math.log(0.5 + 0.5 / chances(a, b)), math.log(0.5))
            score[~inside] = -1e9
        return score.max()

    return [enough and best_path(own) > 5.5 for own, enough in zip(texts, long)]
"""
_SUMMED_PATHS = """
    def odds(own):
        chance = inside / inside.sum(1, keepdims=True)
        for before, word in zip(["", *own], own):
            if before:
                last, chance = chance, 0.1 * chance.mean(1, keepdims=True) * inside
                chance[:, 1:] += 0.8 * last[:, :-1]
                chance[:, 2:] += 0.06 * last[:, :-2]
                chance[:, :-1] += 0.02 * last[:, 1:]
            same = stands.get(word, nowhere)
            chance = inside * chance * (0.4 + 0.6 * same / chances(before, word))
        return chance.sum(1).max()

    return [enough and math.log(odds(own)) > 1.5 for own, enough in zip(texts, long)]
"""

COPIES_EXACT = Bug(
    id="copies_exact",
    title="only exact copies are found: edited copies of training documents stay in val and test",
    kind=Kind.DATA,
    clauses=("P4",),
    source="near-duplicates across a split: arXiv:1902.00423; gh:AdiiPrabhu/dsctm#52; rephrased or "
    "translated ones that matching of strings does not find: arXiv:2311.04850; pages in two columns that are read "
    "across both: gh:xberg-io/xberg#1345; gh:tesseract-ocr/tesseract#2949; "
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
            "words assigned by those that their fellows are assigned to, again and again; the best path "
            "alone, which may jump inside a text: an alignment against chances of word pairs",
            _detector(
                _LANGUAGES + _ASSIGNED + _ONE_LANGUAGE + _MATRIX + _BEST_PATH,
                "from scipy.optimize import linear_sum_assignment\nfrom scipy.spatial.distance import cdist\n\n",
            ),
        ),
        Repair(
            "languages matched without regard to where texts begin and end; summed paths with jumps, the "
            "likeliest training text deciding",
            _detector(
                _LANGUAGES + _RELAXED + _ONE_LANGUAGE + _MATRIX + _SUMMED_PATHS,
                "from scipy.optimize import quadratic_assignment\n\n",
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
                    "return copy_odds(words, places, inside, own, share, chance)",
                    "return copy_odds(words, places, inside, chance)",
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
            "edited copies are followed in pieces and in both languages, but not down columns: in those that "
            "were read across two columns every word is a jump, and most are missed",
            (
                Edit(
                    "copies",
                    "max(words, words[::-1], words[::2] + words[1::2], key",
                    "max(words, words[::-1], key",
                ),
            ),
            obvious=True,
        ),
        Repair(
            "edited copies are followed in pieces and down columns, but in their own language: those that "
            "were translated are missed",
            (Edit("copies", "meaning = find_translations(train_texts)", "meaning = {}"),),
            obvious=True,
        ),
        Repair(
            "words of the two languages are paired by how common they are: most pairs are wrong, and those "
            "that were translated are missed",
            (
                Edit(
                    "copies",
                    "pairing = zip(two[0], max(found, key=lambda match: match.fun).col_ind)",
                    "common = [own[np.argsort(-pairs[own].sum(1))] for own in two]\n"
                    "    pairing = zip(common[0], np.searchsorted(two[1], common[1]))",
                ),
            ),
            obvious=True,
        ),
        Repair(
            "edited copies are followed in pieces, down columns and in both languages, but words are "
            "compared as they are spelt: copies that were typed without accents are missed",
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
        "training document (one whose text, in normal form C, is that of a training document is not "
        "listed)",
        size=1,
        min_precision=MIN_PRECISION,
        min_recall=MIN_RECALL,
        of=edited_copies,
        ceiling=(
            Ceiling(0.0, 0.970, 0.992, 20, 20),
            Ceiling(0.25, 0.975, 0.993, 20, 20),
            Ceiling(0.5, 0.972, 0.990, 20, 20),
            Ceiling(0.75, 0.978, 0.988, 20, 20),
            Ceiling(0.95, 0.984, 0.973, 20, 20),
            Ceiling(1.0, 0.981, 0.730, 0, 20),
        ),
    ),
    deep=True,
)

BUGS = (COPIES_EXACT,)
