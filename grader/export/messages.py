"""A trial in the shape of the Messages API, for whatever else reads conversations.

The answer key is left out of it: what a model said goes here, and what became of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from grader.export.facts import metadata
from grader.export.images import picture, unshown
from grader.export.load import TrialRecord
from grader.export.turns import UNANSWERED, CallIds, Exchange, Step, steps
from grader.transcript import ImagePart, Note, ResultEvent, TextPart

Block = dict[str, Any]

FAILED = "The call failed."


def write(record: TrialRecord, folder: Path) -> Path:
    """Writes ``trial-000.json`` into a folder; returns its path."""
    path = folder / f"{record.name}.json"
    # ASCII, so that also text that isn't valid Unicode comes through as it was.
    path.write_text(json.dumps(conversation(record), indent=1) + "\n", encoding="utf-8")
    return path


def conversation(record: TrialRecord) -> dict[str, Any]:
    """The tools, the messages, and the verdict as metadata."""
    return {
        "tools": record.start.tools if record.start else [],
        "messages": _Messages(record).messages,
        "metadata": metadata(record),
    }


class _Messages:
    """Roles alternate, as the API wants: what follows in the same role joins the last message."""

    def __init__(self, record: TrialRecord) -> None:
        self.messages: list[dict[str, Any]] = []
        self._ids = CallIds()
        if record.start:
            self._add("user", [_text(record.start.prompt)])
        for item in steps(record.events):
            if isinstance(item, Note):
                self._add("user", [_text(item.text)])
            else:
                self._step(item)

    def _step(self, step: Step) -> None:
        turn = step.turn
        calls = [(self._ids.new(exchange.call, turn.n), exchange) for exchange in step.exchanges]
        thinking = [{"type": "thinking", "thinking": turn.thinking}] if turn.thinking else []
        text = [_text(turn.text)] if turn.text.strip() else []
        self._add("assistant", thinking + text + [_use(key, ex) for key, ex in calls])
        self._add("user", [_result(key, exchange.result) for key, exchange in calls])
        # An error holds text and nothing else; its images stand beside it.
        self._add("user", [image for _, ex in calls for image in _images_of_error(ex.result)])

    def _add(self, role: str, blocks: list[Block]) -> None:
        if not blocks:
            return
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"] += blocks
        else:
            self.messages.append({"role": role, "content": blocks})


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _use(key: str, exchange: Exchange) -> Block:
    call = exchange.call
    return {"type": "tool_use", "id": key, "name": call.name, "input": call.arguments}


def _result(key: str, result: ResultEvent | None) -> Block:
    return {
        "type": "tool_result",
        "tool_use_id": key,
        "content": _content(result),
        "is_error": result is None or result.fault is not None,
    }


def _content(result: ResultEvent | None) -> list[Block]:
    if result is None:
        return [_text(UNANSWERED)]
    blocks = _blocks(result.content)
    if result.fault is None:
        return blocks
    return [block for block in blocks if block["type"] == "text"] or [_text(FAILED)]


def _images_of_error(result: ResultEvent | None) -> list[Block]:
    if result is None or result.fault is None:
        return []
    return [block for block in _blocks(result.content) if block["type"] == "image"]


def _blocks(parts: Iterable[TextPart | ImagePart]) -> list[Block]:
    """The API takes no blank text."""
    return [_block(part) for part in parts if isinstance(part, ImagePart) or part.text.strip()]


def _block(part: TextPart | ImagePart) -> Block:
    if isinstance(part, TextPart):
        return _text(part.text)
    shown = picture(part)
    if shown is None:
        return _text(unshown(part))
    source = {"type": "base64", "media_type": shown.media_type, "data": shown.base64}
    return {"type": "image", "source": source}
