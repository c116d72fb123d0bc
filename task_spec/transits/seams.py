"""The functions of the `transits` notebook that stay: the grader calls and watches them."""

from __future__ import annotations

from pathlib import Path

from task_spec.model import Seam

SOURCE = Path(__file__).with_name("notebook.py")  # the correct notebook

SEAMS = (
    Seam("load_survey(folder)", "reads a survey's folder, with or without `labels.csv`"),
    Seam("stars_of_targets(survey)", "target_id -> its star, called by `split_curves`"),
    Seam("split_curves(survey)", 'curve_id -> "train", "val" or "test"'),
    Seam(
        "prepare(survey)",
        "list of `Curve`, whose fields stay; `x` is a float tensor (2, T): flux, and 1 where a "
        "point was observed, else 0",
    ),
    Seam(
        "augment(x, generator)",
        "called with one curve; what it returns is collated and trained on as it is",
    ),
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
        "train_epoch(model, average, optimizer, scheduler, batches)",
        "one epoch of fine-tuning; `model` comes first",
    ),
    Seam("finetune(model, train, val)", "returns the final model first"),
    Seam("predict(folder)", "probability by target_id, for a survey without labels"),
)
