"""Checks of the network and its two phases: P4 to P7."""

from __future__ import annotations

import numpy as np

from task_spec.checking import Checks, at_most, none_of, run_of
from task_spec.model import Evidence, Measurement
from task_spec.transits.checks.worlds_of import ALL

check = Checks()
FREEZE_EPOCHS = 2


@check("P4.padding", "logits move by at most 1e-3", ALL)
def padding(e: Evidence) -> Measurement:
    """The 40 shortest hidden curves, each alone and in one batch padded to the longest."""
    moved = np.max(np.abs(e.arrays["alone"] - e.arrays["together"]))
    return at_most(float(moved), 1e-3, "largest change of a logit", log=True)


@check("P5.filling_loss", "relative error at most 1e-4", ALL)
def filling_loss(e: Evidence) -> Measurement:
    """`filling_loss` on inputs made here, in which the rows hide different numbers of points."""
    x = e.truth.inputs
    scored = x["hidden"] & x["observed"]
    wanted = float(np.mean((x["filled"] - x["flux"])[scored] ** 2))
    error = abs(e.claims["filling"][0] - wanted) / wanted
    return at_most(error, 1e-4, "relative error of the loss", log=True)


@check("P5.nothing_hidden", "exactly 0", ALL)
def nothing_hidden(e: Evidence) -> Measurement:
    """`filling_loss` of the same batch with no point hidden."""
    return at_most(abs(e.claims["filling"][1]), 0.0, "loss of a batch without hidden points")


@check("P5.used", "at every pre-training step", ALL)
def filling_loss_used(e: Evidence) -> Measurement:
    """The probed function is the one that trains: a call a step."""
    steps, calls = run_of(e)["pretrain_steps"], e.claims["calls"]["filling_loss"]
    missing = max(1, steps) - min(steps, calls)
    return none_of(missing, f"of {steps} pre-training steps without `filling_loss`")


@check("P6.transfer", "every tensor equal", ALL)
def transfer(e: Evidence) -> Measurement:
    """The encoder as `pretrain` returned it against the one that `finetune` began with."""
    run = run_of(e)
    wanted, got = run["pretrained"], run["initial_encoder"]
    off = sum(got.get(name) != value for name, value in wanted.items())
    return none_of(off + (not wanted), f"of {len(wanted)} encoder tensors differ")


@check("P7.frozen", "nothing changes in the first 2 epochs and the last", ALL)
def frozen(e: Evidence) -> Measurement:
    """Hashes of the encoder's parameters and buffers around each of these epochs."""
    epochs = run_of(e)["epochs"]
    held = [*epochs[:FREEZE_EPOCHS], *epochs[-1:]]
    moved = sum(v != epoch["after"][k] for epoch in held for k, v in epoch["before"].items())
    return none_of(moved + (len(epochs) <= FREEZE_EPOCHS), "encoder tensors changed while frozen")


@check("P7.released", "everything changes in each epoch between", ALL)
def released(e: Evidence) -> Measurement:
    """Hashes of the encoder's parameters and running statistics around each of these epochs in
    which the rate was not 0 throughout."""
    run = run_of(e)
    epochs = [
        epoch
        for epoch in run["epochs"][FREEZE_EPOCHS:-1]
        if any(s["rates"][1] > 0 for s in run["steps"][epoch["first_step"] : epoch["last_step"]])
    ]
    still = sum(v == epoch["after"][k] for epoch in epochs for k, v in epoch["before"].items())
    return none_of(still + (not epochs), "encoder tensors stood still after the release")
