"""Tokens of a reply that broke off are counted as far as they are known, and a request's bound is
one."""

from __future__ import annotations

from typing import Any

import pytest

from grader.agents.base import AgentError, Usage
from grader.agents.metering import most_tokens
from tests.agents.playing import TOOLS, playing
from tests.agents.stand_in_cache import tokens
from tests.agents.stand_in_replies import Broken, Reply, Step, call, text, thinking

WORDS = "one two three " * 100
USED = {"input_tokens": 70, "output_tokens": 400, "cache_read_input_tokens": 900}


async def used(*script: Step) -> Usage:
    """What the first turn has used, whether it came to be or not."""
    async with playing(script, retries=1) as (agent, _):
        try:
            return (await agent.begin("Go.", TOOLS)).usage
        except AgentError as error:
            return error.usage


@pytest.mark.parametrize(
    "block", [text(WORDS), thinking(WORDS), call("run", {"cell": WORDS})], ids=lambda b: b["type"]
)
async def test_what_was_received_of_a_broken_reply_is_counted(block: dict[str, Any]) -> None:
    counted = await used(Broken(Reply(block, usage=USED)), Reply(text("Hi.")))
    assert (counted.input, counted.cache_read) == (70 + 10, 900)
    # Half of the words, by three characters to a token.
    assert counted.output - 5 == pytest.approx(len(WORDS) / 2 / 3, rel=0.1)


async def test_what_the_server_has_told_goes_before_what_was_guessed() -> None:
    counted = await used(Broken(Reply(text(WORDS), usage=USED), at="end"), Reply(text("Hi.")))
    assert counted == Usage(70 + 10, 400 + 5, 900, 0)


async def test_nothing_is_known_of_a_reply_that_did_not_begin() -> None:
    counted = await used(Broken(Reply(text(WORDS)), at="start"), Reply(text("Hi.")))
    assert counted == Usage(10, 5)


async def test_all_replies_of_a_turn_that_fails_are_counted() -> None:
    broken = Broken(Reply(text("Hi."), usage=USED), at="end")
    assert await used(broken, broken) == Usage(140, 800, 1_800, 0)


@pytest.mark.parametrize(
    "words", ["plain words", "µ→日本語", '\x00\x1f\\"', "🙂" * 9, "\ud800", " " * 50, ""]
)
def test_a_bound_is_no_less_than_the_bytes_of_the_text(words: str) -> None:
    block = text(words)
    assert most_tokens([block]) >= len(words.encode("utf-8", "replace"))
    assert most_tokens([block]) >= tokens([block])
    assert most_tokens([block, block]) >= 2 * most_tokens([block])


def test_a_picture_is_bounded_by_what_it_shows_and_not_by_its_bytes() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "A" * 1_000_000}
    picture = {"type": "image", "source": source}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [picture, text("a plot")]}
    assert tokens([result]) <= most_tokens([result]) < 10_000
