"""Bugs in averaging, selection, calibration and scoring."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

AVERAGE_BUFFERS = Bug(
    id="average_buffers",
    title="the average moves parameters only; its running statistics stay as they were before fine-tuning",
    kind=Kind.READABLE,
    clauses=("P13",),
    source="gh:pytorch/ignite#2590; gh:FlyreelAI/sesemi#36",
    plant=(
        Edit(
            "optimizer",
            "        a.mul_(EMA_DECAY).add_(p, alpha=1 - EMA_DECAY)\n"
            "    for a, b in zip(average.buffers(), model.buffers()):\n"
            "        a.copy_(b)",
            "        a.mul_(EMA_DECAY).add_(p, alpha=1 - EMA_DECAY)",
        ),
    ),
    checks=("P13.update",),
    places=("finetune.finetune", "finetune.train_epoch"),
    repairs=(
        Repair(
            "one pass over both state dicts",
            (
                Edit(
                    "optimizer",
                    "    for a, p in zip(average.parameters(), model.parameters()):\n"
                    "        a.mul_(EMA_DECAY).add_(p, alpha=1 - EMA_DECAY)\n"
                    "    for a, b in zip(average.buffers(), model.buffers()):\n"
                    "        a.copy_(b)",
                    "    averaged = {name for name, _ in model.named_parameters()}\n"
                    "    old, new = average.state_dict(), model.state_dict()\n"
                    "    for name, value in new.items():\n"
                    "        old[name].lerp_(value, 0.1) if name in averaged else old[name].copy_(value)",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "running statistics averaged too, where the protocol copies them",
            (
                Edit(
                    "optimizer",
                    "        a.copy_(b)",
                    "        a.lerp_(b, 1 - EMA_DECAY) if a.is_floating_point() else a.copy_(b)",
                ),
            ),
        ),
    ),
)

BEST_ALIAS = Bug(
    id="best_alias",
    title="the best state is a shallow copy whose tensors go on training: the last epoch is restored",
    kind=Kind.LIBRARY,
    clauses=("P14",),
    source="gh:pytorch/tutorials#188; gh:WenjieDu/PyPOTS#667",
    plant=(
        Edit(
            "finetune",
            "best_ap, best_state = history[-1], copy.deepcopy(average.state_dict())",
            "best_ap, best_state = history[-1], copy.copy(average.state_dict())",
        ),
    ),
    checks=("P14.selected",),
    repairs=(
        Repair(
            "the whole model copied",
            (
                Edit(
                    "finetune",
                    "best_ap, best_state = history[-1], copy.deepcopy(average.state_dict())",
                    "best_ap, best_state = history[-1], copy.deepcopy(average).state_dict()",
                ),
            ),
        ),
        Repair(
            "each tensor cloned",
            (
                Edit(
                    "finetune",
                    "copy.deepcopy(average.state_dict())",
                    "{k: v.detach().clone() for k, v in average.state_dict().items()}",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "detached, which still shares the memory",
            (
                Edit(
                    "finetune",
                    "copy.deepcopy(average.state_dict())",
                    "{k: v.detach() for k, v in average.state_dict().items()}",
                ),
            ),
        ),
        Repair(
            "parameters cloned, buffers not",
            (
                Edit(
                    "finetune",
                    "copy.deepcopy(average.state_dict())",
                    "{**average.state_dict(), **{k: p.detach().clone() for k, p in average.named_parameters()}}",
                ),
            ),
        ),
    ),
)

CALIBRATED_ON_TEST = Bug(
    id="calibrated_on_test",
    title="temperature and threshold are fitted on all curves held out from training, test among them",
    kind=Kind.READABLE,
    clauses=("P15",),
    source="gh:SamitHuang/EV_GCN#7; arXiv:2207.07048",
    plant=(
        Edit(
            "calibrate",
            "temperature, threshold = calibrate(target_logits(final, val))\n",
            'held_out = [c for c in curves if split[c.curve_id] != "train"]\n'
            "temperature, threshold = calibrate(target_logits(final, held_out))\n",
        ),
    ),
    checks=("P15.test_labels",),
    places=("calibrate",),
    repairs=(
        Repair(
            "validation curves by the split",
            (
                Edit(
                    "calibrate",
                    "calibrate(target_logits(final, val))",
                    'calibrate(target_logits(final, [c for c in curves if split[c.curve_id] == "val"]))',
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the temperature from validation, the threshold still from all",
            (
                Edit(
                    "calibrate",
                    "temperature, threshold = calibrate(target_logits(final, val))\n",
                    "temperature, _ = calibrate(target_logits(final, val))\n"
                    "_, threshold = calibrate(target_logits(final, [*val, *test]))\n",
                ),
            ),
        ),
    ),
)

BATCH_AP = Bug(
    id="batch_ap",
    title="average precision is taken batch by batch and averaged",
    kind=Kind.RUN,
    clauses=("P16",),
    source="gh:langfengQ/verl-agent#267; gh:ganslate-team/ganslate#74",
    plant=(
        Edit(
            "evaluate",
            '    return average_precision(table["y"].to_numpy(), table["logit"].to_numpy())',
            "    parts = [table.iloc[i : i + size] for i in range(0, len(table), size)]\n"
            '    return float(np.mean([average_precision(p["y"].to_numpy(), p["logit"].to_numpy()) '
            'for p in parts if p["y"].any()]))',
        ),
        Edit("evaluate", "def evaluate(model, curves):", "def evaluate(model, curves, size=64):"),
    ),
    checks=("P16.reported",),
    repairs=(
        Repair(
            "one part that holds all targets",
            (
                Edit(
                    "evaluate",
                    'return average_precision(table["y"].to_numpy(), table["logit"].to_numpy())',
                    "y, score = table[['y', 'logit']].to_numpy().T\n    return average_precision(y, score)",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "batches weighted by their size: still no average precision of the whole",
            (
                Edit(
                    "evaluate",
                    '    return average_precision(table["y"].to_numpy(), table["logit"].to_numpy())',
                    "    parts = [table.iloc[i : i + 64] for i in range(0, len(table), 64)]\n"
                    '    aps = [average_precision(p["y"].to_numpy(), p["logit"].to_numpy()) for p in parts]\n'
                    "    return float(np.average(aps, weights=[len(p) for p in parts]))",
                ),
            ),
        ),
    ),
)

BUGS = (AVERAGE_BUFFERS, BEST_ALIAS, CALIBRATED_ON_TEST, BATCH_AP)
