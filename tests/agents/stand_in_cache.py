"""The API's prompt cache, and a count of tokens: what the usage of a reply says.

After https://platform.claude.com/docs/en/build-with-claude/prompt-caching, read in a stored copy of
autumn 2026; the minimum of Opus 5.5 is from what others quote of a later one.
Tokens are counted by a fixed rule, four characters to one, so only shares mean something. Where
the documentation leaves a question open, the answer that saves less is taken: reading an entry
prolongs that entry alone, not those for shorter prefixes of the same prompt.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.agents.stand_in_replies import Block
from tests.agents.stand_in_rules import all_blocks, unmarked

LIFETIME = 300.0
LOOKBACK = 20
# Tokens below which nothing is kept; of a model that isn't listed, the most frequent figure.
MINIMUM = {
    "claude-opus-5-5": 512,
    "claude-opus-4-7": 2_048,
    "claude-opus-4-6": 4_096,
    "claude-opus-4-5": 4_096,
    "claude-haiku-4-5": 4_096,
}
USUAL_MINIMUM = 1_024

_CHARACTERS = 4
_IMAGE = 1_300  # of 1,000 by 1,000 pixels, in patches of 28 by 28
_RUNS = ("tool_use", "tool_result")
_UNMARKABLE = ("thinking", "redacted_thinking")
# Parameters that are rendered into the prompt, between the system's part and the messages.
_RENDERED = ("thinking", "output_config", "tool_choice")


def tokens(part: Any) -> int:
    """Of a block, a tool or a list of them."""
    if isinstance(part, dict) and part.get("type") == "image":
        return _IMAGE
    if isinstance(part, dict) and isinstance(part.get("content"), list):
        return tokens({**part, "content": ""}) + tokens(part["content"])
    if isinstance(part, list | tuple):
        return sum(map(tokens, part))
    return -(-len(json.dumps(part, ensure_ascii=False)) // _CHARACTERS)


@dataclass
class PromptCache:
    """Prefixes of prompts, each kept for five minutes from its last use."""

    clock: Callable[[], float] = time.monotonic
    # By prefix: how often its last block was written.
    written: Counter[str] = field(default_factory=Counter)
    _kept: dict[str, float] = field(default_factory=dict)

    def usage(self, body: dict[str, Any]) -> dict[str, int]:
        """Look a request up, and keep what it marks: input tokens by kind."""
        prompt = _Prompt(body)
        found = max(map(self._lookup(prompt), prompt.marks), default=0)
        lasts = [mark for mark in prompt.marks if prompt.counts[mark] >= _minimum(body["model"])]
        end = max([*lasts, found])
        for mark in lasts:
            self._kept[prompt.prefixes[mark]] = self.clock()
        self.written.update(prompt.prefixes[found + 1 : end + 1])
        return {
            "input_tokens": prompt.counts[-1] - prompt.counts[end],
            "cache_creation_input_tokens": prompt.counts[end] - prompt.counts[found],
            "cache_read_input_tokens": prompt.counts[found],
        }

    def _lookup(self, prompt: _Prompt) -> Callable[[int], int]:
        """For a mark: the longest prefix that is kept, among the positions it looks back on."""

        def look(mark: int) -> int:
            for place in prompt.places_before(mark):
                prefix = prompt.prefixes[place]
                if self.clock() - self._kept.get(prefix, -LIFETIME) < LIFETIME:
                    self._kept[prefix] = self.clock()
                    return place
            return 0

        return look


class _Prompt:
    """A request as the cache sees it; place 0 is before the first block.

    prefixes, counts: by place, the hash and the tokens of all up to it. marks: the places up to
    which it is to be kept.
    """

    def __init__(self, body: dict[str, Any]) -> None:
        self._blocks = all_blocks(body)
        rendered = {name: body.get(name) for name in _RENDERED}
        self.prefixes, self.counts = [_hash("", body["model"])], [0]
        for role, block in self._blocks:
            of_messages = rendered if role in ("user", "assistant") else None
            part = [role, unmarked(block), of_messages]
            self.prefixes.append(_hash(self.prefixes[-1], part))
            self.counts.append(self.counts[-1] + tokens(unmarked(block)))
        self.marks = self._marks(body)

    def _marks(self, body: dict[str, Any]) -> list[int]:
        places = list(enumerate((block for _, block in self._blocks), 1))
        marks = {place for place, block in places if "cache_control" in block}
        if "cache_control" in body:
            able = [place for place, block in places if block.get("type") not in _UNMARKABLE]
            marks.add(able[-1])
        return sorted(marks)

    def places_before(self, mark: int) -> Sequence[int]:
        """A mark's place and those before it, for 20 positions: a run of calls, or of results, is
        one position."""
        found, positions = [], 0
        for place in range(mark, 0, -1):
            positions += place == mark or not self._same_run(place)
            if positions > LOOKBACK:
                break
            found.append(place)
        return found

    def _same_run(self, place: int) -> bool:
        """Whether the block at a place and the one after it are of one run."""
        kinds = {self._blocks[place - 1][1].get("type"), self._blocks[place][1].get("type")}
        return len(kinds) == 1 and kinds <= set(_RUNS)


def _minimum(model: str) -> int:
    return MINIMUM.get(re.sub(r"-\d{8}$", "", model), USUAL_MINIMUM)


def _hash(before: str, part: Block | Any) -> str:
    return hashlib.sha256((before + json.dumps(part)).encode()).hexdigest()
