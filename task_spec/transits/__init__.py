"""The task `transits`: which stars of a simulated survey have a transiting planet?"""

from __future__ import annotations

from task_spec.model import Demand, Level, Task
from task_spec.transits.bugs import BUGS
from task_spec.transits.cheats import CHEATS
from task_spec.transits.checks import CHECKS
from task_spec.transits.checks.final import MAX_AP_GAP, MIN_HIDDEN_AP
from task_spec.transits.decoys import DECOYS
from task_spec.transits.seams import SEAMS, SOURCE
from task_spec.transits.worlds import worlds, write_published

TASK = Task(
    name="transits",
    title="Which stars have a transiting planet?",
    source=SOURCE,
    bugs=BUGS,
    decoys=DECOYS,
    levels=(
        Level("easy", bugs=4, onions=0, noise=0.0),
        Level("standard", bugs=8, onions=3, noise=0.3),
        Level("hard", bugs=12, onions=6, noise=0.6),
        Level("extreme", bugs=16, onions=8, noise=0.95, deep=True),
    ),
    seams=SEAMS,
    checks=CHECKS,
    metrics=(
        Demand(
            "After a run on a draw of full size, `predict` of stars that the notebook never saw "
            f"reaches an AP of at least {MIN_HIDDEN_AP:.2f}.",
            ("score.hidden",),
        ),
        Demand(
            f"The `test_ap` in `results.json` exceeds that AP by at most {MAX_AP_GAP:.2f}.",
            ("score.honest",),
        ),
        Demand(
            "`results.json` holds `val_ap`, `test_ap`, `temperature` and `threshold`; both APs "
            "equal the ones that the grader computes from `curve_logits` of the final model.",
            ("P16.reported",),
        ),
    ),
    reruns=(
        "on the published data, on another draw of the survey, and on small draws of about 30% of "
        "the size"
    ),
    kept_names=("curves", "split"),
    write_data=write_published,
    worlds=worlds,
    cheats=CHEATS,
)
