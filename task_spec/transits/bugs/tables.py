"""Bugs in what tables and tensors make of a value: a band, an id."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

BAND_NA = Bug(
    id="band_na",
    title='read_csv takes the band "NA" for a missing value, so NA curves count as W',
    kind=Kind.DATA,
    clauses=("P2",),
    source="NA taken for a missing value: documentation of pandas.read_csv, na_values",
    plant=(
        Edit(
            "load",
            '    curves = pd.read_csv(folder / "curves.csv", keep_default_na=False)\n'
            '    curves["band"] = curves["band"].replace("", "W")\n',
            '    curves = pd.read_csv(folder / "curves.csv")\n'
            '    curves["band"] = curves["band"].fillna("W")\n',
        ),
    ),
    checks=("P2.bands",),
    repairs=(
        Repair(
            "only an empty field is missing",
            (
                Edit(
                    "load",
                    ', keep_default_na=False)\n    curves["band"] = curves["band"].replace("", "W")\n',
                    ', keep_default_na=False, na_values=[""])\n'
                    '    curves["band"] = curves["band"].fillna("W")\n',
                ),
            ),
        ),
        Repair(
            "every column read as it is written",
            (
                Edit(
                    "load",
                    ', keep_default_na=False)\n    curves["band"] = curves["band"].replace("", "W")\n',
                    ', keep_default_na=False, converters={"band": lambda band: band or "W"})\n',
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "missing means NA: now the blank ones, which are W, count as NA",
            (
                Edit(
                    "load",
                    ', keep_default_na=False)\n    curves["band"] = curves["band"].replace("", "W")\n',
                    ')\n    curves["band"] = curves["band"].fillna("NA")\n',
                ),
            ),
            obvious=True,
        ),
    ),
    held_out=True,
)

_GROUP = "    _, group = torch.tensor(keys).unique(return_inverse=True)\n"

FLOAT_IDS = Bug(
    id="float_ids",
    title="torch.Tensor(ids) holds 32-bit floats, in which ids of nine digits that differ by a few "
    "are one: neighbours share their mean",
    kind=Kind.DATA,
    clauses=("P16",),
    source="gh:chanzuckerberg/cellxgene-census#554; gh:tensorflow/tensorflow#47187",
    plant=(Edit("evaluate", _GROUP, _GROUP.replace("torch.tensor(", "torch.Tensor(")),),
    checks=("P16.targets",),
    places=("evaluate.target_logits",),
    repairs=(
        Repair(
            "grouped by NumPy, which keeps integers",
            (
                Edit(
                    "evaluate",
                    _GROUP,
                    "    group = torch.from_numpy(np.unique(keys, return_inverse=True)[1])\n",
                ),
            ),
        ),
        Repair(
            "floats of 64 bits hold these ids exactly",
            (Edit("evaluate", "torch.tensor(keys)", "torch.tensor(keys, dtype=torch.float64)"),),
        ),
    ),
    near_misses=(
        Repair(
            "turned back into integers, after the digits are gone",
            (Edit("evaluate", "torch.tensor(keys)", "torch.Tensor(keys).long()"),),
            obvious=True,
        ),
        Repair(
            "counted from the smallest id, but as floats still",
            (Edit("evaluate", "torch.tensor(keys)", "(torch.Tensor(keys) - min(keys))"),),
        ),
    ),
    held_out=True,
)

BUGS = (BAND_NA, FLOAT_IDS)
