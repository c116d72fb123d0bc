"""A bug in reading the sheet of labels."""

from __future__ import annotations

from task_spec.model import Bug, Ceiling, Draw, Edit, Kind, Repair, Row, Rows
from task_spec.source import functions
from task_spec.transits.seams import SOURCE
from task_spec.transits.sheet import MIN_PRECISION, MIN_RECALL
from task_spec.transits.worlds import published_survey

_SLIP = "        lambda noted: misplaced_run(noted, own, down_a_row),\n"
_COLUMNS = "        lambda noted: misplaced_run(noted, own, across_columns),\n"
_PAGES = "        lambda noted: exchanged_pages(noted, own),\n"
_SEARCHES = "    searches = [\n" + _SLIP + _COLUMNS + _PAGES + "    ]\n"
_LOOP = "    while searches:\n"
_SUREST = (
    '        runs = [search(sheet["mag"].to_numpy()) for search in searches]\n'
    "        surest = int(np.argmax([gain for gain, _, _ in runs]))\n"
    "        _, rows, right = runs[surest]\n"
)
_MOVED = (
    '        sheet.loc[right, ["mag", "label"]] = sheet.loc[rows, ["mag", "label"]].to_numpy()\n'
)
_NEXT = "        del searches[surest]\n"


def _misplaced(draw: Draw) -> frozenset[Row]:
    return frozenset((target_id,) for target_id in published_survey(draw).misplaced())


MISPLACED_LABELS = Bug(
    id="misplaced_labels",
    title="four runs of the label sheet stand in wrong rows, one slipped by a row, one copied across "
    "two columns, and two pages that changed places, and are used as they are: the sheet as a whole "
    "agrees with the curves, its runs don't",
    kind=Kind.DATA,
    clauses=("P18",),
    source="label errors: Northcutt et al. arXiv:2103.14749; files paired off by one: "
    "gh:minar09/cp-vton-plus#8; two columns read across, line by line: gh:xberg-io/xberg#1345; "
    "two pages far apart that changed places: gh:BuddhistDigitalResourceCenter/library-issues#214",
    plant=(
        Edit(
            "load",
            functions(SOURCE, "load", "down_a_row", "moved_back"),
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
                    "((entry - own) ** 2 - (entry - own[:, way(n)]) ** 2)",
                    "(\n"
                    "            np.minimum((entry - own) ** 2, 4)\n"
                    "            - np.minimum((entry - own[:, way(n)]) ** 2, 4)\n"
                    "        )",
                ),
                Edit(
                    "load",
                    "off = (noted[:, None] - measured) ** 2",
                    "off = np.minimum((noted[:, None] - measured) ** 2, 4)",
                ),
            ),
        ),
        Repair(
            "of each way the run that fits it best, as long as that is significant",
            (
                Edit(
                    "load",
                    _SUREST,
                    _SUREST + '        scatter = 1.4826 * np.median(np.abs(sheet["mag"] - own))\n'
                    "        if runs[surest][0] < 30 * scatter**2:\n"
                    "            break\n",
                ),
            ),
        ),
        Repair(
            "labels alone are moved, and magnitudes of the run struck out",
            (
                Edit(
                    "load",
                    _MOVED,
                    '        sheet.loc[right, "label"] = sheet.loc[rows, "label"].to_numpy()\n'
                    '        sheet.loc[rows, "mag"] = own[rows]\n',
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "each run put in an order of its own: pages that changed places are left where they are",
            (Edit("load", _PAGES, ""),),
            obvious=True,
        ),
        Repair(
            "all runs are taken for ones that slipped down by a row",
            (
                Edit(
                    "load", _SEARCHES + _LOOP, "    searches = [\n" + _SLIP + "    ] * 4\n" + _LOOP
                ),
            ),
        ),
        Repair(
            "only the run that slipped",
            (Edit("load", _COLUMNS + _PAGES, ""),),
        ),
        Repair(
            "only the pages that changed places, which are most of the rows",
            (Edit("load", _SLIP + _COLUMNS, ""),),
        ),
        Repair(
            "no two columns: what was copied across them is left as it is",
            (Edit("load", _COLUMNS, ""),),
        ),
        Repair(
            "the two columns found as they should be, but read across once more: each of their rows "
            "gets the entry of the row to which its own belongs",
            (
                Edit(
                    "load",
                    _COLUMNS,
                    "        lambda noted: backwards(*misplaced_run(noted, own, across_columns)),\n",
                ),
                Edit(
                    "load",
                    "def moved_back(",
                    "def backwards(gain, rows, right):\n    return gain, right, rows\n\n\ndef moved_back(",
                ),
            ),
        ),
        Repair(
            "in every run, and in both pages together, the brightest entry to the brightest target, "
            "the next to the next: magnitudes are too rough for that",
            (
                Edit(
                    "load",
                    _SUREST,
                    _SUREST + '        noted = sheet["mag"].to_numpy()\n'
                    "        rows, right = rows[np.argsort(noted[rows])], rows[np.argsort(own[rows])]\n",
                ),
            ),
        ),
        Repair(
            "entries that do not fit their target's magnitude struck out, as if it had no planet",
            (
                Edit(
                    "load",
                    _SEARCHES + _LOOP + _SUREST + _MOVED + _NEXT,
                    '    off = np.abs(sheet["mag"] - own)\n'
                    '    sheet.loc[off > 3 * 1.4826 * off.median(), "label"] = 0\n',
                ),
            ),
        ),
        Repair(
            "the sheet sorted by target first, which tears its runs apart",
            (
                Edit(
                    "load",
                    'moved_back(pd.read_csv(folder / "labels.csv"), magnitudes(survey))',
                    "moved_back(\n"
                    '            pd.read_csv(folder / "labels.csv").sort_values("target_id", ignore_index=True),\n'
                    "            magnitudes(survey),\n"
                    "        )",
                ),
            ),
        ),
    ),
    rows=Rows(
        meaning="`target_id` whose row of `labels.csv` holds the entry of another target",
        size=1,
        min_precision=MIN_PRECISION,
        min_recall=MIN_RECALL,
        of=_misplaced,
        ceiling=(
            Ceiling(0.0, 0.998, 1.000, 20, 20),
            Ceiling(0.25, 0.998, 1.000, 20, 20),
            Ceiling(0.5, 0.998, 0.999, 20, 20),
            Ceiling(0.75, 0.996, 0.996, 20, 20),
            Ceiling(0.95, 0.991, 0.992, 20, 20),
            Ceiling(1.0, 0.989, 0.991, 20, 20),
        ),
    ),
    deep=True,
)

BUGS = (MISPLACED_LABELS,)
