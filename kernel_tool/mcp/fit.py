"""Results cut to what clients take: Claude Code, for one, refuses more than 25,000 tokens."""

from __future__ import annotations

import re
from io import BytesIO

from PIL import Image as Pillow

from kernel_tool.results import Image, Text, ToolResult
from kernel_tool.text import clip

MOST_TOKENS = 24_000
# Of a picture's pixels, by the Messages API's documentation.
_PIXELS_OF_A_TOKEN = 750
_WORDS = re.compile(r"[A-Za-z ]")


def tokens(text: str) -> float:
    """A count that is hardly ever too low: of letters and spaces at most four in ten are tokens,
    of other characters each, outside of ASCII each byte."""
    letters = len(_WORDS.findall(text))
    return 0.4 * letters + len(text.encode("utf-8", "replace")) - letters


def fitted(result: ToolResult, most: float = MOST_TOKENS) -> ToolResult:
    """The result with its texts clipped, and pictures left out from the last on, to ``most``."""
    parts, left = list(result.content), most
    texts_first = sorted(range(len(parts)), key=lambda at: isinstance(parts[at], Image))
    for at in texts_first:
        part = parts[at]
        parts[at] = _clipped(part, left) if isinstance(part, Text) else _shown(part, left)
        left -= _cost(parts[at])
    return ToolResult(tuple(parts), result.fault)


def _cost(part: Text | Image) -> float:
    if isinstance(part, Text):
        return tokens(part.text)
    with Pillow.open(BytesIO(part.data)) as picture:
        return picture.width * picture.height / _PIXELS_OF_A_TOKEN


def _clipped(part: Text, left: float) -> Text:
    text = part.text
    # Each round cuts by the share that is too much, since tokens are not spread evenly.
    while (cost := tokens(text)) > max(left, 100):
        text = clip(text, int(0.9 * len(text) * max(left, 100) / cost))
    return Text(text)


def _shown(part: Image, left: float) -> Text | Image:
    return part if _cost(part) <= left else Text("[a plot was left out: run its cell alone]")
