"""``python -m tests.fuzz report|notebook [-runs=N …]``: coverage-guided fuzzing of a parser.

Inputs are bytes that libFuzzer mutates towards new code paths. Half of them are taken as text, half
as choices of a nested value, so that well-formed reports and notebooks come up often. Whatever
a parser does but read or refuse in words is a crash, and ends the run with the input.
"""

import json
import sys

import atheris

with atheris.instrument_imports(include=["grader.submission", "grader.report"]):
    from grader.report import match, problems
    from grader.submission import NotebookError, ReportError, parse_notebook, parse_report

from tests.grader.playing import DEFAULT, TASK

SOURCES = {cell.id: cell.source for cell in DEFAULT.broken().cells}
WORDS = [
    *[clause.id for clause in TASK.clauses],
    *SOURCES,
    *[line for source in SOURCES.values() for line in source.splitlines() if line.strip()],
]
KEYS = ["clause", "cell", "quote", "explanation", "cells", "cell_type", "source", "metadata"]
DEEPEST = 6


def text(data):
    return data.ConsumeUnicode(data.ConsumeIntInRange(0, 40))


def value(data, depth=0):
    kind = data.ConsumeIntInRange(0, 8 if depth < DEEPEST else 5)
    if kind == 0:
        return data.PickValueInList([None, True, False, float("nan"), float("inf"), -0.0, 10**30])
    if kind == 1:
        return data.ConsumeInt(4)
    if kind in (2, 3):
        return data.PickValueInList(WORDS)
    if kind in (4, 5):
        return text(data)
    several = range(data.ConsumeIntInRange(0, 5))
    if kind == 6:
        return {text(data): value(data, depth + 1) for _ in several}
    if kind == 7:
        return {data.PickValueInList(KEYS): value(data, depth + 1) for _ in several}
    return [value(data, depth + 1) for _ in several]


def entry(data):
    if data.ConsumeIntInRange(0, 9) == 0:
        return value(data)
    made = {key: data.PickValueInList(WORDS) for key in ("clause", "cell", "quote")}
    if data.ConsumeBool():
        made[data.PickValueInList(KEYS)] = value(data, 3)
    return made


def cell(data):
    kind = data.PickValueInList(["code", "code", "markdown", "raw", None])
    return {"cell_type": kind, "source": value(data, 4), text(data): value(data, 4)}


def fuzz_report(raw):
    data = atheris.FuzzedDataProvider(raw)
    if data.ConsumeBool():
        given = data.ConsumeUnicode(len(raw))
    else:
        given = [entry(data) for _ in range(data.ConsumeIntInRange(0, 18))]
    try:
        entries = parse_report(given, TASK.report)
    except ReportError as error:
        assert str(error)
        return
    if not problems(entries, DEFAULT):
        matched = match(entries, DEFAULT)
        assert len(set(matched.entry_of.values())) == len(matched.entry_of)
        assert not set(matched.entry_of.values()) & set(matched.false_alarms)


def fuzz_notebook(raw):
    data = atheris.FuzzedDataProvider(raw)
    if data.ConsumeBool():
        given = data.ConsumeUnicode(len(raw))
    else:
        given = json.dumps({"cells": [cell(data) for _ in range(data.ConsumeIntInRange(0, 8))]})
    try:
        cells = parse_notebook(given)
    except NotebookError as error:
        assert str(error)
        return
    assert all(isinstance(source, str) for source in cells)


if __name__ == "__main__":
    parsers = {"report": fuzz_report, "notebook": fuzz_notebook}
    parser = parsers[sys.argv.pop(1)]
    atheris.Setup(sys.argv, parser)
    atheris.Fuzz()
