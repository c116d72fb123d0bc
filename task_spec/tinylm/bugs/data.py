"""Bugs in how documents are read: mostly, only the data show them."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

_READ = 'pd.read_csv(folder / "documents.csv", dtype=str, keep_default_na=False)'
_DAYS = """    day = pd.Series(pd.NaT, documents.index, dtype="datetime64[us]")
    for source, form in DAYS.items():
        own = documents["source"] == source
        day[own] = pd.to_datetime(documents.loc[own, "received"], format=form)
    documents["day"] = day
"""
_FORMS = 'DAYS = {"wire": "%Y-%m-%d", "press": "%d/%m/%Y", "NA": "%m/%d/%Y"}\n\n\n'
_BUILT = 'vocabulary = build_vocabulary(train["text"])'

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
            _READ,
            'pd.read_csv(folder / "documents.csv", dtype=str).dropna(ignore_index=True)',
        ),
    ),
    checks=("P1.documents",),
    repairs=(
        Repair(
            "nothing is looked for that could be missing",
            (Edit("load", "dtype=str, keep_default_na=False)", "dtype=str, na_filter=False)"),),
        ),
        Repair(
            "only an empty field is missing",
            (
                Edit(
                    "load",
                    "dtype=str, keep_default_na=False)",
                    'dtype=str, keep_default_na=False, na_values=[""]).dropna(ignore_index=True)',
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
                    _READ,
                    'pd.read_csv(folder / "documents.csv", dtype=str)\n'
                    '    documents = documents.fillna({"source": "NA"}).dropna(ignore_index=True)',
                ),
            ),
            obvious=True,
        ),
    ),
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
                    _READ,
                    "pd.read_csv(\n"
                    "        __import__('io').StringIO(\n"
                    "            __import__('unicodedata').normalize(\n"
                    "                'NFC', (folder / 'documents.csv').read_text(encoding='utf-8')\n"
                    "            )\n"
                    "        ),\n"
                    "        dtype=str,\n"
                    "        keep_default_na=False,\n"
                    "    )",
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
    title="days are guessed one by one, month first: press documents of the first twelve days of a "
    "month get day and month swapped and land in the wrong part",
    kind=Kind.DATA,
    clauses=("P3",),
    source="gh:pandas-dev/pandas#12585; gh:pandas-dev/pandas#11725",
    plant=(
        Edit("load", _FORMS, 'FORMAT = "mixed"\n\n\n'),
        Edit(
            "load",
            _DAYS,
            '    documents["day"] = pd.to_datetime(documents["received"], format=FORMAT)\n',
        ),
    ),
    checks=("P3.split",),
    places=("split.split_documents",),
    repairs=(
        Repair(
            "each day by its source's format, one by one",
            (
                Edit(
                    "load",
                    _DAYS,
                    '    documents["day"] = [\n'
                    "        pd.to_datetime(day, format=DAYS[source])\n"
                    '        for day, source in zip(documents["received"], documents["source"])\n'
                    "    ]\n",
                ),
            ),
        ),
        Repair(
            "press days turned round, then month first is right for all",
            (
                Edit(
                    "load",
                    _DAYS,
                    '    press = documents["source"] == "press"\n'
                    '    turned = documents["received"].str.replace(r"(\\d+)/(\\d+)/(\\d+)", r"\\2/\\1/\\3", regex=True)\n'
                    '    written = documents["received"].mask(press, turned)\n'
                    '    documents["day"] = pd.to_datetime(written, format="mixed")\n',
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "day first for all: now the other sources' days are swapped",
            (
                Edit(
                    "load",
                    _DAYS,
                    '    documents["day"] = pd.to_datetime(\n'
                    '        documents["received"], format="mixed", dayfirst=True\n'
                    "    )\n",
                ),
            ),
            obvious=True,
        ),
        Repair(
            "day first wherever there are slashes: NA writes them too",
            (
                Edit(
                    "load",
                    '        own = documents["source"] == source\n',
                    '        own = documents["source"] == source\n'
                    '        form = "mixed" if source == "NA" else form\n',
                ),
                Edit(
                    "load",
                    'pd.to_datetime(documents.loc[own, "received"], format=form)',
                    'pd.to_datetime(\n            documents.loc[own, "received"], format=form, '
                    'dayfirst=source != "wire"\n        )',
                ),
            ),
        ),
    ),
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

BUGS = (SOURCE_NA, COMBINING_MARKS, DATES_MIXED, STALE_VOCABULARY)
