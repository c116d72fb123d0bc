"""Sources and diffs as highlighted HTML. Every piece of text goes through Markup's escaping."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from markupsafe import Markup, escape
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

from grader.export.rows import Row, Span, diff_rows, split_lines, unified_rows

# The pieces of a line with their Pygments classes.
Line = list[tuple[str, str]]
# A line of a diff with its HTML.
Shown = tuple[Row, Markup]


def code_lines(source: str, language: str) -> list[Line]:
    """The lines of a source, highlighted; plain in a language that Pygments doesn't know."""
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return [[("", line)] for line in split_lines(source) or [""]]
    lines: list[Line] = [[]]
    for kind, text in lexer.get_tokens(source):
        first, *rest = text.split("\n")
        lines[-1].append((STANDARD_TYPES.get(kind, ""), first))
        lines += [[(STANDARD_TYPES.get(kind, ""), piece)] for piece in rest]
    return lines


def code_html(source: str, language: str = "python") -> Markup:
    """A source for the inside of ``<pre>``."""
    return Markup("\n").join(line_html(line) for line in code_lines(source, language))


def line_html(line: Line, marks: Sequence[Span] = ()) -> Markup:
    """A highlighted line, its marked spans in ``<mark>``."""
    marked = {at for start, end in marks for at in range(start, end)}
    pieces, at = [], 0
    for css, text in line:
        pieces.append(_piece_html(css, text, [i in marked for i in range(at, at + len(text))]))
        at += len(text)
    return Markup().join(pieces)


def _piece_html(css: str, text: str, marked: list[bool]) -> Markup:
    pieces = []
    for is_marked, group in groupby(zip(text, marked, strict=True), key=itemgetter(1)):
        piece = escape("".join(character for character, _ in group))
        pieces.append(Markup("<mark>%s</mark>") % piece if is_marked else piece)
    html = Markup().join(pieces)
    return Markup('<span class="%s">%s</span>') % (css, html) if css else html


def source_diff(before: str, after: str, language: str = "python", context: int = 3) -> list[Shown]:
    """The diff of two sources, each line highlighted as part of its whole source."""
    old, new = code_lines(before, language), code_lines(after, language)
    return [(row, _row_html(row, old, new)) for row in diff_rows(before, after, context)]


def unified_diff(text: str, language: str = "python") -> list[Shown]:
    """A diff given as text, each line highlighted by itself: there is no more of the source."""
    rows = unified_rows(text)
    lines = [code_lines(row.text, language)[0] for row in rows]
    return [
        (row, escape(row.text) if row.kind == "gap" else line_html(line, row.marks))
        for row, line in zip(rows, lines, strict=True)
    ]


def _row_html(row: Row, old: list[Line], new: list[Line]) -> Markup:
    if row.after is not None:
        return line_html(new[row.after - 1], row.marks)
    if row.before is not None:
        return line_html(old[row.before - 1], row.marks)
    return escape(row.text)
