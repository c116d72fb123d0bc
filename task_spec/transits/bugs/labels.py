"""A bug in reading the sheet of labels."""

from __future__ import annotations

from task_spec.model import Bug, Draw, Edit, Kind, Repair, Row, Rows
from task_spec.source import functions
from task_spec.transits.ceiling import ceiling_of
from task_spec.transits.seams import SOURCE
from task_spec.transits.worlds import published_survey

_ROLL = (
    '        sheet.loc[run, ["mag", "label"]] = '
    'np.roll(sheet.loc[run, ["mag", "label"]], -1, axis=0)\n'
)


def _slipped(draw: Draw) -> frozenset[Row]:
    return frozenset((target_id,) for target_id in published_survey(draw).slipped())


LABEL_SLIP = Bug(
    id="label_slip",
    title="two runs of the label sheet slipped by a row and are used as they stand: the sheet as a "
    "whole agrees with the curves, its runs don't",
    kind=Kind.DATA,
    clauses=("P18",),
    source="label errors: Northcutt et al. arXiv:2103.14749; files paired off by one: "
    "gh:minar09/cp-vton-plus#8",
    plant=(
        Edit(
            "load",
            functions(SOURCE, "load", "slipped_run", "moved_back"),
            "def checked(sheet, measured):\n"
            '    """The sheet, if its magnitudes are on the scale of the curves."""\n'
            '    difference = sheet["mag"] - measured.loc[sheet["target_id"]].to_numpy()\n'
            '    assert abs(difference.median()) < 0.5, "the labels are of another survey"\n'
            "    return sheet\n",
        ),
        Edit("load", "sheet = moved_back(", "sheet = checked("),
    ),
    checks=("P18.labels",),
    places=("load.load_survey", "prepare.prepare"),
    repairs=(
        Repair(
            "squares up to a bound, so that no single row decides",
            (
                Edit(
                    "load",
                    "here = (noted - measured) ** 2",
                    "here = np.minimum((noted - measured) ** 2, 4)",
                ),
                Edit(
                    "load",
                    "above = (noted[1:] - measured[:-1]) ** 2",
                    "above = np.minimum((noted[1:] - measured[:-1]) ** 2, 4)",
                ),
                Edit(
                    "load",
                    "(noted[first] - measured[last]) ** 2",
                    "np.minimum((noted[first] - measured[last]) ** 2, 4)",
                ),
            ),
        ),
        Repair(
            "as many runs as are significant",
            (
                Edit("load", "    return best[1:]\n", "    return best\n"),
                Edit("load", "    for _ in range(2):\n", "    for _ in range(4):\n"),
                Edit(
                    "load",
                    '        first, last = slipped_run(sheet["mag"].to_numpy(), own)\n',
                    '        gain, first, last = slipped_run(sheet["mag"].to_numpy(), own)\n'
                    '        scatter = 1.4826 * np.median(np.abs(sheet["mag"].to_numpy() - own))\n'
                    "        if gain < 30 * scatter**2:\n"
                    "            break\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "labels moved and magnitudes left: the second search finds the first run again",
            (
                Edit(
                    "load",
                    _ROLL,
                    '        sheet.loc[run, "label"] = np.roll(sheet.loc[run, "label"], -1)\n',
                ),
            ),
            obvious=True,
        ),
        Repair(
            "only the run that is easiest to see",
            (Edit("load", "    for _ in range(2):\n", "    for _ in range(1):\n"),),
        ),
        Repair(
            "moved further down",
            (Edit("load", '["mag", "label"]], -1, axis=0)', '["mag", "label"]], 1, axis=0)'),),
        ),
        Repair(
            "the sheet sorted by target first, which tears its runs apart",
            (
                Edit(
                    "load",
                    'moved_back(pd.read_csv(folder / "labels.csv"), magnitudes(survey))',
                    'moved_back(\n            pd.read_csv(folder / "labels.csv").sort_values("target_id"), magnitudes(survey)\n        )',
                ),
            ),
        ),
    ),
    rows=Rows(
        meaning="`target_id` whose row of `labels.csv` holds the entry of another target",
        size=1,
        min_precision=0.85,
        min_recall=0.8,
        of=_slipped,
        ceiling=ceiling_of("label_slip"),
    ),
)

BUGS = (LABEL_SLIP,)
