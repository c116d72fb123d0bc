"""Bugs in calibration and scoring."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

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
        Repair(
            "one table, of which the validation targets are used",
            (
                Edit(
                    "calibrate",
                    "temperature, threshold = calibrate(target_logits(final, val))\n",
                    "table = target_logits(final, [*val, *test])\n"
                    "own = {c.target_id for c in val}\n"
                    "temperature, threshold = calibrate(table[table.index.isin(own)])\n",
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

_WHOLE = '    return average_precision(table["y"].to_numpy(), table["logit"].to_numpy())'

BATCH_AP = Bug(
    id="batch_ap",
    title="average precision is taken batch by batch and averaged",
    kind=Kind.RUN,
    clauses=("P16",),
    source="gh:langfengQ/verl-agent#267; gh:ganslate-team/ganslate#74",
    plant=(
        Edit(
            "evaluate",
            _WHOLE,
            "    parts = [table.iloc[i : i + size] for i in range(0, len(table), size)]\n"
            '    return float(np.mean([average_precision(p["y"].to_numpy(), p["logit"].to_numpy()) '
            'for p in parts if p["y"].any()]))',
        ),
        Edit("evaluate", "def evaluate(model, curves):", "def evaluate(model, curves, size=64):"),
    ),
    checks=("P16.reported",),
    repairs=(
        Repair(
            "the two columns at once",
            (
                Edit(
                    "evaluate",
                    'return average_precision(table["y"].to_numpy(), table["logit"].to_numpy())',
                    "y, score = table[['y', 'logit']].to_numpy().T\n    return average_precision(y, score)",
                ),
            ),
        ),
        Repair(
            "the parts put together before they are scored",
            (
                Edit(
                    "evaluate",
                    _WHOLE,
                    "    parts = [table.iloc[i : i + 64] for i in range(0, len(table), 64)]\n"
                    "    whole = pd.concat(parts)\n"
                    '    return average_precision(whole["y"].to_numpy(), whole["logit"].to_numpy())',
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
                    _WHOLE,
                    "    parts = [table.iloc[i : i + 64] for i in range(0, len(table), 64)]\n"
                    '    parts = [p for p in parts if p["y"].any()]\n'
                    '    aps = [average_precision(p["y"].to_numpy(), p["logit"].to_numpy()) for p in parts]\n'
                    "    return float(np.average(aps, weights=[len(p) for p in parts]))",
                ),
            ),
        ),
    ),
    held_out=True,
)

_STEPS = (
    '    order = np.argsort(-score, kind="stable")\n'
    "    hit, score = y[order] > 0, score[order]\n"
    "    last = np.append(score[1:] != score[:-1], True)  # of the targets with one score\n"
    "    found = np.cumsum(hit)[last]\n"
    "    precision = found / (np.flatnonzero(last) + 1)\n"
    "    return float(np.sum(np.diff(found, prepend=0) * precision) / found[-1])"
)
_HITS = (
    "    hit = y[order] > 0\n"
    "    precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)\n"
    "    return float(precision[hit].mean())"
)

TIED_SCORES = Bug(
    id="tied_scores",
    title="of targets with equal scores those with a planet are ranked first: a constant model has AP 1",
    kind=Kind.RUN,
    clauses=("P16",),
    source="optimistic ranks of ties: arXiv:1911.03903",
    plant=(Edit("evaluate", _STEPS, "    order = np.lexsort((-y, -score))\n" + _HITS),),
    checks=("P16.ties",),
    places=("evaluate.evaluate",),
    repairs=(
        Repair(
            "as scikit-learn has it",
            (
                Edit(
                    "evaluate",
                    _STEPS,
                    "    from sklearn.metrics import average_precision_score\n\n"
                    "    return float(average_precision_score(y > 0, score))",
                ),
            ),
        ),
        Repair(
            "score by score",
            (
                Edit(
                    "evaluate",
                    _STEPS,
                    "    area, before = 0.0, 0.0\n"
                    "    for cut in np.unique(score)[::-1]:\n"
                    "        taken = y[score >= cut] > 0\n"
                    "        recall = taken.sum() / np.sum(y > 0)\n"
                    "        area, before = area + (recall - before) * taken.mean(), recall\n"
                    "    return float(area)",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "labels no longer order ties, but their place in the table does",
            (Edit("evaluate", _STEPS, '    order = np.argsort(-score, kind="stable")\n' + _HITS),),
            obvious=True,
        ),
        Repair(
            "those without a planet first: pessimistic instead of optimistic",
            (Edit("evaluate", _STEPS, "    order = np.lexsort((y, -score))\n" + _HITS),),
        ),
    ),
)

BUGS = (CALIBRATED_ON_TEST, BATCH_AP, TIED_SCORES)
