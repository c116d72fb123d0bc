"""Bugs in what surrounds the steps of fine-tuning: schedule, weight decay, augmentation."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

_AHEAD = (
    "    epochs = [draw_batches(train, epoch, generator) for epoch in range(EPOCHS)]\n"
    "    steps = sum(math.ceil(len(batches) / ACCUM) for batches in epochs)\n"
)
_WHEN_NEEDED = Edit(
    "finetune",
    "    for epoch, batches in enumerate(epochs):\n",
    "    for epoch in range(EPOCHS):\n        batches = draw_batches(train, epoch, generator)\n",
)

SCHEDULE_COUNT = Bug(
    id="schedule_count",
    title="the schedule counts micro-batches, takes every epoch to be as long as the first, and "
    "plans with whole curves where training plans with augmented, shorter ones: the rate is still "
    "high when training ends",
    kind=Kind.RUN,
    clauses=("P10",),
    source="gh:huggingface/accelerate#963; gh:huggingface/transformers#24088",
    plant=(
        Edit("finetune", _AHEAD, "    steps = EPOCHS * len(plan_batches(train, 0))\n"),
        _WHEN_NEEDED,
    ),
    checks=("P10.rate",),
    places=("optimizer.rate_factor", "finetune.train_epoch", "finetune.draw_batches"),
    repairs=(
        Repair(
            "a rehearsal with another generator of the same seed",
            (
                Edit(
                    "finetune",
                    _AHEAD,
                    "    twin = torch.Generator().manual_seed(SEED)\n"
                    "    sizes = [len(draw_batches(train, epoch, twin)) for epoch in range(EPOCHS)]\n"
                    "    steps = sum(math.ceil(size / ACCUM) for size in sizes)\n",
                ),
                _WHEN_NEEDED,
            ),
        ),
        Repair(
            "the steps counted as train_epoch takes them",
            (
                Edit(
                    "finetune",
                    "sum(math.ceil(len(batches) / ACCUM) for batches in epochs)",
                    "sum(len(range(0, len(batches), ACCUM)) for batches in epochs)",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "every epoch counted by its own plan, but a plan of the curves before augmentation",
            (
                Edit(
                    "finetune",
                    _AHEAD,
                    "    plans = [plan_batches(train, epoch) for epoch in range(EPOCHS)]\n"
                    "    steps = sum(math.ceil(len(plan) / ACCUM) for plan in plans)\n",
                ),
                _WHEN_NEEDED,
            ),
            obvious=True,
        ),
        Repair(
            "optimizer steps, but every epoch taken to be as long as the first",
            (
                Edit(
                    "finetune",
                    "sum(math.ceil(len(batches) / ACCUM) for batches in epochs)",
                    "EPOCHS * math.ceil(len(epochs[0]) / ACCUM)",
                ),
            ),
            obvious=True,
        ),
        Repair(
            "all micro-batches over the group size: the groups left over at each epoch's end are lost",
            (
                Edit(
                    "finetune",
                    "sum(math.ceil(len(batches) / ACCUM) for batches in epochs)",
                    "sum(len(batches) for batches in epochs) // ACCUM",
                ),
            ),
        ),
    ),
)

_GROUPS = (
    "    decay = [m.weight for m in model.modules() if isinstance(m, nn.Conv1d | nn.Linear)]\n"
    "    rest = [p for p in model.parameters() if all(p is not d for d in decay)]\n"
)

DECAYED_NORMS = Bug(
    id="decayed_norms",
    title="what must not decay is looked for by name; the norm inside the Sequential is called "
    '"head.1.weight" and decays',
    kind=Kind.RUN,
    clauses=("P11",),
    source="parameters missed by a name filter: gh:microsoft/nni#4521",
    plant=(
        Edit(
            "optimizer",
            _GROUPS,
            "    named = dict(model.named_parameters())\n"
            '    plain = [n for n in named if any(part in n for part in ("norm", "bias", "band"))]\n'
            "    decay = [p for name, p in named.items() if name not in plain]\n"
            "    rest = [named[name] for name in plain]\n",
        ),
    ),
    checks=("P11.decay",),
    repairs=(
        Repair(
            "told apart by the module that owns them, in one pass",
            (
                Edit(
                    "optimizer",
                    _GROUPS,
                    "    groups = {True: {}, False: {}}\n"
                    "    for m in model.modules():\n"
                    "        for name, p in m.named_parameters(recurse=False):\n"
                    "            is_weight = isinstance(m, (nn.Conv1d, nn.Linear)) and name == "
                    '"weight"\n'
                    "            groups[is_weight][id(p)] = p\n"
                    "    decay, rest = (list(groups[key].values()) for key in (True, False))\n",
                ),
            ),
        ),
        Repair(
            "matrices and kernels, but for the embedding",
            (
                Edit(
                    "optimizer",
                    _GROUPS,
                    "    named = dict(model.named_parameters())\n"
                    '    decay = [p for n, p in named.items() if p.ndim > 1 and n != "band.weight"]\n'
                    '    rest = [p for n, p in named.items() if p.ndim == 1 or n == "band.weight"]\n',
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "told apart by number of dimensions: the norm is out, and the embedding is in",
            (
                Edit(
                    "optimizer",
                    _GROUPS,
                    "    decay = [p for p in model.parameters() if p.ndim >= 2]\n"
                    "    rest = [p for p in model.parameters() if p.ndim < 2]\n",
                ),
            ),
            obvious=True,
        ),
    ),
    held_out=True,
)

_DRAWN = "    drawn = [c._replace(x=augment(c.x, generator)) for c in curves]\n"
_SEEDED = (
    "    drawn = []\n"
    "    for i, c in enumerate(curves):\n"
    "        generator.manual_seed({seed})\n"
    "        drawn.append(c._replace(x=augment(c.x, generator)))\n"
)

SAME_DRAWS = Bug(
    id="same_draws",
    title="the seeds of epoch and curve collide: each epoch uses nearly all random numbers of the "
    "epoch before again, for curves five places further on",
    kind=Kind.RUN,
    clauses=("P12",),
    source="gh:cszn/KAIR#106; gh:facebookresearch/ClassyVision#118",
    plant=(Edit("finetune", _DRAWN, _SEEDED.format(seed="SEED * epoch + i")),),
    checks=("P12.fresh_draws",),
    places=("finetune.finetune",),
    repairs=(
        Repair(
            "a generator for each curve, seeded from the run's",
            (
                Edit(
                    "finetune",
                    _DRAWN,
                    "    drawn = []\n"
                    "    for c in curves:\n"
                    "        seed = int(torch.randint(2**62, (), generator=generator))\n"
                    "        own = torch.Generator().manual_seed(seed)\n"
                    "        drawn.append(c._replace(x=augment(c.x, own)))\n",
                ),
            ),
        ),
        Repair(
            "seeds that can't collide",
            (Edit("finetune", _DRAWN, _SEEDED.format(seed="SEED + len(curves) * epoch + i")),),
        ),
    ),
    near_misses=(
        Repair(
            "epochs further apart, but not by as many seeds as there are curves",
            (Edit("finetune", _DRAWN, _SEEDED.format(seed="SEED + 100 * epoch + i")),),
            obvious=True,
        ),
        Repair(
            "one generator, but started again in each epoch",
            (Edit("finetune", _DRAWN, "    generator.manual_seed(SEED)\n" + _DRAWN),),
        ),
    ),
)

BUGS = (SCHEDULE_COUNT, DECAYED_NORMS, SAME_DRAWS)
