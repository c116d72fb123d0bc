"""Bugs in batches and epochs."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

_ROWS = """    places = torch.tensor([len(s) - 1 for s in sequences])
    rows = [torch.tensor(s) for s in sequences]
"""
_MASK = "    mask = torch.arange(inputs.shape[1]) < places[:, None]\n"
_TOKENS = "PAD, END, UNKNOWN = 0, 1, 2\n"
_SHARED = "PAD = END = 0  # what ends a document also fills it up\nUNKNOWN = 1\n"

PAD_IS_END = Bug(
    id="pad_is_end",
    title="padding and the end mark are one token, and the mask takes all of it out: the end of a "
    "document is never learnt",
    kind=Kind.READABLE,
    clauses=("P6",),
    source="gh:huggingface/transformers#23530; gh:huggingface/trl#976",
    plant=(
        Edit("vocabulary", _TOKENS, _SHARED),
        Edit("batches", _ROWS, "    rows = [torch.tensor(s) for s in sequences]\n"),
        Edit("batches", _MASK, "    mask = targets != PAD\n"),
    ),
    checks=("P6.mask",),
    repairs=(
        Repair(
            "a padding token of its own, by which the mask tells",
            (Edit("batches", _MASK, "    mask = targets != PAD\n"),),
        ),
        Repair(
            "one token, but the mask looks at the inputs, in which there is no end mark",
            (
                Edit("vocabulary", _TOKENS, _SHARED),
                Edit("batches", _MASK, "    mask = inputs != PAD\n"),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "lengths counted by what is not padding: the end mark still is",
            (
                Edit("vocabulary", _TOKENS, _SHARED),
                Edit(
                    "batches",
                    _MASK,
                    "    length = (targets != PAD).sum(1)\n"
                    "    mask = torch.arange(inputs.shape[1]) < length[:, None]\n",
                ),
            ),
        ),
    ),
)

SAME_ORDER = Bug(
    id="same_order",
    title="the epoch's order is drawn from the same seed each time: the same documents share a "
    "micro-batch in every epoch",
    kind=Kind.READABLE,
    clauses=("P7",),
    source="gh:cszn/KAIR#106; gh:pytorch/pytorch#31771",
    plant=(
        Edit(
            "batches",
            "    rng = np.random.default_rng([SEED, epoch])\n",
            "    rng = np.random.default_rng(SEED)\n",
        ),
    ),
    checks=("P7.anew",),
    places=("train.train_model",),
    repairs=(
        Repair(
            "one number for seed and epoch",
            (Edit("batches", "default_rng([SEED, epoch])", "default_rng(1000 * SEED + epoch)"),),
        ),
        Repair(
            "PyTorch's permutation",
            (
                Edit(
                    "batches",
                    "    order = rng.permutation(len(sequences))\n",
                    "    generator = torch.Generator().manual_seed(SEED + epoch)\n"
                    "    order = torch.randperm(len(sequences), generator=generator).numpy()\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the micro-batches in a new order, but with the same documents in them",
            (
                Edit("batches", "default_rng([SEED, epoch])", "default_rng(SEED)"),
                Edit(
                    "batches",
                    "    return [plan[i] for i in rng.permutation(len(plan))]",
                    "    rng = np.random.default_rng([SEED, epoch])\n"
                    "    return [plan[i] for i in rng.permutation(len(plan))]",
                ),
            ),
            obvious=True,
        ),
        Repair(
            "a new order within each part of the old one",
            (
                Edit(
                    "batches",
                    "    order = rng.permutation(len(sequences))\n",
                    "    order = np.random.default_rng(SEED).permutation(len(sequences))\n",
                ),
                Edit(
                    "batches",
                    "        batch = []\n        for i in sorted(chunk,",
                    "        batch = []\n        for i in sorted(rng.permutation(np.sort(chunk)),",
                ),
            ),
        ),
    ),
)

DROPPED_REMAINDER = Bug(
    id="dropped_remainder",
    title="the micro-batches that are left over at an epoch's end are dropped",
    kind=Kind.RUN,
    clauses=("P7",),
    source="gh:tomhosking/torchseq#8; gh:huggingface/transformers#22098",
    plant=(
        Edit(
            "batches",
            "range(0, len(plan), ACCUM)]",
            "range(0, len(plan) - ACCUM + 1, ACCUM)]",
        ),
    ),
    checks=("P7.coverage",),
    places=("train.train_model", "train.train_epoch"),
    repairs=(
        Repair(
            "a step at a time until nothing is left",
            (
                Edit(
                    "batches",
                    "    return [plan[i : i + ACCUM] for i in range(0, len(plan), ACCUM)]",
                    "    steps = []\n"
                    "    while plan:\n"
                    "        steps.append(plan[:ACCUM])\n"
                    "        plan = plan[ACCUM:]\n"
                    "    return steps",
                ),
            ),
        ),
        Repair(
            "the number of steps rounded up",
            (
                Edit(
                    "batches",
                    "    return [plan[i : i + ACCUM] for i in range(0, len(plan), ACCUM)]",
                    "    return [plan[ACCUM * k :][:ACCUM] for k in range(math.ceil(len(plan) / ACCUM))]",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "filled up from the epoch's beginning: documents are taken twice",
            (
                Edit(
                    "batches",
                    "    return [plan[i : i + ACCUM]",
                    "    plan = plan + plan[: -len(plan) % ACCUM]\n    return [plan[i : i + ACCUM]",
                ),
            ),
            obvious=True,
        ),
    ),
    held_out=True,
)

BUGS = (PAD_IS_END, SAME_ORDER, DROPPED_REMAINDER)
