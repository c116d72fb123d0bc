"""Bugs in the step: loss and clipping."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

_PLACES = "    places = sum(int(b.mask.sum()) for b in batches)\n    total = 0.0\n"
_LOSS = """        loss = F.cross_entropy(logits[b.mask], b.targets[b.mask], reduction="sum") / places
"""
_CLIP = """        total += loss.item()
    norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP).item()
"""

MEAN_OF_MEANS = Bug(
    id="mean_of_means",
    title="the loss is averaged over each document, then over documents, then over micro-batches: "
    "words of short documents and of small micro-batches count more",
    kind=Kind.READABLE,
    clauses=("P10",),
    source="gh:huggingface/transformers#34191; gh:meta-pytorch/torchtune#1875",
    plant=(
        Edit("step", _PLACES, "    total = 0.0\n"),
        Edit(
            "step",
            _LOSS,
            '        each = F.cross_entropy(logits.transpose(1, 2), b.targets, reduction="none")\n'
            "        loss = ((each * b.mask).sum(1) / b.mask.sum(1)).mean() / len(batches)\n",
        ),
    ),
    checks=("P10.gradient",),
    places=("train.train_epoch",),
    repairs=(
        Repair(
            "means weighted by their share of the targets",
            (
                Edit(
                    "step",
                    _LOSS,
                    "        share = b.mask.sum() / places\n"
                    "        loss = F.cross_entropy(logits[b.mask], b.targets[b.mask]) * share\n",
                ),
            ),
        ),
        Repair(
            "summed over all places, padding times zero",
            (
                Edit(
                    "step",
                    _LOSS,
                    '        each = F.cross_entropy(logits.transpose(1, 2), b.targets, reduction="none")\n'
                    "        loss = (each * b.mask).sum() / places\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "a mean over the micro-batch's targets, but micro-batches still count the same",
            (
                Edit(
                    "step",
                    _LOSS,
                    "        loss = F.cross_entropy(logits[b.mask], b.targets[b.mask]) / len(batches)\n",
                ),
            ),
            obvious=True,
        ),
        Repair(
            "micro-batches weighted by their documents, not by their targets",
            (
                Edit(
                    "step",
                    _LOSS,
                    "        share = len(b.inputs) / sum(len(other.inputs) for other in batches)\n"
                    "        loss = F.cross_entropy(logits[b.mask], b.targets[b.mask]) * share\n",
                ),
            ),
        ),
    ),
)

CLIPPED_EARLY = Bug(
    id="clipped_early",
    title="the gradient is clipped after every micro-batch, before all of it has been gathered",
    kind=Kind.READABLE,
    clauses=("P11",),
    source="gradient handled at micro-batches instead of steps: gh:pytorch/torchtitan#1258; "
    "gh:Lightning-AI/pytorch-lightning#19987",
    plant=(
        Edit(
            "step",
            _CLIP,
            "        total += loss.item()\n"
            "        norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP).item()\n",
        ),
    ),
    checks=("P11.limit", "P11.scale"),
    repairs=(
        Repair(
            "after the last micro-batch, within the loop",
            (
                Edit(
                    "step",
                    _CLIP,
                    "        total += loss.item()\n"
                    "        if b is batches[-1]:\n"
                    "            norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP).item()\n",
                ),
            ),
        ),
        Repair(
            "scaled by hand",
            (
                Edit(
                    "step",
                    _CLIP,
                    "        total += loss.item()\n"
                    "    gradients = [p.grad for p in model.parameters() if p.grad is not None]\n"
                    "    norm = torch.stack([g.norm() for g in gradients]).norm().item()\n"
                    "    for g in gradients:\n"
                    "        g.mul_(min(1.0, CLIP / norm))\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "after the third micro-batch: a step with fewer is not clipped",
            (
                Edit("step", "    total = 0.0\n", "    total, norm = 0.0, math.nan\n"),
                Edit(
                    "step",
                    "    for b in batches:\n        logits",
                    "    for i, b in enumerate(batches):\n        logits",
                ),
                Edit(
                    "step",
                    _CLIP,
                    "        total += loss.item()\n"
                    "        if (i + 1) % ACCUM == 0:\n"
                    "            norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP).item()\n",
                ),
            ),
            obvious=True,
        ),
        Repair(
            "each parameter by itself: together they exceed the limit",
            (
                Edit(
                    "step",
                    _CLIP,
                    "        total += loss.item()\n"
                    "    norm = max(nn.utils.clip_grad_norm_(p, CLIP).item() for p in model.parameters())\n",
                ),
            ),
        ),
    ),
)

BUGS = (MEAN_OF_MEANS, CLIPPED_EARLY)
