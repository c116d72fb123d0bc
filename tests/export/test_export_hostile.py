"""Whatever a model writes stays text: nothing of it runs, loads or hides."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlparse

import pytest
from html_page import Page, assert_standalone, page
from sample_episode import episode, png
from sample_notebook import CORRECT
from sample_trial import VERDICT, notebook

from grader.agents.base import ToolCall, Turn, Usage
from grader.transcript import Event, ImagePart, ResultEvent, TurnEvent
from kernel_tool.results import Image, Text, ToolResult

Retell = Callable[[Iterable[Event]], None]

EVIL = "</pre></code><script>alert(1)</script><img src=x onerror=alert(1)>"


def one_turn(text: str = "", thinking: str = "", call: ToolCall | None = None) -> list[Event]:
    turn = Turn(text, thinking, (call,) if call else (), Usage(), "tool_use")
    return [episode()[0], TurnEvent.of(1, turn, 1.0)]


def answered(result: ToolResult, **arguments: object) -> list[Event]:
    call = ToolCall("call_1", "run_code", arguments)
    return [*one_turn(call=call), ResultEvent.of("call_1", "run_code", result, 1.0)]


def assert_harmless(shown: Page) -> None:
    assert {name for name, _ in shown.tags}.isdisjoint({"script", "iframe", "object", "svg"})
    for _, attributes in shown.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert not (attributes.get("href") or "").lower().strip().startswith("javascript")


@pytest.mark.parametrize("where", ["text", "thinking"])
def test_hostile_markdown_stays_text(run: Path, retell: Retell, where: str) -> None:
    links = "[a](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) [c](data:text/html,x)"
    images = "![d](http://192.0.2.1/x.png) ![e](javascript:alert(1)) <http://192.0.2.1/>"
    fence = f'```"><script>\n{EVIL}\n```'
    evil = f"{EVIL}\n\n{links}\n\n{images}\n\n{fence}\n\n<!-- open"
    retell(one_turn(text=evil) if where == "text" else one_turn(thinking=evil))
    shown = page(run)
    assert_harmless(shown)
    assert_standalone(shown)
    assert shown.text.count("<script>alert(1)</script>") == 2
    assert "<!-- open" in shown.text
    assert {urlparse(link["href"]).scheme for link in shown.all("a")} <= {"", "http", "https"}


def test_hostile_outputs_and_arguments_stay_text(run: Path, retell: Retell) -> None:
    result = ToolResult((Text(EVIL), Image(f"<svg>{EVIL}</svg>".encode(), f'image/svg"{EVIL}')))
    retell(answered(result, code=EVIL, old=EVIL, new=f"x{EVIL}", **{EVIL: EVIL, "cell": EVIL}))
    shown = page(run)
    assert_harmless(shown)
    assert_standalone(shown)
    assert shown.all("img") == []
    assert "An image that can't be shown" in shown.text


def test_hostile_cells_and_reports_stay_text(run: Path, trial: Path) -> None:
    cells = {**CORRECT, f'"{EVIL}': ("code", EVIL), "a' b": (f'"{EVIL}', EVIL)}
    (trial / "submission.ipynb").write_text(notebook(cells))
    entry = {"clause": EVIL, "cell": f'"{EVIL}', "quote": EVIL, "explanation": EVIL}
    (trial / "bug_report.json").write_text(json.dumps([entry, entry]))
    (trial / "verdict.json").write_text(
        VERDICT.model_copy(update={"detail": EVIL}).model_dump_json()
    )
    shown = page(run)
    assert_harmless(shown)
    assert_standalone(shown)


def test_a_source_link_is_a_link_only_if_it_leads_to_the_web(run: Path, trial: Path) -> None:
    (trial / "planted.json").write_text(json.dumps([{"id": "x", "source": "javascript:alert(1)"}]))
    assert_harmless(page(run))


def test_what_is_invisible_is_shown(run: Path, retell: Retell) -> None:
    retell(answered(ToolResult((Text("a\x00b\u202ec\ud7ff\x1b[1mbold\x1b[0m"),))))
    assert "a⟨U+0000⟩b⟨U+202E⟩c\ud7ffbold" in page(run).text


def test_a_broken_image_is_named(run: Path, retell: Retell) -> None:
    events = answered(ToolResult((Image(png()),)))
    last = events[-1]
    assert isinstance(last, ResultEvent)
    part = ImagePart(media_type="image/png", data="not base64")
    retell([*events[:-1], last.model_copy(update={"content": [part]})])
    assert "An image that can't be shown; it says it is image/png." in page(run).text
