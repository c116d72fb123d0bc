"""The messages of one episode, kept in the form that the Messages API accepts next."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, cast

from anthropic.types import ContentBlock, Message, MessageParam

from grader.agents.base import ToolCall
from kernel_tool.results import Fault, Image, Text, ToolResult
from kernel_tool.text import encodable

Block = dict[str, Any]

CUT = "This call was cut off at the output limit, so it was not run. Send it again, shorter."
UNANSWERED = "This call was not run."
FAILED = "The call failed."
GO_ON = "Go on."
# Blocks that the API looks back for what it has cached, the last one included.
LOOKBACK = 20


class Conversation:
    """Only ever grows at its end: a model's thinking is bound to everything that came before it."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        # What each call of the last reply is answered with if it gets no result.
        self._open: dict[str, str] = {}

    @property
    def messages(self) -> list[MessageParam]:
        return cast("list[MessageParam]", self._messages)

    @property
    def marked(self) -> list[MessageParam]:
        """The messages, with a mark for the prompt cache where the last request ended, if that lies
        so far back that the cache wouldn't be looked through as far: else all would be paid anew.
        """
        users = [n for n, each in enumerate(self._messages[:-1]) if each["role"] == "user"]
        if not users:
            return self.messages
        *before, last = self._messages[: users[-1] + 1]
        since = self._messages[users[-1] + 1 :]
        if sum(len(message["content"]) for message in since) < LOOKBACK:
            return self.messages
        *blocks, block = last["content"]
        mark = {**last, "content": [*blocks, {**block, "cache_control": {"type": "ephemeral"}}]}
        return cast("list[MessageParam]", [*before, mark, *since])

    @property
    def begun(self) -> bool:
        """Whether the model has said anything yet."""
        return len(self._messages) > 1

    def reply(self, message: Message) -> tuple[ToolCall, ...]:
        """Take up what the model said; returns the calls that it finished."""
        blocks = _returnable(message)
        self._append("assistant", [block.to_dict(mode="json") for block in blocks])
        calls = [block for block in blocks if block.type == "tool_use"]
        self._open = dict.fromkeys((call.id for call in calls), UNANSWERED)
        # The limit falls into the last block: its input may still parse, but it isn't all there.
        if message.stop_reason == "max_tokens" and calls and message.content[-1] is calls[-1]:
            self._open[calls.pop().id] = CUT
        return tuple(ToolCall(call.id, call.name, call.input) for call in calls)

    def answer(
        self, results: Sequence[tuple[ToolCall, ToolResult]] = (), note: str | None = None
    ) -> None:
        """Answer every call of the last reply, also those not run, in one user message."""
        given = {call.id: result for call, result in results}
        answers = [
            (call_id, given.get(call_id) or ToolResult((Text(default),), Fault.MODEL))
            for call_id, default in self._open.items()
        ]
        blocks = [_tool_result(call_id, result) for call_id, result in answers]
        for _, result in answers:
            blocks += _images_of_error(result)
        if note or not blocks:
            blocks.append(_part(Text(note or GO_ON)))
        self._open = {}
        self._append("user", blocks)

    def _append(self, role: str, blocks: list[Block]) -> None:
        """Roles alternate: where the other side said nothing, the last message goes on."""
        if not blocks:
            return
        blocks = [_sendable(block) for block in blocks]
        if self._messages and self._messages[-1]["role"] == role:
            self._messages[-1]["content"] += blocks
        else:
            self._messages.append({"role": role, "content": blocks})


def has_objects_only(message: Message) -> bool:
    """Whether the arguments of each call are an object: the API takes no other back."""
    return all(isinstance(b.input, dict) for b in message.content if b.type == "tool_use")


def _sendable(part: Any) -> Any:
    """A block without halves of surrogate pairs, which JSON can name and UTF-8 can't hold."""
    if isinstance(part, str):
        return encodable(part)
    if isinstance(part, list):
        return [_sendable(each) for each in part]
    if isinstance(part, dict):
        return {_sendable(key): _sendable(value) for key, value in part.items()}
    return part


def _returnable(message: Message) -> list[ContentBlock]:
    """The content as it came, less what the API returns but doesn't take back: empty text, a
    message of nothing but blank text, and thinking that was cut off before its signature."""
    blocks = [block for block in message.content if block.type != "text" or block.text]
    cut = message.stop_reason == "max_tokens"
    if cut and blocks and blocks[-1].type == "thinking" and not blocks[-1].signature:
        blocks.pop()
    blank = all(block.type == "text" and not block.text.strip() for block in blocks)
    return [] if blank else blocks


def _tool_result(call_id: str, result: ToolResult) -> Block:
    """An error has text and nothing else: the API takes neither an image in it nor no content."""
    parts = [part for part in result.content if isinstance(part, Image) or part.text.strip()]
    if result.is_error:
        parts = [part for part in parts if isinstance(part, Text)] or [Text(FAILED)]
    return {
        "type": "tool_result",
        "tool_use_id": call_id,
        "content": [_part(part) for part in parts],
        "is_error": result.is_error,
    }


def _images_of_error(result: ToolResult) -> list[Block]:
    """These stand beside their result, which can't hold them."""
    if not result.is_error:
        return []
    return [_part(part) for part in result.content if isinstance(part, Image)]


def _part(part: Text | Image) -> Block:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    data = base64.b64encode(part.data).decode()
    source = {"type": "base64", "media_type": part.media_type, "data": data}
    return {"type": "image", "source": source}
