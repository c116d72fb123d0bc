"""Bugs in how documents are read: mostly, only the data show them."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair
from task_spec.source import functions
from task_spec.tinylm.seams import SOURCE

_FILE = '        folder / "documents.csv",\n'
_QUOTING = "        quoting=csv.QUOTE_NONE,\n"
_AS_WRITTEN = "        dtype=str,\n        keep_default_na=False,\n    )\n"
_READ = f"documents = pd.read_csv(\n{_FILE}{_QUOTING}{_AS_WRITTEN}"
_READ_DAYS = functions(SOURCE, "load", "read_days", "read_days")
_BUILT = 'vocabulary = build_vocabulary(train["text"])'


def _days(body: str) -> tuple[Edit, ...]:
    """A `read_days` of another kind."""
    head = 'def read_days(documents):\n    """The day of each document, in whichever form it was written."""\n'
    return (Edit("load", _READ_DAYS, head + body.strip("\n") + "\n"),)


_READINGS = """
    written = documents["received"]
    iso, day_first, month_first = (
        pd.to_datetime(written, format=form, errors="coerce") for form in FORMS
    )
"""
_ORDERED = """
    written = documents["received"]
    readings = [pd.to_datetime(written, format=form, errors="coerce") for form in FORMS]
    readings = pd.concat(readings, axis=1)
    first, last = readings.min(axis=1), readings.max(axis=1)
    number = documents["doc_id"].str[1:].astype(int)
"""

SOURCE_NA = Bug(
    id="source_na",
    title='read_csv takes the source "NA" and the texts "null" and "nan" for missing values, and their '
    "documents are dropped",
    kind=Kind.DATA,
    clauses=("P1",),
    source="NA taken for a missing value: documentation of pandas.read_csv, na_values",
    plant=(
        Edit(
            "load",
            _AS_WRITTEN,
            '        dtype=str,\n    ).dropna(subset=["source", "text"], ignore_index=True)\n',
        ),
    ),
    checks=("P1.documents",),
    repairs=(
        Repair(
            "nothing is looked for that could be missing",
            (Edit("load", "keep_default_na=False,", "na_filter=False,"),),
        ),
        Repair(
            "only an empty field is missing",
            (
                Edit(
                    "load",
                    _AS_WRITTEN,
                    '        dtype=str,\n        keep_default_na=False,\n        na_values=[""],\n'
                    '    ).dropna(subset=["source", "text"], ignore_index=True)\n',
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the source is put back, but documents whose text is a word like null are dropped",
            (
                Edit(
                    "load",
                    _AS_WRITTEN,
                    '        dtype=str,\n    ).fillna({"source": "NA"})\n'
                    '    documents = documents.dropna(subset=["source", "text"], ignore_index=True)\n',
                ),
            ),
            obvious=True,
        ),
    ),
)

LOST_ROWS = Bug(
    id="lost_rows",
    title="read_csv takes a quotation mark that begins a remark for the start of a quoted field, which "
    "goes on to the next mark: the rows up to there become part of that remark, and their documents "
    "are lost without an error",
    kind=Kind.DATA,
    clauses=("P1",),
    source="gh:pandas-dev/pandas#21695; gh:pandas-dev/pandas#22661; gh:pandas-dev/pandas#39857; "
    "gh:pandas-dev/pandas#3853",
    plant=(
        Edit("setup", "import copy\nimport csv\n", "import copy\n"),
        Edit("load", f"{_FILE}{_QUOTING}", _FILE),
    ),
    checks=("P1.documents",),
    repairs=(
        Repair(
            "another mark quotes, one that no desk can type",
            (Edit("load", _QUOTING, '        quotechar="\\x1f",\n'),),
        ),
        Repair(
            "by the csv module, which is told that nothing is quoted",
            (
                Edit(
                    "load",
                    _READ,
                    'with open(folder / "documents.csv", encoding="utf-8", newline="") as file:\n'
                    "        names, *rows = csv.reader(file, quoting=csv.QUOTE_NONE)\n"
                    "    documents = pd.DataFrame(rows, columns=names)\n",
                ),
            ),
        ),
        Repair(
            "line by line, cut at the first four commas",
            (
                Edit(
                    "load",
                    _READ,
                    'lines = (folder / "documents.csv").read_text(encoding="utf-8").splitlines()\n'
                    '    names, *rows = (line.split(",", 4) for line in lines)\n'
                    "    documents = pd.DataFrame(rows, columns=names)\n",
                ),
            ),
        ),
        Repair(
            "marks are taken out of the file before it is parsed",
            (
                Edit(
                    "load",
                    f"{_FILE}{_QUOTING}",
                    "        __import__('io').StringIO(\n"
                    "            (folder / 'documents.csv').read_text('utf-8').replace('\"', '')\n"
                    "        ),\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the remark is left out, since nothing needs it: it is parsed all the same",
            (
                Edit(
                    "load",
                    _QUOTING,
                    '        usecols=["doc_id", "source", "received", "text"],\n',
                ),
            ),
        ),
        Repair(
            "by the csv module, which takes marks for quotes, too",
            (
                Edit(
                    "load",
                    _READ,
                    'with open(folder / "documents.csv", encoding="utf-8", newline="") as file:\n'
                    "        documents = pd.DataFrame(csv.DictReader(file))\n",
                ),
            ),
        ),
        Repair(
            "two marks do not stand for one, and a backslash escapes",
            (Edit("load", _QUOTING, '        doublequote=False,\n        escapechar="\\\\",\n'),),
        ),
        Repair(
            "rows that are no rows are skipped: none seems to be",
            (Edit("load", _QUOTING, '        on_bad_lines="skip",\n'),),
        ),
        Repair(
            "documents whose remark has more than one line are taken for damaged, and dropped",
            (
                Edit("load", f"{_FILE}{_QUOTING}", _FILE),
                Edit(
                    "load",
                    _AS_WRITTEN,
                    f"{_AS_WRITTEN}"
                    '    whole = ~documents["remark"].str.contains("\\n")\n'
                    "    documents = documents[whole].reset_index(drop=True)\n",
                ),
            ),
        ),
    ),
    deep=True,
)

COMBINING_MARKS = Bug(
    id="combining_marks",
    title="texts are not put into one normal form: accented words are spelt in two ways and are two "
    "words",
    kind=Kind.DATA,
    clauses=("P2",),
    source="one string, two spellings: Unicode Standard Annex 15; class of fault: "
    "gh:modestyachts/ImageNetV2#10",
    plant=(
        Edit(
            "load",
            '    documents["text"] = documents["text"].str.normalize("NFC")\n',
            '    documents["text"] = documents["text"].str.strip()\n',
        ),
    ),
    checks=("P2.spelling",),
    places=("vocabulary.encode", "vocabulary.build_vocabulary"),
    repairs=(
        Repair(
            "by the standard library",
            (
                Edit(
                    "load",
                    'documents["text"].str.normalize("NFC")\n',
                    "[\n"
                    '        __import__("unicodedata").normalize("NFC", text) for text in documents["text"]\n'
                    "    ]\n",
                ),
            ),
        ),
        Repair(
            "the file as a whole, before it is parsed",
            (
                Edit(
                    "load",
                    _FILE,
                    "        __import__('io').StringIO(\n"
                    "            __import__('unicodedata').normalize(\n"
                    "                'NFC', (folder / 'documents.csv').read_text(encoding='utf-8')\n"
                    "            )\n"
                    "        ),\n",
                ),
                Edit(
                    "load",
                    '    documents["text"] = documents["text"].str.normalize("NFC")\n',
                    "",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "only the source in which it was noticed first",
            (
                Edit(
                    "load",
                    'documents["text"] = documents["text"].str.normalize("NFC")',
                    'documents["text"] = documents["text"].where(\n'
                    '        documents["source"] != "wire", documents["text"].str.normalize("NFC")\n'
                    "    )",
                ),
            ),
        ),
    ),
    held_out=True,
)

DATES_MIXED = Bug(
    id="dates_mixed",
    title="a day is read by the first form that fits: where the month was written first, the first "
    "twelve days of a month get day and month swapped, and documents land in the wrong part. Only the "
    "numbers of documents, which grow with the day, tell which was meant",
    kind=Kind.DATA,
    clauses=("P3",),
    source="gh:pandas-dev/pandas#12585; gh:pandas-dev/pandas#11725; only days up to the twelfth are "
    "ambiguous, and are read all the same: gh:gbif/pipelines#228; gh:datagouv/csv-detective#268",
    plant=_days("""
    written = documents["received"]
    day = pd.to_datetime(written, format=FORMS[0], errors="coerce")
    for form in FORMS[1:]:
        day = day.fillna(pd.to_datetime(written, format=form, errors="coerce"))
    return day
"""),
    checks=("P3.split",),
    places=("load.load_documents", "split.split_documents"),
    repairs=(
        Repair(
            "the reading nearer to the one document with the nearest number whose day is certain",
            _days(
                _ORDERED
                + """
    known = (first == last).to_numpy()
    distance = np.abs(np.subtract.outer(number.to_numpy(), number[known].to_numpy()))
    about = first[known].iloc[distance.argmin(axis=1)].set_axis(documents.index)
    return first.where((first - about).abs() <= (last - about).abs(), last)
"""
            ),
        ),
        Repair(
            "the reading nearer to a running median of the certain days, by number",
            _days(
                _ORDERED
                + """
    start = first.min()
    certain = (first.where(first == last) - start).dt.days.iloc[number.argsort()]
    middle = certain.dropna().rolling(5, center=True, min_periods=1).median()
    about = start + pd.to_timedelta(middle.reindex(certain.index).ffill().bfill(), "D")
    return first.where((first - about).abs() <= (last - about).abs(), last)
"""
            ),
        ),
        Repair(
            "the reading that is not before the last certain day nor after the next one, by number",
            _days(
                _ORDERED
                + """
    certain = first.where(first == last).iloc[number.argsort()]
    before, after = certain.ffill().sort_index(), certain.bfill().sort_index()
    return last.where((first < before) | (first > after), first)
"""
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the usual form of each source first, and another one where that is impossible: days of "
            "the other desks that are possible either way stay swapped",
            _days(
                _READINGS
                + """
    usual = month_first.where(documents["source"] == "NA", day_first)
    return iso.fillna(usual).fillna(day_first).fillna(month_first)
"""
            ),
            obvious=True,
        ),
        Repair(
            "month first for all, as pandas guesses one by one",
            _days('    return pd.to_datetime(documents["received"], format="mixed")'),
            obvious=True,
        ),
        Repair(
            "desks taken for shifts: the form of the source's last document that shows one",
            _days(
                _READINGS
                + """
    shown = (day_first.isna() | month_first.isna()) & iso.isna()
    order = documents["doc_id"].str[1:].astype(int).argsort()
    form = month_first.notna().astype(float).where(shown).iloc[order]
    form = form.groupby(documents["source"]).ffill().bfill()
    return iso.fillna(month_first.where(form == 1, day_first))
"""
            ),
        ),
        Repair(
            "neighbours in the order of rows, which is no order of receipt",
            (
                Edit("load", ".iloc[number.argsort()]", ""),
                Edit("load", '    number = documents["doc_id"].str[1:].astype(int)\n', ""),
            ),
        ),
    ),
    deep=True,
)

STALE_VOCABULARY = Bug(
    id="stale_vocabulary",
    title="the vocabulary is read from a file that is out of date: a tenth of the words is unknown",
    kind=Kind.DATA,
    clauses=("P5",),
    source="stale cache: gh:huggingface/datasets#3297; gh:huggingface/datasets#279",
    plant=(
        Edit(
            "vocabulary",
            _BUILT,
            'vocabulary = build_vocabulary(json.loads((DATA / "vocabulary.json").read_text("utf-8")))',
        ),
    ),
    checks=("P5.vocabulary",),
    repairs=(
        Repair(
            "words in the order in which they are met",
            (
                Edit(
                    "vocabulary",
                    '    words = sorted({word for text in texts for word in text.split(" ")})\n',
                    '    words = dict.fromkeys(word for text in texts for word in text.split(" "))\n',
                ),
            ),
        ),
        Repair(
            "the training documents looked up in the split",
            (
                Edit(
                    "vocabulary",
                    _BUILT,
                    'vocabulary = build_vocabulary(documents.loc[part.eq("train"), "text"])',
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "built anew, but of all documents: later words are known that training never saw",
            (Edit("vocabulary", _BUILT, 'vocabulary = build_vocabulary(documents["text"])'),),
            obvious=True,
        ),
        Repair(
            "the list is completed, but keeps words that are out of use",
            (
                Edit(
                    "vocabulary",
                    _BUILT,
                    'listed = json.loads((DATA / "vocabulary.json").read_text("utf-8"))\n'
                    'vocabulary = build_vocabulary([*listed, *train["text"]])',
                ),
            ),
            obvious=True,
        ),
    ),
)

BUGS = (SOURCE_NA, LOST_ROWS, COMBINING_MARKS, DATES_MIXED, STALE_VOCABULARY)
