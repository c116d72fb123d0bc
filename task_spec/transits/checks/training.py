"""Checks of the fine-tuning step: P8 to P12."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from task_spec.checking import Checks, at_most, none_of, run_of
from task_spec.model import Evidence, Measurement
from task_spec.transits.checks.worlds_of import ALL
from task_spec.transits.worlds import TOY_BATCHES

check = Checks()
PEAK_RATE, WEIGHT_DECAY, CLIP, POS_WEIGHT, ACCUM = 3e-3, 0.05, 1.0, 2.0, 4


def _reference_gradient(features: Any, labels: Any) -> np.ndarray[Any, Any]:
    """Gradient (weights, then bias) of the toy's mean weighted cross-entropy."""
    x, y = np.asarray(features, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    p = 1 / (1 + np.exp(-(x @ np.array([0.3, -0.2, 0.1, 0.4]) - 0.1)))
    slope = POS_WEIGHT * y * (p - 1) + (1 - y) * p
    return np.asarray(np.append(x.T @ slope, slope.sum()) / len(y))


@check("P8.gradient", "relative error at most 1e-3", ALL)
def gradient(e: Evidence) -> Measurement:
    """The gradient that `train_step` hands to the optimizer for a logistic model, on micro-batches
    of 7, 2 and 4 curves, against the closed form."""
    got = e.arrays["small_gradient"]
    wanted = _reference_gradient(e.arrays["small_features"], e.arrays["small_labels"])
    if len(e.arrays["small_labels"]) != sum(TOY_BATCHES) or e.claims["small_step"] != 1:
        return Measurement(None, False, "`train_step` did not take one step over all curves")
    error = np.linalg.norm(got - wanted) / np.linalg.norm(wanted)
    return at_most(float(error), 1e-3, "relative error of the gradient", log=True)


@check("P8.groups", "4 micro-batches a step, the rest in the last", ALL)
def groups(e: Evidence) -> Measurement:
    """In the real training: which micro-batches each step of `train_step` took."""
    run = run_of(e)
    wrong = 0
    for epoch in run["epochs"]:
        steps = run["steps"][epoch["first_step"] : epoch["last_step"]]
        sizes = [step["batches"] for step in steps]
        if not sizes or any(size is None for size in sizes):
            return Measurement(None, False, "the optimizer was stepped outside `train_step`")
        wrong += sum(len(size) != ACCUM for size in sizes[:-1]) + (len(sizes[-1]) > ACCUM)
        wrong += sum(map(sum, sizes)) != len(run["train_curves"])
    return none_of(wrong + (not run["epochs"]), "steps with too few or too many micro-batches")


@check("P9.limit", "norm at most 1.001", ALL)
def norm_limit(e: Evidence) -> Measurement:
    """Total gradient norm that the optimizer saw, at every fine-tuning step."""
    return at_most(max(s["norm"] for s in run_of(e)["steps"]), CLIP + 1e-3, "largest gradient norm")


@check("P9.scale", "norm 1 within 1e-3, direction kept", ALL)
def clip_scale(e: Evidence) -> Measurement:
    """A step of a logistic model on three micro-batches with a huge gradient: scaled to norm 1 as
    a whole, no further."""
    got = e.arrays["large_gradient"]
    wanted = _reference_gradient(e.arrays["large_features"], e.arrays["large_labels"])
    wanted = wanted / np.linalg.norm(wanted)
    return at_most(
        float(np.linalg.norm(got - wanted)), 1e-3, "distance to the clipped gradient", log=True
    )


def rate_factor(k: int, steps: int) -> float:
    """Clause P10: the factor of the peak rate in step k of ``steps``."""
    warm = math.ceil(steps / 10)
    if k < warm:
        return (k + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (k - warm) / (steps - warm)))


@check("P10.rate", "within 0.1% of the peak at every step", ALL)
def schedule(e: Evidence) -> Measurement:
    """The rate of every trained parameter at every step, against K as it turned out to be. Being
    off by one in K shows as 0.7% and more."""
    steps = run_of(e)["steps"]
    worst = 0.0
    for k, step in enumerate(steps):
        wanted = PEAK_RATE * rate_factor(k, len(steps))
        worst = max(worst, *(abs(rate - wanted) for rate in step["rates"]))
    return at_most(
        worst / PEAK_RATE if steps else math.nan, 1e-3, "largest deviation [peak rates]", log=True
    )


@check("P11.decay", "every trained parameter", ALL)
def weight_decay(e: Evidence) -> Measurement:
    """Weight decay that the optimizer applied to each parameter of the model: 0.05 to weights of
    linear and convolution modules, 0 to others."""
    decay = run_of(e)["decay"]
    wrong = [
        n for n, (is_weight, wd) in decay.items() if not math.isclose(wd, WEIGHT_DECAY * is_weight)
    ]
    return none_of(len(wrong), f"of {len(decay)} parameters decay wrongly {wrong[:3]}")


@check("P12.fresh_draws", "no state of the generator twice", ALL)
def fresh_draws(e: Evidence) -> Measurement:
    """State of the random generator with which `augment` drew each curve that a step was given."""
    draws = run_of(e)["draws"]
    return none_of(sum(n - 1 for n in draws.values()) + (not draws), "augmentations repeat another")


@check("P12.coverage", "every curve of every step, none of an evaluation", ALL)
def augmentation_coverage(e: Evidence) -> Measurement:
    """Every curve of every step is one that `augment` returned, which evaluation never calls."""
    run = run_of(e)
    off = run["not_augmented"] + run["augmented_in_evaluation"]
    return none_of(off + (not run["steps"]), "curves augmented in evaluation or not in training")
