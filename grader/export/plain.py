"""Values that every reader of JSON takes. What a model writes is not always among them."""

from __future__ import annotations

import math
from typing import Any

# Readers give up at 100 levels or more, each at a depth of its own; a record is a part of a file.
_DEPTH = 60
TOO_DEEP = "[nested too deeply to be shown]"


def plain_text(text: str) -> str:
    r"""Text with halves of surrogate pairs, which UTF-8 can't hold, as ``\ud800``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def plain(value: Any, depth: int = _DEPTH) -> Any:
    """A value of JSON, in strict JSON: numbers that it has none for are None."""
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not isinstance(value, dict | list | tuple):
        return value
    if not depth:
        return TOO_DEEP
    if isinstance(value, dict):
        return {plain_text(str(key)): plain(part, depth - 1) for key, part in value.items()}
    return [plain(part, depth - 1) for part in value]
