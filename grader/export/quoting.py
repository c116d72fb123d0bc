"""Text inside a Markdown document that it can't break out of."""

from __future__ import annotations

import re
from collections.abc import Iterable

from markdown_it import MarkdownIt
from markdown_it.token import Token

from grader.export.display import visible

# Raw HTML could hide or replace the rest of a page, and an image is fetched from anywhere.
_LOADED = frozenset({"html_block", "html_inline", "image"})
_HARMLESS = re.compile(r"https?://|mailto:|#")
_RUNS = re.compile("`+")


def fence(text: str, language: str = "") -> str:
    """A code block whose fence is longer than any inside it."""
    longest = max((len(run) for run in _RUNS.findall(text)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{language}\n{visible(text).rstrip()}\n{marks}"


def quote(text: str) -> str:
    """Markdown from elsewhere as a block quote; as a code block if it holds more than text."""
    if any(_is_unsafe(token) for token in _all(_parser().parse(text))):
        return fence(text, "markdown")
    return "\n".join(f"> {line}".rstrip() for line in visible(text).strip().splitlines())


def inline(text: str) -> str:
    """Text in one line, all of its punctuation meant as it stands (also in a table)."""
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~&])", r"\\\1", " ".join(visible(text).split()))


def code(text: str) -> str:
    """Text as a code span in one line (also in a table)."""
    line = " ".join(visible(text).split()).replace("|", "\\|")
    marks = "`" * (max((len(run) for run in _RUNS.findall(line)), default=0) + 1)
    padding = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{marks}{padding}{line}{padding}{marks}"


def _parser() -> MarkdownIt:
    """Finds what any reader of Markdown might: HTML, and links to whatever."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    parser.validateLink = _any  # type: ignore[method-assign]
    return parser


def _any(url: str) -> bool:
    return bool(url)


def _all(tokens: Iterable[Token]) -> Iterable[Token]:
    for token in tokens:
        yield token
        yield from token.children or []


def _is_unsafe(token: Token) -> bool:
    target = token.attrGet("href")
    return token.type in _LOADED or (
        isinstance(target, str) and not _HARMLESS.match(target.lower())
    )
