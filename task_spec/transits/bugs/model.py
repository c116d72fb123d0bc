"""Bugs in the network, its pre-training and what is taken over from it."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

MASK_CUT = Bug(
    id="mask_cut",
    title="a strided layer cuts the mask to the new length instead of taking every second entry, "
    "so padding counts as valid",
    kind=Kind.READABLE,
    clauses=("P4",),
    source="pooling over padding: gh:ray-project/ray#21392",
    plant=(
        Edit(
            "model",
            "        mask = mask[:, :: self.stride]\n"
            "        return F.relu(self.norm(self.conv(x))) * mask[:, None], mask",
            "        x = F.relu(self.norm(self.conv(x)))\n"
            "        mask = mask[:, : x.shape[2]]\n"
            "        return x * mask[:, None], mask",
        ),
    ),
    checks=("P4.padding",),
    places=("model.TransitNet", "model.Encoder"),
    repairs=(
        Repair(
            "the mask pooled like the curve",
            (
                Edit(
                    "model",
                    "mask = mask[:, :: self.stride]",
                    "mask = F.max_pool1d(mask.float()[:, None], 1, self.stride)[:, 0] > 0",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the mask is right for pooling, but padding is not zeroed between the layers",
            (
                Edit(
                    "model",
                    "return F.relu(self.norm(self.conv(x))) * mask[:, None], mask",
                    "return F.relu(self.norm(self.conv(x))), mask",
                ),
                Edit(
                    "model",
                    "        mean = h.sum(2)",
                    "        h = h * mask[:, None]\n        mean = h.sum(2)",
                ),
            ),
        ),
    ),
)

FILLING_MEAN = Bug(
    id="filling_mean",
    title="the filling loss is averaged over all points, so it shrinks with the share of points "
    "that are neither hidden nor observed",
    kind=Kind.READABLE,
    clauses=("P5",),
    source="loss over padding: gh:DaoyuanLi2816/Molecule-Generator#22",
    plant=(
        Edit(
            "pretrain",
            "    return ((filled - flux) ** 2)[scored].mean()",
            "    return ((filled - flux) ** 2 * scored).mean()",
        ),
    ),
    checks=("P5.filling_loss",),
    places=("pretrain.pretrain",),
    repairs=(
        Repair(
            "sum over count",
            (
                Edit(
                    "pretrain",
                    "((filled - flux) ** 2)[scored].mean()",
                    "F.mse_loss(filled * scored, flux * scored, reduction='sum') / scored.sum()",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "a mean of each curve's mean: points of a curve that hides few count more",
            (
                Edit(
                    "pretrain",
                    "((filled - flux) ** 2)[scored].mean()",
                    "(((filled - flux) ** 2 * scored).sum(1) / scored.sum(1).clamp(min=1)).mean()",
                ),
            ),
        ),
    ),
)

NOT_TRANSFERRED = Bug(
    id="not_transferred",
    title="no key matches when the checkpoint is loaded into the encoder with strict=False: "
    "fine-tuning starts from random weights",
    kind=Kind.RUN,
    clauses=("P6",),
    source="gh:pytorch/examples#1029; gh:stefanopini/simple-HRNet#79",
    plant=(
        Edit(
            "transfer",
            "model.load_state_dict(pretrained, strict=False)",
            "model.encoder.load_state_dict(pretrained, strict=False)",
        ),
    ),
    checks=("P6.transfer",),
    places=("pretrain.pretrain",),
    repairs=(
        Repair(
            "the prefix taken off",
            (
                Edit(
                    "transfer",
                    "model.load_state_dict(pretrained, strict=False)",
                    "model.encoder.load_state_dict(\n"
                    '    {k.removeprefix("encoder."): v for k, v in pretrained.items() '
                    'if k.startswith("encoder.")}\n'
                    ")",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "lstrip takes a set of letters off, and more than the prefix goes",
            (
                Edit(
                    "transfer",
                    "model.load_state_dict(pretrained, strict=False)",
                    'model.encoder.load_state_dict({k.lstrip("encoder."): v for k, v in pretrained.items()}, '
                    "strict=False)",
                ),
            ),
        ),
        Repair(
            "parameters only: the running statistics stay behind",
            (
                Edit(
                    "transfer",
                    "model.load_state_dict(pretrained, strict=False)",
                    "with torch.no_grad():\n"
                    "    for name, p in model.encoder.named_parameters():\n"
                    '        p.copy_(pretrained["encoder." + name])\n'
                    "pass",
                ),
            ),
        ),
    ),
)

NEVER_RELEASED = Bug(
    id="never_released",
    title="the optimizer is made of what is trainable while the encoder is frozen, so the encoder "
    "is never trained",
    kind=Kind.READABLE,
    clauses=("P7",),
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
    ),
    near_misses=(
        Repair(
            "weights are back in the optimizer, the encoder's norm parameters are not",
            (
                Edit(
                    "optimizer",
                    "rest = [p for p in model.parameters() if p.ndim < 2]",
                    "rest = [p for p in model.parameters() if p.ndim < 2 and p.requires_grad]",
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
                    "        set_frozen(model, epoch < FREEZE_EPOCHS)\n",
                    "        set_frozen(model, False)\n",
                ),
            ),
        ),
    ),
)

BUGS = (MASK_CUT, FILLING_MEAN, NOT_TRANSFERRED, NEVER_RELEASED)
