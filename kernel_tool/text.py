"""Terminal text made readable: control codes resolved, length limited."""

from __future__ import annotations

import re

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def encodable(text: str) -> str:
    """``text`` with lone surrogates replaced, so that it can be written as UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _visible(line: str) -> str:
    """What a terminal shows of a line whose carriage returns write over what was there."""
    shown = ""
    for part in line.split("\r"):
        shown = part + shown[len(part) :]
    return shown


def plain(text: str) -> str:
    """``text`` as a terminal would show it, without colours and control characters."""
    lines = _ANSI.sub("", text.replace("\r\n", "\n")).split("\n")
    return _CONTROL.sub("", "\n".join(_visible(line) if "\r" in line else line for line in lines))


def clip(text: str, limit: int) -> str:
    """``text``, or its head and tail and how much was left out, within about ``limit`` characters.

    Cuts at line ends where one is near.
    """
    if len(text) <= limit:
        return text
    head, tail = text[: limit // 2], text[len(text) - limit // 2 :]
    if 0 <= head.rfind("\n") >= len(head) // 2:
        head = head[: head.rfind("\n")]
    if 0 <= tail.find("\n") < len(tail) // 2:
        tail = tail[tail.find("\n") + 1 :]
    left_out = text[len(head) : len(text) - len(tail)]
    lines = left_out.count("\n")
    return f"{head}\n[... {len(left_out):,} characters ({lines:,} lines) left out ...]\n{tail}"


def fair_limit(lengths: list[int], total: int) -> int:
    """The largest limit for each of several texts that keeps their sum within ``total``."""
    rest, remaining = total, sorted(lengths)
    while remaining and remaining[0] <= rest // len(remaining):
        rest -= remaining.pop(0)
    return rest // len(remaining) if remaining else total
