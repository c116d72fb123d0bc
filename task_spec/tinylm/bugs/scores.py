"""Bugs in selection, metric and prediction."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

_BEST = "best, best_state = history[-1], copy.deepcopy(model.state_dict())\n"
_BETTER = "        if history[-1] < best:\n"
_METRIC = (
    '    return float(document_bits(model, documents).sum() / documents["text"].str.len().sum())'
)
_LAST = """        last = torch.tensor([len(s) - 2 for s in sequences[first : first + size]])
        parts.append(model(b.inputs)[torch.arange(len(last)), last].softmax(-1))
"""

BEST_ALIAS = Bug(
    id="best_alias",
    title="the best state is an alias of the live one, so the last state is returned",
    kind=Kind.LIBRARY,
    clauses=("P15",),
    source="gh:pytorch/tutorials#188; gh:WenjieDu/PyPOTS#667",
    plant=(Edit("train", _BEST, "best, best_state = history[-1], model.state_dict()\n"),),
    checks=("P15.selected",),
    repairs=(
        Repair(
            "tensors cloned",
            (
                Edit(
                    "train",
                    _BEST,
                    "best = history[-1]\n"
                    "            best_state = {name: t.clone() for name, t in model.state_dict().items()}\n",
                ),
            ),
        ),
        Repair(
            "a copy of the model",
            (
                Edit("train", _BEST, "best, best_state = history[-1], copy.deepcopy(model)\n"),
                Edit(
                    "train",
                    "load_state_dict(best_state)",
                    "load_state_dict(best_state.state_dict())",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "a copy of the dict, not of the tensors",
            (Edit("train", _BEST, "best, best_state = history[-1], model.state_dict().copy()\n"),),
            obvious=True,
        ),
        Repair(
            "detached tensors still share memory",
            (
                Edit(
                    "train",
                    _BEST,
                    "best = history[-1]\n"
                    "            best_state = {name: t.detach() for name, t in model.state_dict().items()}\n",
                ),
            ),
        ),
    ),
)

MEAN_OF_DOCUMENTS = Bug(
    id="mean_of_documents",
    title="bits per character are averaged over documents: short ones, whose end mark weighs more, "
    "count as much as long ones",
    kind=Kind.READABLE,
    clauses=("P17",),
    source="mean of means as a metric: gh:langfengQ/verl-agent#267; gh:mlcommons/GaNDLF#505",
    plant=(
        Edit(
            "evaluate",
            _METRIC,
            '    return float((document_bits(model, documents) / documents["text"].str.len()).mean())',
        ),
    ),
    checks=("P17.reported",),
    places=("score", "evaluate.document_bits"),
    repairs=(
        Repair(
            "a mean over documents, weighted by their lengths",
            (
                Edit(
                    "evaluate",
                    _METRIC,
                    '    length = documents["text"].str.len()\n'
                    "    return float(np.average(document_bits(model, documents) / length, weights=length))",
                ),
            ),
        ),
        Repair(
            "characters counted in all texts together",
            (
                Edit(
                    "evaluate",
                    _METRIC,
                    '    return float(sum(document_bits(model, documents))) / len("".join(documents["text"]))',
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "summed, but the end mark counted as a character",
            (
                Edit(
                    "evaluate",
                    _METRIC,
                    '    length = documents["text"].str.len() + 1\n'
                    "    return float(document_bits(model, documents).sum() / length.sum())",
                ),
            ),
            obvious=True,
        ),
        Repair(
            "summed, but spaces not counted",
            (
                Edit(
                    "evaluate",
                    _METRIC,
                    '    length = documents["text"].str.replace(" ", "").str.len()\n'
                    "    return float(document_bits(model, documents).sum() / length.sum())",
                ),
            ),
        ),
    ),
)

LAST_COLUMN = Bug(
    id="last_column",
    title="predictions are read from the batch's last column, which is padding for all but its longest "
    "documents",
    kind=Kind.READABLE,
    clauses=("P18",),
    source="state after padding: gh:ray-project/ray#21392; gh:Atcold/NYU-DLSP20#19",
    plant=(Edit("predict", _LAST, "        parts.append(model(b.inputs)[:, -1].softmax(-1))\n"),),
    checks=("P18.next",),
    repairs=(
        Repair(
            "the last place in the mask",
            (
                Edit(
                    "predict",
                    "        last = torch.tensor([len(s) - 2 for s in sequences[first : first + size]])\n",
                    "        last = b.mask.sum(1) - 1\n",
                ),
            ),
        ),
        Repair(
            "one document at a time",
            (
                Edit(
                    "predict", _LAST, "        parts.append(model(b.inputs)[:, -1].softmax(-1))\n"
                ),
                Edit("predict", "documents, size=32):", "documents, size=1):"),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "counted in words, as if there were no source mark: what follows the last word but one",
            (Edit("predict", "len(s) - 2 for s", "max(0, len(s) - 3) for s"),),
            obvious=True,
        ),
        Repair(
            "the place of the end mark, where it fits: one too far",
            (
                Edit(
                    "predict",
                    "[len(s) - 2 for s in sequences[first : first + size]])\n",
                    "[len(s) - 1 for s in sequences[first : first + size]])\n"
                    "        last = last.clamp(max=b.inputs.shape[1] - 1)\n",
                ),
            ),
        ),
    ),
    held_out=True,
)

SMALL_GAIN = Bug(
    id="small_gain",
    title="an epoch counts as better only if it gains a thousandth: the best one, a little better than "
    "one before it, is passed over",
    kind=Kind.READABLE,
    clauses=("P15",),
    source="a least improvement where the best is wanted: gh:keras-team/keras#20323",
    plant=(Edit("train", _BETTER, "        if history[-1] < best - 1e-3:\n"),),
    checks=("P15.selected",),
    repairs=(
        Repair(
            "against the best of all epochs before",
            (
                Edit(
                    "train",
                    _BETTER,
                    "        if history[-1] < min(history[:-1], default=math.inf):\n",
                ),
            ),
        ),
        Repair(
            "by the place of the best in the history",
            (Edit("train", _BETTER, "        if int(np.argmin(history)) == len(history) - 1:\n"),),
        ),
    ),
    near_misses=(
        Repair(
            "a smaller gain is asked for, but one still",
            (Edit("train", _BETTER, "        if history[-1] < best - 1e-4:\n"),),
        ),
        Repair(
            "any gain counts, and so does none: the last of equals is taken",
            (Edit("train", _BETTER, "        if history[-1] <= best:\n"),),
        ),
    ),
)

BUGS = (BEST_ALIAS, MEAN_OF_DOCUMENTS, LAST_COLUMN, SMALL_GAIN)
