"""What a request to the Messages API uses: the most it can, before; what it did, even if it broke
off."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anthropic.types import Usage as ApiUsage

from grader.agents.base import Usage

# A picture is shown at up to 1,000 pixels a side, which is less on every model.
IMAGE_TOKENS = 5_000
# English prose has about four characters to a token, code fewer.
_CHARACTERS_OF_A_TOKEN = 3


def usage_of(used: ApiUsage) -> Usage:
    """The API's count of a reply, by kind."""
    return Usage(
        input=used.input_tokens or 0,
        output=used.output_tokens or 0,
        cache_read=used.cache_read_input_tokens or 0,
        cache_write=used.cache_creation_input_tokens or 0,
    )


def most_tokens(parts: Any) -> int:
    """An upper bound on the tokens of messages or tools: a token has at least one byte."""
    if isinstance(parts, dict) and parts.get("type") == "image":
        return IMAGE_TOKENS
    if isinstance(parts, dict):
        return sum(len(key) + 4 + most_tokens(value) for key, value in parts.items())
    if isinstance(parts, list | tuple):
        return sum(1 + most_tokens(part) for part in parts)
    return len(json.dumps(parts, ensure_ascii=False).encode("utf-8", "replace"))


@dataclass
class Meter:
    """Follows the events of a reply, so that one that breaks off is counted, too."""

    usage: Usage = Usage()  # noqa: RUF009 (frozen)
    _characters: int = 0

    def see(self, event: Any) -> None:
        """Take up an event of the stream."""
        if event.type == "message_start":
            self.usage = usage_of(event.message.usage)
        elif event.type == "content_block_delta":
            self._characters += sum(map(len, _texts(event.delta)))
            guess = self._characters // _CHARACTERS_OF_A_TOKEN
            self._output(max(self.usage.output, guess))
        elif event.type == "message_delta":
            self._output(event.usage.output_tokens or 0)

    def _output(self, tokens: int) -> None:
        used = self.usage
        self.usage = Usage(used.input, tokens, used.cache_read, used.cache_write)


def _texts(delta: Any) -> Sequence[str]:
    names = ("text", "thinking", "partial_json")
    return [text for name in names if isinstance(text := getattr(delta, name, None), str)]
