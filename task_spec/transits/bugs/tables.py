"""Bugs in what tables and tensors make of a value: a band, a remark, an id."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

_KEPT = '"curves.csv",\n        keep_default_na=False,\n'
_BLANK = '["band"].replace("", "W")\n'
_FILLED = '["band"].fillna("W")\n'

BAND_NA = Bug(
    id="band_na",
    title='read_csv takes the band "NA" for a missing value, so NA curves count as W',
    kind=Kind.DATA,
    clauses=("P2",),
    source="NA taken for a missing value: documentation of pandas.read_csv, na_values",
    plant=(
        Edit("load", _KEPT, '"curves.csv",\n'),
        Edit("load", _BLANK, _FILLED),
    ),
    checks=("P2.bands",),
    repairs=(
        Repair(
            "only an empty field is missing",
            (
                Edit("load", _KEPT, _KEPT + '        na_values=[""],\n'),
                Edit("load", _BLANK, _FILLED),
            ),
        ),
        Repair(
            "every column read as it is written",
            (
                Edit(
                    "load",
                    _KEPT,
                    _KEPT + '        converters={"band": lambda band: band or "W"},\n',
                ),
                Edit("load", '    curves["band"] = curves' + _BLANK, ""),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "missing means NA: now the blank ones, which are W, count as NA",
            (
                Edit("load", _KEPT, '"curves.csv",\n'),
                Edit("load", _BLANK, _FILLED.replace("W", "NA")),
            ),
            obvious=True,
        ),
    ),
    held_out=True,
)

_OPTIONS = f"        folder / {_KEPT}        quoting=csv.QUOTE_NONE,\n"
_UNQUOTED = '        quoting=csv.QUOTE_NONE,\n    )\n    curves["band"]'
_QUOTED = '    )\n    curves["band"]'


def _read_otherwise(option: str) -> tuple[Edit, ...]:
    """Another option of read_csv in place of the one for marks."""
    return (Edit("load", "quoting=csv.QUOTE_NONE", option),)


def _by_hand(rows: str) -> tuple[Edit, ...]:
    """`curves.csv` read without pandas: lines that make its ``rows``, the first of them names."""
    return (
        Edit(
            "load",
            f"    curves = pd.read_csv(\n{_OPTIONS}    )\n",
            rows + "    curves = pd.DataFrame(rows[1:], columns=rows[0])\n"
            '    whole = dict.fromkeys(["target_id", "start", "length"], int)\n'
            '    curves = curves.astype({**whole, "t0": float})\n',
        ),
    )


LOST_ROWS = Bug(
    id="lost_rows",
    title="a remark that begins with a quotation mark which nothing closes is read on to the next "
    "mark, some rows further down: read_csv takes the rows on the way for a part of the remark, "
    "without an error",
    kind=Kind.DATA,
    clauses=("P2",),
    source="rows that read_csv leaves out in silence because of an unclosed quotation mark: "
    "gh:pandas-dev/pandas#22661; fewer rows than the file has, until marks are taken for what they "
    "are: gh:pandas-dev/pandas#21695; marks for inches: gh:tilo/smarter_csv#283",
    plant=(Edit("load", _UNQUOTED, _QUOTED),),
    checks=("P2.curves",),
    repairs=(
        Repair(
            "a sign for quoting that the file does not have",
            _read_otherwise('quotechar="\\x1f"'),
        ),
        Repair(
            "the rows read by the module csv",
            _by_hand(
                '    with open(folder / "curves.csv", newline="") as file:\n'
                "        rows = list(csv.reader(file, quoting=csv.QUOTE_NONE))\n"
            ),
        ),
        Repair(
            "every line cut at its commas, the remark being the rest",
            _by_hand(
                '    lines = (folder / "curves.csv").read_text().splitlines()\n'
                '    rows = [line.split(",", lines[0].count(",")) for line in lines]\n'
            ),
        ),
        Repair(
            "marks struck out before pandas sees them",
            (
                Edit(
                    "load",
                    _OPTIONS,
                    '        io.StringIO((folder / "curves.csv").read_text().replace(\'"\', "")),\n'
                    "        keep_default_na=False,\n",
                ),
                Edit("setup", "import copy\nimport csv\n", "import copy\nimport io\n"),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the remarks left out: the file is cut into fields before columns are chosen",
            _read_otherwise('usecols=lambda name: name != "remark"'),
            obvious=True,
        ),
        Repair(
            "two marks in a row do not count as one; nor are there any",
            _read_otherwise("doublequote=False"),
        ),
        Repair(
            "rows that can't be read are skipped: to the reader they are all well",
            _read_otherwise('on_bad_lines="skip"'),
        ),
        Repair(
            "marks struck out where they are in pairs; what nothing closes remains",
            (
                Edit(
                    "load",
                    _OPTIONS,
                    "        io.StringIO(\n"
                    "            re.sub(\n"
                    '                r\'"([^"\\n]*)"\', r"\\1", (folder / "curves.csv").read_text()\n'
                    "            )\n"
                    "        ),\n"
                    "        keep_default_na=False,\n",
                ),
                Edit("setup", "import copy\nimport csv\n", "import copy\nimport io\nimport re\n"),
            ),
        ),
    ),
    deep=True,
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

BUGS = (BAND_NA, LOST_ROWS, FLOAT_IDS)
