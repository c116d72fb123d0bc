"""Bugs in freezing and releasing the encoder."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

NEVER_RELEASED = Bug(
    id="never_released",
    title="the optimizer is made of what is trainable while the encoder is frozen, so the encoder "
    "is never trained",
    kind=Kind.READABLE,
    # The encoder has no rate and no decay either: who says so has seen the same line.
    clauses=("P7", "P10", "P11"),
    source="gh:zjunlp/HVPNeT#5; gh:meta-pytorch/opacus#432",
    plant=(
        Edit(
            "optimizer",
            "    return torch.optim.AdamW(groups, lr=PEAK_LR)",
            "    for group in groups:\n"
            '        group["params"] = [p for p in group["params"] if p.requires_grad]\n'
            "    return torch.optim.AdamW(groups, lr=PEAK_LR)",
        ),
        Edit(
            "finetune",
            "    optimizer = make_optimizer(model)\n",
            "    set_frozen(model, True)\n    optimizer = make_optimizer(model)\n",
        ),
    ),
    checks=("P7.frozen", "P7.released"),
    places=("finetune.train_epoch", "optimizer.set_frozen"),
    repairs=(
        Repair(
            "the optimizer is made while all is trainable",
            (
                Edit(
                    "finetune",
                    "    optimizer = make_optimizer(model)\n",
                    "    set_frozen(model, False)\n    optimizer = make_optimizer(model)\n",
                ),
            ),
        ),
        Repair(
            "the groups are what they were, frozen or not",
            (
                Edit(
                    "finetune",
                    "    optimizer = make_optimizer(model)\n",
                    "    set_frozen(model, True)\n    optimizer = make_optimizer(model)\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "weights are back in the optimizer, the encoder's norm parameters are not",
            (
                Edit(
                    "optimizer",
                    "rest = [p for p in model.parameters() if all(",
                    "rest = [p for p in model.parameters() if p.requires_grad and all(",
                ),
                Edit(
                    "finetune",
                    "    optimizer = make_optimizer(model)\n",
                    "    set_frozen(model, True)\n    optimizer = make_optimizer(model)\n",
                ),
            ),
        ),
        Repair(
            "released from the start: now nothing is frozen",
            (
                Edit(
                    "finetune",
                    "        set_frozen(model, epoch < FREEZE_EPOCHS or epoch == EPOCHS - 1)\n",
                    "        set_frozen(model, False)\n",
                ),
            ),
        ),
    ),
)

LIVE_MOMENTUM = Bug(
    id="live_momentum",
    title="frozen again in the last epoch, the encoder goes on moving: gradients are zeroed instead "
    "of dropped, so AdamW moves it by momentum and decay; and what has a gradient counts as not frozen, "
    "so its norms follow the batches",
    kind=Kind.LIBRARY,
    clauses=("P7",),
    source="gh:iamwangyabin/S-Prompts#2; gh:pytorch/pytorch#150610",
    plant=(
        Edit("step", "    optimizer.zero_grad()\n", "    optimizer.zero_grad(set_to_none=False)\n"),
        Edit(
            "finetune",
            "    if not model.encoder.down[0].conv.weight.requires_grad:\n",
            "    if model.encoder.down[0].conv.weight.grad is None:\n",
        ),
    ),
    checks=("P7.frozen", "P7.released"),
    places=("finetune.finetune", "optimizer.set_frozen", "optimizer.make_optimizer"),
    repairs=(
        Repair(
            "gradients dropped when the encoder is frozen",
            (
                Edit("step", "optimizer.zero_grad()", "optimizer.zero_grad(set_to_none=False)"),
                Edit(
                    "optimizer",
                    "        p.requires_grad_(not frozen)\n",
                    "        p.requires_grad_(not frozen)\n        p.grad = None\n",
                ),
            ),
        ),
        Repair(
            "gradients dropped by hand at each step, and the encoder's mode set with its freeze",
            (
                Edit(
                    "step",
                    "    optimizer.zero_grad()\n",
                    "    for p in model.parameters():\n        p.grad = None\n",
                ),
                Edit(
                    "finetune",
                    "    if not model.encoder.down[0].conv.weight.requires_grad:\n"
                    "        model.encoder.eval()\n",
                    "    model.encoder.train(any(p.requires_grad for p in model.encoder.parameters()))\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the norms stand still by `requires_grad`; momentum and decay still move the weights",
            (Edit("step", "optimizer.zero_grad()", "optimizer.zero_grad(set_to_none=False)"),),
            obvious=True,
        ),
        Repair(
            "no gradient, no movement of the weights; the norms of the last epoch still follow "
            "the batches, as its first step begins with old gradients",
            (
                Edit(
                    "finetune",
                    "    if not model.encoder.down[0].conv.weight.requires_grad:\n",
                    "    if model.encoder.down[0].conv.weight.grad is None:\n",
                ),
            ),
            obvious=True,
        ),
    ),
)

BUGS = (NEVER_RELEASED, LIVE_MOMENTUM)
