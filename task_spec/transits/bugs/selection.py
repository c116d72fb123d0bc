"""Bugs in the averaged model and in its selection."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

_UPDATE = (
    "    for a, p in zip(average.parameters(), model.parameters()):\n"
    "        a.mul_(EMA_DECAY).add_(p, alpha=1 - EMA_DECAY)\n"
    "    for a, b in zip(average.buffers(), model.buffers()):\n"
    "        a.copy_(b)"
)

AVERAGE_BUFFERS = Bug(
    id="average_buffers",
    title="the average goes through the state dict: running statistics are averaged instead of "
    "copied, and the kernel that two layers share is there twice, so it moves twice a step",
    kind=Kind.RUN,
    clauses=("P13",),
    source="gh:pytorch/ignite#2590; gh:FlyreelAI/sesemi#36; tied weights: gh:huggingface/transformers#33689",
    plant=(
        Edit(
            "optimizer",
            _UPDATE,
            "    old, new = average.state_dict(), model.state_dict()\n"
            "    for name, value in new.items():\n"
            "        if value.is_floating_point():\n"
            "            old[name].mul_(EMA_DECAY).add_(value, alpha=1 - EMA_DECAY)",
        ),
    ),
    checks=("P13.update",),
    places=("finetune.finetune", "finetune.train_epoch"),
    repairs=(
        Repair(
            "interpolation in place",
            (
                Edit(
                    "optimizer",
                    "        a.mul_(EMA_DECAY).add_(p, alpha=1 - EMA_DECAY)\n",
                    "        a.lerp_(p, 1 - EMA_DECAY)\n",
                ),
            ),
        ),
        Repair(
            "by name, where a shared tensor has one",
            (
                Edit(
                    "optimizer",
                    _UPDATE,
                    "    new = dict(model.named_parameters())\n"
                    "    for name, a in average.named_parameters():\n"
                    "        a.copy_(EMA_DECAY * a + (1 - EMA_DECAY) * new[name])\n"
                    "    new = dict(model.named_buffers())\n"
                    "    for name, a in average.named_buffers():\n"
                    "        a.copy_(new[name])",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "buffers copied by name, all else averaged: the shared kernel still moves twice",
            (
                Edit(
                    "optimizer",
                    _UPDATE,
                    "    buffers = dict(model.named_buffers())\n"
                    "    old, new = average.state_dict(), model.state_dict()\n"
                    "    for name, value in new.items():\n"
                    "        if name in buffers:\n"
                    "            old[name].copy_(value)\n"
                    "        else:\n"
                    "            old[name].mul_(EMA_DECAY).add_(value, alpha=1 - EMA_DECAY)",
                ),
            ),
            obvious=True,
        ),
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

_BEST = "best_ap, best_state = history[-1], copy.deepcopy(average.state_dict())"
_RESTORED = "    average.load_state_dict(best_state)\n"
_BETTER = "        if history[-1] > best_ap:\n"

BEST_ALIAS = Bug(
    id="best_alias",
    title="the best state holds the tensors that go on training, and no buffers: the last epoch is restored",
    kind=Kind.LIBRARY,
    clauses=("P14",),
    source="gh:pytorch/tutorials#188; gh:WenjieDu/PyPOTS#667",
    plant=(
        Edit(
            "finetune",
            _BEST,
            "best_ap = history[-1]\n"
            "            best_state = {k: p.detach() for k, p in average.named_parameters()}",
        ),
        Edit("finetune", _RESTORED, "    average.load_state_dict(best_state, strict=False)\n"),
    ),
    checks=("P14.selected",),
    repairs=(
        Repair(
            "the whole model copied",
            (
                Edit(
                    "finetune",
                    "copy.deepcopy(average.state_dict())",
                    "copy.deepcopy(average).state_dict()",
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
            "parameters cloned; the running statistics are those of the last epoch",
            (
                Edit(
                    "finetune",
                    "copy.deepcopy(average.state_dict())",
                    "{k: p.detach().clone() for k, p in average.named_parameters()}",
                ),
                Edit(
                    "finetune", _RESTORED, "    average.load_state_dict(best_state, strict=False)\n"
                ),
            ),
            obvious=True,
        ),
        Repair(
            "buffers too, but in a copy of the dict only: the tensors go on training",
            (
                Edit(
                    "finetune",
                    "copy.deepcopy(average.state_dict())",
                    "copy.copy(average.state_dict())",
                ),
            ),
        ),
    ),
)

SMALL_GAIN = Bug(
    id="small_gain",
    title="an epoch counts as better only if it gains a thousandth: the best one, a little better than "
    "one before it, is passed over",
    kind=Kind.READABLE,
    clauses=("P14",),
    source="a least improvement where the best is wanted: gh:keras-team/keras#20323",
    plant=(Edit("finetune", _BETTER, "        if history[-1] > best_ap + 1e-3:\n"),),
    checks=("P14.selected",),
    repairs=(
        Repair(
            "against the best of all epochs before",
            (
                Edit(
                    "finetune",
                    _BETTER,
                    "        if history[-1] > max(history[:-1], default=-1.0):\n",
                ),
            ),
        ),
        Repair(
            "by the place of the best in the history",
            (Edit("finetune", _BETTER, "        if int(np.argmax(history)) == epoch:\n"),),
        ),
    ),
    near_misses=(
        Repair(
            "a smaller gain is asked for, but one still",
            (Edit("finetune", _BETTER, "        if history[-1] > best_ap + 1e-4:\n"),),
        ),
        Repair(
            "any gain counts, and so does none: the last of equals is taken",
            (Edit("finetune", _BETTER, "        if history[-1] >= best_ap:\n"),),
        ),
    ),
)

BUGS = (AVERAGE_BUFFERS, BEST_ALIAS, SMALL_GAIN)
