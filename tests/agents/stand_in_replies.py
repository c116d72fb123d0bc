"""What the stand-in says: replies and faults, and how a reply is streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Block = dict[str, Any]
# Of a stream; a string is sent as it is.
Event = dict[str, Any] | str

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def text(words: str) -> Block:
    return {"type": "text", "text": words}


def thinking(words: str, signature: str | None = None) -> Block:
    """A thinking block; the server signs it unless ``signature`` is given (``""``: cut off)."""
    return {"type": "thinking", "thinking": words, "signature": signature}


def call(name: str, arguments: Mapping[str, Any] | str, call_id: str | None = None) -> Block:
    """A tool call; a string of ``arguments`` is streamed as it is, so it may be cut-off JSON."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


class Reply:
    """A message of the model. Its stop reason follows from its blocks unless it is given."""

    def __init__(
        self,
        *blocks: Block,
        stop_reason: str | None = None,
        usage: Mapping[str, int] | None = None,
        stop_details: Mapping[str, str] | None = None,
    ) -> None:
        calls = any(block["type"] == "tool_use" for block in blocks)
        self.blocks = blocks
        self.stop_reason = stop_reason or ("tool_use" if calls else "end_turn")
        self.usage = {"input_tokens": 10, "output_tokens": 5, **(usage or {})}
        self.stop_details = stop_details

    def using(self, usage: Mapping[str, int]) -> Reply:
        """The reply with another usage."""
        return Reply(
            *self.blocks, stop_reason=self.stop_reason, usage=usage, stop_details=self.stop_details
        )

    def named(self, number: int) -> Reply:
        """The reply to the ``number``-th request, with the ids and signatures it was left open."""
        blocks = [dict(block) for block in self.blocks]
        for place, block in enumerate(blocks):
            for key, prefix in (("id", "toolu"), ("signature", "signature")):
                if key in block and block[key] is None:
                    block[key] = f"{prefix}_{number}_{place}"
        return Reply(
            *blocks, stop_reason=self.stop_reason, usage=self.usage, stop_details=self.stop_details
        )


@dataclass(frozen=True)
class Broken:
    """A reply that breaks off: before its ``start``, ``half`` way, or before its ``end`` event.

    The connection is ``dropped``, or the stream ends as if it were whole (``unfinished``), falls
    ``silent``, goes on with an event that is no JSON (``garbled``), or an error event of that type
    ends it (``overloaded_error``).
    """

    reply: Reply
    how: str = "dropped"
    at: str = "half"

    def named(self, number: int) -> Broken:
        return replace(self, reply=self.reply.named(number))

    def using(self, usage: Mapping[str, int]) -> Broken:
        return replace(self, reply=self.reply.using(usage))


@dataclass(frozen=True)
class Fault:
    """An HTTP error in place of a reply."""

    status: int
    message: str = "no reason given"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        kind = _KINDS.get(self.status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": self.message}}


@dataclass(frozen=True)
class Page:
    """What isn't of the API, with status 200: a proxy's page, or JSON that was cut."""

    body: str = "<html>Please log in.</html>"
    content_type: str = "text/html"


@dataclass(frozen=True)
class NoAnswer:
    """The request is read, and then nothing; or the server ``hangs_up``."""

    hangs_up: bool = False


Step = Reply | Broken | Fault | Page | NoAnswer


def whole_message(reply: Reply, model: str) -> dict[str, Any]:
    """The reply as it is sent when nobody asked for a stream."""
    return {
        **_opening(reply, model),
        "content": list(reply.blocks),
        "stop_reason": reply.stop_reason,
        "usage": reply.usage,
    }


def events(step: Reply | Broken, model: str) -> Iterator[Event]:
    """The events of a reply's stream, as far as it goes."""
    if isinstance(step, Reply):
        yield from _events(step, model)
        return
    parts = list(_events(step.reply, model))
    yield from parts[: {"start": 0, "half": len(parts) // 2, "end": len(parts) - 1}[step.at]]
    if step.how == "garbled":
        yield '{"type": "content_block_delta", "index": 0, "del'
    elif step.how not in ("dropped", "unfinished", "silent"):
        yield {"type": "error", "error": {"type": step.how, "message": "it broke off"}}


def sent_as(event: Event) -> bytes:
    """An event as server-sent events have it."""
    if isinstance(event, str):
        return f"event: content_block_delta\ndata: {event}\n\n".encode()
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _events(reply: Reply, model: str) -> Iterator[dict[str, Any]]:
    usage = {**reply.usage, "output_tokens": 1}
    yield {"type": "message_start", "message": {**_opening(reply, model), "usage": usage}}
    yield {"type": "ping"}
    for index, block in enumerate(reply.blocks):
        opening, deltas = _pieces(block)
        yield {"type": "content_block_start", "index": index, "content_block": opening}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end: dict[str, Any] = {"stop_reason": reply.stop_reason, "stop_sequence": None}
    if reply.stop_details:
        end["stop_details"] = {"type": "refusal", **reply.stop_details}
    used = {"output_tokens": reply.usage["output_tokens"]}
    yield {"type": "message_delta", "delta": end, "usage": used}
    yield {"type": "message_stop"}


def _opening(reply: Reply, model: str) -> dict[str, Any]:
    return {
        "id": f"msg_{id(reply):x}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _pieces(block: Block) -> tuple[Block, list[Block]]:
    """A block as it opens, and the deltas that fill it."""
    match block["type"]:
        case "text":
            return {**block, "text": ""}, _halves("text_delta", "text", block["text"])
        case "thinking":
            deltas = _halves("thinking_delta", "thinking", block["thinking"])
            if block["signature"]:
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return {**block, "thinking": "", "signature": ""}, deltas
        case "tool_use":
            sent = block["input"] if isinstance(block["input"], str) else json.dumps(block["input"])
            return {**block, "input": {}}, _halves("input_json_delta", "partial_json", sent)
        case _:
            return block, []


def _halves(kind: str, key: str, words: str) -> list[Block]:
    middle = len(words) // 2
    return [{"type": kind, key: half} for half in (words[:middle], words[middle:]) if half]
