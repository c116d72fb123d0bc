"""Terminal text made readable: control codes resolved, length limited."""

from __future__ import annotations

import re

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_TAG = re.compile(r"<[^<>]*>")
_LONGEST_HTML = 100_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def encodable(text: str) -> str:
    """``text`` with lone surrogates replaced, so that it can be written as UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _visible(line: str) -> str:
    """What a terminal shows of a line whose carriage returns write over what was there."""
    # From the last part to the first: of an earlier one shows what is longer than all after it.
    shown: list[str] = []
    length = 0
    for part in reversed(line.split("\r")):
        shown.append(part[length:])
        length = max(length, len(part))
    return "".join(shown)


def plain(text: str) -> str:
    """``text`` as a terminal would show it, without colours and control characters."""
    lines = _ANSI.sub("", text.replace("\r\n", "\n")).split("\n")
    return _CONTROL.sub("", "\n".join(_visible(line) if "\r" in line else line for line in lines))


def untagged(html: str) -> str:
    """The text of HTML, without tags, scripts and styles; only as much as anybody would read."""
    html = html[:_LONGEST_HTML]
    for name in ("script", "style"):
        # Cut apart instead of matched as a whole: a pattern that looks for an end which is
        # not there, from each of many beginnings, takes minutes.
        first, *others = re.split(rf"<{name}\b", html, flags=re.IGNORECASE)
        ended = (re.split(rf"</{name}>", part, maxsplit=1, flags=re.IGNORECASE) for part in others)
        html = " ".join([first, *(parts[1] for parts in ended if len(parts) > 1)])
    return _TAG.sub(" ", html)


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
