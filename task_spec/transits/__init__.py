"""The task `transits`: which stars of a simulated survey have a transiting planet?"""

from __future__ import annotations

from pathlib import Path

from task_spec.model import Demand, Task
from task_spec.transits.bugs import BUGS
from task_spec.transits.checks import CHECKS, MAX_AP_GAP, MIN_HIDDEN_AP
from task_spec.transits.seams import SEAMS
from task_spec.transits.worlds import worlds, write_published

TASK = Task(
    name="transits",
    title="Which stars have a transiting planet?",
    source=Path(__file__).with_name("notebook.py"),
    bugs=BUGS,
    default_bugs=(
        "star_hours",
        "magnitudes",
        "mask_cut",
        "never_released",
        "mean_of_means",
        "clips_nothing",
        "schedule_count",
        "best_alias",
    ),
    seams=SEAMS,
    checks=CHECKS,
    metrics=(
        Demand(
            f"On survey stars that the notebook never saw, `predict` reaches an AP of at least "
            f"{MIN_HIDDEN_AP:.2f}.",
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
    write_data=write_published,
    worlds=worlds,
)
