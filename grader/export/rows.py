"""Diffs as rows with line numbers, and with the words marked that changed within a line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import accumulate, groupby, pairwise
from typing import Literal

Span = tuple[int, int]

_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_FILES = re.compile(r"^--- (.*)\n\+\+\+ .*$", re.MULTILINE)
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
# Below this likeness, marking the words that differ says less than showing both lines plain.
_ALIKE = 0.5
_EXACT = 1_000_000


@dataclass(frozen=True)
class Row:
    """A line of a diff, with its line numbers; or a ``gap``, whose text says what is left out."""

    kind: Literal["same", "delete", "insert", "gap"]
    before: int | None
    after: int | None
    text: str
    marks: tuple[Span, ...] = ()


def split_lines(text: str) -> list[str]:
    """The lines of a source, numbered as editors do: only newlines and returns end one."""
    lines = re.split(r"\r\n|\r|\n", text)
    return lines if lines[-1] else lines[:-1]


def diff_rows(before: str, after: str, context: int = 3) -> list[Row]:
    """The diff of two sources, with some lines of context around each change."""
    old, new = split_lines(before), split_lines(after)
    matcher = _matcher(old, new)
    rows: list[Row] = []
    shown = 0
    for group in matcher.get_grouped_opcodes(context):
        rows += _gap(group[0][1] - shown)
        for tag, i1, i2, j1, j2 in group:
            rows += _same(old, i1, i2, j1) if tag == "equal" else _changed(old, new, i1, i2, j1, j2)
        shown = group[-1][2]
    return _marked(rows + _gap(len(old) - shown)) if rows else []


def unified_rows(text: str) -> list[Row]:
    """The rows of a diff given as unified diff text."""
    rows: list[Row] = []
    old, new = 1, 1
    for line in split_lines(_FILES.sub(r"@@@ \1", text.rstrip("\r\n"))):
        if hunk := _HUNK.match(line):
            old, new = int(hunk[1]), int(hunk[2])
        row = _unified_row(line, old, new)
        rows.append(row)
        old += row.before is not None
        new += row.after is not None
    return _marked(rows)


def _unified_row(line: str, old: int, new: int) -> Row:
    match line[:1]:
        case "@":
            text = line[4:] if line.startswith("@@@ ") else f"from line {new}"
            return Row("gap", None, None, text)
        case "-":
            return Row("delete", old, None, line[1:])
        case "+":
            return Row("insert", None, new, line[1:])
        case "\\":
            return Row("gap", None, None, line[1:].strip())
        case _:
            return Row("same", old, new, line[1:])


def _gap(count: int) -> list[Row]:
    if count <= 0:
        return []
    return [Row("gap", None, None, f"{count} unchanged line{'s' if count > 1 else ''}")]


def _same(old: Sequence[str], i1: int, i2: int, j1: int) -> list[Row]:
    return [Row("same", i + 1, j1 + i - i1 + 1, old[i]) for i in range(i1, i2)]


def _changed(
    old: Sequence[str], new: Sequence[str], i1: int, i2: int, j1: int, j2: int
) -> list[Row]:
    deleted = [Row("delete", i + 1, None, old[i]) for i in range(i1, i2)]
    return deleted + [Row("insert", None, j + 1, new[j]) for j in range(j1, j2)]


def _marked(rows: Iterable[Row]) -> list[Row]:
    """Marks what differs between the lines of a deletion and of the insertion right after it."""
    runs = [list(run) for _, run in groupby(rows, key=lambda row: row.kind)]
    for first, second in pairwise(runs):
        if (first[0].kind, second[0].kind) != ("delete", "insert"):
            continue
        for k in range(min(len(first), len(second))):
            old, new = changed_words(first[k].text, second[k].text)
            first[k] = replace(first[k], marks=old)
            second[k] = replace(second[k], marks=new)
    return [row for run in runs for row in run]


def changed_words(old: str, new: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Where two lines differ, word by word; nothing if they have little in common."""
    a, b = _WORD.findall(old), _WORD.findall(new)
    matcher = _matcher(a, b)
    if matcher.ratio() < _ALIKE:
        return (), ()
    changes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    at_a, at_b = _offsets(a), _offsets(b)
    return (
        tuple((at_a[i1], at_a[i2]) for _, i1, i2, _, _ in changes if i1 < i2),
        tuple((at_b[j1], at_b[j2]) for _, _, _, j1, j2 in changes if j1 < j2),
    )


def _matcher(a: Sequence[str], b: Sequence[str]) -> SequenceMatcher[str]:
    """Exact on what people write; coarser on what could keep it busy for minutes."""
    return SequenceMatcher(None, a, b, autojunk=len(a) * len(b) > _EXACT)


def _offsets(words: Sequence[str]) -> list[int]:
    return [0, *accumulate(map(len, words))]
