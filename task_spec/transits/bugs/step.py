"""Bugs in an optimizer step of fine-tuning."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

_LOSS = (
    "        weight = torch.tensor(POS_WEIGHT)\n"
    "        loss = F.binary_cross_entropy_with_logits(logits, b.y, pos_weight=weight, "
    'reduction="sum")\n'
    "        loss = loss / curves\n"
)
_WEIGHTED_LOSS = (
    "        weight = 1 + (POS_WEIGHT - 1) * b.y\n"
    "        loss = F.binary_cross_entropy_with_logits(logits, b.y, weight, "
    'reduction="sum")\n'
)

MEAN_OF_MEANS = Bug(
    id="mean_of_means",
    title="the loss of a micro-batch is divided by its sum of class weights, and the means of unequal "
    "micro-batches are averaged",
    kind=Kind.READABLE,
    clauses=("P8",),
    source="gh:huggingface/transformers#34191; gh:meta-pytorch/torchtune#1875",
    plant=(
        Edit(
            "step",
            "    curves = sum(len(b.y) for b in batches)\n    total = 0.0\n",
            "    total = 0.0\n",
        ),
        Edit(
            "step",
            _LOSS,
            _WEIGHTED_LOSS + "        loss = loss / weight.sum() / len(batches)\n",
        ),
    ),
    checks=("P8.gradient",),
    places=("finetune.train_epoch",),
    repairs=(
        Repair(
            "means weighted by their share of the curves",
            (
                Edit(
                    "step",
                    ', reduction="sum")\n        loss = loss / curves\n',
                    ")\n        loss = loss * (len(b.y) / curves)\n",
                ),
            ),
        ),
        Repair(
            "class weights by hand, divided by the number of curves",
            (Edit("step", _LOSS, _WEIGHTED_LOSS + "        loss = loss / curves\n"),),
        ),
    ),
    near_misses=(
        Repair(
            "micro-batches weighted by their curves, but inside each the curves still share by "
            "class: those of a micro-batch with many planets count less",
            (
                Edit(
                    "step",
                    _LOSS,
                    _WEIGHTED_LOSS + "        loss = loss / weight.sum() * (len(b.y) / curves)\n",
                ),
            ),
            obvious=True,
        ),
        Repair(
            "a sum, but over a nominal size: wrong wherever the sizes vary",
            (
                Edit(
                    "step",
                    "loss = loss / curves",
                    "loss = loss / (len(batches) * len(batches[0].y))",
                ),
            ),
        ),
        Repair(
            "divided by the sum of the weights, not by the number of curves",
            (
                Edit(
                    "step",
                    "curves = sum(len(b.y) for b in batches)",
                    "curves = sum((1 + (POS_WEIGHT - 1) * b.y).sum().item() for b in batches)",
                ),
            ),
        ),
    ),
)

_CLIP = (
    "    trained = [p for p in model.parameters() if p.requires_grad]\n"
    "    norm = nn.utils.clip_grad_norm_(trained, math.inf).item()\n"
    "    nn.utils.clip_grad_norm_(trained, CLIP)\n"
)

CLIPS_NOTHING = Bug(
    id="clips_nothing",
    title="gradients are clipped after each micro-batch, from the second on not at all: the filter object "
    "is used up by the first",
    kind=Kind.LIBRARY,
    clauses=("P9",),
    source="gh:PixArt-alpha/PixArt-alpha#160; gh:pytorch/pytorch#148259",
    plant=(
        Edit(
            "step",
            "    for b in batches:\n",
            "    trained = filter(lambda p: p.requires_grad, model.parameters())\n"
            "    for b in batches:\n",
        ),
        Edit(
            "step",
            "        loss.backward()\n",
            "        loss.backward()\n        nn.utils.clip_grad_norm_(trained, CLIP)\n",
        ),
        Edit(
            "step",
            _CLIP,
            "    norm = nn.utils.clip_grad_norm_(model.parameters(), math.inf).item()\n",
        ),
    ),
    checks=("P9.limit", "P9.scale"),
    repairs=(
        Repair(
            "the norm that clipping returns is the one before clipping",
            (
                Edit(
                    "step",
                    _CLIP,
                    "    norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP).item()\n",
                ),
            ),
        ),
        Repair(
            "scaled by hand, without the library",
            (
                Edit(
                    "step",
                    "    nn.utils.clip_grad_norm_(trained, CLIP)\n",
                    "    for p in trained:\n        p.grad.div_(max(1.0, norm / CLIP))\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "a list that lasts: now what has been summed up is clipped after each micro-batch, so the "
            "norm stays below 1 and the direction is not that of the mean loss",
            (
                Edit(
                    "step",
                    "    for b in batches:\n",
                    "    trained = [p for p in model.parameters() if p.requires_grad]\n"
                    "    for b in batches:\n",
                ),
                Edit(
                    "step",
                    "        loss.backward()\n",
                    "        loss.backward()\n        nn.utils.clip_grad_norm_(trained, CLIP)\n",
                ),
                Edit(
                    "step",
                    _CLIP,
                    "    norm = nn.utils.clip_grad_norm_(trained, math.inf).item()\n",
                ),
            ),
            obvious=True,
        ),
        Repair(
            "each tensor clipped by itself: together they exceed the limit",
            (
                Edit(
                    "step",
                    "    nn.utils.clip_grad_norm_(trained, CLIP)\n",
                    "    for p in trained:\n        nn.utils.clip_grad_norm_(p, CLIP)\n",
                ),
            ),
        ),
        Repair(
            "values clipped, not the norm",
            (
                Edit(
                    "step",
                    "nn.utils.clip_grad_norm_(trained, CLIP)",
                    "nn.utils.clip_grad_value_(trained, CLIP)",
                ),
            ),
        ),
    ),
)

BUGS = (MEAN_OF_MEANS, CLIPS_NOTHING)
