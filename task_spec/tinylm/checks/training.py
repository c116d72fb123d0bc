"""Checks of step, clipping, schedule and weight decay: P10 to P13."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from task_spec.checking import Checks, at_most, none_of
from task_spec.model import Evidence, Measurement
from task_spec.tinylm.checks.worlds_of import ALL, epochs_of, steps_of

check = Checks()
ACCUM, CLIP, PEAK_LR, WEIGHT_DECAY = 3, 0.5, 8e-3, 0.1

Floats = np.ndarray[Any, Any]


def _reference_gradient(e: Evidence, name: str, scale: float) -> Floats:
    """Gradient of the bigram probe's mean cross-entropy by its table, in closed form."""
    table = e.arrays[f"{name}_table"].astype(np.float64)
    inputs, targets = e.arrays[f"{name}_inputs"], e.arrays[f"{name}_targets"]
    logits = scale * table[inputs]
    slope = np.exp(logits - logits.max(1, keepdims=True))
    slope /= slope.sum(1, keepdims=True)
    slope[np.arange(len(targets)), targets] -= 1
    gradient = np.zeros_like(table)
    np.add.at(gradient, inputs, scale * slope / len(targets))
    return gradient


@check("P10.gradient", "relative error at most 1e-3", ALL)
def gradient(e: Evidence) -> Measurement:
    """The gradient that `train_step` hands to the optimizer for a bigram model, on micro-batches of
    5, 1 and 6 texts of 1 to 20 words, against the closed form over the targets in `mask`."""
    wanted = _reference_gradient(e, "small", e.claims["small_step"])
    error = np.linalg.norm(e.arrays["small_gradient"] - wanted) / np.linalg.norm(wanted)
    return at_most(float(error), 1e-3, "relative error of the gradient", log=True)


@check("P10.groups", "3 micro-batches a step, the rest in the last", ALL)
def groups(e: Evidence) -> Measurement:
    """How many micro-batches each optimizer step of the training took."""
    steps, wrong = steps_of(e), 0
    for epoch in epochs_of(e):
        sizes = [step["batches"] for step in steps[epoch["first_step"] : epoch["last_step"]]]
        if not sizes or 0 in sizes:
            return Measurement(None, False, "the optimizer was stepped outside `train_step`")
        wrong += sum(size != ACCUM for size in sizes[:-1]) + (sizes[-1] > ACCUM)
    return none_of(wrong, "steps with too few or too many micro-batches")


@check("P11.limit", f"norm at most {CLIP + 1e-3}", ALL)
def norm_limit(e: Evidence) -> Measurement:
    """Total norm of the gradient that the optimizer saw, at every step of the training."""
    return at_most(
        max(s["norm"] for s in steps_of(e)), CLIP + 1e-3, "largest gradient norm", log=True
    )


@check("P11.scale", f"norm {CLIP} within 1e-3, direction kept", ALL)
def clip_scale(e: Evidence) -> Measurement:
    """A step of the bigram model with a huge gradient, on two micro-batches of six texts of eight
    words each: scaled to the limit as a whole, after all of it has been gathered."""
    wanted = _reference_gradient(e, "large", e.claims["large_step"])
    wanted *= CLIP / np.linalg.norm(wanted)
    distance = float(np.linalg.norm(e.arrays["large_gradient"] - wanted))
    return at_most(distance, 1e-3, "distance to the clipped gradient", log=True)


def rate_factor(k: int, steps: int) -> float:
    """Clause P12: the factor of the peak rate in step k of ``steps``."""
    warm = math.ceil(steps / 10)
    return (k + 1) / warm if k < warm else (steps - k) / (steps - warm)


@check("P12.rate", "within 0.1% of the peak at every step", ALL)
def schedule(e: Evidence) -> Measurement:
    """The rate of most parameters at every step, against K as it turned out to be."""
    steps = steps_of(e)
    worst = 0.0
    for k, step in enumerate(steps):
        rate = max(step["rates"], key=lambda pair: pair[1])[0]
        worst = max(worst, abs(rate / PEAK_LR - rate_factor(k, len(steps))))
    return at_most(worst, 1e-3, "largest deviation [peak rates]", log=True)


@check("P12.every", "one rate for all, at every step", ALL)
def one_rate(e: Evidence) -> Measurement:
    """Steps in which a parameter of the model had a rate of its own, or was not trained."""
    steps = steps_of(e)
    off = sum(len(step["rates"]) != 1 or step["missing"] > 0 for step in steps)
    return none_of(off, f"of {len(steps)} steps with several rates or parameters left out")


@check("P13.decay", "every parameter", ALL)
def weight_decay(e: Evidence) -> Measurement:
    """Weight decay that the optimizer applied to each parameter of the model."""
    decay = e.claims["run"]["decay"]
    wrong = [
        name
        for name, (ndim, wd) in decay.items()
        if not math.isclose(wd, WEIGHT_DECAY * (name.startswith("blocks.") and ndim >= 2))
    ]
    return none_of(
        len(wrong) + (not decay), f"of {len(decay)} parameters decay wrongly {wrong[:3]}"
    )
