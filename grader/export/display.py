"""Values as a reader wants to see them."""

from __future__ import annotations

import json
import re
from typing import Any

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# Control characters, lone surrogates, and those that turn the direction of text around, with
# which a source can be made to read differently from what it does.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)

# The arguments of a tool call that hold code.
CODE_ARGUMENTS = frozenset({"source", "code", "new", "old"})


def visible(text: str) -> str:
    """Text without terminal colours, and with invisible characters shown as their code points."""
    plain = _ANSI.sub("", text)
    return _INVISIBLE.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", plain)


def duration(seconds: float | None) -> str:
    """``0.4 s``, ``42 s``, ``3 min 05 s``, ``1 h 02 min``."""
    if seconds is None:
        return "unknown"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def number(value: float | None) -> str:
    """A measured value; a dash where there is none."""
    return "–" if value is None else f"{value:.4g}"


def words(name: str) -> str:
    """``missed_bug`` as ``missed bug``."""
    return name.replace("_", " ")


def count(n: int, noun: str) -> str:
    """``1 call``, ``2 calls``, ``3 entries``."""
    plural = noun[:-1] + "ies" if noun.endswith("ry") else noun + "s"
    return f"{n:,} {noun if n == 1 else plural}"


def is_code(name: str, value: Any) -> bool:
    """Whether an argument of a tool call is shown as a block of code."""
    return name in CODE_ARGUMENTS and isinstance(value, str)


def plain_value(value: Any) -> str:
    """An argument of a tool call as text."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=2 if _is_long(value) else None)


def _is_long(value: Any) -> bool:
    return isinstance(value, list | dict) and len(json.dumps(value)) > 60
