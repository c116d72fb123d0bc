"""Reads an exported page as its tests want it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from grader.export.html import render
from grader.export.load import load_trial

INLINE = {"a", "b", "code", "mark", "span", "strong", "em"}
VOID = {"meta", "img", "br", "hr", "link", "input", "wbr"}


class Page(HTMLParser):
    """Tags with their attributes, and the visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in INLINE:
            self.words.append(" ")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(run: Path) -> Page:
    parsed = Page(render(load_trial(run, 0)))
    assert parsed.open == []
    return parsed


def assert_standalone(shown: Page) -> None:
    for tag, attributes in shown.tags:
        assert tag not in {"link", "script", "iframe", "base"}
        assert (attributes.get("src") or "data:").startswith("data:")
        assert not {"srcset", "background", "poster", "ping"} & attributes.keys()
