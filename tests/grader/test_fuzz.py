"""The parsers of what a solver hands in: any input is read or refused in words."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from grader.report import match, problems
from grader.submission import NotebookError, ReportError, parse_notebook, parse_report
from tests.grader.playing import DEFAULT, TASK

SOURCES = {cell.id: cell.source for cell in DEFAULT.broken().cells}
LINES = [line for source in SOURCES.values() for line in source.splitlines() if line.strip()]
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
FIELD = st.text() | st.sampled_from(LINES) | st.sampled_from([c.id for c in TASK.clauses])
ENTRY = st.fixed_dictionaries(
    {
        "clause": st.sampled_from([c.id for c in TASK.clauses]) | st.text(),
        "cell": st.sampled_from(sorted(SOURCES)) | st.text(),
        "quote": FIELD,
    },
    optional={"explanation": st.text()},
)
CELL = st.fixed_dictionaries(
    {}, optional={"cell_type": st.sampled_from(["code", "markdown"]) | JSON, "source": JSON}
)


@settings(max_examples=300, deadline=None)
@given(st.lists(ENTRY | JSON, max_size=20) | JSON)
def test_a_report_is_matched_or_refused(value):
    try:
        entries = parse_report(value, TASK.report)
    except ReportError as error:
        assert str(error)
        return
    if problems(entries, DEFAULT):
        return
    matched = match(entries, DEFAULT)
    assert len(set(matched.entry_of.values())) == len(matched.entry_of)
    assert not set(matched.entry_of.values()) & set(matched.false_alarms)


@settings(max_examples=300, deadline=None)
@given(st.text() | JSON.map(json.dumps) | st.lists(CELL).map(lambda c: json.dumps({"cells": c})))
def test_a_notebook_is_read_or_refused(text):
    try:
        cells = parse_notebook(text)
    except NotebookError as error:
        assert str(error)
        return
    assert all(isinstance(source, str) for source in cells)
