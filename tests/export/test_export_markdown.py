"""The Markdown form: images as files, and nothing that gets out of its block."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from sample_episode import episode, png

from grader.agents.base import Turn, Usage
from grader.export.load import load_trial
from grader.export.markdown import write
from grader.transcript import Event, TurnEvent

Retell = Callable[[Iterable[Event]], None]


def exported(run: Path, out: Path) -> str:
    return write(load_trial(run, 0), out).read_text(encoding="utf-8")


def headings(text: str) -> list[str]:
    """Those of the document itself, not of what it quotes."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    pairs = pairwise(tokens)
    return [b.content for a, b in pairs if a.type == "heading_open" and a.level == 0]


def test_all_parts(run: Path, tmp_path: Path) -> None:
    text = exported(run, tmp_path)
    parts = ["Failed: missed bug", "Verdict", "Bugs", "False alarms", "Notebook diff", "Transcript"]
    found = headings(text)
    assert [part for part in found if part in parts] == parts
    assert found[-1] == "Turn 6"
    assert "| **failed** `ema-buffers` | P5 | fresh draw 2 | 0.7312 |" in text
    assert "+    total = EPOCHS * math.ceil(len(loader) / ACCUM)\n" in text
    assert "Entry 2 of the report: P2 in `data`" in text
    assert "rows listed: precision 0.50, recall 1.00" in text
    assert "Affected rows: step7\n" in text
    assert "Rows listed: step7, step9\n" in text
    assert "*Result (tool fault), 3.9 s*" in text


def test_images_are_files_beside_it(run: Path, tmp_path: Path) -> None:
    targets = re.findall(r"!\[[^]]*\]\((.*?)\)", exported(run, tmp_path))
    assert targets == ["trial-000_images/001.png", "trial-000_images/002.png"]
    assert (tmp_path / targets[0]).read_bytes() == png()


@pytest.mark.parametrize(
    "evil",
    [
        "# Passed\n\n## Verdict",
        "<script>alert(1)</script>",
        "text <!-- and the rest is hidden",
        "![x](http://192.0.2.1/x.png)",
        "[x](javascript:alert(1))",
        "```\nnever closed\n\n# Passed",
        "````\n```\n# Passed\n````",
        "1\r# Passed\n\r\n# Passed",
    ],
)
def test_hostile_text_stays_in_its_block(
    run: Path, tmp_path: Path, retell: Retell, evil: str
) -> None:
    turn = TurnEvent.of(1, Turn(evil, evil, (), Usage(), "end_turn"), 1.0)
    retell([episode()[0], turn])
    text = exported(run, tmp_path)
    assert headings(text)[-1] == "Turn 1"
    assert "Passed" not in headings(text)
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert "<script" not in html
    assert "<!--" not in html
    assert "<img" not in html
    assert "The transcript breaks off here" in html


@pytest.mark.parametrize("part", ["transcript.jsonl", "verdict.json", "submission.ipynb"])
def test_missing_parts_are_named(run: Path, trial: Path, tmp_path: Path, part: str) -> None:
    (trial / part).unlink()
    assert re.search("There is no transcript|has no verdict|no readable", exported(run, tmp_path))
