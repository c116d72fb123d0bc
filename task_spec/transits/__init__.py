"""The task `transits`: which stars of a simulated survey have a transiting planet?"""

from __future__ import annotations

from pathlib import Path

from task_spec.model import Demand, Seam, Task
from task_spec.transits.bugs import BUGS
from task_spec.transits.checks import CHECKS, MAX_AP_GAP, MIN_HIDDEN_AP
from task_spec.transits.worlds import worlds, write_published

_SEAMS = (
    Seam("load_survey(folder)", "reads a folder with the three data files, with or without labels"),
    Seam("split_curves(survey)", 'curve_id -> "train", "val" or "test"'),
    Seam("prepare(survey)", "list of `Curve`, whose fields stay; `x` is a float tensor (2, T)"),
    Seam("augment(x, generator)", "called once for each curve that is augmented"),
    Seam("collate(curves)", "a `Batch`, whose fields stay"),
    Seam("filling_loss(filled, flux, hidden, observed)", "scalar tensor"),
    Seam("pretrain(curves)", "returns the state dict (keys `encoder.…`) first"),
    Seam("update_average(average, model)", "changes `average` in place, for any two equal modules"),
    Seam(
        "train_step(model, optimizer, batches)",
        "one optimizer step on a list of `Batch`, for any module called as `model(x, mask, band)`",
    ),
    Seam("curve_logits(model, curves)", "array of logits, in order"),
    Seam("evaluate(model, curves)", "AP; what it returns is what selection goes by"),
    Seam(
        "train_epoch(model, average, optimizer, scheduler, curves, plan, generator)",
        "one epoch of fine-tuning; `model` comes first",
    ),
    Seam("finetune(model, train, val)", "returns the final model first"),
    Seam("predict(folder)", "probability by target_id, for a survey without labels"),
)

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
    seams=_SEAMS,
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
