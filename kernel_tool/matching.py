"""Finding the text that an edit names, and what to say if it can't be found."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

# Longer texts are compared by their beginnings: difflib takes quadratic time.
_COMPARED = 2_000
_SHOWN = 2


class EditError(ValueError):
    """An edit that can't be made; the message tells the one who asked what to do instead."""


def numbered(source: str, first: int = 1, last: int | None = None) -> str:
    """Lines ``first`` to ``last`` (from 1, inclusive) of ``source`` with their numbers."""
    lines = source.split("\n")[first - 1 : last]
    return "\n".join(f"{number:4}| {line}" for number, line in enumerate(lines, first))


def replace_once(source: str, old: str, new: str) -> str:
    """``source`` with the only occurrence of ``old`` replaced. Raises EditError."""
    if not old:
        raise EditError("`old` is empty. Give the text to replace, or give `source` instead.")
    if old == new:
        raise EditError("`old` and `new` are the same: nothing would change.")
    starts = _occurrences(source, old)
    if not starts and source.endswith(old.rstrip("\n")) and old.endswith("\n"):
        # The last line of a cell has no line end, but is easily quoted with one.
        return replace_once(source, old.rstrip("\n"), new.rstrip("\n"))
    if len(starts) > 1:
        lines = ", ".join(str(source.count("\n", 0, start) + 1) for start in starts)
        raise EditError(
            f"`old` occurs {len(starts)} times, at lines {lines}. "
            "Include neighbouring lines in `old` so that it occurs once."
        )
    if not starts:
        raise EditError(_not_found(source, old))
    return source[: starts[0]] + new + source[starts[0] + len(old) :]


def _occurrences(source: str, old: str) -> list[int]:
    starts, at = [], source.find(old)
    while at >= 0:
        starts.append(at)
        at = source.find(old, at + 1)
    return starts


def _not_found(source: str, old: str) -> str:
    lines, height = source.split("\n"), len(old.strip("\n").split("\n"))
    near = sorted(_nearest(lines, old.strip("\n"), height))
    shown = "\n  ...\n".join(numbered(source, at + 1, at + height) for at in near)
    text = f"`old` does not occur in this cell, which has {len(lines)} lines."
    if _squeezed(old) and _squeezed(old) in _squeezed(source):
        text += " It does if white space is ignored: check the indentation and the line ends."
    return f"{text} The closest lines:\n{shown}" if shown else text


def _nearest(lines: Sequence[str], old: str, height: int) -> list[int]:
    """Where the stretches of ``height`` lines that are most like ``old`` begin, from 0."""
    matcher = difflib.SequenceMatcher(autojunk=False, b=old[:_COMPARED])
    scores = []
    for at in range(max(1, len(lines) - height + 1)):
        matcher.set_seq1("\n".join(lines[at : at + height])[:_COMPARED])
        if matcher.quick_ratio() > 0.5:
            scores.append((matcher.ratio(), at))
    return [at for ratio, at in sorted(scores, reverse=True)[:_SHOWN] if ratio > 0.5]


def _squeezed(text: str) -> str:
    return "".join(text.split())


def unknown_id(wanted: str, ids: Sequence[str]) -> EditError:
    """The error for a cell id that does not exist: all that do, those like it first."""
    close = difflib.get_close_matches(wanted, ids, n=3, cutoff=0.5)
    meant = f" Did you mean {' or '.join(close)}?" if close else ""
    return EditError(f"There is no cell {wanted!r}.{meant} The cells are: {', '.join(ids)}.")
