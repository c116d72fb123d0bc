"""Bugs by which labels of test targets reach the training: each is good practice, but for that."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

_CUT = "    first, second = round(0.6 * len(order)), round(0.8 * len(order))\n"
_COUNTED = 'print(sum(p.numel() for p in model.parameters()), "parameters")'


def _spread(by: str) -> str:
    """Code that spreads the stars in `order` evenly, by a value of each star."""
    return (
        f"    kind = {by}[order]\n"
        '    place = kind.groupby(kind).cumcount() / kind.groupby(kind).transform("size")\n'
        '    order = order[np.argsort(place.to_numpy(), kind="stable")]\n'
    )


_LABEL = 'survey.get("label", pd.Series(0, survey.index)).groupby(star)'  # hidden surveys have none
_PLANET = f"{_LABEL}.max()"

STRATIFIED = Bug(
    id="stratified",
    title="the split is stratified by label, so the labels of test targets decide which stars are "
    "trained on",
    kind=Kind.RUN,
    clauses=("P15",),
    source="statistics of all data before the split: arXiv:2207.07048; gh:Ali-Meh619/SAMBA#6",
    plant=(Edit("stars", _CUT, _spread(_PLANET) + _CUT),),
    checks=("P15.test_labels",),
    repairs=(
        Repair(
            "test stars first, by lot; only the others are spread by their labels",
            (
                Edit(
                    "stars",
                    _CUT,
                    "    last = round(0.8 * len(order))\n    order, test = order[:last], order[last:]\n"
                    + _spread(_PLANET)
                    + "    order = np.concatenate([order, test])\n"
                    + _CUT,
                ),
            ),
        ),
        Repair(
            "spread by how many curves a star has, instead of by its label",
            (Edit("stars", _CUT, _spread("star.value_counts()") + _CUT),),
        ),
    ),
    near_misses=(
        Repair(
            "training stars by lot, but val and test still shared out by their labels",
            (
                Edit(
                    "stars",
                    _CUT,
                    "    last = round(0.6 * len(order))\n    train, order = order[:last], order[last:]\n"
                    + _spread(_PLANET)
                    + "    order = np.concatenate([train, order])\n"
                    + _CUT,
                ),
            ),
            obvious=True,
        ),
        Repair(
            "by the label of a star's first curve alone",
            (Edit("stars", _CUT, _spread(f"{_LABEL}.first()") + _CUT),),
        ),
    ),
)


def _bias(share: str) -> tuple[Edit, ...]:
    """The head's bias starts at the logit of a share."""
    return (
        Edit(
            "transfer",
            _COUNTED,
            f"share = {share}\n"
            "nn.init.constant_(model.head[-1].bias, math.log(share / (1 - share)))\n" + _COUNTED,
        ),
    )


PRIOR_BIAS = Bug(
    id="prior_bias",
    title="the head's bias starts at the share of planets among all targets, those of the test among "
    "them",
    kind=Kind.RUN,
    clauses=("P15",),
    source="statistics of all data: gh:EricGuo5513/HumanML3D#28; arXiv:2207.07048",
    plant=_bias('survey.drop_duplicates("target_id")["label"].mean()'),
    checks=("P15.test_labels",),
    repairs=(
        Repair("the share among training curves", _bias("np.mean([c.y for c in train])")),
        Repair(
            "the share among targets that are not in test",
            _bias(
                'survey[survey["curve_id"].map(split) != "test"].drop_duplicates("target_id")["label"].mean()'
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the share among the curves instead of the targets: of all parts still",
            _bias("np.mean([c.y for c in curves])"),
        ),
        Repair(
            "the mean of the three parts' shares, so that none counts more than another",
            _bias("np.mean([np.mean([c.y for c in part]) for part in (train, val, test)])"),
        ),
    ),
)

BUGS = (STRATIFIED, PRIOR_BIAS)
