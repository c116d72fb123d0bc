"""Bugs in the fine-tuning step and what surrounds it."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

MEAN_OF_MEANS = Bug(
    id="mean_of_means",
    title="the means of unequal micro-batches are averaged, so curves of small micro-batches count more",
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
            'b.y, pos_weight=weight, reduction="sum")\n        loss = loss / curves\n',
            "b.y, pos_weight=weight)\n        loss = loss / len(batches)\n",
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
    ),
    near_misses=(
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

CLIPS_NOTHING = Bug(
    id="clips_nothing",
    title="the filter object is used up by the norm that is logged, so clip_grad_norm_ gets no parameter",
    kind=Kind.LIBRARY,
    clauses=("P9",),
    source="gh:PixArt-alpha/PixArt-alpha#160; gh:pytorch/pytorch#148259",
    plant=(
        Edit(
            "step",
            "    trained = [p for p in model.parameters() if p.requires_grad]\n",
            "    trained = filter(lambda p: p.requires_grad, model.parameters())\n",
        ),
    ),
    checks=("P9.limit", "P9.scale"),
    repairs=(
        Repair(
            "the norm that clipping returns is the one before clipping",
            (
                Edit(
                    "step",
                    "    trained = [p for p in model.parameters() if p.requires_grad]\n"
                    "    norm = torch.stack([p.grad.norm() for p in trained]).norm().item()\n"
                    "    nn.utils.clip_grad_norm_(trained, CLIP)\n",
                    "    norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP).item()\n",
                ),
            ),
        ),
    ),
    near_misses=(
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

SCHEDULE_COUNT = Bug(
    id="schedule_count",
    title="the schedule counts micro-batches of the first epoch: the rate is still high when training ends",
    kind=Kind.RUN,
    clauses=("P10",),
    source="gh:huggingface/accelerate#963; gh:huggingface/transformers#24088",
    plant=(
        Edit(
            "finetune",
            "    steps = sum(math.ceil(len(plan) / ACCUM) for plan in plans)\n",
            "    steps = EPOCHS * len(plans[0])\n",
        ),
    ),
    checks=("P10.rate",),
    places=("optimizer.rate_factor", "finetune.train_epoch"),
    repairs=(
        Repair(
            "the steps counted as train_epoch takes them",
            (
                Edit(
                    "finetune",
                    "sum(math.ceil(len(plan) / ACCUM) for plan in plans)",
                    "sum(len(range(0, len(plan_batches(train, e)), ACCUM)) for e in range(EPOCHS))",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "optimizer steps, but every epoch taken to be as long as the first",
            (
                Edit(
                    "finetune",
                    "sum(math.ceil(len(plan) / ACCUM) for plan in plans)",
                    "EPOCHS * math.ceil(len(plans[0]) / ACCUM)",
                ),
            ),
        ),
        Repair(
            "all micro-batches over the group size: the groups left over at each epoch's end are lost",
            (
                Edit(
                    "finetune",
                    "sum(math.ceil(len(plan) / ACCUM) for plan in plans)",
                    "sum(len(plan) for plan in plans) // ACCUM",
                ),
            ),
        ),
    ),
)

DECAYED_NORMS = Bug(
    id="decayed_norms",
    title='norm parameters are looked for by name; those inside the Sequential are called "1.weight" and decay',
    kind=Kind.RUN,
    clauses=("P11",),
    source="parameters missed by a name filter: gh:microsoft/nni#4521",
    plant=(
        Edit(
            "optimizer",
            "    decay = [p for p in model.parameters() if p.ndim >= 2]\n"
            "    rest = [p for p in model.parameters() if p.ndim < 2]\n",
            "    named = dict(model.named_parameters())\n"
            '    plain = [name for name in named if "norm" in name or "bias" in name]\n'
            "    decay = [p for name, p in named.items() if name not in plain]\n"
            "    rest = [named[name] for name in plain]\n",
        ),
    ),
    checks=("P11.decay",),
    repairs=(
        Repair(
            "told apart by number of dimensions, in one pass",
            (
                Edit(
                    "optimizer",
                    "    decay = [p for p in model.parameters() if p.ndim >= 2]\n"
                    "    rest = [p for p in model.parameters() if p.ndim < 2]\n",
                    "    groups = {True: [], False: []}\n"
                    "    for p in model.parameters():\n"
                    "        groups[p.ndim > 1].append(p)\n"
                    "    decay, rest = groups[True], groups[False]\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "biases and norms told apart by module type: the embedding, a matrix, no longer decays",
            (
                Edit(
                    "optimizer",
                    "    decay = [p for p in model.parameters() if p.ndim >= 2]\n"
                    "    rest = [p for p in model.parameters() if p.ndim < 2]\n",
                    "    kinds = (nn.Linear, nn.Conv1d)\n"
                    "    decay = [m.weight for m in model.modules() if isinstance(m, kinds)]\n"
                    "    rest = [p for p in model.parameters() if all(p is not d for d in decay)]\n",
                ),
            ),
        ),
    ),
)

SAME_DRAWS = Bug(
    id="same_draws",
    title="the generator is seeded by the curve's index, so a curve is augmented alike in every epoch",
    kind=Kind.READABLE,
    clauses=("P12",),
    source="gh:cszn/KAIR#106; gh:facebookresearch/ClassyVision#118",
    plant=(
        Edit(
            "finetune",
            "            drawn = [curves[i]._replace(x=augment(curves[i].x, generator)) for i in indices]\n",
            "            drawn = []\n"
            "            for i in indices:\n"
            "                generator.manual_seed(SEED + i)\n"
            "                drawn.append(curves[i]._replace(x=augment(curves[i].x, generator)))\n",
        ),
    ),
    checks=("P12.fresh_draws",),
    places=("finetune.finetune",),
    repairs=(
        Repair(
            "a generator for each curve, seeded from the run's",
            (
                Edit(
                    "finetune",
                    "            drawn = [curves[i]._replace(x=augment(curves[i].x, generator)) for i in indices]\n",
                    "            drawn = []\n"
                    "            for i in indices:\n"
                    "                seed = int(torch.randint(2**62, (), generator=generator))\n"
                    "                own = torch.Generator().manual_seed(seed)\n"
                    "                drawn.append(curves[i]._replace(x=augment(curves[i].x, own)))\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "one generator, but started again in each epoch",
            (
                Edit(
                    "finetune",
                    "    log = []\n    for first",
                    "    generator = torch.Generator().manual_seed(SEED)\n    log = []\n    for first",
                ),
            ),
        ),
        Repair(
            "seeded by epoch plus index: neighbours share their numbers from epoch to epoch",
            (
                Edit(
                    "finetune",
                    "            drawn = [curves[i]._replace(x=augment(curves[i].x, generator)) for i in indices]\n",
                    "            drawn = []\n"
                    "            for i in indices:\n"
                    "                generator.manual_seed(SEED + i + scheduler.last_epoch)\n"
                    "                drawn.append(curves[i]._replace(x=augment(curves[i].x, generator)))\n",
                ),
            ),
        ),
    ),
)

BUGS = (MEAN_OF_MEANS, CLIPS_NOTHING, SCHEDULE_COUNT, DECAYED_NORMS, SAME_DRAWS)
