"""The Messages API form: what the API itself would accept."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image as Canvas
from sample_episode import PROMPT, TOOLS, episode, png
from sample_trial import VERDICT

from grader.agents.base import ToolCall, Turn, Usage
from grader.export.load import load_trial
from grader.export.messages import conversation, write
from grader.transcript import Event, Note, ResultEvent, TurnEvent
from kernel_tool.results import Fault, Image, Text, ToolResult

Retell = Callable[[Iterable[Event]], None]


def blocks(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [block for message in messages for block in message["content"] if block["type"] == kind]


def assert_valid(messages: list[dict[str, Any]]) -> None:
    """The rules that the API checks."""
    roles = [message["role"] for message in messages]
    assert roles == [("user", "assistant")[k % 2] for k in range(len(roles))]
    assert all(message["content"] for message in messages)
    assert all(block["text"].strip() for block in blocks(messages, "text"))
    ids = [block["id"] for block in blocks(messages, "tool_use")]
    assert len(ids) == len(set(ids))
    for message, answer in pairwise([*messages, {"content": []}]):
        asked = [b["id"] for b in message["content"] if b["type"] == "tool_use"]
        results = [b for b in answer["content"] if b["type"] == "tool_result"]
        if message["role"] == "assistant":
            assert [b["tool_use_id"] for b in results] == asked
            assert answer["content"][: len(results)] == results
    for result in blocks(messages, "tool_result"):
        assert_valid_result(result)


def assert_valid_result(result: dict[str, Any]) -> None:
    kinds = [part["type"] for part in result["content"]]
    assert not result["is_error"] or set(kinds) == {"text"}
    for part in result["content"]:
        if part["type"] == "image":
            source = part["source"]
            assert source["type"] == "base64"
            picture = Canvas.open(io.BytesIO(base64.b64decode(source["data"], validate=True)))
            assert Canvas.MIME[picture.format or ""] == source["media_type"]
        else:
            assert part["text"].strip()


def exported(run: Path) -> dict[str, Any]:
    found = conversation(load_trial(run, 0))
    assert_valid(found["messages"])
    return found


def turn(n: int, *ids: str, text: str = "") -> TurnEvent:
    calls = tuple(ToolCall(key, "run_code", {"code": "1"}) for key in ids)
    return TurnEvent.of(n, Turn(text, "", calls, Usage(), "tool_use"), 1.0)


def result(key: str, answer: ToolResult) -> ResultEvent:
    return ResultEvent.of(key, "run_code", answer, 1.0)


def test_a_whole_trial(run: Path) -> None:
    found = exported(run)
    messages = found["messages"]
    assert found["tools"] == TOOLS
    assert messages[0] == {"role": "user", "content": [{"type": "text", "text": PROMPT}]}
    assert len(blocks(messages, "tool_use")) == 7
    assert blocks(messages, "thinking")[1]["thinking"].startswith("len(loader) is micro-batches")
    assert "10 of 40 tool calls are left." in json.dumps(messages[8])
    assert len(blocks([{"content": blocks(messages, "tool_result")[1]["content"]}], "image")) == 1


def test_the_metadata_hold_the_verdict(run: Path) -> None:
    metadata = exported(run)["metadata"]
    assert metadata["verdict"] == json.loads(VERDICT.model_dump_json())
    assert metadata["outcome"] == "failed"
    assert metadata["usage"] == {
        "input": 240,
        "output": 4872,
        "cache_read": 54600,
        "cache_write": 7800,
    }
    assert (metadata["model"], metadata["seed"], metadata["trial"]) == ("claude-x", 7, 0)


def test_a_cut_transcript_is_still_valid(run: Path, retell: Retell) -> None:
    events = episode()
    for length in range(len(events) + 1):
        retell(events[:length])
        exported(run)


def test_a_call_without_an_answer_gets_one(run: Path, retell: Retell) -> None:
    retell([episode()[0], turn(1, "a", "b"), result("b", ToolResult((Text("2"),)))])
    first, second = blocks(exported(run)["messages"], "tool_result")
    assert first["is_error"]
    assert first["content"][0]["text"] == "No result was recorded."
    assert second["content"] == [{"type": "text", "text": "2"}]


def test_ids_that_a_scripted_agent_uses_twice_are_told_apart(run: Path, retell: Retell) -> None:
    one, two = ToolResult((Text("one"),)), ToolResult((Text("two"),))
    retell([episode()[0], turn(1, "a"), result("a", one), turn(2, "a"), result("a", two)])
    results = blocks(exported(run)["messages"], "tool_result")
    assert [part["content"][0]["text"] for part in results] == ["one", "two"]


def test_what_the_api_does_not_take_is_put_otherwise(run: Path, retell: Retell) -> None:
    """Images in errors, empty results, ids with odd characters, turns that say nothing."""
    retell(
        [
            episode()[0],
            turn(1, "a b", "a b!", "c"),
            result("a b", ToolResult((Image(png()),), Fault.TOOL)),
            result("a b!", ToolResult((Text(" "), Image(b"no image")))),
            result("c", ToolResult(())),
            turn(2),
            Note(text="Go on."),
            turn(3, text="Done."),
        ]
    )
    messages = exported(run)["messages"]
    assert [block["type"] for block in messages[2]["content"]] == [
        "tool_result",
        "tool_result",
        "tool_result",
        "image",
        "text",
    ]
    assert messages[-1]["content"] == [{"type": "text", "text": "Done."}]


def test_a_file_is_written(run: Path, tmp_path: Path) -> None:
    path = write(load_trial(run, 0), tmp_path)
    assert path == tmp_path / "trial-000.json"
    assert json.loads(path.read_text()) == exported(run)
