"""What the Messages API takes: the rules that an agent's loop can break."""

from __future__ import annotations

import base64
import binascii
import json
import re
from itertools import pairwise
from typing import Any

from tests.agents.stand_in_replies import Block, Reply

_MEDIA_TYPES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_SPOKEN = {"user", "assistant"}


class RefusedError(Exception):
    """The request is not one that the API takes; the text says why, as the API would."""


class Rules:
    """Checks requests, and that the thinking in them is what was once sent, in its place."""

    def __init__(self, *, thinking: bool = True, caching: bool = True) -> None:
        self._thinking = thinking
        self._caching = caching
        # By signature: the block, and all that the model had before it when it thought.
        self._thoughts: dict[str, tuple[Block, str]] = {}
        # By the id of a call: the signatures of the reply that made it.
        self._signatures: dict[str, list[str]] = {}
        self._paused: set[str] = set()

    def remember(self, body: dict[str, Any], reply: Reply) -> None:
        """Keep what a later request has to send back."""
        before = _flat(body["messages"])
        signed = [block["signature"] for block in reply.blocks if block.get("signature")]
        for block in reply.blocks:
            if block.get("signature"):
                self._thoughts[block["signature"]] = (block, _key(body, before))
            if block["type"] == "tool_use":
                self._signatures[block["id"]] = signed
            before = [*before, ("assistant", block)]
        if reply.stop_reason == "pause_turn":
            self._paused.add(_key(body, before))

    def check(self, body: dict[str, Any]) -> None:
        """Raises :class:`RefusedError` with the first rule that ``body`` breaks."""
        halves = re.search("[\ud800-\udfff]", json.dumps(body, ensure_ascii=False))
        _need(halves is None, "The request body is not valid JSON: half a surrogate pair")
        self._check_parameters(body)
        _check_breakpoints(body)
        for tool in body.get("tools", []):
            _check_tool(tool)
        messages = [(m["role"], _blocks(m)) for m in body["messages"]]
        self._check_roles(body, messages)
        for place, (role, blocks) in enumerate(messages):
            _need(bool(blocks), f"messages.{place}: must have non-empty content")
            _check_texts(blocks)
            _check_calls(blocks)
            earlier = messages[place - 1][1] if place else []
            if role == "user":
                _check_answers(earlier, blocks)
        self._check_thoughts(body)

    def _check_parameters(self, body: dict[str, Any]) -> None:
        limit = body.get("max_tokens")
        _need(isinstance(limit, int) and limit > 0, "max_tokens: Field required")
        thinking = body.get("thinking")
        if thinking is not None:
            _need(thinking.get("type") == "adaptive", "thinking.type: unknown")
            _need(self._thinking, "adaptive thinking is not supported on this model")
        cached = body.get("cache_control")
        if cached is not None:
            _need(self._caching, "cache_control: Extra inputs are not permitted")
            _need(cached.get("type") == "ephemeral", "cache_control.type: unknown")

    def _check_roles(self, body: dict[str, Any], messages: list[tuple[str, list[Block]]]) -> None:
        roles = [role for role, _ in messages]
        _need(set(roles) <= _SPOKEN, "messages: unknown role")
        _need(bool(roles) and roles[0] == "user", "messages: first message must use the user role")
        alternate = all(a != b for a, b in pairwise(roles))
        _need(alternate, "messages: roles must alternate")
        if roles[-1] == "assistant":
            paused = _key(body, _flat(body["messages"])) in self._paused
            _need(paused, "This model does not support assistant message prefill.")

    def _check_thoughts(self, body: dict[str, Any]) -> None:
        flat = _flat(body["messages"])
        sent_back = [block.get("signature") for _, block in flat]
        for place, (_, block) in enumerate(flat):
            if block["type"] == "thinking":
                known, before = self._thoughts.get(block.get("signature", ""), (None, ""))
                _need(known == block, "Invalid `signature` in `thinking` block")
                same = _key(body, flat[:place]) == before
                _need(same, "`thinking` block: what came before it has changed")
            if block["type"] == "tool_use":
                missing = set(self._signatures.get(block["id"], [])) - set(sent_back)
                _need(not missing, "`thinking` blocks must remain as they were")


def _check_tool(tool: dict[str, Any]) -> None:
    _need(bool(re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", tool.get("name", ""))), "tools: bad name")
    _need(isinstance(tool.get("description"), str), "tools: description: Field required")
    _need(tool.get("input_schema", {}).get("type") == "object", "tools: input_schema: bad")


def _check_texts(blocks: list[Block]) -> None:
    texts = [block["text"] for block in blocks if block["type"] == "text"]
    _need(all(texts), "messages: text content blocks must be non-empty")
    blank = len(texts) == len(blocks) and not "".join(texts).strip()
    _need(not blank, "messages: text content blocks must contain non-whitespace text")
    for block in blocks:
        if block["type"] == "image":
            _check_image(block)


def _check_calls(blocks: list[Block]) -> None:
    inputs = [block["input"] for block in blocks if block["type"] == "tool_use"]
    _need(all(isinstance(each, dict) for each in inputs), "tool_use.input: should be an object")


def _check_breakpoints(body: dict[str, Any]) -> None:
    """Four places may be marked for the cache, the automatic one counts; thinking may not."""
    marked = [block for _, block in all_blocks(body) if "cache_control" in block]
    most = 4 - ("cache_control" in body)
    _need(len(marked) <= most, f"A maximum of {most} blocks with cache_control may be provided")
    for block in marked:
        kind = block.get("type")
        _need(kind not in ("thinking", "redacted_thinking"), f"{kind}: cache_control: Extra inputs")


def _check_answers(asked: list[Block], blocks: list[Block]) -> None:
    """Each call of the message before is answered here, first of all, and nothing else is."""
    calls = [block["id"] for block in asked if block["type"] == "tool_use"]
    results = [block for block in blocks if block["type"] == "tool_result"]
    answered = [block["tool_use_id"] for block in results]
    _need(set(calls) <= set(answered), "`tool_use` ids were found without `tool_result` blocks")
    _need(set(answered) <= set(calls), "unexpected `tool_use_id` found in `tool_result` blocks")
    _need(len(answered) == len(set(answered)), "each tool_use must have a single result")
    _need(blocks[: len(results)] == results, "`tool_result` blocks must come first")
    for result in results:
        _check_result(result)


def _check_result(result: Block) -> None:
    content = _blocks(result)
    _check_texts(content) if content else None
    if result.get("is_error"):
        _need(bool(content), "content cannot be empty if `is_error` is true")
        only_text = all(block["type"] == "text" for block in content)
        _need(only_text, "all content must be type `text` if `is_error` is true")


def _check_image(block: Block) -> None:
    source = block["source"]
    _need(source.get("type") == "base64", "image.source.type: unknown")
    _need(source.get("media_type") in _MEDIA_TYPES, "image.source.media_type: unknown")
    try:
        data = base64.b64decode(source["data"], validate=True)
    except binascii.Error:
        data = b""
    _need(bool(data), "image.source: invalid base64 data")


def _blocks(holder: dict[str, Any]) -> list[Block]:
    content = holder.get("content") or []
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _flat(messages: list[dict[str, Any]]) -> list[tuple[str, Block]]:
    return [(m["role"], unmarked(block)) for m in messages for block in _blocks(m)]


def all_blocks(body: dict[str, Any]) -> list[tuple[str, Block]]:
    """All of a prompt that the cache can keep, in its order."""
    system = body.get("system") or []
    if isinstance(system, str):
        system = [{"type": "text", "text": system}]
    messages = [(m["role"], block) for m in body["messages"] for block in _blocks(m)]
    return [
        *(("tools", tool) for tool in body.get("tools", [])),
        *(("system", block) for block in system),
        *messages,
    ]


def unmarked(block: Block) -> Block:
    """A block without its mark for the cache, which is no part of the prompt."""
    return {key: value for key, value in block.items() if key != "cache_control"}


def _key(body: dict[str, Any], before: list[tuple[str, Block]]) -> str:
    return json.dumps([body.get("tools"), body.get("system"), before], sort_keys=True)


def _need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise RefusedError(otherwise)
