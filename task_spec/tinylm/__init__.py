"""The task `tinylm`: a small language model on a language whose entropy is known."""

from __future__ import annotations

from task_spec.model import Demand, Level, Task
from task_spec.tinylm.bugs import BUGS
from task_spec.tinylm.cheats import CHEATS
from task_spec.tinylm.checks import CHECKS
from task_spec.tinylm.checks.final import MAX_HIDDEN_BITS, POSSIBLE_BITS
from task_spec.tinylm.decoys import DECOYS
from task_spec.tinylm.seams import SEAMS, SOURCE
from task_spec.tinylm.worlds import worlds, write_published

TASK = Task(
    name="tinylm",
    title="How well can a small transformer read the news of a small country?",
    source=SOURCE,
    bugs=BUGS,
    decoys=DECOYS,
    levels=(
        Level("easy", bugs=4, onions=0, noise=0.0),
        Level("standard", bugs=7, onions=2, noise=0.3),
        Level("hard", bugs=10, onions=5, noise=0.6),
        Level("extreme", bugs=14, onions=8, noise=0.95, deep=True),
    ),
    seams=SEAMS,
    checks=CHECKS,
    metrics=(
        Demand(
            "After a run on a corpus of full size, `predict` of hidden documents, cut after a "
            f"random word, needs at most {MAX_HIDDEN_BITS:g} bits on average for what came next, "
            "a word or the end.",
            ("score.hidden",),
        ),
        Demand(
            "Its predictions are not better than the language allows: over all of these documents "
            f"they need at most {POSSIBLE_BITS:g} bits less than the chances by which the "
            "documents were drawn.",
            ("score.possible",),
        ),
        Demand(
            "`results.json` holds `val_bpc` and `test_bpc`, and both equal what the grader "
            "computes from `document_bits` of the final model.",
            ("P17.reported",),
        ),
    ),
    reruns=(
        "on the published data, on another language and corpus, and on small corpora of about a "
        "third of the size"
    ),
    kept_names=("documents", "split", "vocabulary"),
    write_data=write_published,
    worlds=worlds,
    cheats=CHEATS,
)
