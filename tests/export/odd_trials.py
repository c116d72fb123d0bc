"""Trials that did not go as the sample trial did: killed, without any event, hostile."""

from __future__ import annotations

from pathlib import Path

from sample_episode import episode, png
from sample_trial import write_transcript

from grader.agents.base import ToolCall, Turn, Usage
from grader.transcript import Event, ImagePart, Note, ResultEvent, TextPart, TurnEvent
from kernel_tool.results import Fault, Image, Text, ToolResult

EVIL = "a\x00b\x07\x1b[31mred\u202e\u2028\ud800 \udfff\ufffe</script>"
SHOWN = "\\ud800 \\udfff"
HUGE = "0123456789" * 100_000
USAGE = Usage(40, 812, 9100, 1300)


def kill(run: Path, length: int) -> None:
    """Leaves so many events of the trial, as a kill does, and no verdict."""
    write_transcript(run / "trial-000", episode()[:length])
    (run / "trials.jsonl").unlink(missing_ok=True)
    for name in ("verdict.json", "submission.ipynb", "bug_report.json"):
        (run / "trial-000" / name).unlink(missing_ok=True)


def empty(run: Path) -> None:
    """Leaves nothing but the folder."""
    kill(run, 0)
    for path in (run / "trial-000").iterdir():
        path.unlink()


def hostile() -> list[Event]:
    """Everything that a model can write into a transcript."""
    arguments = {"code": EVIL, EVIL: [EVIL, {"big": 10**30, "inf": float("inf")}], "deep": deep()}
    calls = (ToolCall("toolu_1", EVIL, arguments), ToolCall(EVIL, "run_code", {}))
    first = TurnEvent.of(1, Turn(EVIL, EVIL, calls, USAGE, EVIL), 1.0)
    second = TurnEvent.of(2, Turn(HUGE, "", calls, USAGE, "tool_use"), 1.0)
    return [
        episode()[0],
        first,
        result("toolu_1", Text(EVIL), Image(b"no image", EVIL)),
        result("nobody asked", Text("an answer to nothing")),
        result(EVIL, Image(png())),
        Note(text=EVIL),
        second,
        result("toolu_1", Text(HUGE), fault=Fault.MODEL),
        not_base64(),
    ]


def deep(depth: int = 90) -> list[object]:
    """A list in a list in a list …"""
    inner: list[object] = []
    for _ in range(depth):
        inner = [inner]
    return inner


def result(call_id: str, *parts: Text | Image, fault: Fault | None = None) -> ResultEvent:
    """The answer to a call."""
    return ResultEvent.of(call_id, "run_code", ToolResult(parts, fault), 1.0)


def not_base64() -> ResultEvent:
    """The answer to the call with the odd id: an image that isn't one."""
    parts = [TextPart(text="a plot:"), ImagePart(media_type="image/png", data="%%%")]
    return result(EVIL).model_copy(update={"content": parts})
