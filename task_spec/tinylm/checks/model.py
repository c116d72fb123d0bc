"""Checks of epochs, causality, ties and dropout: P7, P8, P9 and P14."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise

import numpy as np

from task_spec.checking import Checks, at_most, none_of, run_of
from task_spec.model import Evidence, Measurement
from task_spec.tinylm.checks.worlds_of import ALL, epochs_of, steps_of

check = Checks()
MAX_TOGETHER = 0.45


@check("P7.coverage", "each training document in each epoch", ALL)
def coverage(e: Evidence) -> Measurement:
    """The documents in the micro-batches that `train_step` got, epoch by epoch: as many as were
    handed to `train_model`, the same in every epoch."""
    taken = [Counter(key for batch in epoch["batches"] for key in batch) for epoch in epochs_of(e)]
    count = len(run_of(e)["train"])
    off = sum(abs(epoch.total() - count) for epoch in taken)
    off += sum((epoch - taken[0]).total() for epoch in taken)
    return none_of(off + (not count), "documents left out or taken twice in an epoch")


@check(
    "P7.anew",
    f"at most {MAX_TOGETHER:.0%} of an epoch's pairs in the next, too",
    ALL,
)
def drawn_anew(e: Evidence) -> Measurement:
    """Of the pairs of documents that share a micro-batch, those that share one in the next epoch
    too: 3 to 20% where batches are drawn anew, 70% and more where they are not."""
    pairs = [_pairs(epoch["batches"]) for epoch in epochs_of(e)]
    shares = [len(a & b) / max(1, len(a)) for a, b in pairwise(pairs)]
    if not shares:
        return Measurement(None, False, "there were no two epochs to compare")
    return at_most(float(np.mean(shares)), MAX_TOGETHER, "share of pairs that stay together")


def _pairs(batches: list[list[int]]) -> set[tuple[int, int]]:
    return {pair for batch in batches for pair in combinations(sorted(set(batch)), 2)}


@check("P8.causal", "logits move by at most 1e-3", ALL)
def causal(e: Evidence) -> Measurement:
    """Twelve texts of twelve words: logits at the first seven places, with other words from word
    seven on, and with none; and at all places, beside a text of 20 words. Dropout is taken out."""
    early, padded = e.arrays["early"], e.arrays["padded"]
    moved = [early[:, :7] - e.arrays[other][:, :7] for other in ("late", "cut")]
    moved.append(early - padded[:, : early.shape[1]])
    return at_most(
        float(max(np.max(np.abs(change)) for change in moved)),
        1e-3,
        "largest change of a logit",
        log=True,
    )


@check("P9.tied", "with `model.embed` at 0, logits the same everywhere within 1e-5", ALL)
def tied(e: Evidence) -> Measurement:
    """After each epoch the token embedding of a copy of the model is set to zero: if the output
    layer is the same parameter, its logits no longer depend on the input."""
    values = [v["untied"] for v in run_of(e)["evaluations"]]
    if not values:
        return Measurement(None, False, "`evaluate` was not called in training")
    return at_most(float(max(values)), 1e-5, "largest deviation of a logit", log=True)


@check("P14.training", "all modules at every step", ALL)
def in_training(e: Evidence) -> Measurement:
    """Steps that the optimizer took while a block or a dropout layer was in evaluation mode; and
    two passes of the final model in training mode must differ."""
    idle = sum(step["idle"] > 0 for step in steps_of(e))
    return none_of(idle + (not e.claims["dropout"][1] > 0), "steps without dropout")


@check("P14.evaluation", "two passes equal, no random number drawn", ALL)
def in_evaluation(e: Evidence) -> Measurement:
    """Two passes of the final model in evaluation mode under other seeds; and the state of the
    random numbers around every call of `document_bits` and `next_probabilities`."""
    off = run_of(e)["eval_draws"] + (e.claims["dropout"][0] != 0)
    return none_of(off, "evaluations that depend on random numbers")
