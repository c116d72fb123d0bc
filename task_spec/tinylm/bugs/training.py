"""Bugs in the optimizer: schedule and weight decay."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

_TOTAL = "    total = sum(len(plan) for plan in plans)\n"
_GROUPS = '    for group in optimizer.param_groups:\n        group["lr"] = PEAK_LR * factor'
_DECAY = "    decay = [p for p in model.blocks.parameters() if p.ndim == 2]\n"

SCHEDULE_COUNT = Bug(
    id="schedule_count",
    title="the schedule is made for micro-batches instead of steps: warm-up takes three times as long "
    "and the rate is still high at the end",
    kind=Kind.RUN,
    clauses=("P12",),
    source="gh:huggingface/accelerate#963; gh:huggingface/transformers#24088",
    plant=(
        Edit(
            "train",
            _TOTAL,
            "    total = sum(len(step) for plan in plans for step in plan)\n",
        ),
    ),
    checks=("P12.rate",),
    places=("optimizer.set_rate", "train.train_epoch"),
    repairs=(
        Repair(
            "the steps of each epoch, rounded up",
            (
                Edit(
                    "train",
                    _TOTAL,
                    "    micro = [len(plan_epoch(sequences, epoch)) for epoch in range(EPOCHS)]\n"
                    "    total = sum(math.ceil(n / ACCUM) for n in micro)\n",
                ),
            ),
        ),
        Repair(
            "all steps in one list",
            (
                Edit(
                    "train", _TOTAL, "    total = len([step for plan in plans for step in plan])\n"
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "steps, but every epoch taken to be as long as the first",
            (Edit("train", _TOTAL, "    total = EPOCHS * len(plans[0])\n"),),
            obvious=True,
        ),
        Repair(
            "all micro-batches over the number in a step: what is left at an epoch's end is a step too",
            (
                Edit(
                    "train",
                    _TOTAL,
                    "    total = math.ceil(sum(len(step) for plan in plans for step in plan) / ACCUM)\n",
                ),
            ),
            obvious=True,
        ),
    ),
)

FIRST_GROUP = Bug(
    id="first_group",
    title="the schedule reaches the first parameter group only: all other parameters train at the peak "
    "rate throughout",
    kind=Kind.READABLE,
    clauses=("P12",),
    source="rates of several groups: gh:katsura-jp/pytorch-cosine-annealing-with-warmup#14",
    plant=(Edit("optimizer", _GROUPS, '    optimizer.param_groups[0]["lr"] = PEAK_LR * factor'),),
    checks=("P12.every",),
    places=("train.train_epoch",),
    repairs=(
        Repair(
            "by index",
            (
                Edit(
                    "optimizer",
                    _GROUPS,
                    "    for i in range(len(optimizer.param_groups)):\n"
                    '        optimizer.param_groups[i]["lr"] = PEAK_LR * factor',
                ),
            ),
        ),
        Repair(
            "in train_epoch, for all groups after the first",
            (
                Edit(
                    "optimizer", _GROUPS, '    optimizer.param_groups[0]["lr"] = PEAK_LR * factor'
                ),
                Edit(
                    "train",
                    "        set_rate(optimizer, k, total)\n",
                    "        set_rate(optimizer, k, total)\n"
                    "        for group in optimizer.param_groups[1:]:\n"
                    '            group["lr"] = optimizer.param_groups[0]["lr"]\n',
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the default rate is set too, which no group looks at any more",
            (
                Edit(
                    "optimizer",
                    _GROUPS,
                    '    optimizer.param_groups[0]["lr"] = PEAK_LR * factor\n'
                    '    optimizer.defaults["lr"] = PEAK_LR * factor',
                ),
            ),
        ),
        Repair(
            "the other groups follow one step behind",
            (
                Edit(
                    "optimizer",
                    _GROUPS,
                    "    for group in optimizer.param_groups[1:]:\n"
                    '        group["lr"] = optimizer.param_groups[0]["lr"]\n'
                    '    optimizer.param_groups[0]["lr"] = PEAK_LR * factor',
                ),
            ),
        ),
    ),
)

DECAYED_EMBEDDINGS = Bug(
    id="decayed_embeddings",
    title="weight decay goes by the number of dimensions alone, so embeddings decay too",
    kind=Kind.READABLE,
    clauses=("P13",),
    source="parameters sorted into the wrong group: gh:microsoft/nni#4521",
    plant=(
        Edit("optimizer", _DECAY, "    decay = [p for p in model.parameters() if p.ndim == 2]\n"),
    ),
    checks=("P13.decay",),
    repairs=(
        Repair(
            "by name",
            (
                Edit(
                    "optimizer",
                    _DECAY,
                    "    decay = [\n"
                    "        p\n"
                    "        for name, p in model.named_parameters()\n"
                    '        if name.startswith("blocks.") and name.endswith("weight") and p.ndim > 1\n'
                    "    ]\n",
                ),
            ),
        ),
        Repair(
            "the linear layers of the blocks",
            (
                Edit(
                    "optimizer",
                    _DECAY,
                    "    decay = [m.weight for m in model.blocks.modules() if isinstance(m, nn.Linear)]\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "all linear layers: the output layer is one, and its weights are the embedding's",
            (
                Edit(
                    "optimizer",
                    _DECAY,
                    "    decay = [m.weight for m in model.modules() if isinstance(m, nn.Linear)]\n",
                ),
            ),
            obvious=True,
        ),
        Repair(
            'all but "embed": places and topic decay still',
            (
                Edit(
                    "optimizer",
                    _DECAY,
                    "    named = model.named_parameters()\n"
                    '    decay = [p for name, p in named if p.ndim == 2 and "embed" not in name]\n',
                ),
            ),
            obvious=True,
        ),
    ),
)

BUGS = (SCHEDULE_COUNT, FIRST_GROUP, DECAYED_EMBEDDINGS)
